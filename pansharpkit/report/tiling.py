"""Maps of block qualities as tiles, few enough to show."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pansharpkit.report.quality import Number, TileQuality


def tiles_of_map(
    values: NDArray[np.floating],
    block: int,
    size: tuple[int, int],
    most: int = 40,
    others: Mapping[str, NDArray[np.floating]] | None = None,
) -> tuple[TileQuality, ...]:
    """Turn a map of block qualities into at most `most` x `most` tiles.

    Parameters
    ----------
    values : [rows, cols] quality of blocks side by side, NaN where there is none.
    block : side of a block, pixels.
    size : height and width of the raster, which the last blocks may overhang.
    others : further indices of the same blocks, by name.
    """
    step = max(1, math.ceil(max(values.shape) / most))
    side = step * block

    def mean(blocks: NDArray[np.floating], row: int, col: int) -> Number:
        part = blocks[row * step : (row + 1) * step, col * step : (col + 1) * step]
        finite = part[np.isfinite(part)]
        return float(finite.mean()) if finite.size else None

    return tuple(
        TileQuality(
            row * side,
            col * side,
            min(side, size[0] - row * side),
            min(side, size[1] - col * side),
            mean(values, row, col),
            {name: mean(blocks, row, col) for name, blocks in (others or {}).items()},
        )
        for row in range(math.ceil(size[0] / side))
        for col in range(math.ceil(size[1] / side))
    )
