"""Methods that take the light of the atmosphere off before they modulate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.component import DARKEST
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.modulation import FittedModulation, band_lowpass
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.moments import Moments, Table, gather, least_squares, quotient
from pansharpkit.methods.operators import interpolation_reach, operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

Haze = Literal["auto", "bgrn", "minimum"]
BGRN_SHARES = (0.95, 0.45, 0.40, 0.05)
"""Share of the dark level of blue, green, red and near infrared that is haze."""
DARK = 0.01
"""Quantile that is the dark level."""


class Darkest:
    """The values of all bands over a scene, for what no sum can tell."""

    def __init__(self) -> None:
        self._kept: list[Tensor] = []

    def add(self, table: Table) -> None:
        """Keep the bands, all but the last variable, where the mask is true."""
        variables, mask = table
        self._kept.append(variables[:-1, mask].cpu())

    def haze(self, rule: Haze) -> Tensor:
        """Return the haze of each band, [C] float64."""
        values = torch.cat(self._kept, dim=1)
        if rule == "bgrn" or (rule == "auto" and len(values) == len(BGRN_SHARES)):
            shares = torch.tensor(BGRN_SHARES, dtype=torch.float64)
            return shares * torch.stack([_quantile(band, DARK) for band in values])
        return values.amin(dim=1).double()


def _quantile(values: Tensor, share: float) -> Tensor:
    """Return the quantile that takes value i of n, sorted, for the share (i + 1/2) / n."""
    place = min(max(share * len(values) - 0.5, 0.0), len(values) - 1.0)
    low = math.floor(place)
    least = torch.topk(values, min(low + 2, len(values)), largest=False).values.double()
    return torch.lerp(least[low], least[-1], place - low)


def _survey(sample: Sequence[Observation], rule: Haze, context: Context) -> tuple[Moments, Tensor]:
    """Return the moments of bands and PAN at one resolution, and the haze of each band."""
    darkest = Darkest()

    def measure(observation: Observation) -> tuple[Table]:
        table = operators_of(observation.optics).equally_sharp(observation)
        darkest.add(table)
        return (table,)

    (moments,) = gather(sample, measure, context)
    return moments, darkest.haze(rule)


@dataclass(frozen=True)
class BtHOptions:
    """What counts as haze."""

    haze: Haze = "auto"
    """`bgrn`: shares of the first percentile of blue, green, red and near infrared, in that order;
    `minimum`: the least value of each band; `auto`: the former for four bands."""


@dataclass(frozen=True)
class BtH:
    """Brovey transform with haze correction (Lolli et al. 2017, IEEE GRSL 14).

    The intensity is the regression of PAN on the bands, without an offset; PAN takes its mean, and
    its standard deviation at the resolution of the bands.
    """

    options: BtHOptions = BtHOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated; the PSF of the regression reaches less far."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedBtH:
        """Estimate haze, weights and what matches PAN to the intensity."""
        moments, haze = _survey(sample, self.options.haze, context)
        second, covariance = moments.second, moments.covariance
        weights = least_squares(second[:-1, :-1], second[:-1, -1])
        variance = weights @ covariance[:-1, :-1] @ weights
        gain = float(quotient(variance, covariance[-1, -1]).clamp_min(0).sqrt())
        mean = float(weights @ (moments.mean[:-1] - haze))
        return FittedBtH(weights, haze, gain, mean - gain * float(moments.mean[-1]), mean)


@dataclass(frozen=True)
class FittedBtH:
    """``haze + (bands - haze) * (gain * PAN + offset) / (weights . (bands - haze))``."""

    weights: Tensor
    """[C]."""
    haze: Tensor
    """[C]."""
    guide_gain: float
    guide_offset: float
    mean: float
    """Mean intensity of the scene."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Modulate each observation; without light or variation it stays as it is."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        if self.mean <= 0 or self.guide_gain == 0:
            return exp
        haze = self.haze.to(exp)[:, None, None]
        clear = exp - haze
        intensity = torch.tensordot(self.weights.to(exp), clear, dims=1)
        guide = pan(observation)[0] * self.guide_gain + self.guide_offset
        floor = intensity.new_tensor(DARKEST * self.mean)
        contrast = operators_of(observation.optics).ratio(guide, intensity, floor)
        return torch.addcmul(haze, clear.clamp_min(0), contrast)

    def summary(self) -> Mapping[str, object]:
        """Return weights and haze, and what was done to PAN."""
        return {
            "weights": self.weights.tolist(),
            "haze": self.haze.tolist(),
            "guide_gain": self.guide_gain,
            "guide_offset": self.guide_offset,
        }


@dataclass(frozen=True)
class MtfGlpHpmHOptions:
    """What counts as haze."""

    haze: Haze = "auto"
    """`bgrn`: shares of the first percentile of blue, green, red and near infrared, in that order;
    `minimum`: the least value of each band; `auto`: the former for four bands."""


@dataclass(frozen=True)
class MtfGlpHpmH:
    """MTF-matched pyramid with modulation of what is above the haze (Lolli et al. 2017, GRSL 14).

    The haze of PAN follows from that of the bands by the regression of PAN on them.
    """

    options: MtfGlpHpmHOptions = MtfGlpHpmHOptions()

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedModulation:
        """Estimate the haze of the bands and of PAN."""
        moments, haze = _survey(sample, self.options.haze, context)
        covariance = moments.covariance
        weights = least_squares(covariance[:-1, :-1], covariance[:-1, -1])
        above = weights @ (moments.mean[:-1] - haze)  # mean of PAN beyond its own haze
        same = torch.ones_like(haze)
        offset = (above - moments.mean[-1]) * same
        return FittedModulation.of(same, offset, above * same, band_lowpass, haze=haze)
