"""Minimise a smooth function plus the size of gradients: the solver of the variational methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_NORM = 8.0  # of the forward differences, squared


def gradient(x: Tensor) -> Tensor:
    """Return the forward differences of [C, H, W] along columns and rows, [2, C, H, W].

    They are 0 where there is no next pixel.
    """
    found = x.new_zeros(2, *x.shape)
    torch.sub(x[..., :, 1:], x[..., :, :-1], out=found[0, ..., :, :-1])
    torch.sub(x[..., 1:, :], x[..., :-1, :], out=found[1, ..., :-1, :])
    return found


def gradient_adjoint(q: Tensor) -> Tensor:
    """Return the transpose of :func:`gradient` of [2, C, H, W], [C, H, W]."""
    found = torch.zeros_like(q[0])
    found[..., :, 1:] += q[0, ..., :, :-1]
    found[..., :, :-1] -= q[0, ..., :, :-1]
    found[..., 1:, :] += q[1, ..., :-1, :]
    found[..., :-1, :] -= q[1, ..., :-1, :]
    return found


@dataclass(frozen=True)
class GradientPrior:
    """``weight`` times the sum over pixels of ``|gradient(x) - wanted|``."""

    wanted: Tensor
    """[2, C, H, W], or what broadcasts to it."""
    weight: float
    joint: bool
    """Whether the length is taken over all bands together, so that edges coincide."""

    def projected(self, q: Tensor) -> Tensor:
        """Return the dual variable [2, C, H, W], cut to the length of the weight."""
        length = q.square().sum(dim=(0, 1) if self.joint else 0, keepdim=True).sqrt()
        return q / (length / self.weight).clamp_min(1)


def minimise(
    slope: Callable[[Tensor], Tensor],
    steepness: float,
    prior: GradientPrior,
    start: Tensor,
    iterations: int,
) -> Tensor:
    """Minimise a smooth function plus a gradient prior from `start`, [C, H, W].

    Condat (2013, JOTA 158) and Vu (2013): one forward step of the function and one projection of
    the dual variable in each iteration.

    Parameters
    ----------
    slope
        Gradient of the smooth function.
    steepness
        Lipschitz constant of the slope, or more.
    """
    dual_step = steepness / (2 * _NORM)
    step = 1 / (steepness / 2 + _NORM * dual_step)
    x, q = start, start.new_zeros(2, *start.shape)
    for _ in range(iterations):
        moved = x - step * (slope(x) + gradient_adjoint(q))
        q = prior.projected(q + dual_step * (gradient(2 * moved - x) - prior.wanted))
        x = moved
    return x


def minimise_by_proximity(
    nearest: Callable[[Tensor], Tensor],
    step: float,
    prior: GradientPrior,
    start: Tensor,
    steps: Iterable[int],
) -> Tensor:
    """Minimise a convex function plus a gradient prior from `start`, [C, H, W].

    Chambolle and Pock (2011, JMIV 40): fit for functions that are steep in some directions and flat
    in others, as long as the nearest good point is known.

    Parameters
    ----------
    nearest
        What makes of a point z the x that minimises ``f(x) + |x - z|^2 / (2 step)``.
    step
        Size of the steps; any converges.
    steps
        Counts the iterations.
    """
    dual_step = 1 / (_NORM * step)
    x, q = start, start.new_zeros(2, *start.shape)
    for _ in steps:
        moved = nearest(x - step * gradient_adjoint(q))
        q = prior.projected(q + dual_step * (gradient(2 * moved - x) - prior.wanted))
        x = moved
    return x
