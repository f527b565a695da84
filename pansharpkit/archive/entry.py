"""What finding scenes in an archive yields: the scenes, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

Ring = tuple[tuple[float, float], ...]
"""Corners of a footprint, longitude and latitude in degrees; the last is the first again."""


@dataclass(frozen=True)
class SceneEntry:
    """One scene of an archive: what `fuse` takes, and how it is called."""

    id: str
    """Unique in the archive, safe as a file name, the same in every run over the same files."""
    inputs: tuple[str, ...]
    """PAN and MS, or one product."""
    family: str
    """What the inputs are: ``landsat``, ``maxar``, ``dimap``, ``pair``, ``enmap`` and so on."""
    acquired: datetime | None = None
    """When the scene was taken, in UTC; None where neither names nor metadata say it."""
    footprint: Ring | None = None
    """Where the scene lies; None where that is known only once it is opened."""
    source: str = ""
    """What led to the scene: the folder, manifest line or STAC item, for people to read."""


@dataclass(frozen=True)
class Unpaired:
    """A file or product that makes no scene."""

    path: str
    why: str
    """One line: what is missing or ambiguous, and what would help."""


@dataclass(frozen=True)
class Found:
    """Everything that an archive holds."""

    entries: tuple[SceneEntry, ...]
    """Sorted by id."""
    unpaired: tuple[Unpaired, ...] = ()
    """Sorted by path."""
