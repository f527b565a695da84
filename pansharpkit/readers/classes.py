"""Maps of classes seen as cloud masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Grid, Window
from pansharpkit.source import Source


@dataclass(frozen=True)
class ClassSource:
    """A map of classes, 1 where one of some classes stands in any of its bands, else 0."""

    source: Source
    """Bands of whole numbers."""
    classes: tuple[int, ...]
    """Those that mean cloud, shadow or cirrus."""

    @property
    def grid(self) -> Grid:
        """Grid of the map."""
        return self.source.grid

    @property
    def names(self) -> tuple[str, ...]:
        """One band."""
        return ("clouds",)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def nodata(self) -> float | None:
        """None: both values mean something."""
        return None

    @property
    def label(self) -> str:
        """Name of the map."""
        return self.source.label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [1, h, w] zeros and ones, all of them valid."""
        found, _ = self.source.read(window)
        cloudy = np.logical_or.reduce(np.isin(found, self.classes), keepdims=True)
        return cloudy.astype(np.uint8), np.ones(cloudy.shape[1:], bool)


@dataclass(frozen=True)
class RepeatedSource:
    """A raster seen on a finer grid that divides its pixels, each repeated."""

    source: Source
    grid: Grid
    times: int
    """How many pixels of the grid one pixel of the source spans, along rows and columns."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the source."""
        return self.source.names

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """Nodata value of the source."""
        return self.source.nodata

    @property
    def label(self) -> str:
        """Name of the source."""
        return self.source.label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window of repeated pixels."""
        n = self.times
        row, col = window.row // n, window.col // n
        stop = tuple(-(-stop // n) for stop in window.stop)
        under = Window(row, col, stop[0] - row, stop[1] - col)
        values, valid = self.source.read(under)
        part = Window(window.row - row * n, window.col - col * n, window.height, window.width)
        rows, cols = part.slices
        fine = values.repeat(n, axis=1).repeat(n, axis=2)[:, rows, cols]
        return fine, valid.repeat(n, axis=0).repeat(n, axis=1)[rows, cols]
