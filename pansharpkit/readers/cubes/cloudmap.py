"""Clouds that a guide and a cube know of, on the cube's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from pansharpkit.grid import Grid, Window
from pansharpkit.source import Source

_ANY_PLANE = CRS.from_epsg(3857)  # for grids that both lie nowhere, in one plane


@dataclass(frozen=True)
class CloudsOn:
    """Cloud masks on any grids seen on one: 1 where any of them has a cloud in the pixel."""

    maps: tuple[Source, ...]
    """Each has one band of whole numbers, nonzero where a cloud is."""
    grid: Grid

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
        """Name of the first map."""
        return self.maps[0].label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [1, h, w] zeros and ones, all of them valid; beyond a map there is no cloud."""
        found = np.zeros((window.height, window.width), np.uint8)
        for source in self.maps:
            found |= self._seen(source, window)
        return found[None], np.ones(found.shape, bool)

    def _seen(self, source: Source, window: Window) -> NDArray[np.uint8]:
        if source.grid == self.grid:
            return _cloudy(source, window)
        here = self.grid.subset(window)
        seen = np.zeros((window.height, window.width), np.uint8)
        crs, own_crs = (grid.crs or _ANY_PLANE for grid in (here, source.grid))
        bounds = transform_bounds(crs, own_crs, *here.bounds)
        under = source.grid.window_of_bounds(bounds).pad(2).clip(source.grid.window)
        if under.empty:
            return seen
        reproject(
            _cloudy(source, under),
            seen,
            src_transform=source.grid.subset(under).transform,
            src_crs=own_crs,
            dst_transform=here.transform,
            dst_crs=crs,
            resampling=Resampling.max,
        )
        return seen


def _cloudy(source: Source, window: Window) -> NDArray[np.uint8]:
    return np.asarray(source.read(window)[0][0] != 0, np.uint8)


def clouds_on(grid: Grid, maps: Sequence[Source | None]) -> Source | None:
    """Return the clouds of all maps that there are, on a grid; None without any."""
    known = tuple(source for source in maps if source is not None)
    if not known:
        return None
    return known[0] if len(known) == 1 and known[0].grid == grid else CloudsOn(known, grid)
