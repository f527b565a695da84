"""CycFusion in the spectral subspace of a scene: small networks that all tiles share.

What is kept of the published method: one mapping from the guide and one that also sees the target,
judged by what the target's camera makes of them, agreeing with each other, and averaged. What is
not: the networks correct a linear regression instead of making the cube from nothing, they work on
the subspace's coefficients, see 3 x 3 neighbourhoods of the guide, and have no norm, so that a
pixel's result does not depend on the tile it is in. A part of the samples is left out of each
network's lessons and says how much of its correction is to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.options import CycFusionOptions
from pansharpkit.methods.hs.guides import upsampled
from pansharpkit.methods.hs.statistics import PairStatistics
from pansharpkit.methods.hs.subspace import Subspace
from pansharpkit.methods.hs.sylvester import Spread, mixed
from pansharpkit.methods.networks.nets import initialised, placed
from pansharpkit.methods.networks.optimise import Schedule, optimise
from pansharpkit.physics import Observation

CHANNELS = 48
"""Of the hidden layers, at width 1."""
SHOWN = 8
"""Coefficients of the target that its network is shown, at most: the rest is mostly noise."""
RADIUS = 2
"""Guide pixels on each side that a pixel of the networks' output depends on."""
FOLDS = 5
"""One part in this many of the samples is left out of a network's lessons."""
AGREEMENT = 0.1
"""Weight of the identity loss."""
_SLOPE = 0.1


@dataclass(frozen=True)
class Base:
    """What the scene tells of the coefficients before any network."""

    subspace: Subspace
    weights: Tensor
    """[p, c] regression of the coefficients on the guide."""
    offset: Tensor
    """[p]."""
    guide_mean: Tensor
    """[c]."""
    guide_spread: Tensor
    """[c] positive."""
    spread: Tensor
    """[p] standard deviation of the coefficients, positive."""

    @classmethod
    def of(cls, statistics: PairStatistics, subspace: Subspace, guide_noise: Tensor) -> Base:
        """Regress the coefficients on the guide.

        The target's scale averages the guide's noise away; at the guide's own scale it comes back,
        so that it is counted in.
        """
        bands, moments = statistics.bands, statistics.coarse
        covariance = moments.covariance
        told = subspace.basis.T @ covariance[:bands, bands:]
        lost = guide_noise.square() * (1 - min(1.0, statistics.noise_gain))
        gram = covariance[bands:, bands:] + torch.diag(lost)
        weights = torch.linalg.lstsq(gram, told.T, driver="gelsd").solution.T
        own = subspace.basis.T @ covariance[:bands, :bands] @ subspace.basis
        mean = moments.mean[bands:]
        offset = subspace.basis.T @ moments.mean[:bands] - weights @ mean
        return cls(
            subspace, weights, offset, mean, _positive(gram.diagonal()), _positive(own.diagonal())
        )

    def regressed(self, guide: Tensor) -> Tensor:
        """Return the coefficients [p, H, W] that the guide [c, H, W] lets expect."""
        return mixed(self.weights, guide) + self.offset.to(guide)[:, None, None]

    def inputs(self, seen: Observation, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the two networks see, [1, c, H, W] and [1, c + n, H, W]."""
        guide = seen.guide - self.guide_mean.to(seen.guide)[:, None, None]
        guide = guide / self.guide_spread.to(guide)[:, None, None]
        shown = min(SHOWN, len(coefficients))
        target = upsampled(seen, coefficients[:shown])
        target = target - target.new_tensor(self.target_mean[:shown])[:, None, None]
        target = target / self.spread[:shown].to(target)[:, None, None]
        return guide[None], torch.cat([guide, target])[None]

    @property
    def target_mean(self) -> list[float]:
        """Mean of the coefficients, [p]."""
        mean: list[float] = (self.weights @ self.guide_mean + self.offset).tolist()
        return mean


class ContextNet(nn.Module):
    """Corrections of the coefficients from a 5 x 5 neighbourhood; none at first."""

    def __init__(self, n_in: int, n_out: int, width: float) -> None:
        super().__init__()
        hidden = max(1, round(CHANNELS * width))
        self.first = nn.Conv2d(n_in, hidden, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(hidden, hidden, 3, padding=1, padding_mode="replicate")
        self.third = nn.Conv2d(hidden, hidden, 1)
        self.last = nn.Conv2d(hidden, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [1, n_in, H, W] to [n_out, H, W]."""
        for layer in (self.first, self.second, self.third):
            x = nn.functional.leaky_relu(layer(x), _SLOPE)
        found: Tensor = self.last(x)[0]
        return found


class Pair(nn.Module):
    """The mapping from the guide, and the one that sees the target as well."""

    def __init__(self, guides: int, dimension: int, width: float) -> None:
        super().__init__()
        shown = min(SHOWN, dimension)
        self.from_guide = ContextNet(guides, dimension, width)
        self.from_both = ContextNet(guides + shown, dimension, width)


def untrained(guides: int, dimension: int, width: float, draws: torch.Generator) -> Pair:
    """Return networks with weights from a CPU generator; their last layers are zero."""
    pair = initialised(lambda: Pair(guides, dimension, width), draws)
    for net in (pair.from_guide, pair.from_both):
        for parameter in net.last.parameters():
            nn.init.zeros_(parameter)
    return pair


class Lesson:
    """One crop as the networks see it."""

    def __init__(self, seen: Observation, base: Base, device: str) -> None:
        here = seen.to(device)
        target = base.subspace.coefficients(here.target.float())
        self.spread = Spread.of(here)
        self.guide, self.both = base.inputs(here, target)
        self.base = base.regressed(here.guide.float())
        taken = (slice(None), self.spread.rows, self.spread.cols)
        self.wanted = (target[taken] - self.spread.observe(self.base)).float()
        self.counted = here.target_mask[taken[1:]]
        self.fold = _folds(here.target[taken])
        self.fine = here.guide_mask

    def corrections(self, pair: Pair, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both networks add to the regression, [p, H, W] each."""
        return scale * pair.from_guide(self.guide), scale * pair.from_both(self.both)


class LessonProblem:
    """Both networks and the crops that they are shown in turn, but for the samples left out."""

    def __init__(
        self, pair: Pair, lessons: Sequence[Lesson], scale: Tensor, left_out: int, seed: int,
        ema: float,
    ) -> None:  # fmt: skip
        self.pair, self._lessons, self._scale, self._left_out = pair, lessons, scale, left_out
        self._order = torch.Generator().manual_seed(seed)
        self._waiting: list[int] = []
        self.average = [parameter.detach().clone() for parameter in pair.parameters()]
        self._ema, self._done = ema, 0

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the weights of both networks."""
        return self.pair.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss on the next crop, and the mean correction."""
        self._remember()
        if not self._waiting:
            self._waiting = torch.randperm(len(self._lessons), generator=self._order).tolist()
        lesson = self._lessons[self._waiting.pop()]
        one, other = lesson.corrections(self.pair, self._scale)
        counted = (lesson.counted & (lesson.fold != self._left_out)).to(one)
        share = counted / counted.sum().clamp(min=1)
        off = [
            ((lesson.wanted - lesson.spread.observe(x)) / self._scale).abs().mean(dim=0)
            for x in (one, other)
        ]
        agreement = ((one - other) / self._scale).abs().mean()
        return (share * (off[0] + off[1])).sum() + AGREEMENT * agreement, (one + other) / 2

    @torch.no_grad()
    def _remember(self) -> None:
        """Take the present weights into their running average."""
        keep = min(self._ema, self._done / (self._done + 5))
        for mean, parameter in zip(self.average, self.pair.parameters(), strict=True):
            mean.lerp_(parameter, 1 - keep)
        self._done += 1

    @torch.no_grad()
    def finish(self) -> Pair:
        """Return the networks with their average weights."""
        self._remember()
        for mean, parameter in zip(self.average, self.pair.parameters(), strict=True):
            parameter.copy_(mean)
        return self.pair


@dataclass(frozen=True)
class Learned:
    """One member: its networks, and how much of each correction held where it had no lessons."""

    pair: Pair
    belief: tuple[Tensor, Tensor]
    """[p] in [0, 1] for each network."""


def train(
    lessons: Sequence[Lesson],
    base: Base,
    options: CycFusionOptions,
    context: Context,
    member: int,
    stage: str,
) -> tuple[Learned, Tensor]:
    """Return a member, and the covariance of what it leaves where it had no lessons, [p, p].

    Raises
    ------
    FusionError
        If the loss is lost twice.
    """
    chosen, left_out = options.resolved, member % FOLDS
    scale = base.spread.sqrt().float().to(context.device)[:, None, None]
    guides = int(lessons[0].guide.shape[1])

    def begin(seed: int) -> LessonProblem:
        draws = torch.Generator().manual_seed(seed)
        pair = placed(untrained(guides, len(base.spread), chosen.width, draws), context.device)
        return LessonProblem(pair, lessons, scale, left_out, seed, chosen.ema)

    found = optimise(
        begin,
        Schedule(chosen.shared, chosen.rate, warm_up=chosen.warm_up, optimiser=chosen.optimiser),
        seed=(context.seed, member, -1),
        steps=lambda total: context.steps(stage, total),
    )
    return judged(found.problem.finish(), lessons, scale, left_out)


@torch.no_grad()
def judged(
    pair: Pair, lessons: Sequence[Lesson], scale: Tensor, left_out: int
) -> tuple[Learned, Tensor]:
    """Compare corrections with the samples left out; see :func:`train`."""
    wanted: list[Tensor] = []
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for lesson in lessons:
        mask = lesson.counted & (lesson.fold == left_out)
        wanted.append(lesson.wanted[:, mask])
        for told, x in zip(found, lesson.corrections(pair, scale), strict=True):
            told.append(lesson.spread.observe(x)[:, mask])
    truth = torch.cat(wanted, dim=1).double()
    beliefs, left = [], truth
    for told in found:
        given = torch.cat(told, dim=1).double()
        power = given.square().sum(dim=1)
        belief = ((truth * given).sum(dim=1) / power.clamp(min=1e-30)).clamp(0, 1)
        beliefs.append(belief)
        left = left - belief[:, None] * given / len(found)
    return Learned(pair, (beliefs[0], beliefs[1])), (left @ left.T / max(1, left.shape[1])).cpu()


def _folds(target: Tensor) -> Tensor:
    """Deal samples [C, h, w] into parts, [h, w], by their values: crops that overlap agree."""
    mixed_up = target.double().sum(dim=0) * 7919.0
    return ((mixed_up - mixed_up.floor()) * FOLDS).long().clamp(0, FOLDS - 1)


def _positive(variance: Tensor) -> Tensor:
    spread = variance.clamp_min(0).sqrt()
    return torch.where(spread > 0, spread, torch.ones_like(spread))
