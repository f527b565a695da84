"""HySure: what the two cameras saw, and edges that all bands share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.hs.fuse import FittedFuse, TwoViews
from pansharpkit.methods.hs.hysure_toolbox import published
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.methods.primal_dual import GradientPrior, minimise_by_proximity
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

STEP = 1.0
"""Of the minimisation; the scale of detail."""
REACH = 6
"""Target pixels beyond which the minimum no longer depends on a pixel: see the tests."""


@dataclass(frozen=True)
class HysureOptions:
    """Options of HySure."""

    smoothness: float = 1.0
    """Weight of the total variation, beside what follows from the noise of both images."""
    iterations: int = 20
    """Steps of the minimisation, which starts from FUSE."""
    dimension: int | None = None
    """Dimensions of the subspace; by default as many as stand out of the noise, at most 30."""


@dataclass(frozen=True)
class Hysure:
    """Vector total variation in a subspace (Simoes et al. 2015, IEEE TGRS 53: HySure).

    The fused cube gives both images once it is blurred and decimated, or mixed into the guide's
    bands, as closely as their noise allows; of all such cubes it has the least total variation,
    taken over all coefficients together, so that edges coincide.
    """

    options: HysureOptions = HysureOptions()

    def halo(self, sampling: Sampling) -> int:
        """What is further away is damped: tiles agree to 1e-5 of the range of values."""
        return pyramid_reach(sampling) + math.ceil(REACH * max(sampling.ratio))

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Find subspace, noise, and how large gradients will be."""
        if sample[0].optics.compat == "toolbox":
            return published(sample, context)
        views = TwoViews.of(sample, context, self.options.dimension)
        return FittedHysure.of(views, self.options.smoothness, self.options.iterations)


@dataclass(frozen=True)
class FittedHysure:
    """Minimum of both misfits, in units of their noise, plus the weighted total variation."""

    start: FittedFuse
    scaled: Tensor
    """[p, p] coefficients of the directions in which detail is alike and unrelated."""
    near: Joint
    """Both misfits and the distance from a point, in those directions."""
    weight: float
    iterations: int

    @classmethod
    def of(cls, views: TwoViews, weight: float, iterations: int) -> FittedHysure:
        """Work out all that pixels do not change."""
        power, turned = torch.linalg.eigh(views.detail)
        scaled = turned * power.sqrt()
        back = (turned / power.sqrt()).T
        start = FittedFuse(views, views.joint(torch.linalg.inv(views.detail)))
        near = Joint.of(
            views.subspace.basis @ scaled,
            views.subspace.noise,
            views.response @ scaled,
            views.guide_noise,
            torch.eye(len(power), dtype=torch.float64),
            back @ views.slack @ back.T,
        )
        return cls(start, scaled, near, weight, iterations)

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self.start.views.subspace.cube(self.coefficients(seen)) for seen in batch]

    def coefficients(self, observation: Observation) -> Tensor:
        """Return the coefficients at the minimum, [p, H, W]."""
        start = mixed(torch.linalg.inv(self.scaled), self.start.coefficients(observation))
        prior = GradientPrior(start.new_zeros(1, 1, 1, 1), self.weight, joint=True)
        nearest = self.near.best(observation, Spread.of(observation))
        found = minimise_by_proximity(nearest, STEP, prior, start, range(self.iterations))
        return mixed(self.scaled, found)

    def summary(self) -> Mapping[str, object]:
        """Return the dimension, the noise of both images, and the weight of the variation."""
        return {**self.start.summary(), "total_variation": self.weight}
