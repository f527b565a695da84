"""Multiresolution analysis with a guide of several bands: GLP-HS and SFIM-HS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.classical.component import DARKEST
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.hs.guides import guide_lowpass, injected, upsampled
from pansharpkit.methods.hs.statistics import pair_statistics
from pansharpkit.methods.hs.toolbox import FittedToolbox, glp, sfim
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

MOST_GAIN = 2.0
"""How far a band may lie from its mixture, either way, before modulation stops growing with it."""


@dataclass(frozen=True)
class GlpHsOptions:
    """GLP-HS has no options."""


@dataclass(frozen=True)
class GlpHs:
    """Hypersharpening by addition (Selva et al. 2015, IEEE JSTARS 8).

    Each target band receives the detail that a mixture of the guide's bands has beyond the
    target's resolution. The mixture is the regression of the band's detail on that of the guide
    one scale down, in which the guide's noise counts as much as it weighs in the injected detail.
    """

    options: GlpHsOptions = GlpHsOptions()

    def halo(self, sampling: Sampling) -> int:
        """The guide is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Regress each band's detail on the guide's."""
        if sample[0].optics.compat == "toolbox":
            return FittedToolbox(glp)
        return FittedGlpHs(pair_statistics(sample, context).hypersharpening())


@dataclass(frozen=True)
class FittedGlpHs:
    """``bands + weights @ (guide - lowpass(guide))``."""

    weights: Tensor
    """[C, c]."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        detail = observation.guide - guide_lowpass(observation)
        return injected(upsampled(observation, observation.target), self.weights, detail)

    def summary(self) -> Mapping[str, object]:
        """Return the weights."""
        return {"weights": self.weights.tolist()}


@dataclass(frozen=True)
class SfimHsOptions:
    """SFIM-HS has no options."""


@dataclass(frozen=True)
class SfimHs:
    """Hypersharpening by modulation (Liu 2000, IJRS 21; Selva et al. 2015).

    Each target band is multiplied by what a mixture of the guide's bands has over the same mixture
    at the target's resolution. The mixtures are those of GLP-HS, brought to the mean of the band.
    """

    options: SfimHsOptions = SfimHsOptions()

    def halo(self, sampling: Sampling) -> int:
        """The guide is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Regress each band's detail on the guide's."""
        if sample[0].optics.compat == "toolbox":
            return FittedToolbox(sfim)
        statistics = pair_statistics(sample, context)
        weights, mean = statistics.hypersharpening(), statistics.coarse.mean
        bands, guide = mean[: statistics.bands], mean[statistics.bands :]
        return FittedSfimHs(weights, bands - weights @ guide, bands)


@dataclass(frozen=True)
class FittedSfimHs:
    """``bands * (1 + weights @ (guide - lowpass) / (weights @ lowpass + offsets))``."""

    weights: Tensor
    """[C, c]."""
    offsets: Tensor
    """[C]."""
    mean: Tensor
    """[C] of the bands; one without light stays as it is."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Modulate each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp, smooth = upsampled(observation, observation.target), guide_lowpass(observation)
        lit = self.mean > 0
        weights, offsets = self.weights * lit[:, None], torch.where(lit, self.offsets, 1.0)
        floor = (DARKEST * torch.where(lit, self.mean, 1.0)).to(exp)[:, None, None]
        level = torch.tensordot(weights.to(exp), smooth, dims=1)
        level.add_(offsets.to(exp)[:, None, None])
        torch.maximum(level, floor, out=level)
        share = torch.div(exp, level, out=level).clamp_(1 / MOST_GAIN, MOST_GAIN)
        detail = torch.tensordot(weights.to(exp), observation.guide - smooth, dims=1)
        return exp.addcmul_(share, detail)

    def summary(self) -> Mapping[str, object]:
        """Return weights and offsets."""
        return {"weights": self.weights.tolist(), "offsets": self.offsets.tolist()}
