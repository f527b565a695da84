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
    found = {name: _means(blocks, step) for name, blocks in (others or {}).items()}
    quality = _means(values, step)
    return tuple(
        TileQuality(
            row * side,
            col * side,
            min(side, size[0] - row * side),
            min(side, size[1] - col * side),
            quality[row][col],
            {name: means[row][col] for name, means in found.items()},
        )
        for row in range(math.ceil(size[0] / side))
        for col in range(math.ceil(size[1] / side))
    )


def _means(blocks: NDArray[np.floating], step: int) -> list[list[Number]]:
    """Return means over squares of `step` blocks, None where there is nothing to average."""
    missing = [(0, -n % step) for n in blocks.shape]
    padded = np.pad(blocks.astype(np.float64), missing, constant_values=np.nan)
    rows, cols = (n // step for n in padded.shape)
    squares = padded.reshape(rows, step, cols, step)
    known = np.isfinite(squares)
    count = known.sum(axis=(1, 3))
    means = np.where(known, squares, 0).sum(axis=(1, 3)) / np.maximum(count, 1)
    return [
        [mean if n else None for mean, n in zip(*row, strict=True)]
        for row in zip(means.tolist(), count.tolist(), strict=True)
    ]
