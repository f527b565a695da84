"""Multiresolution analysis: detail is what PAN has beyond the resolution of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.interpolation import upsampled_target
from pansharpkit.methods.moments import Table, gather, quotient
from pansharpkit.methods.operators import (
    blur_reach,
    gain_index,
    interpolation_reach,
    operators_of,
    pan,
)
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


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
        return interpolation_reach(sampling) + blur_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedMtfGlpFs:
        """Estimate one gain per band."""
        (moments,) = gather(sample, lambda o: (_fine(o),), context)
        places = torch.tensor(gain_index(sample[0].optics))
        bands = len(places)
        with_guide = moments.covariance[:-1, -1]
        gains = quotient(with_guide[:bands], with_guide[bands:][places])
        return FittedMtfGlpFs(gains)


def _fine(observation: Observation) -> Table:
    """Upsampled bands, low-pass PAN of each distinct MTF, PAN."""
    smooth = operators_of(observation.optics).guide_lowpass(observation)
    variables = torch.cat([upsampled_target(observation), smooth, pan(observation)])
    return variables, observation.guide_mask


@dataclass(frozen=True)
class FittedMtfGlpFs:
    """``bands + gains * (PAN - lowpass(PAN))``."""

    gains: Tensor
    """[C]."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        smooth = operators_of(observation.optics).guide_lowpass(observation)
        detail = pan(observation) - smooth
        gains = self.gains.to(exp.device, exp.dtype)[:, None, None]
        return torch.addcmul(exp, gains, detail[gain_index(observation.optics)])

    def summary(self) -> Mapping[str, object]:
        """Return the gains."""
        return {"gains": self.gains.tolist()}
