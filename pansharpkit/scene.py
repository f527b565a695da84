"""A scene: two lazy rasters of the same ground, read together window by window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Grid, Window


class Source(Protocol):
    """A raster that is read by windows: a file, a product, an array."""

    @property
    def grid(self) -> Grid:
        """Georeferenced lattice."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Band names, as the product calls them."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type of the pixels."""
        ...

    @property
    def nodata(self) -> float | None:
        """Value that marks missing pixels in every band, if one is declared."""
        ...

    @property
    def label(self) -> str:
        """What messages call this raster: its file name."""
        ...

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [C, h, w] pixels in the stored type and [h, w] validity of a window inside."""
        ...
