"""The training of scenenet: a few hundred steps on windows of the scene."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.networks.muon import Muon
from pansharpkit.methods.networks.nets import fast_layout
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.scenenet.data import Based, Lesson
from pansharpkit.methods.scenenet.net import DEPTH, ResidualNet
from pansharpkit.methods.side_by_side import in_turn
from pansharpkit.workers import Crew

log = logging.getLogger(__name__)

Weights = dict[str, Tensor]

BATCH = 2
RATE = 4e-3
"""Largest learning rate of Muon; 80 steps go further than 300 of Adam went."""
ADAM_RATE = 2e-3
"""Of what Muon leaves to Adam."""
DECAY = 0.99
"""Of the running average of the weights, which is what is kept."""
_WARM = 20  # steps until the rate is reached
_JUDGING = 5  # every so manieth lesson has its held-out cells looked at
_STARTS = 2
_MORE = 4  # one step in so many is enough to learn what was held out
_RIDGE = 1e-3  # of the variance of an input, against inputs that say the same


@dataclass(frozen=True)
class Course:
    """All lessons as the network sees them: inputs, what the base lacks, and where that counts."""

    inputs: Tensor
    """[N, 2C + 2, h, w]."""
    lacks: Tensor
    """[N, C, h, w] truth minus base, in standard deviations."""
    mask: Tensor
    """[N, 1, h, w], 1 where it may be learnt from, else 0."""
    held: Tensor
    """[N, 1, h, w], 1 where it judges instead."""

    @classmethod
    def of(
        cls, lessons: Sequence[Lesson], based: Based, standard: Standard, context: Context
    ) -> Course:
        """Show the lessons on their base."""
        deviation = standard.target.deviation

        def shown(item: Lesson) -> tuple[Tensor, ...]:
            features = based.features(item.seen)
            lack = ((item.truth - features.base) / deviation.to(item.truth)).float()
            inputs = features.standardised(standard).float()
            cut = max(0, item.edge - DEPTH)  # the network is not even reached from further out
            masks = (item.mask[None].float(), item.held[None].float())
            return tuple(_trimmed(x, cut) for x in (inputs, lack, *masks))

        parts = list(in_turn("scenenet course", lessons, shown, context))
        return cls(*(torch.stack(column) for column in zip(*parts, strict=True)))

    def part(self, index: Sequence[int]) -> Course:
        """Return some of the lessons."""
        at = torch.tensor(index, dtype=torch.long, device=self.inputs.device)
        return Course(self.inputs[at], self.lacks[at], self.mask[at], self.held[at])

    def shown(self) -> Course:
        """Return the course with nothing held out."""
        return replace(self, mask=self.mask + self.held, held=torch.zeros_like(self.held))

    def turned(self, way: int) -> Course:
        """Return all lessons flipped or rotated in one of eight ways."""
        return Course(*(_turned(x, way) for x in (self.inputs, self.lacks, self.mask, self.held)))

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
    """By how much its error where it had been shown no truth was below the base's."""


@dataclass(frozen=True)
class Trainer:
    """How networks are begun and trained."""

    untrained: Callable[[int], ResidualNet]
    """Makes one from a seed."""
    steps: int
    start: Weights | None
    """Weights to begin with; the best linear fit otherwise."""
    context: Context

    def trained(self, course: Course) -> Trained:
        """Judge a network by the cells that it was not shown, and then show it those as well.

        Where it does not beat the base it is returned as it is.

        Raises
        ------
        FusionError
            If the loss stops being finite from every start.
        """
        net = self.fitted(course, "scenenet training")
        gain_db = gain_over_base(net, course)
        if gain_db > 0 or self.context.rehearsing:
            further = replace(self, start=net.state_dict(), steps=math.ceil(self.steps / _MORE))
            net = further.fitted(course.shown(), "scenenet training, all shown")
        return Trained(net, gain_db)

    def fitted(self, course: Course, stage: str) -> ResidualNet:
        """Return a network trained where the course allows it."""
        for attempt in range(_STARTS):
            seed = mixed_seed(self.context.seed, attempt)
            net = self.untrained(seed)
            if self.start is None:
                net.set_direct(best_linear(course))
            else:
                net.load_state_dict(self.start)
            if _descend(net, course, self.context.steps(stage, self.steps), self.steps, seed):
                return net
            log.warning("scenenet: the loss is not finite at start %d of %d", attempt + 1, _STARTS)
        raise FusionError(f"scenenet: the training diverged from {_STARTS} starts")


def best_linear(course: Course) -> Tensor:
    """Return [C, inputs + 1]: what each band lacks by least squares on the inputs of its pixel.

    Constants are last. The network has to find only what is left.
    """
    squares = products = torch.zeros(1, dtype=torch.float64)
    for x, lacks, mask in zip(course.inputs, course.lacks, course.mask, strict=True):
        shown = torch.cat([x * mask, mask]).flatten(1).double()
        squares = squares + (shown @ shown.T).cpu()
        products = products + (shown @ lacks.flatten(1).double().T).cpu()
    ridge = _RIDGE * float(course.mask.sum().clamp(min=1)) * torch.eye(len(squares))
    found: Tensor = torch.linalg.solve(squares + ridge, products)
    return found.T


def _descend(net: ResidualNet, course: Course, stage: Iterable[int], steps: int, seed: int) -> bool:
    """Train the network in place, leave it with its averaged weights, and say if it is finite."""
    draws = torch.Generator().manual_seed(seed)
    weights = list(net.parameters())
    muon = Muon(weights, RATE, ADAM_RATE)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    with Crew(BATCH if course.inputs.device.type == "cpu" else 1) as crew:
        for step in stage:
            muon.rate = RATE * min(1.0, (step + 1) / _WARM) * _cosine(step / steps)
            picked = torch.randint(len(course.inputs), (BATCH,), generator=draws).tolist()
            way = int(torch.randint(8, (1,), generator=draws))
            groups = [[one] for one in picked] if crew.several else [picked]
            lessons = [course.part(group).turned(way) for group in groups]
            slopes = crew.map(lambda lesson: lesson.slope(net, weights), lessons)
            counted = torch.stack([count for _, count in slopes]).sum().clamp(min=1)
            for weight, *parts in zip(weights, *(slope for slope, _ in slopes), strict=True):
                weight.grad = torch.stack(parts).sum(dim=0) / counted
            muon.step()
            keep = min(DECAY, (step + 1) / (step + 10))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
    net.load_state_dict(average)
    return all(bool(torch.isfinite(value).all()) for value in average.values())


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def gain_over_base(net: Callable[[Tensor], Tensor], course: Course) -> float:
    """Return 20 log10 of the base's RMS error over the network's where the truth is held out.

    0 where nothing can be said.
    """
    corrected, plain = 0.0, 0.0
    for number in range(0, len(course.inputs), _JUDGING):
        one = course.part([number])
        plain += float((one.lacks.square() * one.held).sum())
        corrected += float(((net(one.inputs) - one.lacks).square() * one.held).sum())
    if plain <= 0 or corrected <= 0 or not math.isfinite(corrected):
        return 0.0
    return 10 * math.log10(plain / corrected)
