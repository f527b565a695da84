"""The quality report as data: what was fused, how, and how good it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError, with_config

from pansharpkit.errors import MetadataError
from pansharpkit.grid import Grid
from pansharpkit.registration import Registration
from pansharpkit.report.selection import Selection

SCHEMA_VERSION = "1.3"

Protocol = Literal["full-resolution", "reduced-resolution"]
Number = float | None
"""None where a value does not exist: nothing to average, or not finite."""
_documented = with_config(ConfigDict(use_attribute_docstrings=True))  # fills the JSON Schema


@_documented
@dataclass(frozen=True)
class GridSummary:
    """Where the pixels of a raster lie."""

    height: int
    width: int
    transform: tuple[float, float, float, float, float, float]
    """a, b, c, d, e, f: x = a col + b row + c, y = d col + e row + f, of pixel corners."""
    crs: str | None
    """Authority code, or WKT where there is none."""
    gsd: tuple[float, float]
    """Pixel size along rows and columns, in CRS units."""

    @classmethod
    def of(cls, grid: Grid) -> GridSummary:
        """Summarise a grid."""
        t = grid.transform
        crs = grid.crs.to_string() if grid.crs else None
        return cls(grid.height, grid.width, (t.a, t.b, t.c, t.d, t.e, t.f), crs, grid.gsd)


@_documented
@dataclass(frozen=True)
class RasterSummary:
    """One raster, without its pixels."""

    name: str
    """File name, without folder."""
    bands: tuple[str, ...]
    dtype: str
    nodata: str | None
    """Value of missing pixels; as text, because it may be ``nan``."""
    grid: GridSummary


@_documented
@dataclass(frozen=True)
class SceneSummary:
    """The pair that was fused."""

    guide: RasterSummary
    target: RasterSummary
    fused: RasterSummary
    sensor: str | None
    ratio: tuple[float, float]
    """Guide pixels per target pixel, along rows and columns."""
    phase: tuple[float, float]
    """Guide index of the centre of target sample 0, along rows and columns."""
    acquired: str | None = None
    """Date or time, ISO 8601."""


@_documented
@dataclass(frozen=True)
class MethodSummary:
    """How the pair was fused."""

    name: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    fit: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the method estimated from the scene: weights, gains."""


@_documented
@dataclass(frozen=True)
class TileQuality:
    """Quality of a rectangle of the fused raster."""

    row: int
    col: int
    height: int
    width: int
    q: Number
    indices: Mapping[str, Number] = field(default_factory=dict)
    """Other indices of this tile alone: means over its blocks, not parts of the scene's index."""


@_documented
@dataclass(frozen=True)
class Histogram:
    """How the values of a band, or NDVI, are spread before and after, at the same pixels."""

    name: str
    low: float
    """Lower edge of the first bin, stored units."""
    high: float
    """Upper edge of the last bin; bins are of equal width."""
    before: tuple[int, ...]
    """Pixels of the upsampled target in each bin."""
    after: tuple[int, ...]
    """Fused pixels in each bin."""


@_documented
@dataclass(frozen=True)
class FailedTile:
    """A rectangle of the fused raster on which the method failed."""

    index: int
    row: int
    col: int
    height: int
    width: int
    reason: str
    """What failed, and what was done instead."""


@_documented
@dataclass(frozen=True)
class PointSpectra:
    """The spectra of one place, before and after."""

    row: int
    """Of the fused raster."""
    col: int
    target: tuple[Number, ...]
    """One value for each band of the target's sample there."""
    fused: tuple[Number, ...]
    """One value for each band of the fused pixel at the centre of that sample."""


@_documented
@dataclass(frozen=True)
class Clipped:
    """Pixels of a band that did not fit the output type."""

    low: int
    high: int


@_documented
@dataclass(frozen=True)
class Provenance:
    """How to get the same result again."""

    command: str
    seed: int
    device: str
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    """Wall time of each stage."""
    inputs: Mapping[str, str | None]
    """File names, each with its SHA-256 where it was computed."""
    created: str | None = None
    """Date and time, ISO 8601."""
    estimated_seconds: float | None = None
    """Wall time of all stages that was expected before the start, if that was found out."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Under which licence each package is, as it says itself."""


@_documented
@dataclass(frozen=True)
class QualityReport:
    """Everything that is known about one fused raster.

    No number stands alone: `definitions` says how each index was computed, `intervals` how sure it
    is, and `registration` how well the pair fitted, on which the full-resolution indices depend.
    """

    protocol: Protocol
    scene: SceneSummary
    method: MethodSummary
    indices: Mapping[str, Number]
    intervals: Mapping[str, tuple[Number, Number]]
    """95 % confidence intervals, for indices that have one."""
    per_band: Mapping[str, Mapping[str, Number]]
    """Band name to index to value."""
    per_tile: tuple[TileQuality, ...]
    tile_index: str
    """Which index `per_tile` holds: the larger, the better."""
    n_pixels: int
    """Valid pixels that took part."""
    masked_fraction: float
    """Share of the pixels that did not, 0 ... 1."""
    clipped: Mapping[str, Clipped]
    """Per band."""
    registration: Registration | None
    """None if it was not measured."""
    definitions: Mapping[str, str]
    """How each index was computed, by its name; further entries hold for all of them."""
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    selection: Selection | None = None
    """How the method was chosen; null where it was named."""
    failed_tiles: tuple[FailedTile, ...] = ()
    wavelengths_nm: tuple[Number, ...] = ()
    """Centre of each band, where all are known."""
    spectra: tuple[PointSpectra, ...] = ()
    """Of a few places that differ most, for cubes."""
    histograms: tuple[Histogram, ...] = ()
    """Of the bands that are shown, and of NDVI, over pixels spread evenly."""
    views: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Parts of the fused raster that the page shows: row, column, height, width."""
    schema_version: str = SCHEMA_VERSION

    def to_json(self) -> str:
        """Return the report as indented JSON; what is not finite becomes null."""
        return _adapter().dump_json(self, indent=2).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> QualityReport:
        """Read a report back.

        Raises
        ------
        MetadataError
            If this is not a report, or one of another major version of the schema.
        """
        _check_version(text)
        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise MetadataError(f"quality report, {where}: {first['msg']}") from None


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of the report, as documented."""
    return _adapter().json_schema(mode="serialization")


@cache
def _adapter() -> TypeAdapter[QualityReport]:
    return TypeAdapter(QualityReport)


def _check_version(text: str | bytes) -> None:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MetadataError(f"quality report: not JSON ({error})") from None
    version = str(found.get("schema_version", "")) if isinstance(found, dict) else ""
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise MetadataError(
            f"quality report: schema version {version or 'missing'}, but this release reads "
            f"{SCHEMA_VERSION}; use the release that wrote it"
        )
