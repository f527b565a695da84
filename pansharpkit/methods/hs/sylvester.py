"""Least squares between the two grids in closed form, at any ratio and phase.

A cube of coefficients is seen through the target's PSF, and its pixels are known otherwise with
some certainty: the best estimate solves a Sylvester equation (Wei, Dobigeon and Tourneret 2015,
IEEE TIP 24). With circular borders and a ratio that divides the image, Fourier transforms solve it.
Here the blur and decimation of a separable PSF is a pair of small matrices, and the eigenvectors
of their Gram matrices solve it: no border has to be circular, no ratio whole, no phase zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pansharpkit.methods.guides import mean_gain
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.psf import psf_pairs
from pansharpkit.physics.resample import degrade_pair
from pansharpkit.sampling import Sampling

Size = tuple[int, int]
ITERATIONS = 60
"""Of conjugate gradients at most, where a PSF is not separable."""
PRECISION = 1e-6
"""Residual, relative to the right-hand side, at which they stop."""


@dataclass(frozen=True)
class Spread:
    """The target's PSF between two grids, over the samples that are centred on the guide."""

    pairs: tuple[tuple[Tensor, Tensor], ...]
    """Separable terms, [h, H] and [w, W] each."""
    values: Tensor
    """[h, w] eigenvalues of the first term's Gram matrix."""
    vectors: tuple[Tensor, Tensor]
    """[h, h] and [w, w] eigenvectors of its two factors."""
    rows: slice
    """Rows of the target that take part."""
    cols: slice

    @classmethod
    def of(cls, seen: Observation) -> Spread:
        """Return the operator of an observation."""
        model = seen.optics.model
        psf = None if model is None else model.psf
        return _spread(seen.size, seen.sampling, seen.target_size, mean_gain(seen.optics), psf)

    @classmethod
    def by(cls, pairs: Sequence[tuple[Tensor, Tensor]], rows: slice, cols: slice) -> Spread:
        """Return the operator of separable terms, of which only some rows and columns count."""
        kept = tuple((down[rows].contiguous(), across[cols].contiguous()) for down, across in pairs)
        down, across = (torch.linalg.eigh(matrix @ matrix.T) for matrix in kept[0])
        values = torch.outer(down.eigenvalues.clamp_min(0), across.eigenvalues.clamp_min(0))
        return cls(kept, values, (down.eigenvectors, across.eigenvectors), rows, cols)

    def observe(self, x: Tensor) -> Tensor:
        """Degrade [n, H, W] to the samples that take part, [n, h, w]."""
        return torch.stack([apply_pair(x, *pair) for pair in self.pairs]).sum(dim=0)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the transpose of :meth:`observe`."""
        transposed = [apply_pair(y, rows.T, cols.T) for rows, cols in self.pairs]
        return torch.stack(transposed).sum(dim=0)

    def corrected(
        self, x: Tensor, wanted: Tensor, trust: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Return the [n, H, W] z that minimises ``|wanted - D z|^2 + trust |z - x|^2``.

        Parameters
        ----------
        x
            [n, H, W] what is known of the image otherwise.
        wanted
            [n, h', w'] what the target saw of it, on the whole target grid.
        trust
            [n], positive: how certain `x` is, beside the target.
        known
            [h', w'] samples that say something; the others count as if they agreed with `x`.
        """
        residual = wanted[:, self.rows, self.cols] - self.observe(x)
        if known is not None:
            residual = residual * known[self.rows, self.cols]
        weight = trust.to(x)[:, None, None]
        found = self._nearly_solved(residual, weight)
        if len(self.pairs) > 1:
            found = self._iterated(residual, weight, found)
        return x + self.adjoint(found)

    def _nearly_solved(self, residual: Tensor, weight: Tensor) -> Tensor:
        """Solve ``(weight + D D') z = residual`` as if the first separable term were all."""
        down, across = (vectors.to(residual) for vectors in self.vectors)
        turned = down.T @ residual @ across
        return down @ (turned / (weight + self.values.to(residual))) @ across.T

    def _iterated(self, wanted: Tensor, weight: Tensor, start: Tensor) -> Tensor:
        """Solve the same with all terms, by preconditioned conjugate gradients for each band."""

        def dot(a: Tensor, b: Tensor) -> Tensor:
            return (a * b).sum(dim=(1, 2), keepdim=True)

        def applied(z: Tensor) -> Tensor:
            return weight * z + self.observe(self.adjoint(z))

        z, residual = start, wanted - applied(start)
        ready = self._nearly_solved(residual, weight)
        step, power = ready, dot(residual, ready)
        enough = PRECISION**2 * dot(wanted, wanted)
        for _ in range(ITERATIONS):
            if bool((dot(residual, residual) <= enough).all()):
                break
            moved = applied(step)
            length = power / dot(step, moved).clamp_min(torch.finfo(z.dtype).tiny)
            z, residual = z + length * step, residual - length * moved
            ready = self._nearly_solved(residual, weight)
            before, power = power, dot(residual, ready)
            step = ready + power / before.clamp_min(torch.finfo(z.dtype).tiny) * step
        return z


@dataclass(frozen=True)
class Joint:
    """Two views of coefficients and a prior, in coordinates where they do not mix.

    In them the noise of the target is white and the posterior given guide and prior uncorrelated,
    so that each coordinate can be corrected by the target by itself.
    """

    axes: Tensor
    """[p, p] coefficients of the coordinates."""
    trust: Tensor
    """[p] precision of the posterior given guide and prior, beside that of the target."""
    observed: Tensor
    """[p, C] makes the target's own estimate of the coordinates."""
    from_mean: Tensor
    """[p, p] makes the share of the prior's mean, in coefficients, in the posterior."""
    from_guide: Tensor
    """[p, c] makes the guide's share."""

    @classmethod
    def of(
        cls,
        basis: Tensor,
        noise: Tensor,
        response: Tensor,
        guide_noise: Tensor,
        prior: Tensor,
        slack: Tensor | None = None,
    ) -> Joint:
        """Work out all that pixels do not change.

        Parameters
        ----------
        basis
            [C, p] spectra of the coefficients.
        noise
            [C] standard deviation of the target's noise.
        response
            [c, p] what the guide sees of the coefficients.
        guide_noise
            [c].
        prior
            [p, p] precision of the coefficients around the prior's mean.
        slack
            [p, p] covariance of what the target's coefficients differ by from the observed cube's
            besides noise: the observation model is never quite right.
        """
        weighted = basis / noise.square()[:, None]
        seen = response.T / guide_noise.square()
        target, guide = basis.T @ weighted, seen @ response + prior
        told = weighted.T
        if slack is not None:
            share = torch.linalg.inv(torch.eye(len(target), dtype=target.dtype) + target @ slack)
            target, told = _symmetric(share @ target), share @ told
        factor = torch.linalg.cholesky(target)
        half = torch.linalg.solve_triangular(factor, guide, upper=False)
        both = torch.linalg.solve_triangular(factor, half.T, upper=False)
        trust, turned = torch.linalg.eigh(_symmetric(both))
        trust = trust.clamp_min(float(trust[-1]) * torch.finfo(trust.dtype).eps)
        axes = torch.linalg.solve_triangular(factor.T, turned, upper=True)
        certain = axes.T / trust[:, None]
        return cls(axes, trust, axes.T @ told, certain @ prior, certain @ seen)

    def best(self, seen: Observation, spread: Spread) -> Callable[[Tensor], Tensor]:
        """Return what makes the most probable coefficients of those that the prior expects.

        Both are [p, H, W].
        """
        told = mixed(self.from_guide, seen.guide)
        wanted = mixed(self.observed, seen.target)

        def solved(mean: Tensor) -> Tensor:
            expected = mixed(self.from_mean, mean).add_(told)
            found = spread.corrected(expected, wanted, self.trust, seen.target_mask)
            return mixed(self.axes, found)

        return solved


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.T) / 2


def mixed(weights: Tensor, image: Tensor) -> Tensor:
    """Return ``weights @ image`` for [n, m] weights and [m, H, W] bands."""
    found: Tensor = torch.tensordot(weights.to(image), image, dims=1)
    return found


@lru_cache(maxsize=32)
def _spread(
    size: Size, sampling: Sampling, target_size: Size, gain: float, psf: Psf | None
) -> Spread:
    rows, cols = (_centred(size[axis], target_size[axis], sampling, axis) for axis in (0, 1))
    if psf is None:
        pairs = [degrade_pair(size, sampling, target_size, gain, "replicate")]
    else:
        pairs = psf_pairs(size, sampling, target_size, psf)
    return Spread.by(pairs, rows, cols)


def _centred(size: int, count: int, sampling: Sampling, axis: int) -> slice:
    """Return the samples of an axis that are centred on the guide array."""
    places = sampling.ratio[axis] * torch.arange(count, dtype=torch.float64) + sampling.phase[axis]
    inside = ((places > -0.5) & (places < size - 0.5)).nonzero()
    if not len(inside):
        return slice(0, 0)
    return slice(int(inside[0]), int(inside[-1]) + 1)
