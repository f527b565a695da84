"""EXP: the target on the guide's grid, without any of the guide's detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.operators import interpolation_reach, operators_of
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


def upsampled_target(observation: Observation) -> Tensor:
    """Return the target interpolated to the guide grid, [C, H, W]."""
    return operators_of(observation.optics).upsample(observation, observation.target)


@dataclass(frozen=True)
class ExpOptions:
    """EXP has no options."""


@dataclass(frozen=True)
class Exp:
    """Interpolation of the target: the floor that every method has to beat.

    The 23-tap half-band of Aiazzi et al. (2002, IEEE TGRS 40) is a 12-point Lagrange interpolator
    at its midpoints; here it is used at whatever position a guide pixel has.
    """

    options: ExpOptions = ExpOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """Six target samples on each side."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedExp:
        """Return at once."""
        return FittedExp()


@dataclass(frozen=True)
class FittedExp:
    """EXP, ready."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Interpolate each target."""
        return [upsampled_target(observation) for observation in batch]

    def summary(self) -> Mapping[str, object]:
        """Return nothing: nothing was estimated."""
        return {}
