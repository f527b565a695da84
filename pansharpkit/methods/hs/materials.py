"""What a scene's materials say of its coefficients: CNMF beside FUSE and HySure.

Those two look for small differences from what the images say; CNMF for few spectra and shares that
are not negative. Its errors are others, and it keeps the shape of dark spectra, which the others
lose. Two things are done about its weaknesses: the guide that it unmixes is the one that a first
estimate explains, without noise, and what it makes is corrected in closed form until it agrees with
both images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.cnmf import Cnmf, FittedCnmf
from pansharpkit.methods.hs.fuse import TwoViews
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.physics import Observation

GROWTH = 8.0
"""Variance of what an estimate from the guide misses at the guide's scale, over that at the
target's, where much of it averages out. Between 4 and 16 the figures hardly differed."""
_LEAST = 1e-3
_LOWEST = 0.01  # quantile of a band below which no dark pixel goes, if that is negative

Estimate = Callable[[Observation], Tensor]
"""Makes coefficients [p, H, W] of an observation."""


@dataclass(frozen=True)
class Materials:
    """Spectra of the materials, and the correction of what is mixed from them."""

    mixture: FittedCnmf
    views: TwoViews
    joint: Joint

    @classmethod
    def of(
        cls, crops: Sequence[Observation], views: TwoViews, first: Estimate, context: Context
    ) -> Materials:
        """Unmix crops of the scene, and see what that misses of the target.

        Raises
        ------
        FusionError
            If no pixel is valid, or nobody knows the guide's spectral response.
        """
        cleaned = [_cleaned(crop, views, first(crop.to(context.device))) for crop in crops]
        mixture = Cnmf().fit(cleaned, context)
        missed = torch.cat(
            [
                _missed(crop, views, _made(mixture, clean, views, context))
                for crop, clean in zip(crops, cleaned, strict=True)
            ],
            dim=1,
        )
        covariance = (missed @ missed.T / max(1, missed.shape[1])).cpu()
        return cls(mixture, views, corrected_around(views, covariance))

    def coefficients(self, seen: Observation, first: Tensor, context: Context) -> Tensor:
        """Return the corrected coefficients of an observation, [p, H, W], from a first estimate."""
        mean = _made(self.mixture, _cleaned(seen, self.views, first), self.views, context)
        return self.joint.best(seen, Spread.of(seen))(mean.to(first))


def corrected_around(views: TwoViews, missed: Tensor) -> Joint:
    """Return the solution that agrees with both images, around an estimate from the guide.

    Parameters
    ----------
    missed
        [p, p] covariance of what the estimate misses at the target's scale, float64.
    """
    prior = GROWTH * missed
    least = _LEAST * float(prior.trace()) / len(prior) + float(views.subspace.noise.min()) ** 2
    return views.joint(torch.linalg.inv(prior + least * torch.eye(len(prior), dtype=prior.dtype)))


def lowest_of(crops: Sequence[Observation], views: TwoViews) -> Tensor:
    """Return the value below which a band does not go, [C], float32: 0, or less if the target does.

    The target's share outside the subspace is noise, and left out.
    """
    subspace = views.subspace
    known = torch.cat([subspace.coefficients(c.target)[:, c.target_mask] for c in crops], dim=1)
    spectra = subspace.cube(known).float()
    return torch.quantile(_thinned(spectra), _LOWEST, dim=1).clamp(max=0).cpu()


def _thinned(spectra: Tensor, most: int = 10_000) -> Tensor:
    """Return about `most` columns: a quantile needs no more."""
    return spectra[:, :: max(1, spectra.shape[1] // most)]


def _cleaned(seen: Observation, views: TwoViews, first: Tensor) -> Observation:
    """Return the observation with the guide that a first estimate explains, nowhere negative."""
    explained = mixed(views.response, first).clamp_min(0)
    return replace(seen, guide=explained.to(seen.guide))


def _made(mixture: FittedCnmf, cleaned: Observation, views: TwoViews, context: Context) -> Tensor:
    return views.subspace.coefficients(mixture.apply([cleaned], context)[0])


def _missed(seen: Observation, views: TwoViews, made: Tensor) -> Tensor:
    """Return what an estimate misses of the target's coefficients, [p, n] float64."""
    spread = Spread.of(seen)
    part = (slice(None), spread.rows, spread.cols)
    missed = views.subspace.coefficients(seen.target)[part] - spread.observe(made)
    return missed[:, seen.target_mask[part[1:]]].double()
