"""Sums over a raster, kept by groups of blocks, and the confidence interval that follows.

Every index is a function of sums over pixels or blocks. The raster's blocks are dealt into at most
8 x 8 contiguous groups, one vector of sums each. Leaving out one group at a time gives the
delete-one-group jackknife (Efron 1982; for dependent data Künsch 1989): with G groups, value θ and
values θ₋g without group g,

    SE² = (G - 1)/G · Σ_g (θ₋g - mean θ₋)²,   interval θ ± t(0.975; G - 1) · SE.

Groups are large, so that neighbouring blocks, which are not independent, mostly share one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.rasters import Size

Sums = Mapping[str, Tensor]
"""A vector of sums under each name."""
Values = dict[str, float | None]

GROUPS = 8
"""Groups per axis, at most."""
CONFIDENCE = 0.95


def cell_sums(values: Tensor, cell: Size) -> Tensor:
    """Return the sums of [D, H, W] over cells side by side, [D, rows, cols]."""
    depth, height, width = values.shape
    missing = (0, -width % cell[1], 0, -height % cell[0])
    padded = functional.pad(values, missing) if any(missing) else values
    rows, cols = padded.shape[1] // cell[0], padded.shape[2] // cell[1]
    return padded.reshape(depth, rows, cell[0], cols, cell[1]).sum(dim=(2, 4))


class Tally:
    """Accumulates sums of cells, by groups."""

    def __init__(self, *lattices: Size) -> None:
        """Make an empty tally; `lattices` are the numbers of cells of all the grids involved."""
        self.groups: Size = (
            min(GROUPS, *(cells[0] for cells in lattices)),
            min(GROUPS, *(cells[1] for cells in lattices)),
        )
        self._sums: dict[str, Tensor] = {}

    def add(self, name: str, sums: Tensor, first: Size, cells: Size) -> None:
        """Add [D, rows, cols] sums of the cells that start at index `first` of `cells` in all."""
        group = self._group(sums.shape[1:], first, cells)
        flat = sums.flatten(1).T.cpu()
        if name not in self._sums:
            count = self.groups[0] * self.groups[1]
            self._sums[name] = torch.zeros(count, flat.shape[1], dtype=torch.float64)
        self._sums[name].index_add_(0, group, flat)

    def _group(self, shape: torch.Size, first: Size, cells: Size) -> Tensor:
        rows, cols = (
            (torch.arange(shape[axis]) + first[axis]) * self.groups[axis] // cells[axis]
            for axis in (0, 1)
        )
        return (rows[:, None] * self.groups[1] + cols[None, :]).flatten()

    @property
    def total(self) -> Sums:
        """Sums over the whole raster."""
        return {name: sums.sum(dim=0) for name, sums in self._sums.items()}

    def without_each(self, count: str) -> Iterator[Sums]:
        """Yield the sums without one group, for each group whose first sum `count` is not 0."""
        for group in torch.nonzero(self._sums[count][:, 0]).flatten().tolist():
            # Added up anew: a difference of totals could leave a small negative sum of squares.
            yield {
                name: sums[:group].sum(dim=0) + sums[group + 1 :].sum(dim=0)
                for name, sums in self._sums.items()
            }


def intervals(
    tally: Tally, evaluate: Callable[[Sums], Values], count: str
) -> dict[str, tuple[float, float]]:
    """Return the confidence interval of every value that exists without any one group."""
    samples = [evaluate(sums) for sums in tally.without_each(count)]
    found: dict[str, tuple[float, float]] = {}
    for name, value in evaluate(tally.total).items():
        numbers = [sample[name] for sample in samples]
        known = [number for number in numbers if number is not None]
        if value is not None and len(known) == len(numbers) > 1:
            reach = _half_width(known)
            found[name] = (value - reach, value + reach)
    return found


def _half_width(samples: list[float]) -> float:
    n = len(samples)
    mean = math.fsum(samples) / n
    variance = (n - 1) / n * math.fsum((sample - mean) ** 2 for sample in samples)
    return float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * math.sqrt(variance)
