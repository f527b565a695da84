"""Indices of each block alone, for maps of where a fused raster is good.

What an index of the whole scene sums over all blocks is here taken for one block at a time: the
distortions of a block are differences of its own Q, so that the scene's value, where differences of
opposite sign cancel, is at most the mean of the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit.metrics import guards
from pansharpkit.metrics.blocks import FULL, BlockMap
from pansharpkit.metrics.rasters import Size
from pansharpkit.metrics.tally import cell_sums
from pansharpkit.sampling import Sampling

Values = NDArray[np.float32]


class Maps:
    """Maps over the blocks of a raster, put together window by window."""

    def __init__(self, count: Size) -> None:
        """Begin with no map; `count` are the rows and columns of blocks of the raster."""
        self._count = count
        self._maps: dict[str, Tensor] = {}

    def put(self, parts: Mapping[str, Tensor], first: Size) -> None:
        """Add what a window contributes, [..., rows, cols] by name, from block `first` on."""
        for name, part in parts.items():
            if name not in self._maps:
                whole = torch.full((*part.shape[:-2], *self._count), torch.nan, dtype=part.dtype)
                self._maps[name] = whole
            rows, cols = part.shape[-2:]
            self._maps[name][..., first[0] : first[0] + rows, first[1] : first[1] + cols] = part

    def __getitem__(self, name: str) -> Tensor:
        """Return a map, NaN where nothing was put."""
        return self._maps[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is such a map."""
        return name in self._maps


def distortions(fine: BlockMap, below: BlockMap) -> dict[str, Tensor]:
    """Return d_lambda and d_s of each block, [rows, cols], NaN where one does not count.

    `fine` and `below` hold Q between all pairs of the bands and PAN, the last one: fused with PAN,
    and EXP with low-pass PAN.
    """
    side = round(len(fine.values) ** 0.5)
    apart = (fine.values - below.values).abs()
    apart = apart.reshape(side, side, *apart.shape[1:])
    counted = fine.counted & below.counted
    found = {"d_s": apart[:-1, -1].mean(dim=0)}
    if side > 2:
        rows, cols = torch.triu_indices(side - 1, side - 1, 1)
        found["d_lambda"] = apart[rows, cols].mean(dim=0)
    return {name: torch.where(counted, values, torch.nan).float() for name, values in found.items()}


def mean_squares(degraded: Tensor, ms: Tensor, mask: Tensor, cell: Size) -> Tensor:
    """Return mean square errors of each band, [C, rows, cols], NaN in cells with few samples."""
    sums = guards.consistency_sums(degraded, ms, mask, cell)
    n = _enough(sums[0], cell, mask)
    return (sums[1 + len(ms) :] / n).float()


def ndvi_drift(
    degraded: Tensor, ms: Tensor, mask: Tensor, red_nir: tuple[int, int], cell: Size
) -> Tensor:
    """Return the mean absolute difference of NDVI, [1, rows, cols], NaN with few samples."""
    sums = guards.ndvi_sums(degraded, ms, mask, red_nir, cell)
    means: Tensor = sums[:1] / _enough(sums[1], cell, mask)
    return means.float()


def mean_of_cells(values: Tensor, exists: Tensor, cell: Size) -> Tensor:
    """Return means of an [H, W] image, [1, rows, cols], NaN in cells with few values."""
    sums = cell_sums(torch.stack([values * exists, exists.to(values)]), cell)
    means: Tensor = sums[:1] / _enough(sums[1], cell, exists)
    return means.float()


def _enough(n: Tensor, cell: Size, mask: Tensor) -> Tensor:
    """Return `n`, NaN where it is less than half of what a cell of the raster has inside."""
    inside = cell_sums(torch.ones_like(mask).to(n)[None], cell)[0]
    return torch.where(n >= FULL * inside, n, torch.nan)


def relative_percent(squares: Tensor, means: Sequence[float]) -> Tensor:
    """Return 100 RMSE over the scene's band mean, mean over bands, [rows, cols].

    Bands whose mean is not positive are left out.
    """
    level = torch.tensor(means, dtype=squares.dtype)
    bands = level > 0
    if not bool(bands.any()):
        return torch.full(squares.shape[1:], torch.nan)
    return (100 * squares[bands].sqrt() / level[bands, None, None]).mean(dim=0)


def on_blocks(cells: Tensor, cell: Size, sampling: Sampling, block: int, count: Size) -> Values:
    """Give each of `count` blocks of the fine grid the value of the coarse cell under its centre.

    Parameters
    ----------
    cells : [rows, cols] values of cells of `cell` coarse samples.
    block : side of a block, in fine pixels.
    """
    index = []
    for axis in (0, 1):
        centre = (np.arange(count[axis]) + 0.5) * block - 0.5
        sample = (centre - sampling.phase[axis]) / sampling.ratio[axis] + 0.5
        found = np.floor(sample / cell[axis]).astype(int)
        index.append(found.clip(0, cells.shape[axis] - 1))
    values: Values = cells.numpy()[np.ix_(*index)].astype(np.float32)
    return values
