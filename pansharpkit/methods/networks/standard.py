"""Scaling of a scene to mean 0 and standard deviation 1, for methods that learn.

The moments are those of the scene, never of the tile, so that neighbouring tiles stay comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.moments import Moments, gather
from pansharpkit.physics import Observation


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each band; 1 in place of the deviation of a constant band."""

    mean: Tensor
    """[n, 1, 1], float64."""
    deviation: Tensor
    """[n, 1, 1], float64, positive."""

    @classmethod
    def of(cls, moments: Moments) -> Scaling:
        """Return the scaling that these moments ask for."""
        spread = (moments.comoment.diagonal() / moments.count).clamp(min=0).sqrt()
        flat = spread <= 1e-9 * moments.mean.abs()
        spread = torch.where(flat, torch.ones_like(spread), spread)
        return cls(moments.mean[:, None, None], spread[:, None, None])

    def applied(self, x: Tensor) -> Tensor:
        """Scale [n, H, W]."""
        return (x - self.mean.to(x)) / self.deviation.to(x)

    def undone(self, x: Tensor) -> Tensor:
        """Return scaled [n, H, W] to its own range."""
        return x * self.deviation.to(x) + self.mean.to(x)


@dataclass(frozen=True)
class Standard:
    """The scaling of target and guide of one scene."""

    target: Scaling
    guide: Scaling

    @classmethod
    def of(cls, sample: Sequence[Observation], context: Context) -> Standard:
        """Measure a scene from blocks of it, in one pass.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        target, guide = gather(
            sample,
            lambda seen: ((seen.target, seen.target_mask), (seen.guide, seen.guide_mask)),
            context,
        )
        return cls(Scaling.of(target), Scaling.of(guide))

    def applied(self, observation: Observation) -> Observation:
        """Return the observation in standard units."""
        return replace(
            observation,
            target=self.target.applied(observation.target),
            guide=self.guide.applied(observation.guide),
        )

    def undone(self, fused: Tensor) -> Tensor:
        """Return a fused [C, H, W] in the units of the target."""
        return self.target.undone(fused)
