"""Back-projection: make a fused image agree with the target that it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.methods.guides import inside
from pansharpkit.methods.operators import blur_reach, interpolation_reach, operators_of
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

FURTHER_STEP = 1.5
"""Target pixels by which a step after the first widens what a result depends on."""
SOFTNESS = 0.5
"""σ, in target pixels, by which residuals are spread further than the PSF."""


@dataclass(frozen=True)
class BackProjected:
    """Another method, followed by ``X += spread(target - degrade(X))``, `steps` times.

    It lowers the error of consistency with the target. The plain iteration interpolates the
    residual and rings at full resolution, where the PSF is not exactly the assumed one: along
    edges it adds what a real target does not have. Spread over a soft PSF instead, the part of the
    residual near the target's Nyquist frequency, which is the least certain, counts least.
    """

    inner: Method
    steps: int = 1
    damping: float | None = None
    """In (0, 1]: interpolate the residual and multiply it by this; 1 is the plain iteration (Irani
    and Peleg 1991, CVGIP 53). By default, spread it softly, undamped."""

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < (1 if self.damping is None else self.damping) <= 1:
            raise OptionError(
                f"back-projection needs at least one step and a damping in (0, 1], not "
                f"{self.steps} steps damped by {self.damping}"
            )

    def halo(self, sampling: Sampling) -> int:
        """Each step degrades, and interpolates or spreads.

        The first step is counted in full. What a further step adds at the far end is the product
        of two kernel tails: beyond :data:`FURTHER_STEP` it is below 1e-7 of the range of values
        for any MTF gain up to 0.7.
        """
        back = interpolation_reach(sampling)
        if self.damping is None:
            back = max(back, blur_reach(sampling, SOFTNESS))
        further = math.ceil(FURTHER_STEP * max(sampling.ratio))
        first = back + blur_reach(sampling)
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
    damping: float | None

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse and project each observation."""
        fused = self.inner.apply(batch, context)
        return [self._project(x, seen, context) for x, seen in zip(fused, batch, strict=True)]

    def _project(self, fused: Tensor, observation: Observation, context: Context) -> Tensor:
        operators, counted = operators_of(observation.optics), inside(observation)
        for _ in context.steps("back-projection", self.steps):
            residual = counted * (observation.target - operators.observe(observation, fused))
            if self.damping is None:
                fused = fused + operators.spread(observation, residual, SOFTNESS)
            else:
                fused = fused + operators.upsample(observation, self.damping * residual)
        return fused

    def summary(self) -> Mapping[str, object]:
        """Return the inner method's summary and the projection's settings."""
        settings = {"steps": self.steps, "damping": self.damping}
        return {**self.inner.summary(), "back_projection": settings}
