"""CycFusion's networks of a subspace with their correction, and what they are worth on a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.options import CycFusionOptions
from pansharpkit.methods.cycfusion.subspace import Base, Learned, Lesson, train
from pansharpkit.methods.hs.fuse import TwoViews
from pansharpkit.methods.hs.guides import upsampled
from pansharpkit.methods.hs.materials import corrected_around
from pansharpkit.methods.hs.rehearsal import Rehearsal
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.hs.scenenet_hs import FittedScenenetHs
from pansharpkit.methods.hs.statistics import PairStatistics, pair_statistics
from pansharpkit.methods.hs.sylvester import Joint, Spread
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.physics import Observation

DOUBT = 6
"""Power to which the networks' error is compared with the base's: see :func:`share_of`."""
UNREHEARSED = 0.2
"""Share of the networks where the scene is too small to tell."""
REHEARSED = 4
"""Crops that the networks are rehearsed on, at most."""
_CLEAN = 0.05
"""Share of an error that counts at least, however much of it is the noise of the solution."""
_TINY = 1e-30


@dataclass(frozen=True)
class Networks:
    """Networks that all tiles share, and the closed-form correction of what they make."""

    base: Base
    members: tuple[Learned, ...]
    joint: Joint | None
    """Correction until the result agrees with both inputs; None for none."""

    @torch.no_grad()
    def fused(self, seen: Observation, context: Context) -> Tensor:
        """Return the coefficients that they make of an observation, [p, H, W], on the device."""
        here = seen.to(context.device)
        here = replace(here, target=here.target.float(), guide=here.guide.float())
        spread = Spread.of(here)
        target = self.base.subspace.coefficients(here.target)
        mean = self.base.regressed(here.guide) + self._correction(here, target)
        left = torch.zeros_like(target)
        part = (slice(None), spread.rows, spread.cols)
        left[part] = target[part] - spread.observe(mean)
        mean = mean + upsampled(here, left * here.target_mask)
        return mean if self.joint is None else self.joint.best(here, spread)(mean)

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


def trained(
    crops: Sequence[Observation],
    statistics: PairStatistics,
    views: TwoViews,
    options: CycFusionOptions,
    context: Context,
    stage: str,
) -> Networks:
    """Train the members on crops, and prepare the correction after them.

    Raises
    ------
    FusionError
        If the loss is lost twice.
    """
    base = Base.of(statistics, views.subspace, views.guide_noise)
    lessons = [Lesson(crop, base, context.device) for crop in crops]
    members, left = zip(
        *(
            train(lessons, base, options, context, member, stage)
            for member in range(options.resolved.members)
        ),
        strict=True,
    )
    if not options.consistency:
        return Networks(base, members, None)
    return Networks(base, members, corrected_around(views, torch.stack(left).mean(dim=0)))


def share_of(
    crops: Sequence[Observation],
    base: FittedScenenetHs,
    options: CycFusionOptions,
    context: Context,
) -> tuple[Tensor, Tensor | None]:
    """Return the share of the networks in each coefficient, [p], and their rehearsed error, [p].

    The networks are trained once more, on the pair degraded once more, whose solution is the
    target. There they have fewer samples to learn from and are worse than they will be, but they
    are so most on scenes that do not suit them, and in coefficients whose noise they take for
    detail. With their squared error over that of the base, which is that of the classics there
    times what corrections left of it where they had not learnt, r, both without the noise of the
    target, which is in the solution, their share is 1 / (1 + r⁶).
    """
    relation = base.relation
    rehearsals = _rehearsals(crops[:REHEARSED], relation, context.seed)
    if not rehearsals:
        return torch.full((relation.views.subspace.dimension,), UNREHEARSED), None
    views = [view for rehearsal in rehearsals for view in _shown(rehearsal)]
    statistics = pair_statistics(views, context)
    told = rehearsals[0].classic.start.views
    nets = trained(views, statistics, told, options, context, "cycfusion rehearsal")
    missed: list[Tensor] = []
    for rehearsal in rehearsals:
        for view in _shown(rehearsal):
            found = nets.fused(view, context), relation.classical(view, rehearsal.classic)
            missed.append(_squared(found, rehearsal))
    ours, theirs = torch.cat(missed, dim=2).mean(dim=2)
    if base.learned is not None:
        theirs = theirs * base.learned.left
    subspace = relation.views.subspace
    noise = subspace.noise.square() @ subspace.basis.square()
    ours, theirs = (torch.maximum(x - noise, _CLEAN * x) for x in (ours, theirs))
    error = ours / theirs.clamp_min(_TINY)
    return (1 / (1 + error**DOUBT)).float(), error


def _shown(rehearsal: Rehearsal) -> tuple[Observation, ...]:
    """Return two opposite phases: the others tell little more."""
    return rehearsal.views[:: max(1, len(rehearsal.views) - 1)]


def _rehearsals(crops: Sequence[Observation], relation: Relation, seed: int) -> list[Rehearsal]:
    found = []
    for crop in crops:
        draws = torch.Generator().manual_seed(mixed_seed(seed, crop.index, -2))
        rehearsal = Rehearsal.of(crop, relation, draws)
        if rehearsal is not None and bool(crop.target_mask.any()):
            found.append(rehearsal)
    return found


def _squared(found: tuple[Tensor, Tensor], rehearsal: Rehearsal) -> Tensor:
    """Return the squared errors of both, [2, p, n]."""
    missed = [(one.to(rehearsal.truth) - rehearsal.truth).double() for one in found]
    return torch.stack([one[:, rehearsal.counted].square().cpu() for one in missed])
