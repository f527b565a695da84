"""Join fused tiles: hand them on as they are, or blend overlapping ones strip by strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.tiles import Tile, TilePlan


@dataclass(frozen=True)
class Piece:
    """Finished pixels, in guide coordinates."""

    window: Window
    values: NDArray[np.float32]
    """[C, h, w]."""
    valid: NDArray[np.bool_]
    """[h, w]."""


class Mosaic:
    """Takes tiles in the order of their plan and gives back what is finished."""

    def __init__(self, plan: TilePlan, bands: int) -> None:
        self._plan = plan
        self._bands = bands
        self._top = plan.extent.row
        self._sum: NDArray[np.float32] | None = None
        self._valid: NDArray[np.bool_] | None = None

    def add(self, tile: Tile, values: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[Piece]:
        """Take a tile's blended window and return what is finished."""
        if not self._plan.overlap:
            return [Piece(tile.inner, values, valid)]
        self._accumulate(tile, values * self._plan.weights(tile), valid)
        columns = self._plan.shape[1]
        if (tile.index + 1) % columns:
            return []
        following = next(iter(self._plan.row(tile.index // columns + 1)), None) if (
            tile.index + 1 < len(self._plan)
        ) else None  # fmt: skip
        stop = following.blended.row if following else self._plan.extent.stop[0]
        return [self._flush(stop)]

    def _accumulate(
        self, tile: Tile, weighted: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> None:
        extent = self._plan.extent
        need = tile.blended.stop[0] - self._top
        if self._sum is None or self._valid is None:
            self._sum = np.zeros((self._bands, 0, extent.width), np.float32)
            self._valid = np.zeros((0, extent.width), bool)
        if (more := need - self._sum.shape[1]) > 0:
            self._sum = np.pad(self._sum, ((0, 0), (0, more), (0, 0)))
            self._valid = np.pad(self._valid, ((0, more), (0, 0)))
        strip = Window(self._top, extent.col, self._sum.shape[1], extent.width)
        where = tile.blended.relative_to(strip).slices
        self._sum[:, *where] += weighted
        self._valid[where] |= valid

    def _flush(self, stop: int) -> Piece:
        assert self._sum is not None
        assert self._valid is not None
        rows = stop - self._top
        window = Window(self._top, self._plan.extent.col, rows, self._plan.extent.width)
        piece = Piece(window, self._sum[:, :rows], self._valid[:rows])
        self._sum, self._valid, self._top = self._sum[:, rows:], self._valid[rows:], stop
        return piece
