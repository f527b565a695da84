"""The training of scenenet: a few hundred steps on windows of the scene."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError
from pansharpkit.methods.adam import Adam
from pansharpkit.methods.base import Context
from pansharpkit.methods.nets import fast_layout
from pansharpkit.methods.optimise import mixed_seed
from pansharpkit.methods.scenenet_data import Based, Lesson
from pansharpkit.methods.scenenet_net import DEPTH, ResidualNet
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.methods.standard import Standard
from pansharpkit.workers import Crew

log = logging.getLogger(__name__)

Weights = dict[str, Tensor]

BATCH = 2
RATE = 1e-3
"""Largest learning rate of Adam."""
DECAY = 0.99
"""Of the running average of the weights, which is what is kept."""
_WARM = 20  # steps until the rate is reached
_HELD_OUT = 5  # every fifth lesson judges instead of teaching
_STARTS = 2


@dataclass(frozen=True)
class Course:
    """All lessons as the network sees them: inputs, what the base lacks, and where that counts."""

    inputs: Tensor
    """[N, 2C + 2, h, w]."""
    lacks: Tensor
    """[N, C, h, w] truth minus base, in standard deviations."""
    mask: Tensor
    """[N, 1, h, w], 1 or 0."""

    @classmethod
    def of(
        cls, lessons: Sequence[Lesson], based: Based, standard: Standard, context: Context
    ) -> Course:
        """Show the lessons on their base."""
        deviation = standard.target.deviation

        def shown(item: Lesson) -> tuple[Tensor, Tensor, Tensor]:
            features = based.features(item.seen)
            lack = ((item.truth - features.base) / deviation.to(item.truth)).float()
            inputs = features.standardised(standard).float()
            cut = max(0, item.edge - DEPTH)  # the network is not even reached from further out
            mask = item.mask[None].float()
            return _trimmed(inputs, cut), _trimmed(lack, cut), _trimmed(mask, cut)

        parts = list(side_by_side("scenenet course", lessons, shown, context))
        return cls(*(torch.stack(column) for column in zip(*parts, strict=True)))

    def part(self, index: Sequence[int]) -> Course:
        """Return some of the lessons."""
        at = torch.tensor(index, dtype=torch.long, device=self.inputs.device)
        return Course(self.inputs[at], self.lacks[at], self.mask[at])

    def turned(self, way: int) -> Course:
        """Return all lessons flipped or rotated in one of eight ways."""
        return Course(*(_turned(x, way) for x in (self.inputs, self.lacks, self.mask)))

    def slope(
        self, net: ResidualNet, weights: Sequence[nn.Parameter]
    ) -> tuple[list[Tensor], Tensor]:
        """Return the gradients of the summed absolute error, and the number of values summed.

        The error is that of the corrected bands, in standard deviations.
        """
        layout = fast_layout(self.inputs.device)
        wrong = (net(self.inputs.contiguous(memory_format=layout)) - self.lacks).abs() * self.mask
        found = torch.autograd.grad(wrong.sum(), weights)
        return list(found), self.mask.sum() * self.lacks.shape[1]


def _trimmed(x: Tensor, cut: int) -> Tensor:
    return x[..., cut : x.shape[-2] - cut, cut : x.shape[-1] - cut]


def _turned(x: Tensor, way: int) -> Tensor:
    x = x.flip(-1) if way & 1 else x
    x = x.flip(-2) if way & 2 else x
    return x.transpose(-1, -2) if way & 4 else x


@dataclass(frozen=True)
class Trained:
    """A network and what it is worth."""

    net: ResidualNet
    gain_db: float
    """By how much its error on lessons it was not shown is below the base's."""
    starts: int


def train(
    course: Course,
    untrained: Callable[[int], ResidualNet],
    steps: int,
    start: Weights | None,
    context: Context,
) -> Trained:
    """Fit a network to four fifths of the lessons and judge it on the others.

    `untrained` makes it from a seed.

    Raises
    ------
    FusionError
        If the loss stops being finite from every start.
    """
    count = len(course.inputs)
    held = list(range(_HELD_OUT - 1, count, _HELD_OUT)) or [0]
    shown = [i for i in range(count) if i not in held] or [0]
    for attempt in range(_STARTS):
        seed = mixed_seed(context.seed, attempt)
        net = untrained(seed)
        if start is not None:
            net.load_state_dict(start)
        if _descend(net, course.part(shown), steps, seed, context):
            return Trained(net, gain_over_base(net, course.part(held)), attempt + 1)
        log.warning("scenenet: the loss is not finite at start %d of %d", attempt + 1, _STARTS)
    raise FusionError(f"scenenet: the training diverged from {_STARTS} starts")


def _descend(net: ResidualNet, course: Course, steps: int, seed: int, context: Context) -> bool:
    """Train the network in place, leave it with its averaged weights, and say if it is finite."""
    draws = torch.Generator().manual_seed(seed)
    weights = list(net.parameters())
    adam = Adam(weights, RATE)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    with Crew(BATCH if course.inputs.device.type == "cpu" else 1) as crew:
        for step in context.steps("scenenet training", steps):
            adam.rate = RATE * min(1.0, (step + 1) / _WARM) * _cosine(step / steps)
            picked = torch.randint(len(course.inputs), (BATCH,), generator=draws).tolist()
            way = int(torch.randint(8, (1,), generator=draws))
            groups = [[one] for one in picked] if crew.several else [picked]
            lessons = [course.part(group).turned(way) for group in groups]
            slopes = crew.map(lambda lesson: lesson.slope(net, weights), lessons)
            counted = torch.stack([count for _, count in slopes]).sum().clamp(min=1)
            for weight, *parts in zip(weights, *(slope for slope, _ in slopes), strict=True):
                weight.grad = torch.stack(parts).sum(dim=0) / counted
            adam.step()
            keep = min(DECAY, (step + 1) / (step + 10))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
    net.load_state_dict(average)
    return all(bool(torch.isfinite(value).all()) for value in average.values())


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def gain_over_base(net: ResidualNet, course: Course) -> float:
    """Return 20 log10 of the base's RMS error over the network's; 0 where nothing can be said."""
    corrected, plain = 0.0, 0.0
    for number in range(len(course.inputs)):
        one = course.part([number])
        plain += float((one.lacks.square() * one.mask).sum())
        corrected += float(((net(one.inputs) - one.lacks).square() * one.mask).sum())
    if plain <= 0 or corrected <= 0 or not math.isfinite(corrected):
        return 0.0
    return 10 * math.log10(plain / corrected)
