"""The report of a blend or a restoration as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from pansharpkit.report.quality import (
    Clipped,
    FailedTile,
    MethodSummary,
    Number,
    Provenance,
    RasterSummary,
)

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class ImagesReport:
    """Everything that is known about an image made of images of one resolution."""

    task: Literal["blend", "denoise"]
    sources: tuple[RasterSummary, ...]
    """In the order given: all images of a blend; the noisy one and its guide."""
    scales: tuple[tuple[float, float], ...]
    """(scale, offset) that brought each to the scale of the first; (1, 0) for those left alone."""
    fused: RasterSummary
    method: MethodSummary
    indices: Mapping[str, Number]
    definitions: Mapping[str, str]
    """How each index was computed, by its name; further entries hold for all of them."""
    n_pixels: int
    """Valid pixels of the result."""
    masked_fraction: float
    """Share of its pixels that are missing, 0 ... 1."""
    clipped: Mapping[str, Clipped]
    """Per band, pixels that did not fit the output type."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    failed_tiles: tuple[FailedTile, ...] = ()
    schema_version: str = SCHEMA_VERSION

    def to_json(self) -> str:
        """Return the report as indented JSON; what is not finite becomes null."""
        return _adapter().dump_json(self, indent=2).decode() + "\n"


@cache
def _adapter() -> TypeAdapter[ImagesReport]:
    return TypeAdapter(ImagesReport)
