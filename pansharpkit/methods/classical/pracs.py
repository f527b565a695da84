"""PRACS: each band's own intensity, replaced in part, injected where bands and intensity agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.component import DARKEST
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.classical.tables import fine_table
from pansharpkit.methods.moments import Moments, Table, gather, least_squares, quotient
from pansharpkit.methods.operators import operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class PracsOptions:
    """How much is injected."""

    beta: float = 0.95
    """Factor of the detail: 0.95 for 11-bit data, 1.95 for 8-bit data (Choi et al. 2011)."""


@dataclass(frozen=True)
class Pracs:
    """Adaptive component substitution by partial replacement (Choi, Yu and Kim 2011, TGRS 49).

    The statistics are those of the scene; the local part, an adjustment where a band leaves its
    usual proportion to the intensity, is computed pixel by pixel.
    """

    options: PracsOptions = PracsOptions()

    def halo(self, sampling: Sampling) -> int:
        """The regressions see PAN and bands degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedPracs:
        """Match the bands to PAN, then regress PAN and the partly replaced bands on them."""
        (fine,) = gather(sample, lambda o: (fine_table(o),), context)
        matching = _Matching.of(fine)
        (moments,) = gather(sample, lambda o: (_regressors(o, matching),), context)
        return _Regression(moments).fitted(matching, self.options.beta)


@dataclass(frozen=True)
class _Matching:
    """What gives each band the mean and the standard deviation of PAN."""

    gains: Tensor
    """[C]; 0 where a band does not vary."""
    offsets: Tensor
    """[C]."""

    @classmethod
    def of(cls, fine: Moments) -> _Matching:
        variance = fine.covariance.diagonal()
        gains = quotient(variance[-1], variance[:-1]).sqrt()
        return cls(gains, fine.mean[-1] - gains * fine.mean[:-1])

    def __call__(self, exp: Tensor) -> Tensor:
        """Match [C, H, W]; what would be negative is zero."""
        gains, offsets = (v.to(exp)[:, None, None] for v in (self.gains, self.offsets))
        return torch.addcmul(offsets, gains, exp).clamp_min(0)


def _regressors(observation: Observation, matching: _Matching) -> Table:
    """Matched bands, PAN, both as the target grid resolves them, and the upsampled bands."""
    exp = upsampled_target(observation)
    sharp = torch.cat([matching(exp), pan(observation)])
    low = operators_of(observation.optics).resolved(observation, sharp)
    return torch.cat([sharp, low, exp]), observation.guide_mask


class _Regression:
    """The coefficients that follow from the moments of :func:`_regressors`."""

    def __init__(self, moments: Moments) -> None:
        self.bands = bands = (len(moments.mean) - 2) // 3
        self.mean, self.covariance = moments.mean, moments.covariance
        self.matched = slice(0, bands)
        self.low_bands = slice(bands + 1, 2 * bands + 1)
        self.low_guide = 2 * bands + 1
        self.plain = slice(2 * bands + 2, 3 * bands + 2)
        self.gram = self.covariance[self.matched, self.matched]

    def fitted(self, matching: _Matching, beta: float) -> FittedPracs:
        """Return the fitted method."""
        eye = torch.eye(self.bands, dtype=torch.float64)
        intensity = least_squares(self.gram, self.covariance[self.matched, self.low_guide])
        share = self._correlation(intensity[:, None].expand(-1, self.bands), self.matched)
        # A partly replaced band is share * PAN + (1 - share) * band: so are its moments.
        seen = share * self.covariance[self.matched, self.low_guide][:, None]
        seen = seen + (1 - share) * self.covariance[self.matched, self.low_bands]
        weights = torch.stack([least_squares(self.gram, moment) for moment in seen.T], dim=1)
        low = share * self.mean[self.low_guide] + (1 - share) * self.mean[self.low_bands]
        offsets = low - weights.T @ self.mean[self.matched]
        deviation = self.covariance.diagonal()[self.plain].sqrt()
        strength = beta * self._correlation(weights, self.plain)
        strength = strength * quotient(deviation, deviation.mean())
        likeness = self._correlation(intensity[:, None].expand(-1, self.bands), self.plain)
        sharp = share * self.mean[self.bands] + (1 - share) * self.mean[self.matched]
        mix = torch.cat([(1 - share) * eye - weights.T, share[:, None]], dim=1)
        return FittedPracs(matching, mix, sharp - low, weights.T, offsets, low, strength, likeness)

    def _correlation(self, weights: Tensor, others: slice) -> Tensor:
        """Correlate the sum of matched bands in each column with each of the others, [C]."""
        variance = (weights * (self.gram @ weights)).sum(dim=0)
        shared = (weights * self.covariance[self.matched, others]).sum(dim=0)
        power = variance * self.covariance.diagonal()[others]
        return quotient(shared, power.clamp_min(0).sqrt()).clamp(-1, 1)


@dataclass(frozen=True)
class FittedPracs:
    """``bands + strength * (1 - |1 - likeness * bands / intensity|) * detail``."""

    matching: _Matching
    mix: Tensor
    """[C, C + 1]: the detail of each band from matched bands and PAN."""
    mean_detail: Tensor
    """[C] to be taken off the detail."""
    weights: Tensor
    """[C, C] of each band's own intensity."""
    offsets: Tensor
    """[C]."""
    mean: Tensor
    """[C] of the intensities over the scene."""
    strength: Tensor
    """[C]."""
    likeness: Tensor
    """[C] correlation of the common intensity with the bands."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        matched = self.matching(exp)
        offsets, excess, strength, likeness, mean = (
            value.to(exp)[:, None, None]
            for value in (
                self.offsets, self.offsets + self.mean_detail, self.strength, self.likeness,
                self.mean,
            )
        )  # fmt: skip
        both = torch.cat([matched, pan(observation)])
        detail = torch.tensordot(self.mix.to(exp), both, dims=1) - excess
        intensity = torch.tensordot(self.weights.to(exp), matched, dims=1) + offsets
        floor = (DARKEST * mean).clamp_min(torch.finfo(exp.dtype).tiny)
        share = operators_of(observation.optics).ratio(likeness * exp, intensity, floor)
        local = 1 - (1 - share).abs()
        return torch.addcmul(exp, strength * local, detail)

    def summary(self) -> Mapping[str, object]:
        """Return strength, likeness and the weights of the intensities."""
        return {
            "strength": self.strength.tolist(),
            "likeness": self.likeness.tolist(),
            "weights": self.weights.tolist(),
            "offsets": self.offsets.tolist(),
        }
