"""Raster grids, windows on them, and the way from one grid's pixels to another's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from affine import Affine
from rasterio.crs import CRS

from pansharpkit.errors import GridError
from pansharpkit.sampling import Sampling

_ALIGNED = 1e-3  # largest rotation term, in pixels over the whole raster, still called aligned


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels.

    >>> Window(10, 20, 5, 5).pad(3).clip(Window(0, 0, 100, 100))
    Window(row=7, col=17, height=11, width=11)
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def stop(self) -> tuple[int, int]:
        """Row and column just past the window."""
        return self.row + self.height, self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into the array of the whole raster."""
        return slice(self.row, self.stop[0]), slice(self.col, self.stop[1])

    @property
    def empty(self) -> bool:
        """Whether no pixel lies inside."""
        return self.height <= 0 or self.width <= 0

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of its middle, counted from the edges of pixels."""
        return self.row + self.height / 2, self.col + self.width / 2

    def pad(self, margin: int) -> Window:
        """Grow by `margin` pixels on every side (shrink if negative)."""
        return Window(
            self.row - margin,
            self.col - margin,
            self.height + 2 * margin,
            self.width + 2 * margin,
        )

    def clip(self, other: Window) -> Window:
        """Return the part inside `other` (with size 0 where they are apart)."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        stop_row, stop_col = min(self.stop[0], other.stop[0]), min(self.stop[1], other.stop[1])
        return Window(row, col, max(0, stop_row - row), max(0, stop_col - col))

    def relative_to(self, outer: Window) -> Window:
        """Return the same pixels in the coordinates of `outer`'s upper left pixel."""
        return replace(self, row=self.row - outer.row, col=self.col - outer.col)


@dataclass(frozen=True)
class Grid:
    """The georeferenced lattice of a raster."""

    height: int
    width: int
    transform: Affine
    """Pixel corner coordinates (col, row) to CRS coordinates (x, y)."""
    crs: CRS | None

    @property
    def window(self) -> Window:
        """The whole raster as a window."""
        return Window(0, 0, self.height, self.width)

    @property
    def gsd(self) -> tuple[float, float]:
        """Pixel size along rows and columns, in CRS units."""
        t = self.transform
        return math.hypot(t.b, t.e), math.hypot(t.a, t.d)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the axis-aligned box around all corners."""
        corners = [
            self.transform @ (col, row) for col in (0, self.width) for row in (0, self.height)
        ]
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        return min(xs), min(ys), max(xs), max(ys)

    def subset(self, window: Window) -> Grid:
        """Return the grid of a window of this one."""
        origin = Affine.translation(window.col, window.row)
        return Grid(window.height, window.width, self.transform @ origin, self.crs)

    def to_pixels_of(self, other: Grid) -> Affine:
        """Return the affine from pixel corners (col, row) of this grid to those of `other`.

        Both grids must be in the same CRS; this is the one composition through which guide and
        target ever meet.
        """
        mapped: Affine = ~other.transform @ self.transform
        return mapped

    def aligned_with(self, other: Grid) -> bool:
        """Whether rows and columns of both grids run the same way in the same CRS."""
        if self.crs != other.crs:
            return False
        m = self.to_pixels_of(other)
        drift = max(abs(m.b) * self.height, abs(m.d) * self.width)
        return m.a > 0 and m.e > 0 and drift < _ALIGNED

    def sampling_on(self, guide: Grid) -> Sampling:
        """Return how this (target) grid samples the guide grid.

        Raises
        ------
        GridError
            If the grids are not aligned, or this grid is not the coarser one.
        """
        if not self.aligned_with(guide):
            raise GridError("the two grids differ in CRS or orientation; warp the target first")
        m = self.to_pixels_of(guide)
        if min(m.a, m.e) <= 1.0 + 1e-6:
            blend = ", or do you want `pansharpkit blend`?" if max(m.a, m.e) > 1 - 1e-6 else "?"
            raise GridError(
                f"the pixel of the MS or cube is {m.a:.3g} x {m.e:.3g} pixels of its guide, but "
                f"must be larger than one: are the inputs swapped{blend}"
            )
        # A corner at 0 maps to m.c; a centre at index 0 is the corner coordinate 0.5. Without the
        # last digits, which are noise, all tiles of a whole ratio share their matrices.
        phase = (m.f + m.e / 2 - 0.5, m.c + m.a / 2 - 0.5)
        return Sampling((round(m.e, 12), round(m.a, 12)), (round(phase[0], 9), round(phase[1], 9)))

    def covering(self, window: Window, of: Grid, margin: int = 0) -> Window:
        """Return the window of this grid whose samples bracket `window` of grid `of`.

        `margin` extra samples are added on each side; the result is clipped to this grid.
        """
        sampling = self.sampling_on(of)
        row0, row1 = _bracket(window.row, window.stop[0], sampling.ratio[0], sampling.phase[0])
        col0, col1 = _bracket(window.col, window.stop[1], sampling.ratio[1], sampling.phase[1])
        return Window(row0, col0, row1 - row0, col1 - col0).pad(margin).clip(self.window)

    def window_of_bounds(self, bounds: tuple[float, float, float, float]) -> Window:
        """Return the smallest window of whole pixels that contains (west, south, east, north)."""
        west, south, east, north = bounds
        inverse = ~self.transform
        corners = [inverse @ (x, y) for x in (west, east) for y in (south, north)]
        eps = 1e-6
        col0 = math.floor(min(c[0] for c in corners) + eps)
        row0 = math.floor(min(c[1] for c in corners) + eps)
        col1 = math.ceil(max(c[0] for c in corners) - eps)
        row1 = math.ceil(max(c[1] for c in corners) - eps)
        return Window(row0, col0, row1 - row0, col1 - col0).clip(self.window)


def _bracket(start: int, stop: int, ratio: float, phase: float) -> tuple[int, int]:
    """Return [first, last) target indices whose centres bracket guide indices start..stop-1."""
    return math.floor((start - phase) / ratio), math.ceil((stop - 1 - phase) / ratio) + 1
