"""Bring a target in another CRS or orientation onto a coarse grid parallel to the guide's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform, reproject, transform_bounds

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window
from pansharpkit.radiometry import limits
from pansharpkit.source import PlacedSource, Source

_MARGIN = 4  # source pixels read beyond the transformed window, for the cubic kernel

_FINER = 1.01  # source pixels per pixel of the grid from which on the kernel is widened


@dataclass(frozen=True)
class WarpedSource(PlacedSource):
    """A source seen through a reprojection, window by window, with cubic convolution."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Warp the part of the source under a window; pixels near gaps or edges are invalid."""
        shape = (len(self.names), window.height, window.width)
        under = self._under(window)
        if under.empty:
            return np.zeros(shape, self.dtype), np.zeros(shape[1:], bool)
        values, valid = self.source.read(under)
        warped = self._warp(values.astype(np.float64), under, window, Resampling.cubic)
        # A sample is valid only if every source pixel of its bilinear footprint is.
        cover = self._warp(valid[None].astype(np.float64), under, window, Resampling.bilinear)
        ok: NDArray[np.bool_] = cover[0] > 1 - 1e-6
        if self.dtype.kind in "iu":
            warped = np.clip(np.rint(warped), *limits(self.dtype))
        return warped.astype(self.dtype), ok

    def _warp(
        self, values: NDArray[np.float64], under: Window, window: Window, how: Resampling
    ) -> NDArray[np.float64]:
        result = np.zeros((values.shape[0], window.height, window.width))
        reproject(
            values,
            result,
            src_transform=self.source.grid.subset(under).transform,
            src_crs=self.source.grid.crs,
            dst_transform=self.grid.subset(window).transform,
            dst_crs=self.grid.crs,
            resampling=how,
            tolerance=0.0,  # exact transformer: no dependence on the window
            **self._widened,
        )
        return result

    @cached_property
    def _shrinking(self) -> tuple[float, float]:
        """Source pixels per pixel of the grid, along rows and columns, at least 1."""
        fine = _gsd_in(self.source.grid, self.grid)
        rows, cols = (mine / theirs for mine, theirs in zip(self.grid.gsd, fine, strict=True))
        return max(rows, 1.0), max(cols, 1.0)

    @property
    def _widened(self) -> Mapping[str, float]:
        """Options that widen the kernel of a source that is finer than the grid.

        GDAL would tell from the sizes of the windows by how much, and so do it window by window.
        """
        rows, cols = self._shrinking
        return {"XSCALE": 1 / cols, "YSCALE": 1 / rows} if max(rows, cols) > _FINER else {}

    def _under(self, window: Window) -> Window:
        bounds = self.grid.subset(window).bounds
        box = transform_bounds(self.grid.crs, self.source.grid.crs, *bounds)
        found = self.source.grid.window_of_bounds(box)
        margin = math.ceil(_MARGIN * max(self._shrinking))
        return found.pad(margin).clip(self.source.grid.window) if not found.empty else found


def align(source: Source, guide: Grid) -> WarpedSource:
    """Return `source` on a grid parallel to `guide`, at its own resolution, over its own extent.

    Raises
    ------
    GridError
        If either has no CRS, or the one cannot be expressed in the other.
    """
    grid = source.grid
    if grid.crs is None or guide.crs is None:
        does, other = ("does not say", "does") if grid.crs is None else ("says", "does not")
        raise GridError(
            f"{source.label}: {does} where it lies, its guide {other}; georeference the one "
            "without (gdal_translate -a_srs -a_ullr), or give MATLAB or ENVI files without a place"
        )
    try:
        gsd = _gsd_in(grid, guide)
        box = transform_bounds(grid.crs, guide.crs, *grid.bounds)
    except Exception:  # GDAL's own exceptions have no public base class
        gsd, box = (math.nan, math.nan), ()
    if not all(map(math.isfinite, (*gsd, *box))):
        raise GridError(
            f"{source.label}: its extent {grid.bounds} in {grid.crs.to_string()} has no place in "
            f"{guide.crs.to_string()}; check its CRS"
        )
    rows, cols = (gsd[axis] / guide.gsd[axis] for axis in (0, 1))
    step = guide.transform @ Affine.scale(cols, rows)
    inverse = ~step
    corners = [inverse @ (x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    left, top = (math.floor(min(c[i] for c in corners)) for i in (0, 1))
    right, bottom = (math.ceil(max(c[i] for c in corners)) for i in (0, 1))
    aligned = Grid(bottom - top, right - left, step @ Affine.translation(left, top), guide.crs)
    return WarpedSource(source, aligned)


def _gsd_in(grid: Grid, guide: Grid) -> tuple[float, float]:
    """Return the pixel size of `grid` in the CRS units of `guide`."""
    if grid.crs == guide.crs:
        return grid.gsd
    transform, _, _ = calculate_default_transform(
        grid.crs, guide.crs, grid.width, grid.height, *grid.bounds
    )
    return abs(transform.e), abs(transform.a)
