"""Layers of whole numbers seen as cloud masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.source import PlacedSource, Wrapped


@dataclass(frozen=True)
class CloudMask(Wrapped):
    """What bands of whole numbers say of clouds: one band of zeros and ones."""

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


@dataclass(frozen=True)
class ClassSource(CloudMask):
    """A map of classes, 1 where one of some classes stands in any of its bands, else 0."""

    classes: tuple[int, ...]
    """Those that mean cloud, shadow or cirrus."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [1, h, w] zeros and ones, all of them valid."""
        found, _ = self.source.read(window)
        cloudy = np.logical_or.reduce(np.isin(found, self.classes), keepdims=True)
        return cloudy.astype(np.uint8), np.ones(cloudy.shape[1:], bool)


@dataclass(frozen=True)
class RepeatedSource(PlacedSource):
    """A raster seen on a finer grid that divides its pixels, each repeated."""

    times: int
    """How many pixels of the grid one pixel of the source spans, along rows and columns."""

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
