"""Back-projection: make a fused image agree with the target that it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.methods.operators import blur_reach, interpolation_reach, operators_of
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

FURTHER_STEP = 1.5
"""Target pixels by which a step after the first widens what a result depends on."""


@dataclass(frozen=True)
class BackProjected:
    """Another method, followed by ``X += damping * up(target - degrade(X))``, `steps` times.

    It lowers the error of consistency with the target, and it rings at full resolution, where the
    PSF is not exactly the assumed one: hence off by default, and damped.
    """

    inner: Method
    steps: int = 1
    damping: float = 0.3
    """In (0, 1]; 1 is the plain iteration (Irani and Peleg 1991, CVGIP 53)."""

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.damping <= 1:
            raise OptionError(
                f"back-projection needs at least one step and a damping in (0, 1], not "
                f"{self.steps} steps damped by {self.damping:g}"
            )

    def halo(self, sampling: Sampling) -> int:
        """Each step degrades and interpolates.

        The first step is counted in full. What a further step adds at the far end is the product
        of two kernel tails: beyond :data:`FURTHER_STEP` it is below 1e-7 of the range of values
        for any MTF gain up to 0.7.
        """
        first = interpolation_reach(sampling) + blur_reach(sampling)
        further = math.ceil(FURTHER_STEP * max(sampling.ratio))
        return self.inner.halo(sampling) + first + (self.steps - 1) * further

    def overlap(self, sampling: Sampling) -> int:
        """Blend as the inner method does."""
        return self.inner.overlap(sampling)

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedBackProjected:
        """Fit the inner method; the projection has nothing to estimate."""
        return FittedBackProjected(self.inner.fit(sample, context), self.steps, self.damping)


@dataclass(frozen=True)
class FittedBackProjected:
    """A fitted method and the projection after it."""

    inner: Fitted
    steps: int
    damping: float

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse and project each observation."""
        fused = self.inner.apply(batch, context)
        return [self._project(x, observation) for x, observation in zip(fused, batch, strict=True)]

    def _project(self, fused: Tensor, observation: Observation) -> Tensor:
        operators = operators_of(observation.optics)
        weight = self.damping * _inside(observation)
        for _ in range(self.steps):
            residual = observation.target - operators.observe(observation, fused)
            fused = fused + operators.upsample(observation, weight * residual)
        return fused

    def summary(self) -> Mapping[str, object]:
        """Return the inner method's summary and the projection's settings."""
        settings = {"steps": self.steps, "damping": self.damping}
        return {**self.inner.summary(), "back_projection": settings}


def _inside(observation: Observation) -> Tensor:
    """Return [h, w], 1 where a target sample is centred on the guide array, else 0.

    A sample beyond the guide cannot be compared with anything.
    """
    sampling, sides = observation.sampling, []
    for axis in (0, 1):
        centre = sampling.phase[axis] + sampling.ratio[axis] * torch.arange(
            observation.target_size[axis], dtype=torch.float64
        )
        sides.append((centre > -0.5) & (centre < observation.size[axis] - 0.5))
    inside = sides[0][:, None] & sides[1][None, :]
    return inside.to(observation.target.device, observation.target.dtype)
