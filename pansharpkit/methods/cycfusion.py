"""CycFusion: a fused cube that comes back to both inputs, found without training data.

Two networks make the cube, one from the target and one from the guide. What the cameras make of
either must be the other input, what they make of that again the first, and both cubes must be the
same. PSF and SRF are known, estimated, or trained along.

Source: Shi, Zhang, Altmann, Chen, "CycFusion".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.cycfusion_options import PRESETS, CycFusionOptions
from pansharpkit.methods.cycfusion_published import fitted, scale_of
from pansharpkit.methods.cycfusion_subspace import RADIUS, Base, Learned, Lesson, train
from pansharpkit.methods.fuse import TwoViews
from pansharpkit.methods.gdd_shared import draw_crops
from pansharpkit.methods.hs_guides import upsampled
from pansharpkit.methods.hs_statistics import pair_statistics
from pansharpkit.methods.hyperspectral import srf_of
from pansharpkit.methods.hysure import REACH, FittedHysure, HysureOptions
from pansharpkit.methods.multiresolution import pyramid_reach
from pansharpkit.methods.sylvester import Joint, Spread
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation
from pansharpkit.physics.blind import estimate_model
from pansharpkit.sampling import Sampling

__all__ = ["MARGIN", "PRESETS", "CycFusion", "CycFusionOptions", "FittedSubspace"]

MARGIN = 32
"""Guide pixels around a tile whose networks are its own, and over which tiles are blended."""


GROWTH = 8.0
"""Variance of what the networks miss at the guide's scale, over that at the target's, where much of
it averages out. Between 4 and 16 the figures hardly differed."""
LEAST = 1e-3
MOST = 0.6
"""Share of the networks in the average where they explain all of what they have not seen."""
TINY = 1e-30


@dataclass(frozen=True)
class CycFusion:
    """Fit the networks to the scene, or to each tile."""

    options: CycFusionOptions = field(default_factory=CycFusionOptions)

    def halo(self, sampling: Sampling) -> int:
        """Cover the networks' neighbourhood and the correction's, or give context."""
        if self.options.resolved.form == "published":
            return MARGIN
        return RADIUS + pyramid_reach(sampling) + math.ceil(REACH * max(sampling.ratio))

    def overlap(self, sampling: Sampling) -> int:
        """Blend tiles whose networks see them as a whole; the others agree."""
        return MARGIN if self.options.resolved.form == "published" else 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Find the camera and train what all tiles share.

        Raises
        ------
        FusionError
            If no pixel is valid, or the training diverges twice.
        """
        options = self.options
        camera = _camera_of(sample, options)
        seen: Sequence[Observation] = sample if camera is None else _Seen(sample, camera)
        if options.resolved.form == "subspace":
            found: Fitted = _subspace(seen, options, context)
            return found if camera is None else _WithCamera(found, camera)
        learns = seen[0].optics.model is None or options.camera == "learned"
        scale = scale_of(seen, context.steps)
        crops = draw_crops(seen, context)
        networks = fitted(crops, scale, options, context, learns_camera=learns)
        return networks if camera is None else _WithCamera(networks, camera)


@dataclass(frozen=True)
class _Seen(Sequence[Observation]):
    """A sample with the camera that was estimated."""

    sample: Sequence[Observation]
    camera: ObservationModel

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, index: int) -> Observation:  # type: ignore[override]
        return seen_by(self.sample[index], self.camera)


@dataclass(frozen=True)
class _WithCamera:
    """Tiles are fused with the camera that was estimated from the scene."""

    inner: Fitted
    camera: ObservationModel

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return self.inner.apply([seen_by(seen, self.camera) for seen in batch], context)

    def summary(self) -> Mapping[str, object]:
        """Return the inner summary and the response that was estimated."""
        return {**self.inner.summary(), "estimated_srf": self.camera.srf}


def seen_by(seen: Observation, camera: ObservationModel) -> Observation:
    """Return the observation with another camera."""
    return replace(seen, optics=replace(seen.optics, model=camera))


def _camera_of(sample: Sequence[Observation], options: CycFusionOptions) -> ObservationModel | None:
    """Return the camera estimated from the pair, or None where the observation's own is taken.

    Raises
    ------
    FusionError
        If the camera is to be known and nobody knows it.
    """
    known = sample[0].optics.model is not None
    if options.camera == "known" and not known:
        srf_of(sample[0])
    wanted = options.camera == "estimated"
    if options.camera == "auto":
        wanted = not known and options.resolved.form == "subspace"
    return estimate_model(sample).model if wanted else None


def _subspace(
    sample: Sequence[Observation], options: CycFusionOptions, context: Context
) -> FittedSubspace:
    """Train the networks of the subspace, and prepare the correction after them."""
    statistics = pair_statistics(sample, context)
    views = TwoViews.within(sample[0], statistics, options.dimension)
    base = Base.of(statistics, views.subspace, views.guide_noise)
    lessons = [Lesson(crop, base, context.device) for crop in draw_crops(sample, context)]
    members, covariances = zip(
        *(
            train(lessons, base, options, context, member)
            for member in range(options.resolved.members)
        ),
        strict=True,
    )
    left, before = (torch.stack(found).mean(dim=0) for found in zip(*covariances, strict=True))
    share = MOST * (1 - min(1.0, float(left.trace() / before.trace().clamp_min(TINY))))
    prior = GROWTH * left
    least = LEAST * float(prior.trace()) / len(prior) + float(views.subspace.noise.min()) ** 2
    precision = torch.linalg.inv(prior + least * torch.eye(len(prior), dtype=prior.dtype))
    classic = FittedHysure.of(views, HysureOptions().smoothness, HysureOptions().iterations)
    joint = views.joint(precision) if options.consistency else None
    return FittedSubspace(options, base, members, classic, share, joint)


@dataclass(frozen=True)
class FittedSubspace:
    """Networks that all tiles share, and the closed-form correction of what they make."""

    options: CycFusionOptions
    base: Base
    members: tuple[Learned, ...]
    classic: FittedHysure
    """Makes the cube that theirs is averaged with."""
    share: float
    """Of theirs in the average, at most :data:`MOST`: the more they explain of samples that they
    have not seen, the more."""
    joint: Joint | None
    """Correction until the average agrees with both inputs; None for none."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self._fused(observation, context) for observation in batch]

    @torch.no_grad()
    def _fused(self, seen: Observation, context: Context) -> Tensor:
        here = seen.to(context.device)
        here = replace(here, target=here.target.float(), guide=here.guide.float())
        subspace, spread = self.base.subspace, Spread.of(here)
        target = subspace.coefficients(here.target)
        mean = self.base.regressed(here.guide) + self._correction(here, target)
        left = torch.zeros_like(target)
        part = (slice(None), spread.rows, spread.cols)
        left[part] = target[part] - spread.observe(mean)
        mean = mean + upsampled(here, left * here.target_mask)
        if self.joint is not None:
            mean = self.joint.best(here, spread)(mean)
        mean = torch.lerp(self.classic.coefficients(here), mean, self.share)
        return subspace.cube(mean).to(seen.target.device, seen.target.dtype)

    def _correction(self, here: Observation, target: Tensor) -> Tensor:
        """Return what the members add to the regression, each as far as it is to be believed."""
        scale = self.base.spread.sqrt().to(target)[:, None, None]
        guide, both = self.base.inputs(here, target)
        total = torch.zeros_like(self.base.regressed(here.guide))
        for member in self.members:
            nets = (member.pair.from_guide, member.pair.from_both)
            for net, shown, belief in zip(nets, (guide, both), member.belief, strict=True):
                total += belief.to(total)[:, None, None] * scale * net(shown)
        return total / (2 * len(self.members))

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, the dimension and how much the corrections are believed."""
        beliefs = [[b.tolist() for b in member.belief] for member in self.members]
        return {
            **asdict(self.options.resolved),
            "dimension": self.base.subspace.dimension,
            "share_of_networks": self.share,
            "belief": beliefs,
        }
