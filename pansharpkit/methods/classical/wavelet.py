"""AWLP: detail from wavelets, shared out in proportion to the bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.component import DARKEST
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.moments import Table, gather, quotient
from pansharpkit.methods.operators import operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class AwlpOptions:
    """AWLP has no options."""


@dataclass(frozen=True)
class Awlp:
    """Additive wavelet luminance proportional (Otazu et al. 2005, IEEE TGRS 43).

    A band receives the wavelet planes of PAN times its share in the mean of the bands. PAN takes
    the standard deviation of the band first, compared at the resolution of the bands.
    """

    options: AwlpOptions = AwlpOptions()

    def halo(self, sampling: Sampling) -> int:
        """To compare deviations, PAN is degraded to the target grid and interpolated back."""
        return pyramid_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedAwlp:
        """Compare the deviations of bands and PAN."""
        (moments,) = gather(sample, lambda o: (_table(o),), context)
        variance = moments.covariance.diagonal()
        gains = quotient(variance[:-1], variance[-1]).sqrt()
        return FittedAwlp(gains, float(moments.mean[:-1].mean()))


def _table(observation: Observation) -> Table:
    """Upsampled bands, and PAN as sharp as they are."""
    smooth = operators_of(observation.optics).resolved(observation, pan(observation))
    return torch.cat([upsampled_target(observation), smooth]), observation.guide_mask


@dataclass(frozen=True)
class FittedAwlp:
    """``bands * (1 + gains * (PAN - spline(PAN)) / mean of the bands)``."""

    gains: Tensor
    """[C]."""
    mean: float
    """Mean of all bands over the scene."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation; a scene without light stays as it is."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        if self.mean <= 0:
            return exp
        operators = operators_of(observation.optics)
        detail = pan(observation) - operators.guide_spline(observation)
        floor = exp.new_tensor(DARKEST * self.mean)
        relative = operators.ratio(detail, exp.mean(dim=0, keepdim=True), floor)
        return exp + exp * (self.gains.to(exp)[:, None, None] * relative)

    def summary(self) -> Mapping[str, object]:
        """Return the gains."""
        return {"gains": self.gains.tolist()}
