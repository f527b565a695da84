"""Component substitution with a guide of several bands: GSA-HS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.hs.guides import injected, upsampled
from pansharpkit.methods.hs.hyperspectral import observe, shown
from pansharpkit.methods.hs.toolbox import FittedToolbox, gsa
from pansharpkit.methods.moments import Moments, gather, least_squares, quotient
from pansharpkit.methods.operators import interpolation_reach
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class GsaHsOptions:
    """GSA-HS has no options."""


@dataclass(frozen=True)
class GsaHs:
    """Adaptive Gram-Schmidt, group by group (Aiazzi et al. 2007; Yokoya et al. 2017, GRSM 5).

    Each target band belongs to the guide band that it correlates with best. The intensity of a
    group is the regression of its guide band on its target bands; each of them receives what the
    guide band has beyond it, times ``cov(band, intensity) / var(intensity)``. All of it is
    estimated on the target grid.
    """

    options: GsaHsOptions = GsaHsOptions()

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated; the PSF of the regression reaches less far."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Form the groups, and estimate their weights and gains."""
        if sample[0].optics.compat == "toolbox":
            return FittedToolbox(gsa)
        (moments,) = gather(sample, lambda seen: (_table(seen),), context)
        return FittedGsaHs.of(moments, len(sample[0].target))


def _table(seen: Observation) -> tuple[Tensor, Tensor]:
    """Target bands, then the guide as the target's instrument would see it, on the target grid."""
    return torch.cat([seen.target, observe(seen, seen.guide)]), shown(seen)


@dataclass(frozen=True)
class FittedGsaHs:
    """``bands + injection @ (guide - weights @ bands - offsets)``."""

    groups: Tensor
    """[C] guide band that each target band belongs to."""
    weights: Tensor
    """[c, C]."""
    offsets: Tensor
    """[c]."""
    injection: Tensor
    """[C, c] gain of each target band in its group's column, else 0."""

    @classmethod
    def of(cls, moments: Moments, bands: int) -> FittedGsaHs:
        """Work out groups, weights and gains from the moments of target and guide bands."""
        covariance, guides = moments.covariance, len(moments.mean) - bands
        groups = correlation(covariance, bands).argmax(dim=1)
        weights = torch.zeros(guides, bands, dtype=torch.float64)
        injection = torch.zeros(bands, guides, dtype=torch.float64)
        for guide in range(guides):
            own = (groups == guide).nonzero()[:, 0]
            gram = covariance[own][:, own]
            if len(own):
                weights[guide, own] = least_squares(gram, covariance[own, bands + guide])
                shared = gram @ weights[guide, own]
                injection[own, guide] = quotient(shared, weights[guide, own] @ shared)
        offsets = moments.mean[bands:] - weights @ moments.mean[:bands]
        return cls(groups, weights, offsets, injection)

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        target = observation.target
        intensity = torch.tensordot(self.weights.to(target), target, dims=1)
        intensity += self.offsets.to(target)[:, None, None]
        detail = observation.guide - upsampled(observation, intensity)
        return injected(upsampled(observation, target), self.injection, detail)

    def summary(self) -> Mapping[str, object]:
        """Return the groups, weights and gains."""
        return {
            "groups": self.groups.tolist(),
            "weights": self.weights.tolist(),
            "gains": self.injection.sum(dim=1).tolist(),
        }


def correlation(covariance: Tensor, bands: int) -> Tensor:
    """Return the correlations [C, c] between the first `bands` variables and the rest."""
    size = covariance.diagonal().clamp_min(0).sqrt()
    return quotient(covariance[:bands, bands:], torch.outer(size[:bands], size[bands:]))
