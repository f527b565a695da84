"""Component substitution with one intensity for the scene: Brovey and GSA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.substitution import FittedSubstitution
from pansharpkit.methods.classical.tables import coarse_table, fine_table
from pansharpkit.methods.moments import (
    Moments,
    gather,
    least_squares,
    nonnegative_least_squares,
    quotient,
)
from pansharpkit.methods.operators import interpolation_reach, operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

DARKEST = 0.01
"""Brovey divides by no intensity below this share of its mean."""


def _intensity(weights: Tensor, exp: Tensor) -> Tensor:
    intensity: Tensor = torch.tensordot(weights.to(exp.device, exp.dtype), exp, dims=1)
    return intensity


@dataclass(frozen=True)
class BroveyOptions:
    """How the intensity is made."""

    weights: Literal["least-squares", "equal"] = "least-squares"
    """Non-negative regression of PAN on the bands, or the mean of the bands with PAN's mean and
    standard deviation matched to it."""


@dataclass(frozen=True)
class Brovey:
    """Multiply all bands of a pixel by PAN over intensity: colour ratios stay (Gillespie 1987)."""

    options: BroveyOptions = BroveyOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated; the PSF of the regression reaches less far."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedBrovey:
        """Estimate the weights of the intensity."""
        if self.options.weights == "equal":
            return _equal_weights(*gather(sample, lambda o: (fine_table(o),), context))
        return _regressed_weights(*gather(sample, lambda o: (coarse_table(o),), context))


def _regressed_weights(coarse: Moments) -> FittedBrovey:
    """PAN on the target grid = weights . bands + offset, weights >= 0."""
    covariance = coarse.covariance
    weights = nonnegative_least_squares(covariance[:-1, :-1], covariance[:-1, -1])
    mean = float(coarse.mean[-1])
    offset = mean - float(weights @ coarse.mean[:-1])
    return FittedBrovey(weights, offset, 1.0, 0.0, mean)


def _equal_weights(fine: Moments) -> FittedBrovey:
    """Mean of the bands; PAN takes its mean and standard deviation."""
    bands = len(fine.mean) - 1
    weights = torch.full((bands,), 1 / bands, dtype=torch.float64)
    covariance = fine.covariance
    variance = weights @ covariance[:-1, :-1] @ weights
    gain = float(quotient(variance, covariance[-1, -1]).clamp_min(0).sqrt())
    mean = float(weights @ fine.mean[:-1])
    return FittedBrovey(weights, 0.0, gain, mean - gain * float(fine.mean[-1]), mean)


@dataclass(frozen=True)
class FittedBrovey:
    """``bands * (guide_gain * PAN + guide_offset) / (weights . bands + offset)``."""

    weights: Tensor
    """[C]."""
    offset: float
    guide_gain: float
    guide_offset: float
    mean: float
    """Mean intensity of the scene."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Modulate each observation; a scene without light stays as it is."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        if self.mean <= 0:
            return exp
        intensity = _intensity(self.weights, exp).add_(self.offset)
        guide = pan(observation)[0]
        if (self.guide_gain, self.guide_offset) != (1.0, 0.0):
            guide = guide * self.guide_gain + self.guide_offset
        floor = torch.as_tensor(DARKEST * self.mean, dtype=exp.dtype, device=exp.device)
        return exp.mul_(operators_of(observation.optics).ratio(guide, intensity, floor))

    def summary(self) -> Mapping[str, object]:
        """Return the weights and offset of the intensity, and what was done to PAN."""
        return {
            "weights": self.weights.tolist(),
            "offset": self.offset,
            "guide_gain": self.guide_gain,
            "guide_offset": self.guide_offset,
        }


@dataclass(frozen=True)
class GsaOptions:
    """GSA has no options."""


@dataclass(frozen=True)
class Gsa:
    """Adaptive Gram-Schmidt (Aiazzi, Baronti and Selva 2007, IEEE TGRS 45).

    The intensity is the regression of PAN on the bands at target scale; each band receives what
    PAN has beyond it, times ``cov(band, intensity) / var(intensity)``.
    """

    options: GsaOptions = GsaOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated; the PSF of the regression reaches less far."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedSubstitution:
        """Estimate weights on the target grid, gains and means on the guide grid."""
        coarse, fine = gather(sample, lambda o: (coarse_table(o), fine_table(o)), context)
        covariance = coarse.covariance
        weights = least_squares(covariance[:-1, :-1], covariance[:-1, -1])
        shared = fine.covariance[:-1, :-1] @ weights  # covariance of each band with the intensity
        gains = quotient(shared, weights @ shared)
        offset = float(fine.mean[-1] - weights @ fine.mean[:-1])
        return FittedSubstitution(weights, gains, offset)
