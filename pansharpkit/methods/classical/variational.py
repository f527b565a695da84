"""Variational methods: what the two sensors saw, and what edges are like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.multiresolution import (
    FittedPyramid,
    full_scale_gains,
    pyramid_reach,
)
from pansharpkit.methods.classical.tables import coarse_table, pyramid_table
from pansharpkit.methods.guides import inside
from pansharpkit.methods.moments import gather, nonnegative_least_squares, quotient
from pansharpkit.methods.operators import operators_of, pan
from pansharpkit.methods.primal_dual import GradientPrior, gradient, minimise
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

REACH = 6
"""Target pixels beyond which the minimum no longer depends on a pixel: see the tests."""


def _reach(sampling: Sampling) -> int:
    return pyramid_reach(sampling) + math.ceil(REACH * max(sampling.ratio))


@dataclass(frozen=True)
class TvOptions:
    """How smooth, and how long."""

    smoothness: float = 0.001
    """Weight of the total variation, in standard deviations of the bands."""
    iterations: int = 50
    """Steps of the minimisation, which starts from EXP."""


@dataclass(frozen=True)
class Tv:
    """Total variation (Palsson, Sveinsson and Ulfarsson 2014, IEEE GRSL 11).

    The fused image is the one of little total variation, band by band, that gives the target once
    it is degraded, and PAN once its bands are averaged with the weights that PAN is regressed with.
    """

    options: TvOptions = TvOptions()

    def halo(self, sampling: Sampling) -> int:
        """What is further away is damped: tiles agree to 1e-5 of the range of values."""
        return _reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedTv:
        """Regress PAN on the bands."""
        (coarse,) = gather(sample, lambda o: (coarse_table(o),), context)
        covariance = coarse.covariance
        found = nonnegative_least_squares(covariance[:-1, :-1], covariance[:-1, -1])
        scale = float(quotient(torch.ones(()), found.sum()))
        weights = found * scale
        offset = scale * float(coarse.mean[-1]) - float(weights @ coarse.mean[:-1])
        weight = self.options.smoothness * _deviation(covariance[:-1, :-1])
        return FittedTv(weights, scale, offset, weight, self.options.iterations)


def _deviation(covariance: Tensor) -> float:
    """Return the standard deviation of the bands, root mean square over them."""
    return float(covariance.diagonal().mean().sqrt())


@dataclass(frozen=True)
class FittedTv:
    """Minimum of ``|M - D x|^2 + |scale * PAN - offset - weights . x|^2 + 2 weight TV(x)``."""

    weights: Tensor
    """[C], of sum 1."""
    scale: float
    offset: float
    weight: float
    iterations: int

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation; without variation in PAN there is nothing to be found."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        weights = self.weights.to(exp)[:, None, None]
        guide = self.scale * pan(observation) - self.offset
        if self.weight == 0:
            return exp

        def slope(x: Tensor) -> Tensor:
            excess = (weights * x).sum(dim=0, keepdim=True) - guide
            return torch.addcmul(_inconsistency(observation, x), weights, excess)

        steepness = 1 + float(self.weights.square().sum())
        prior = GradientPrior(exp.new_zeros(1, 1, 1, 1), self.weight, joint=False)
        return minimise(slope, steepness, prior, exp, self.iterations)

    def summary(self) -> Mapping[str, object]:
        """Return weights and offset of PAN, and the weight of the total variation."""
        return {
            "weights": self.weights.tolist(),
            "scale": self.scale,
            "offset": self.offset,
            "total_variation": self.weight,
        }


def _inconsistency(observation: Observation, x: Tensor) -> Tensor:
    """Return what `x`, degraded, has too much of, over the pixels that it was seen by."""
    operators = operators_of(observation.optics)
    residual = operators.observe(observation, x) - observation.target
    return operators.spread(observation, inside(observation) * residual)


@dataclass(frozen=True)
class SirfOptions:
    """How closely edges follow PAN, and how long."""

    sparsity: float = 0.03
    """Weight of the difference of gradients, in standard deviations of the bands."""
    iterations: int = 30
    """Steps of the minimisation, which starts from MTF-GLP-FS."""


@dataclass(frozen=True)
class Sirf:
    """Dynamic gradient sparsity (Chen et al. 2015, IEEE TIP 24: SIRF), without its registration.

    The fused image gives the target once it is degraded, and its gradients differ from those of
    PAN in few places, the same ones for all bands. PAN is scaled to each band by the full-scale
    regression gains of MTF-GLP-FS; the shift between the two images is corrected before any
    method.
    """

    options: SirfOptions = SirfOptions()

    def halo(self, sampling: Sampling) -> int:
        """What is further away is damped: tiles agree to 1e-5 of the range of values."""
        return _reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedSirf:
        """Estimate the gains and the deviation of the bands."""
        (moments,) = gather(sample, lambda o: (pyramid_table(o),), context)
        gains = full_scale_gains(moments, sample[0].optics)
        bands = moments.covariance[: len(gains), : len(gains)]
        weight = self.options.sparsity * _deviation(bands)
        return FittedSirf(gains, weight, self.options.iterations)


@dataclass(frozen=True)
class FittedSirf:
    """Minimum of ``|M - D x|^2 / 2 + weight * sum over pixels |gradient(x - gains * PAN)|``."""

    gains: Tensor
    """[C]."""
    weight: float
    iterations: int

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation; without variation in PAN there is nothing to be found."""
        start = FittedPyramid(self.gains, torch.zeros_like(self.gains)).apply(batch, context)
        if self.weight == 0:
            return start
        return [self._refined(x, observation) for x, observation in zip(start, batch, strict=True)]

    def _refined(self, start: Tensor, observation: Observation) -> Tensor:
        wanted = gradient(self.gains.to(start)[:, None, None] * pan(observation))
        prior = GradientPrior(wanted, self.weight, joint=True)
        return minimise(
            lambda x: _inconsistency(observation, x), 1.0, prior, start, self.iterations
        )

    def summary(self) -> Mapping[str, object]:
        """Return the gains and the weight of the difference of gradients."""
        return {"gains": self.gains.tolist(), "gradient_sparsity": self.weight}
