"""What is asked of a blend, or of a guided restoration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pansharpkit.overlap import Bounds
from pansharpkit.readers.product import ReadOptions
from pansharpkit.runs import RunOptions
from pansharpkit.same.scale import Match

SameTask = Literal["blend", "denoise"]
DEFAULTS: Mapping[SameTask, str] = {"blend": "dip-fusion", "denoise": "gdd-denoise"}
"""Method of each task where none is named."""
FALLBACKS: Mapping[SameTask, str] = {"blend": "mean", "denoise": "joint-bilateral"}
"""Method of each task for tiles on which another one fails."""
NO_COLOUR = "none"


@dataclass(frozen=True)
class ImagesRequest:
    """Which images are meant, and how they become a scene."""

    task: SameTask
    inputs: tuple[str, ...]
    """Sources of a blend, the one that gives grid and units first; or a noisy image and, if there
    is one, its guide."""
    bands: tuple[tuple[str, ...], ...] = ()
    """Bands to use, by name or number: of every image that has several, or one entry for each."""
    read: ReadOptions = field(default_factory=ReadOptions)
    align: bool = False
    """Resample images that lie on another grid than the first."""
    match: Match = "auto"
    colour_from: str | None = None
    """Which image gives its colour, by its letter (A is the first); ``none`` for a grey result; by
    default the first one with three bands, if another has one."""
    bounds: Bounds | None = None
    bounds_crs: str | None = None


@dataclass(frozen=True)
class SameRequest:
    """Everything that says what is to be made of the images, how, and where to."""

    images: ImagesRequest
    output: Path
    method: str | None = None
    """By default that of the task, see `DEFAULTS`."""
    options: Mapping[str, object] = field(default_factory=dict)
    run: RunOptions = field(default_factory=RunOptions)
    overwrite: bool = False
    cog: bool = True
    creation_options: Mapping[str, str] = field(default_factory=dict)
    report: bool = True
    resume: bool = False
    """Keep finished tiles beside the output, and go on from those of a run that ended early."""

    @property
    def method_name(self) -> str:
        """Name of the method."""
        return (self.method or DEFAULTS[self.images.task]).lower()
