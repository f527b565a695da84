"""Both images as one quadratic in the coefficients of a spectral subspace, and its minimiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.hs.hyperspectral import observe, observe_adjoint, project
from pansharpkit.physics import Observation

_TINY = 1e-30


@dataclass(frozen=True)
class Coupled:
    """``(weight |target - D z|^2 + |guide - mixing z|^2) / 2`` over the pixels that count.

    The weight is the number of guide pixels per target pixel: so many times less often the target
    speaks. Then the terms are as steep as each other at any ratio.
    """

    seen: Observation
    coarse: Tensor
    """[p, h, w] coefficients of the target."""
    mixing: Tensor
    """[c, p] what the guide sees of the subspace."""

    @property
    def weight(self) -> float:
        """Of a target sample beside a guide pixel."""
        return self.seen.sampling.ratio[0] * self.seen.sampling.ratio[1]

    def pulled(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the transpose of what both cameras do, [p, H, W]."""
        counted = coarse * self.seen.target_mask
        back = project(self.mixing.T, fine * self.seen.guide_mask)
        return back + self.weight * observe_adjoint(self.seen, counted)

    def wanted(self) -> Tensor:
        """Return what :meth:`normal` of the coefficients should be."""
        return self.pulled(self.coarse, self.seen.guide)

    def normal(self, z: Tensor) -> Tensor:
        """Apply the matrix of the quadratic to [p, H, W]."""
        return self.pulled(observe(self.seen, z), project(self.mixing, z))

    def error(self, z: Tensor) -> float:
        """Return twice the value at [p, H, W]."""
        coarse = (observe(self.seen, z) - self.coarse) * self.seen.target_mask
        mixed = project(self.mixing, z)
        fine = (mixed - self.seen.guide) * self.seen.guide_mask
        return float(self.weight * coarse.square().sum() + fine.square().sum())


def conjugate_gradients(
    matrix: Callable[[Tensor], Tensor],
    wanted: Tensor,
    start: Tensor,
    steps: int,
    eased: Callable[[Tensor], Tensor] = lambda residual: residual,
) -> Tensor:
    """Return `steps` steps from `start` towards the solution of ``matrix(x) = wanted``.

    The matrix is symmetric and has no negative eigenvalues (Hestenes and Stiefel 1952); `eased` is
    roughly its inverse, and such a matrix too.
    """
    x, residual = start, wanted - matrix(start)
    ready = eased(residual)
    way, power = ready, float((residual * ready).sum())
    enough = max(_TINY, torch.finfo(wanted.dtype).eps ** 2 * float((wanted * eased(wanted)).sum()))
    for _ in range(steps):
        if power <= enough:
            break
        image = matrix(way)
        length = power / max(float((way * image).sum()), _TINY)
        x, residual = x + length * way, residual - length * image
        ready = eased(residual)
        before, power = power, float((residual * ready).sum())
        way = ready + (power / before) * way
    return x
