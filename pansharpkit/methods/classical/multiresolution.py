"""Multiresolution analysis by addition: detail is what PAN has beyond the resolution of a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.tables import pyramid_table, spread_table
from pansharpkit.methods.moments import Moments, gather, quotient
from pansharpkit.methods.operators import (
    blur_reach,
    gain_index,
    interpolation_reach,
    operators_of,
    pan,
)
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling


def pyramid_reach(sampling: Sampling) -> int:
    """Return how far a low-pass guide reaches: degraded to the target grid, interpolated back."""
    return interpolation_reach(sampling) + blur_reach(sampling)


def spread_gains(moments: Moments, optics: Optics) -> Tensor:
    """Return the [C] standard deviations of the bands over those of the guide, as sharp as they.

    `moments` are those of :func:`spread_table`; a constant guide gives 0.
    """
    variance = moments.covariance.diagonal()
    bands = len(optics.mtf)
    return quotient(variance[:bands], variance[bands:-1][gain_index(optics)]).sqrt()


def full_scale_gains(moments: Moments, optics: Optics) -> Tensor:
    """Return the [C] regression gains ``cov(band, PAN) / cov(lowpass(PAN), PAN)``.

    `moments` are those of :func:`pyramid_table`; a constant guide gives 0.
    """
    with_guide = moments.covariance[:-1, -1]
    bands = len(optics.mtf)
    return quotient(with_guide[:bands], with_guide[bands:][gain_index(optics)])


@dataclass(frozen=True)
class MtfGlpOptions:
    """MTF-GLP has no options."""


@dataclass(frozen=True)
class MtfGlp:
    """MTF-matched generalised Laplacian pyramid (Aiazzi et al. 2006, PE&RS 72).

    A band receives ``PAN - lowpass(PAN)`` of a PAN with its mean and standard deviation, the latter
    compared at the resolution of the bands (Alparone, Garzelli and Vivone 2017, IEEE TGRS 55).
    """

    options: MtfGlpOptions = MtfGlpOptions()

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedPyramid:
        """Compare the deviations of bands and PAN."""
        (moments,) = gather(sample, lambda o: (spread_table(o),), context)
        gains = spread_gains(moments, sample[0].optics)
        return FittedPyramid(gains, moments.mean[: len(gains)] - gains * moments.mean[-1])


@dataclass(frozen=True)
class MtfGlpFsOptions:
    """MTF-GLP-FS has no options."""


@dataclass(frozen=True)
class MtfGlpFs:
    """MTF-matched pyramid, full-scale regression (Vivone, Restaino, Chanussot 2018, IEEE TIP 27).

    A band receives ``PAN - lowpass(PAN)``, where the low-pass is the band's own MTF, times
    ``cov(band, PAN) / cov(lowpass(PAN), PAN)``.
    """

    options: MtfGlpFsOptions = MtfGlpFsOptions()

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedPyramid:
        """Estimate one gain per band."""
        (moments,) = gather(sample, lambda o: (pyramid_table(o),), context)
        gains = full_scale_gains(moments, sample[0].optics)
        return FittedPyramid(gains, torch.zeros_like(gains))


@dataclass(frozen=True)
class FittedPyramid:
    """``bands + gains * (PAN - lowpass(PAN))``."""

    gains: Tensor
    """[C]."""
    levels: Tensor
    """[C] constant that goes through the pyramid with PAN: nothing, unless kernels lose some."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        operators, places = operators_of(observation.optics), gain_index(observation.optics)
        detail = pan(observation) - operators.guide_lowpass(observation)
        lost = self.levels * (1 - operators.lowpass_sums(observation)[places])
        gains = self.gains.to(exp.device, exp.dtype)[:, None, None]
        fused = torch.addcmul(exp, gains, detail[places])
        return fused + lost.to(exp)[:, None, None] if bool(lost.any()) else fused

    def summary(self) -> Mapping[str, object]:
        """Return the gains."""
        return {"gains": self.gains.tolist()}
