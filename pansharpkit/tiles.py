"""Cut a raster into overlapping tiles whose results join without seams.

Four nested windows belong to a tile, all on the guide grid::

    inner    what no other tile owns: the inner windows partition the raster
    blended  inner plus half the overlap: where the tile contributes, with a weight
    padded   blended plus the halo: what the method reads
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import OptionError
from pansharpkit.grid import Window


@dataclass(frozen=True)
class Tile:
    """One piece of the work."""

    index: int
    inner: Window
    blended: Window
    padded: Window


@dataclass(frozen=True)
class TilePlan:
    """All tiles over a window of the guide grid.

    `extent` is what is to be produced; `domain`, which contains it, is where input exists. Padded
    windows reach beyond the extent but never beyond the domain, so that an area of interest gets
    the pixels that the whole scene would have given it.
    """

    extent: Window
    domain: Window
    tile: int
    halo: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.tile < 1 or self.halo < 0 or self.overlap < 0:
            raise OptionError(
                f"tile {self.tile}, halo {self.halo} and overlap {self.overlap} must not be "
                "negative, and a tile needs at least one pixel"
            )
        if self.overlap > self.tile:
            raise OptionError(
                f"the overlap of {self.overlap} px is larger than the tile of {self.tile} px; "
                "choose larger tiles"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of tile rows and columns."""
        return len(self._edges(0)) - 1, len(self._edges(1)) - 1

    def __len__(self) -> int:
        rows, cols = self.shape
        return rows * cols

    def __iter__(self) -> Iterator[Tile]:
        """Yield the tiles row by row."""
        for row in range(self.shape[0]):
            yield from self.row(row)

    def __getitem__(self, index: int) -> Tile:
        """Return one tile by its index.

        Raises
        ------
        IndexError
            If there is no such tile.
        """
        tops, lefts = self._edges(0), self._edges(1)
        row, col = divmod(index, len(lefts) - 1)
        if not 0 <= row < len(tops) - 1:
            raise IndexError(f"tile {index} of {len(self)}")
        return self._tile(tops, lefts, row, col)

    def in_strips(self, width: int) -> Iterator[Tile]:
        """Yield the tiles strip by strip, each about `width` pixels wide, and in it row by row.

        So what neighbouring rows of tiles both read is still at hand, however wide the raster is.
        """
        rows, cols = self.shape
        step = max(1, width // self.tile)
        for left in range(0, cols, step):
            for row in range(rows):
                yield from itertools.islice(self.row(row), left, left + step)

    def row(self, row: int) -> Iterator[Tile]:
        """Yield the tiles of one row, left to right."""
        tops, lefts = self._edges(0), self._edges(1)
        for col in range(len(lefts) - 1):
            yield self._tile(tops, lefts, row, col)

    def _tile(self, tops: list[int], lefts: list[int], row: int, col: int) -> Tile:
        inner = Window(
            tops[row], lefts[col], tops[row + 1] - tops[row], lefts[col + 1] - lefts[col]
        )
        blended = inner.pad(self.overlap // 2).clip(self.extent)
        padded = blended.pad(self.halo).clip(self.domain)
        return Tile(row * (len(lefts) - 1) + col, inner, blended, padded)

    def weights(self, tile: Tile) -> NDArray[np.float32]:
        """Return [h, w] blend weights over the tile's blended window.

        Over all tiles they sum to one at every pixel of the extent.
        """
        rows = self._ramp(
            tile.blended.row, tile.blended.height, tile.inner.row, tile.inner.stop[0], 0
        )
        cols = self._ramp(
            tile.blended.col, tile.blended.width, tile.inner.col, tile.inner.stop[1], 1
        )
        return (rows[:, None] * cols).astype(np.float32)

    def _ramp(
        self, start: int, length: int, first: int, stop: int, axis: int
    ) -> NDArray[np.float64]:
        """Return the weight along one axis: 1 inside, linear across each inner edge."""
        centre = np.arange(start, start + length) + 0.5
        half = self.overlap // 2
        low, high = (self.extent.row, self.extent.col)[axis], self.extent.stop[axis]
        weight = np.ones(length)
        if half and first > low:
            weight *= np.clip((centre - (first - half)) / (2 * half), 0, 1)
        if half and stop < high:
            weight *= np.clip(((stop + half) - centre) / (2 * half), 0, 1)
        return weight

    def _edges(self, axis: int) -> list[int]:
        """Return the inner edges along an axis; a remainder below half a tile joins the last."""
        start = (self.extent.row, self.extent.col)[axis]
        size = self.extent.stop[axis] - start
        count = max(1, size // self.tile + (size % self.tile * 2 >= self.tile))
        return [start + i * self.tile for i in range(count)] + [start + size]


def aligned_tile(tile: int, ratio: tuple[float, float]) -> int:
    """Return `tile` rounded up to whole target pixels where the ratio is a whole number.

    >>> aligned_tile(510, (4.0, 4.0))
    512
    """
    step = round(ratio[0])
    whole = abs(ratio[0] - step) < 1e-6 and abs(ratio[1] - step) < 1e-6
    return -(-tile // step) * step if whole else tile
