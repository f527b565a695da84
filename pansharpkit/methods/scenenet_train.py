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
_JUDGING = 5  # every so manieth lesson has its held-out cells looked at
_STARTS = 2
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

        parts = list(side_by_side("scenenet course", lessons, shown, context))
        return cls(*(torch.stack(column) for column in zip(*parts, strict=True)))

    def part(self, index: Sequence[int]) -> Course:
        """Return some of the lessons."""
        at = torch.tensor(index, dtype=torch.long, device=self.inputs.device)
        return Course(self.inputs[at], self.lacks[at], self.mask[at], self.held[at])

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
    """By how much its error where it was shown no truth is below the base's."""
    shares: Tensor
    """[C] of its correction in each band: those that come nearest to the truth there."""
    starts: int


def train(
    course: Course,
    untrained: Callable[[int], ResidualNet],
    steps: int,
    start: Weights | None,
    context: Context,
) -> Trained:
    """Fit a network to four fifths of the scene's cells and judge it on the others.

    `untrained` makes it from a seed.

    Raises
    ------
    FusionError
        If the loss stops being finite from every start.
    """
    for attempt in range(_STARTS):
        seed = mixed_seed(context.seed, attempt)
        net = untrained(seed)
        if start is None:
            net.set_direct(best_linear(course))
        else:
            net.load_state_dict(start)
        if _descend(net, course, steps, seed, context):
            return Trained(net, *judged(net, course), attempt + 1)
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
def judged(net: Callable[[Tensor], Tensor], course: Course) -> tuple[float, Tensor]:
    """Return what the correction is worth where its truth was held out, and the best [C] shares.

    The former is 20 log10 of the base's RMS error over the network's, and 0 where nothing can be
    said; shares lie in [0, 1].
    """
    products = torch.zeros(3, int(course.lacks.shape[1]), dtype=torch.float64)
    for number in range(0, len(course.inputs), _JUDGING):
        one = course.part([number])
        made, lacks = net(one.inputs), one.lacks
        for row, product in enumerate((lacks * lacks, lacks * made, made * made)):
            products[row] += (product * one.held).sum(dim=(0, 2, 3)).double().cpu()
    plain, shared, own = products
    corrected = float((plain - 2 * shared + own).sum())
    shares = torch.nan_to_num(shared / own, nan=0.0, posinf=0.0, neginf=0.0).clamp(0, 1)
    if float(plain.sum()) <= 0 or corrected <= 0 or not math.isfinite(corrected):
        return 0.0, shares
    return 10 * math.log10(float(plain.sum()) / corrected), shares
