"""Sums over a scene, block by block, and the regressions that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation

FLAT = 1e-12
"""A variance below this share of the squared mean is rounding noise: the variable is constant."""
RANK = 1e-12
"""Eigenvalues of a correlation matrix below this share of the largest count as zero."""
_CHUNK = 2**16  # fits into the cache
_ROUNDS = 10  # per variable; Lawson and Hanson's method hardly ever needs more than one
_FLAT_SLOPE = 1e-13  # of the largest moment: no way down any more

Table = tuple[Tensor, Tensor]
"""[n, H, W] variables and the [H, W] mask of the pixels that count."""


@dataclass(frozen=True)
class Moments:
    """How many pixels, their means and their co-moments: all that a regression needs.

    Kept centred, in float64 on the CPU, and merged pairwise (Chan, Golub and LeVeque 1979), so
    that neither a large offset nor the partition of the scene into blocks costs accuracy.
    """

    count: int
    mean: Tensor
    """[n]."""
    comoment: Tensor
    """[n, n] sum over pixels of the products of deviations from the mean."""

    @classmethod
    def empty(cls, variables: int) -> Moments:
        """Return the moments of no pixels."""
        zero = torch.zeros(variables, dtype=torch.float64)
        return cls(0, zero, torch.outer(zero, zero))

    @classmethod
    def of(cls, variables: Tensor, mask: Tensor) -> Moments:
        """Return the moments of [n, H, W] variables where the [H, W] mask is true."""
        total = cls.empty(int(variables.shape[0]))
        for chunk in torch.split(_counted(variables, mask), _CHUNK, dim=1):
            if chunk.shape[1]:
                centred = chunk.to(torch.float64, copy=True)
                mean = centred.mean(dim=1)
                centred -= mean[:, None]
                comoment = centred @ centred.T
                total = total.merged(cls(int(chunk.shape[1]), mean.cpu(), comoment.cpu()))
        return total

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets of pixels together."""
        count = self.count + other.count
        if count == 0:
            return self
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        between = torch.outer(step, step) * (self.count * other.count / count)
        return Moments(count, mean, self.comoment + other.comoment + between)

    @property
    def covariance(self) -> Tensor:
        """[n, n] covariance, divided by the count; rows and columns of constants are zero."""
        covariance = self.comoment / self.count
        varies = covariance.diagonal() > FLAT * self.mean**2
        return torch.where(varies[:, None] & varies[None, :], covariance, 0.0)

    @property
    def second(self) -> Tensor:
        """[n, n] mean of the products of the variables themselves."""
        return self.comoment / self.count + torch.outer(self.mean, self.mean)


Measure = Callable[[Observation], tuple[Moments, ...]]
Through = Callable[[str, Sequence[Observation], Measure, Context], Iterator[tuple[Moments, ...]]]
"""How the blocks of a stage are gone through."""


def _counted(variables: Tensor, mask: Tensor) -> Tensor:
    """Return the columns of [n, H, W] where the mask is true, [n, k], in any order.

    Most masks are a frame around pixels that all count, and cropping is cheaper than picking.
    """
    rows, cols = (mask.any(dim=axis).nonzero() for axis in (1, 0))
    if not len(rows):
        return variables.new_zeros(variables.shape[0], 0)
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
    inner, counted = variables[:, *box], mask[box]
    return inner.flatten(1) if counted.all() else inner[:, counted]


def gather(
    sample: Sequence[Observation],
    measure: Callable[[Observation], tuple[Table, ...]],
    context: Context,
    through: Through = side_by_side,
) -> tuple[Moments, ...]:
    """Return the moments of each table that `measure` draws up, over all blocks in one pass.

    As many blocks are measured side by side as PyTorch has threads, unless `through` says
    otherwise, and merged in order.

    Raises
    ------
    FusionError
        If a table has no valid pixel in any block.
    """

    def measured(observation: Observation) -> tuple[Moments, ...]:
        return tuple(Moments.of(*table) for table in measure(observation))

    totals: tuple[Moments, ...] = ()
    for found in through("statistics", sample, measured, context):
        totals = tuple(map(Moments.merged, totals, found)) if totals else found
    if not totals or any(total.count == 0 for total in totals):
        raise FusionError(
            "the scene has no valid pixel to take statistics from: every sampled pixel is nodata, "
            "saturated or masked; check the nodata value, the cloud mask and the area of interest"
        )
    return totals


def least_squares(gram: Tensor, moment: Tensor) -> Tensor:
    """Return the minimum-norm solution [n] of ``gram @ w = moment`` for a positive [n, n] gram.

    The variables are scaled to unit size first, so that the rank does not depend on their units.
    """
    scale = _unit_scale(gram)
    values, vectors = torch.linalg.eigh(gram * torch.outer(scale, scale))
    keep = values > RANK * values[-1].clamp_min(torch.finfo(values.dtype).tiny)
    inverse = torch.where(keep, 1 / torch.where(keep, values, 1.0), 0.0)
    solution: Tensor = scale * (vectors @ (inverse * (vectors.T @ (scale * moment))))
    return solution


def nonnegative_least_squares(gram: Tensor, moment: Tensor) -> Tensor:
    """Return the [n] ``w >= 0`` that minimises ``w' gram w - 2 w' moment``.

    A ridge of :data:`RANK` keeps identical variables solvable. Variables enter and leave the set of
    the positive ones one by one (Lawson and Hanson 1974; on the gram, Bro and de Jong 1997).
    """
    scale = _unit_scale(gram)
    gram = gram * torch.outer(scale, scale) + RANK * torch.eye(len(gram), dtype=gram.dtype)
    moment = scale * moment
    solution = torch.zeros_like(moment)
    positive = torch.zeros(len(moment), dtype=torch.bool)
    for _ in range(_ROUNDS * len(gram)):
        slope = torch.where(positive, -torch.inf, moment - gram @ solution)
        if float(slope.max()) <= _FLAT_SLOPE * float(moment.abs().max()):
            break
        positive[slope.argmax()] = True
        solution, positive = _leave_negative(gram, moment, solution, positive)
    return scale * solution


def _leave_negative(
    gram: Tensor, moment: Tensor, solution: Tensor, positive: Tensor
) -> tuple[Tensor, Tensor]:
    """Walk from a solution to the minimum over `positive`, dropping what turns negative."""
    while True:
        wanted = torch.zeros_like(solution)
        inner = gram[positive][:, positive]
        wanted[positive] = torch.linalg.solve(inner, moment[positive])
        negative = positive & (wanted <= 0)
        if not negative.any():
            return wanted, positive
        room = solution[negative] / (solution - wanted)[negative]
        solution = solution + room.min() * (wanted - solution)
        gone = torch.zeros_like(positive)
        gone[negative.nonzero()[room.argmin()]] = True
        solution = torch.where(gone, 0.0, solution)
        positive = positive & ~gone


def _unit_scale(gram: Tensor) -> Tensor:
    """Return 1 / size of each variable, 0 where a variable is zero throughout."""
    size = gram.diagonal().clamp_min(0).sqrt()
    return torch.where(size > 0, 1 / torch.where(size > 0, size, 1.0), 0.0)


def quotient(above: Tensor, below: Tensor) -> Tensor:
    """Return above / below, and 0 wherever `below` is not positive."""
    positive = below > 0
    return torch.where(positive, above / torch.where(positive, below, 1.0), 0.0)
