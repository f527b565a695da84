"""Rasters that are read by windows, and how a large one is cut so that sums over it are exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import torch
from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]
"""Height and width, or rows and columns."""
Reader = Callable[[int, int, int, int], tuple[Tensor, Tensor]]
"""Given (row, col, height, width) inside the raster, returns [C, h, w] values and [h, w] mask."""

Told = Callable[[int, int], None]
"""Called with the areas that are judged and all that are to be."""

Step = Callable[[], None]
"""Called after each area."""

WINDOW = 512
"""Largest window side, in pixels."""
WINDOW_VALUES = 1 << 22
"""Largest number of values of one window, over all bands: 32 MiB in double precision."""
_FILL_REACH = 2
"""One pass of filling reaches this many pixels."""


@dataclass(frozen=True)
class Raster:
    """A raster, in memory or not, that is read by windows."""

    read: Reader
    bands: int
    size: Size
    clean: bool = False
    """Whether `read` returns float64 already, finite, and 0 where the mask is False."""

    @classmethod
    def of(cls, values: Tensor, mask: Tensor | None = None) -> Raster:
        """Return the raster of a whole [C, H, W] array; without a mask every pixel counts."""
        valid = torch.ones(values.shape[-2:], dtype=torch.bool, device=values.device)
        if mask is not None:
            valid = mask

        def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
            rows, cols = slice(row, row + height), slice(col, col + width)
            return values[:, rows, cols], valid[rows, cols]

        return cls(read, values.shape[0], (values.shape[1], values.shape[2]))

    def load(self, area: Area) -> tuple[Tensor, Tensor]:
        """Return an area in float64, 0 where the mask is False.

        A pixel with a value that is not finite is masked.
        """
        values, mask = self.read(area.row, area.col, area.height, area.width)
        if self.clean:
            return values, mask
        values = values.double()
        mask = mask & torch.isfinite(values.sum(dim=0))  # as finite as each of its terms
        if bool(mask.all()):
            return values, mask
        return torch.where(mask, values, 0.0), mask

    def held(self, area: Area) -> Raster:
        """Return the raster with an area, as far as it lies inside, in memory."""
        area = area.clip(self.size)
        values, mask = self.load(area)

        def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
            part = Area(row, col, height, width)
            if not part.lies_in(area):
                return self.load(part)
            rows, cols = part.within(area)
            return values[:, rows, cols], mask[rows, cols]

        return Raster(read, self.bands, self.size, clean=True)

    def load_wrapped(self, area: Area) -> tuple[Tensor, Tensor]:
        """Return an area that may reach beyond the raster, which then goes on at its other side."""
        strips = []
        for row, height in _runs(area.row, area.height, self.size[0]):
            pieces = [
                self.load(Area(row, col, height, width))
                for col, width in _runs(area.col, area.width, self.size[1])
            ]
            strips.append(tuple(torch.cat(part, dim=-1) for part in zip(*pieces, strict=True)))
        values, mask = (torch.cat(part, dim=-2) for part in zip(*strips, strict=True))
        return values, mask


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the area in a whole array."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def pad(self, rows: int, cols: int) -> Area:
        """Return the area grown on all sides."""
        return Area(self.row - rows, self.col - cols, self.height + 2 * rows, self.width + 2 * cols)

    def clip(self, size: Size) -> Area:
        """Return the part inside a raster of that size; at least one pixel at its edge."""
        row = min(max(self.row, 0), size[0] - 1)
        col = min(max(self.col, 0), size[1] - 1)
        bottom = min(max(self.row + self.height, row + 1), size[0])
        right = min(max(self.col + self.width, col + 1), size[1])
        return Area(row, col, bottom - row, right - col)

    def lies_in(self, outer: Area) -> bool:
        """Whether no pixel lies outside another area."""
        ends = self.row + self.height, self.col + self.width
        return (
            outer.row <= self.row
            and outer.col <= self.col
            and ends[0] <= outer.row + outer.height
            and ends[1] <= outer.col + outer.width
        )

    def within(self, outer: Area) -> tuple[slice, slice]:
        """Return the index of this area in an array that holds `outer`."""
        return Area(self.row - outer.row, self.col - outer.col, self.height, self.width).slices


def areas(size: Size, cell: Size, window: int) -> Iterator[Area]:
    """Cut a raster into areas of whole cells, at most about `window` pixels a side.

    A remainder smaller than a cell stays with the area before it, so that blocks which are
    completed by mirroring find the pixels to mirror.
    """
    rows, cols = (list(_edges(size[axis], cell[axis], window)) for axis in (0, 1))
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            yield Area(top, left, bottom - top, right - left)


def lattice_of(found: Sequence[Area], share: float) -> list[Area]:
    """Return about that share of the areas that cut a raster, in rows and columns spread evenly."""
    if share >= 1:
        return list(found)
    kept = []
    for starts in (sorted({area.row for area in found}), sorted({area.col for area in found})):
        count = max(1, round(len(starts) * math.sqrt(share)))
        middles = [int((k + 0.5) * len(starts) / count) for k in range(count)]
        kept.append({starts[k] for k in middles})
    return [area for area in found if area.row in kept[0] and area.col in kept[1]]


def counted(parts: Sequence[Sequence[Area]], told: Told | None) -> Step:
    """Return what is to be called after each area of all parts; it tells how far that is."""
    total, done = sum(map(len, parts)), count(1)

    def step() -> None:
        if told is not None:
            told(next(done), total)

    return step


def window_side(bands: int) -> int:
    """Return the window side that keeps one window of so many bands within memory."""
    return min(WINDOW, math.isqrt(WINDOW_VALUES // bands))


def fill(values: Tensor, mask: Tensor, reach: int) -> Tensor:
    """Replace masked pixels by means of the valid ones around, up to `reach` pixels away.

    Filters that run over a gap then meet plausible values. Each pass gives the masked pixels that
    have a known one in their 5 x 5 surroundings the mean of those.
    """
    known = mask
    for _ in range(math.ceil(reach / _FILL_REACH)):
        if bool(known.all()):
            break
        weight = _surroundings(known.to(values.dtype)[None])
        mean = _surroundings(torch.where(known, values, 0.0)) / weight.clamp(min=1)
        values = torch.where(known, values, mean)
        known = weight[0] > 0
    return values


def _surroundings(x: Tensor) -> Tensor:
    """Return the sum over 5 x 5 pixels, nothing beyond the border."""
    side = 2 * _FILL_REACH + 1
    return functional.avg_pool2d(x[None], side, 1, _FILL_REACH, divisor_override=1)[0]


def _edges(n: int, cell: int, window: int) -> Iterator[int]:
    step = cell * max(1, window // cell)
    edge = 0
    yield edge
    while n - edge >= step + cell:
        edge += step
        yield edge
    yield n


def _runs(start: int, length: int, n: int) -> Iterator[tuple[int, int]]:
    """Split a circular range into (start, length) pieces inside [0, n)."""
    while length > 0:
        begin = start % n
        piece = min(length, n - begin)
        yield begin, piece
        start, length = start + piece, length - piece
