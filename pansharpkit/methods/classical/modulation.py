"""Multiresolution analysis by modulation: a band times what PAN has over its own low-pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.component import DARKEST
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.multiresolution import pyramid_reach, spread_gains
from pansharpkit.methods.classical.tables import fine_table, pyramid_table, spread_table
from pansharpkit.methods.moments import Moments, gather, quotient
from pansharpkit.methods.operators import gain_index, interpolation_reach, operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

Lowpass = Callable[[Observation], Tensor]
"""From an observation to its low-pass guide, [C, H, W] or [1, H, W]."""


def band_lowpass(observation: Observation) -> Tensor:
    """Return the low-pass guide of each band, [C, H, W]."""
    smooth = operators_of(observation.optics).guide_lowpass(observation)
    return smooth[gain_index(observation.optics)]


def box_lowpass(observation: Observation) -> Tensor:
    """Return the mean of the guide over windows of about a target pixel, [1, H, W]."""
    rows, cols = _box_halves(observation.sampling)
    padded = functional.pad(pan(observation)[None], (cols, cols, rows, rows), mode="replicate")
    window = (2 * rows + 1, 2 * cols + 1)
    return functional.avg_pool2d(padded, window, stride=1)[0]


def _box_halves(sampling: Sampling) -> tuple[int, int]:
    """Return half the sides of the odd window next above, or next to, the ratio."""
    return max(1, round(sampling.ratio[0] / 2)), max(1, round(sampling.ratio[1] / 2))


@dataclass(frozen=True)
class FittedModulation:
    """``haze + (bands - haze) * (gains * PAN + above) / (gains * lowpass(PAN) + below)``."""

    gains: Tensor
    """[C]."""
    above: Tensor
    """[C]."""
    below: Tensor
    """[C]: `above`, as it comes out of the low-pass."""
    haze: Tensor
    """[C]."""
    mean: Tensor
    """[C] mean of the divisor over the scene."""
    lowpass: Lowpass

    @classmethod
    def of(
        cls,
        gains: Tensor,
        above: Tensor,
        mean: Tensor,
        lowpass: Lowpass,
        *,
        sums: Tensor | None = None,
        haze: Tensor | None = None,
    ) -> FittedModulation:
        """Complete the coefficients; a band without light stays as it is.

        `sums` says what the low-pass makes of a constant 1, if that is not 1.
        """
        lit = mean > 0
        gains = torch.where(lit, gains, 0.0)
        above = torch.where(lit, above, 1.0)
        below = above if sums is None else above * sums
        nothing = torch.zeros_like(gains)
        return cls(
            gains, above, below, nothing if haze is None else haze,
            torch.where(lit, mean, 1.0), lowpass,
        )  # fmt: skip

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Modulate each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        gains, above, below, haze, floor = (
            value.to(exp.device, exp.dtype)[:, None, None]
            for value in (self.gains, self.above, self.below, self.haze, DARKEST * self.mean)
        )
        contrast = operators_of(observation.optics).ratio(
            torch.addcmul(above, gains, pan(observation)),
            torch.addcmul(below, gains, self.lowpass(observation)),
            floor,
        )
        return torch.addcmul(haze, exp - haze, contrast)

    def summary(self) -> Mapping[str, object]:
        """Return gains, offsets and haze."""
        return {
            "gains": self.gains.tolist(),
            "offsets": self.above.tolist(),
            "haze": self.haze.tolist(),
        }


@dataclass(frozen=True)
class SfimOptions:
    """SFIM has no options."""


@dataclass(frozen=True)
class Sfim:
    """Smoothing-filter-based intensity modulation (Liu 2000, IJRS 21).

    The low-pass is the mean over a window of about one target pixel, of odd side; PAN takes the
    mean and standard deviation of each band first.
    """

    options: SfimOptions = SfimOptions()

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated, which reaches further than the window."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedModulation:
        """Compare the means and deviations of bands and PAN."""
        (fine,) = gather(sample, lambda o: (fine_table(o),), context)
        variance = fine.covariance.diagonal()
        gains = quotient(variance[:-1], variance[-1]).sqrt()
        return _matched(gains, fine, box_lowpass)


def _matched(
    gains: Tensor, moments: Moments, lowpass: Lowpass, sums: Tensor | None = None
) -> FittedModulation:
    """Give PAN, the last variable, the mean of each band once it is multiplied by the gains."""
    mean = moments.mean[: len(gains)]
    return FittedModulation.of(gains, mean - gains * moments.mean[-1], mean, lowpass, sums=sums)


@dataclass(frozen=True)
class MtfGlpHpmOptions:
    """MTF-GLP-HPM has no options."""


@dataclass(frozen=True)
class MtfGlpHpm:
    """MTF-matched pyramid with high-pass modulation (Vivone et al. 2014, IEEE GRSL 11).

    PAN takes the mean of each band, and its standard deviation at the resolution of the bands.
    """

    options: MtfGlpHpmOptions = MtfGlpHpmOptions()

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedModulation:
        """Compare the means and deviations of bands and PAN."""
        (moments,) = gather(sample, lambda o: (spread_table(o),), context)
        optics = sample[0].optics
        sums = operators_of(optics).lowpass_sums(sample[0])[gain_index(optics)]
        return _matched(spread_gains(moments, optics), moments, band_lowpass, sums)


@dataclass(frozen=True)
class MtfGlpHpmROptions:
    """MTF-GLP-HPM-R has no options."""


@dataclass(frozen=True)
class MtfGlpHpmR:
    """The same with PAN regressed on each band (Vivone, Restaino and Chanussot 2018, TGRS 56)."""

    options: MtfGlpHpmROptions = MtfGlpHpmROptions()

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedModulation:
        """Regress each band on its low-pass PAN."""
        (moments,) = gather(sample, lambda o: (pyramid_table(o),), context)
        places = gain_index(sample[0].optics)
        bands, covariance = len(places), moments.covariance
        smooth = torch.tensor(places) + bands
        shared = covariance[torch.arange(bands), smooth]
        return _matched(quotient(shared, covariance[smooth, smooth]), moments, band_lowpass)
