"""BDSD and BDSD-PC: band-dependent detail as a combination of PAN and all bands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.moments import Table, gather, least_squares, nonnegative_least_squares
from pansharpkit.methods.operators import blur_reach, interpolation_reach, operators_of, pan
from pansharpkit.physics import Observation
from pansharpkit.physics.resample import LAGRANGE_RADIUS
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class BdsdOptions:
    """BDSD has no options."""


@dataclass(frozen=True)
class Bdsd:
    """Band-dependent spatial detail (Garzelli, Nencini and Capobianco 2008, IEEE TGRS 46).

    The minimum mean square error, one scale down, of ``a * PAN - b . bands`` as the detail of a
    band; the global version, with one set of coefficients for the scene.
    """

    options: BdsdOptions = BdsdOptions()

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated, and blurred on its own grid."""
        return _reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedBdsd:
        """Solve one regression per band."""
        return _regressed(sample, least_squares, context)


@dataclass(frozen=True)
class BdsdPcOptions:
    """BDSD-PC has no options."""


@dataclass(frozen=True)
class BdsdPc:
    """Band-dependent spatial detail with physical constraints (Vivone 2019, IEEE TGRS 57).

    Each band gains ``a * PAN - b . bands`` with a, b >= 0, which are estimated one scale down:
    there, the detail that a band has over its own low-pass version is known.
    """

    options: BdsdPcOptions = BdsdPcOptions()

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated, and blurred on its own grid."""
        return _reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedBdsd:
        """Solve one non-negative regression per band."""
        return _regressed(sample, nonnegative_least_squares, context)


def _reach(sampling: Sampling) -> int:
    """Six target samples come with every window; the blur of the target needs more than those."""
    blurred = (blur_reach(sampling) - LAGRANGE_RADIUS) * max(sampling.ratio)
    return max(interpolation_reach(sampling), math.ceil(blurred))


def _regressed(
    sample: Sequence[Observation], solve: Callable[[Tensor, Tensor], Tensor], context: Context
) -> FittedBdsd:
    """Regress the detail of each band on PAN and the smooth bands, one scale down."""
    (moments,) = gather(sample, lambda o: (_reduced(o),), context)
    bands = (len(moments.mean) - 1) // 2
    second = moments.second
    gram = second[: bands + 1, : bands + 1]
    coefficients = torch.stack([solve(gram, second[: bands + 1, -bands + b]) for b in range(bands)])
    return FittedBdsd(coefficients[:, 0], coefficients[:, 1:])


def _reduced(observation: Observation) -> Table:
    """PAN, minus the smooth bands, and the detail that the bands have beyond them."""
    exp = upsampled_target(observation)
    bands, smooth, guide = operators_of(observation.optics).reduced(observation, exp)
    return torch.cat([guide, -smooth, bands - smooth]), observation.target_mask


@dataclass(frozen=True)
class FittedBdsd:
    """``bands + guide_gains * PAN - band_gains @ bands``."""

    guide_gains: Tensor
    """[C]; not negative in BDSD-PC."""
    band_gains: Tensor
    """[C, C]; not negative in BDSD-PC."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        kept = torch.eye(len(self.band_gains), dtype=torch.float64) - self.band_gains
        mix = torch.cat([kept, self.guide_gains[:, None]], dim=1).to(exp.device, exp.dtype)
        fused: Tensor = torch.tensordot(mix, torch.cat([exp, pan(observation)]), dims=1)
        return fused

    def summary(self) -> Mapping[str, object]:
        """Return both sets of gains."""
        return {
            "guide_gains": self.guide_gains.tolist(),
            "band_gains": self.band_gains.tolist(),
        }
