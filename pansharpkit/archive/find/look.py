"""What the header of a raster says, for those whose names do not say what they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pansharpkit.archive.dates import date_in, moment
from pansharpkit.archive.entry import Ring
from pansharpkit.archive.find.place import Box, box_of, pixel_m, ring_of
from pansharpkit.errors import GridError, InputError
from pansharpkit.readers import preflight
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import gdal_environment, locate, open_georeferenced

_TAKEN = (
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "FIRSTLINETIME",
    "DATE_ACQUIRED",
    "ACQUISITION_DATE",
    "IMAGING_DATE",
)
_SOFTWARE = "TIFFTAG_SOFTWARE"


@dataclass(frozen=True)
class Look:
    """What is known of a raster without its pixels."""

    ring: Ring | None = None
    """None if it does not say where it lies."""
    acquired: datetime | None = None
    bands: int | None = None
    pixel: float | None = None
    """Metres, roughly."""
    own: bool = False
    """Whether pansharpkit wrote it."""

    @cached_property
    def box(self) -> Box | None:
        """Around the outline."""
        return None if self.ring is None else box_of(self.ring)


def look(path: Path, options: ReadOptions) -> Look:
    """Read the header of a raster.

    Raises
    ------
    InputError
        If it may not or cannot be opened, or its pixels are no measurements.
    """
    location = locate(path, options)
    with open_georeferenced(location, options) as dataset, gdal_environment(options):
        preflight.check_shape(dataset, location.shown, options)
        preflight.check_pixels(dataset, location.shown)
        tags = {key.upper(): value for key, value in dataset.tags().items()}
        bands, size = dataset.count, (dataset.height, dataset.width)
        try:
            ring = ring_of(preflight.read_grid(dataset, location.shown, options))
        except GridError:  # without a CRS it still has bands; opening the pair says so
            ring = None
    return Look(
        ring=ring,
        acquired=next((t for key in _TAKEN if (t := moment(tags.get(key)))), date_in(path.name)),
        bands=bands,
        pixel=None if ring is None else pixel_m(ring, *size),
        own=tags.get(_SOFTWARE, "").startswith("pansharpkit"),
    )


class Looks:
    """Headers that were read so far, each once."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._known: dict[Path, Look | InputError] = {}

    def at(self, path: Path) -> Look:
        """Return what the header of a raster says; nothing if it cannot be read."""
        found = self.found(path)
        return Look() if isinstance(found, InputError) else found

    def known(self, path: Path) -> Look:
        """Return what is known of a raster by now, without opening it."""
        seen = self._known.get(path)
        return seen if isinstance(seen, Look) else Look()

    def found(self, path: Path) -> Look | InputError:
        """Return what the header of a raster says, or why it cannot be read."""
        if path not in self._known:
            try:
                self._known[path] = look(path, self._options)
            except InputError as error:
                self._known[path] = error
            except (UnicodeDecodeError, OSError) as error:
                self._known[path] = InputError(f"{os.fspath(path)}: cannot be read: {error}")
        return self._known[path]
