"""The joint bilateral filter: means of neighbours that look alike in the guide.

Source: Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004;
Eisemann and Durand, "Flash photography enhancement via intrinsic relighting", the same year.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.moments import gather
from pansharpkit.methods.networks.standard import Scaling
from pansharpkit.methods.same.same_grid import same_grid
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

_REACH = 2.5  # standard deviations of the spatial Gaussian, where 4 % of its height is left


@dataclass(frozen=True)
class JointBilateralOptions:
    """How near, and how alike, neighbours must be."""

    spatial: float = 2.0
    """Standard deviation of the weight over distance, pixels."""
    tonal: float = 0.2
    """Standard deviation of the weight over differences of the guide, in standard deviations of the
    guide over the scene."""

    def __post_init__(self) -> None:
        if not (self.spatial > 0 and self.tonal > 0):
            raise OptionError("joint-bilateral: spatial and tonal must be positive")

    @property
    def radius(self) -> int:
        """Pixels to each side of the window."""
        return math.ceil(_REACH * self.spatial)


@dataclass(frozen=True)
class JointBilateral:
    """Average the noisy image over a window, weighted by distance and by the guide."""

    options: JointBilateralOptions = JointBilateralOptions()

    def halo(self, sampling: Sampling) -> int:
        """Return the radius of the window."""
        return self.options.radius

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedJointBilateral:
        """Measure the guide's contrast.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        (moments,) = gather(sample, lambda seen: ((seen.guide, seen.guide_mask),), context)
        return FittedJointBilateral(self.options, Scaling.of(moments))


@dataclass(frozen=True)
class FittedJointBilateral:
    """The filter, in units of the guide's contrast."""

    options: JointBilateralOptions
    guide: Scaling

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Filter each observation."""
        return [self._filtered(same_grid(observation), context) for observation in batch]

    def _filtered(self, here: Observation, context: Context) -> Tensor:
        guide = self.guide.applied(here.guide)
        counted = (here.target_mask & here.guide_mask).to(here.target)
        total, weights = torch.zeros_like(here.target), torch.zeros_like(counted)
        shifts = list(_shifts(self.options.radius))
        for number in context.steps("joint bilateral", len(shifts)):
            row, col = shifts[number]
            here_, there = _overlap(row, col, here.size)
            apart = (guide[:, *here_] - guide[:, *there]).square().mean(dim=0)
            near = (row**2 + col**2) / (2 * self.options.spatial**2)
            weight = counted[there] * torch.exp(-near - apart / (2 * self.options.tonal**2))
            total[:, *here_] += weight * here.target[:, *there]
            weights[here_] += weight
        return torch.where(weights > 0, total / weights.clamp_min(1e-30), here.target)

    def summary(self) -> Mapping[str, object]:
        """Return the width of the filter in the guide's own units."""
        return {"tonal": (self.options.tonal * self.guide.deviation).flatten().tolist()}


def _shifts(radius: int) -> Iterator[tuple[int, int]]:
    """Yield all places of a window, the pixel itself first."""
    yield 0, 0
    for row in range(-radius, radius + 1):
        for col in range(-radius, radius + 1):
            if row or col:
                yield row, col


Box = tuple[slice, slice]


def _overlap(row: int, col: int, size: tuple[int, int]) -> tuple[Box, Box]:
    """Return the pixels that have one `row` and `col` further, and these."""
    here, there = [], []
    for shift, side in ((row, size[0]), (col, size[1])):
        shift = max(-side, min(side, shift))
        here.append(slice(max(0, -shift), side - max(0, shift)))
        there.append(slice(max(0, shift), side - max(0, -shift)))
    return (here[0], here[1]), (there[0], there[1])
