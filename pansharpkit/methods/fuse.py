"""FUSE: what the two cameras saw and what detail is like, in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.fuse_toolbox import fuse
from pansharpkit.methods.hs_guides import upsampled
from pansharpkit.methods.hs_statistics import PairStatistics, pair_statistics
from pansharpkit.methods.hs_toolbox import FittedToolbox
from pansharpkit.methods.hyperspectral import srf_of
from pansharpkit.methods.multiresolution import pyramid_reach
from pansharpkit.methods.subspace import Subspace
from pansharpkit.methods.sylvester import Joint, Spread
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
        statistics = pair_statistics(sample, context)
        subspace = statistics.subspace(self.options.dimension)
        noise = statistics.guide_noise(subspace)
        response = response_of(sample[0], statistics, subspace)
        prior = detail_covariance(statistics, subspace, noise)
        joint = Joint.of(subspace.basis, subspace.noise, response, noise, torch.linalg.inv(prior))
        return FittedFuse(subspace, noise, joint)


def response_of(seen: Observation, statistics: PairStatistics, subspace: Subspace) -> Tensor:
    """Return what each guide band sees of the coefficients, [c, p], known or from regression."""
    if seen.optics.model is None:
        return statistics.response(subspace)
    return srf_of(seen).double().cpu() @ subspace.basis


def detail_covariance(statistics: PairStatistics, subspace: Subspace, noise: Tensor) -> Tensor:
    """Return the covariance that the coefficients' detail is expected to have, [p, p].

    `noise` is that of the guide, [c].
    """
    part = slice(0, statistics.bands)
    smaller = subspace.basis.T @ statistics.detail.covariance[part, part] @ subspace.basis
    found = smaller * statistics.detail_growth(noise)
    least = max(_LEAST * float(found.trace()) / len(found), float(subspace.noise.min()) ** 2)
    return found + least * torch.eye(len(found), dtype=found.dtype)


@dataclass(frozen=True)
class FittedFuse:
    """The most probable image given target and guide, around the interpolated target."""

    subspace: Subspace
    guide_noise: Tensor
    """[c]."""
    joint: Joint

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        target = observation.target
        mean = upsampled(observation, self.subspace.coefficients(target))
        return self.joint.solved(target, observation.guide, mean, Spread.of(observation))

    def summary(self) -> Mapping[str, object]:
        """Return the dimension, and the noise that was found in both images."""
        return {
            "dimension": self.subspace.dimension,
            "target_noise": self.subspace.noise.tolist(),
            "guide_noise": self.guide_noise.tolist(),
        }
