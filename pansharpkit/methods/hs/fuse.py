"""FUSE: what the two cameras saw and what detail is like, in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.hs.fuse_toolbox import fuse
from pansharpkit.methods.hs.guides import upsampled
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.statistics import PairStatistics, pair_statistics
from pansharpkit.methods.hs.subspace import Subspace
from pansharpkit.methods.hs.sylvester import Joint, Spread
from pansharpkit.methods.hs.toolbox import FittedToolbox
from pansharpkit.methods.moments import quotient
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

REACH = 4
"""Target pixels beyond which the solution no longer depends on a pixel: see the tests."""
_LEAST = 1e-6  # of the mean power of detail: directions without any


@dataclass(frozen=True)
class FuseOptions:
    """Options of FUSE."""

    dimension: int | None = None
    """Dimensions of the subspace; by default as many as stand out of the noise, at most 30."""


@dataclass(frozen=True)
class Fuse:
    """Fast fusion by a Sylvester equation (Wei, Dobigeon and Tourneret 2015, IEEE TIP 24).

    In a subspace of the target's spectra, the most probable image given both images, Gaussian
    noise of known level in each band and a Gaussian prior: the interpolated target, plus detail
    of the covariance that the target's detail has one scale down, scaled by how the power of the
    guide's detail grows between the scales.
    """

    options: FuseOptions = FuseOptions()

    def halo(self, sampling: Sampling) -> int:
        """What is further away is damped: tiles agree to 1e-5 of the range of values."""
        return pyramid_reach(sampling) + math.ceil(REACH * max(sampling.ratio))

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Find subspace, noise and prior."""
        if sample[0].optics.compat == "toolbox":
            return FittedToolbox(fuse)
        views = TwoViews.of(sample, context, self.options.dimension)
        return FittedFuse(views, views.joint(torch.linalg.inv(views.detail)))


@dataclass(frozen=True)
class TwoViews:
    """What both images say of the coefficients of a cube, and what its detail is like."""

    subspace: Subspace
    response: Tensor
    """[c, p] what each guide band sees of the coefficients."""
    guide_noise: Tensor
    """[c] standard deviations."""
    detail: Tensor
    """[p, p] covariance that the coefficients' detail beyond the target is expected to have."""
    slack: Tensor
    """[p, p] covariance of what the observation model gets wrong of the target's coefficients."""

    @classmethod
    def of(cls, sample: Sequence[Observation], context: Context, dimension: int | None) -> TwoViews:
        """Estimate all from a scene; the response by regression where nobody knows the SRF."""
        return cls.within(sample[0], pair_statistics(sample, context), dimension)

    @classmethod
    def within(
        cls, seen: Observation, statistics: PairStatistics, dimension: int | None
    ) -> TwoViews:
        """Do the same from a scene's statistics and any of its observations."""
        subspace = statistics.subspace(dimension)
        if seen.optics.model is None:
            response = statistics.response(subspace)
        else:
            response = _alive(srf_of(seen).double().cpu(), statistics) @ subspace.basis
        noise = statistics.guide_noise(subspace)
        smaller = _coarse_detail(statistics, subspace)
        detail = detail_covariance(statistics, subspace, noise)
        return cls(subspace, response, noise, detail, statistics.discrepancy(subspace) * smaller)

    def joint(self, prior: Tensor) -> Joint:
        """Return the joint solution around a prior of that precision, [p, p]."""
        subspace = self.subspace
        return Joint.of(
            subspace.basis, subspace.noise, self.response, self.guide_noise, prior, self.slack
        )

    def summary(self) -> dict[str, object]:
        """Return the dimension, and the noise that was found in both images."""
        return {
            "dimension": self.subspace.dimension,
            "target_noise": self.subspace.noise.tolist(),
            "guide_noise": self.guide_noise.tolist(),
        }


def _alive(srf: Tensor, statistics: PairStatistics) -> Tensor:
    """Return the [c, C] response without dead bands, what is left of each row scaled up."""
    alive = (statistics.target.covariance.diagonal() > 0).to(srf)
    kept = srf * alive
    return kept * quotient(srf.sum(dim=1), kept.sum(dim=1))[:, None]


def detail_covariance(statistics: PairStatistics, subspace: Subspace, noise: Tensor) -> Tensor:
    """Return the covariance of the coefficients' detail, [p, p], if it grows like the guide's.

    `noise` is that of the guide, [c].
    """
    found = _coarse_detail(statistics, subspace) * statistics.detail_growth(noise)
    least = max(_LEAST * float(found.trace()) / len(found), float(subspace.noise.min()) ** 2)
    return found + least * torch.eye(len(found), dtype=found.dtype)


def _coarse_detail(statistics: PairStatistics, subspace: Subspace) -> Tensor:
    part = slice(0, statistics.bands)
    return subspace.basis.T @ statistics.detail.covariance[part, part] @ subspace.basis


@dataclass(frozen=True)
class FittedFuse:
    """The most probable image given target and guide, around the interpolated target."""

    views: TwoViews
    joint: Joint

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self.views.subspace.cube(self.coefficients(observation)) for observation in batch]

    def coefficients(self, observation: Observation) -> Tensor:
        """Return the most probable coefficients, [p, H, W]."""
        mean = upsampled(observation, self.views.subspace.coefficients(observation.target))
        return self.joint.best(observation, Spread.of(observation))(mean)

    def summary(self) -> Mapping[str, object]:
        """Return the dimension, and the noise that was found in both images."""
        return self.views.summary()
