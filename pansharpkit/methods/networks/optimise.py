"""The one optimisation loop of the methods that fit a network to images."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError
from pansharpkit.methods.networks.adam import Adam
from pansharpkit.methods.networks.muon import Muon

log = logging.getLogger(__name__)

CHECK_EVERY = 10
"""Iterations between two looks at the loss: each look makes a GPU wait."""
DIVERGED = 1e3
"""A loss of this many times the first one counts as lost, like one that is not finite."""

Optimiser = Literal["adam", "muon"]


class Problem(Protocol):
    """One start of an optimisation: its weights, and what they are judged by."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return what is to be optimised."""
        ...

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and the output that it judges, both differentiable."""
        ...


_Problem = TypeVar("_Problem", bound=Problem)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    iterations: int
    rate: float = 0.01
    """Learning rate, the highest one if it changes."""
    _: KW_ONLY
    ema: float = 0.0
    """Decay of the running average of the output that is returned; 0 returns the last output.

    It grows with the number of outputs, (n - 1) / (n + 4), until it has this value: the first
    outputs are far off and must not linger.
    """
    lowest: bool = False
    """Return the output of the lowest loss instead."""
    optimiser: Optimiser = "adam"
    tolerance: float = 0.0
    """Stop once the output changes by less, per iteration and in its own standard deviations; 0
    never stops early. See :class:`Settled`."""
    starts: int = 2
    """How often to begin, in all, when the loss is lost."""
    warm_up: float = 0.0
    """Share of the iterations on which the rate rises, before it falls to nothing along a cosine (a
    one-cycle schedule); 0 keeps it constant: lowering it made the Guided Deep Decoder worse."""

    def share_at(self, step: int) -> float:
        """Return the rate of the step after `step` others, over the highest one.

        >>> [round(Schedule(4, warm_up=0.5).share_at(step), 2) for step in range(4)]
        [0.5, 1.0, 0.85, 0.15]
        """
        if not self.warm_up:
            return 1.0
        rising = self.warm_up * self.iterations
        if step < rising:
            return min(1.0, (step + 1) / rising)
        fallen = (step + 0.5 - rising) / (self.iterations - rising)
        return (1 + math.cos(math.pi * min(1.0, fallen))) / 2


@dataclass(frozen=True)
class Optimum(Generic[_Problem]):
    """Where an optimisation ended."""

    output: Tensor
    """Last, averaged or best output, detached."""
    loss: float
    starts: int
    """1 unless the loss was lost on the way."""
    iterations: int
    """Fewer than asked for if the output had settled."""
    problem: _Problem
    """With the weights that were found."""


Watch = Callable[[int, Tensor, Tensor], None]
"""Called with the number of iterations done, the output of the last one, and the average.

The average is written over by the next iteration: copy what you keep.
"""


def _never(done: int, output: Tensor) -> bool:
    return False


def optimise(
    start: Callable[[int], _Problem],
    schedule: Schedule,
    *,
    seed: tuple[int, ...],
    steps: Callable[[int], Iterable[int]] = range,
    watch: Watch = lambda done, output, average: None,
    enough: Callable[[int, Tensor], bool] = _never,
) -> Optimum[_Problem]:
    """Minimise a loss from one start, and from another one if the first is lost.

    Parameters
    ----------
    start
        Makes the problem from the seed of a start; every random draw must come from that seed.
    seed
        Numbers that identify the run, for instance those of the user and of the tile. Each start
        gets a seed that depends on them and on its own number alone, so that results do not depend
        on the order in which tiles are computed.
    steps
        Counts the iterations, as :meth:`~pansharpkit.methods.base.Context.steps` does; if it ends
        early, so does the optimisation, and the loss may be unknown.
    enough
        Asked at every look, with the iterations done and the output as it would be returned:
        whether to stop there.

    Raises
    ------
    FusionError
        If the loss stops being finite, or grows beyond measure, from every start.
    """
    for attempt in range(schedule.starts):
        problem = start(mixed_seed(*seed, attempt))
        found = _descend(problem, schedule, steps, watch, enough)
        if found is not None:
            output, loss, done = found
            return Optimum(output, loss, attempt + 1, done, problem)
        log.warning("the loss is lost at start %d of %d", attempt + 1, schedule.starts)
    raise FusionError(
        f"the optimisation diverged from {schedule.starts} random starts at a learning rate of "
        f"{schedule.rate:g}; lower the rate, or use a classical method"
    )


def _descend(
    problem: Problem,
    schedule: Schedule,
    steps: Callable[[int], Iterable[int]],
    watch: Watch,
    enough: Callable[[int, Tensor], bool],
) -> tuple[Tensor, float, int] | None:
    """Return output, loss and iterations at the end, or None once the loss is lost."""
    optimiser = _optimiser(problem, schedule)
    average, first, last, done = torch.empty(0), math.nan, math.nan, 0
    settled, lowest = Settled(schedule.tolerance), Lowest()
    for step in steps(schedule.iterations):
        done = step + 1
        _set_rate(optimiser, schedule, step)
        loss, output = _step(problem, optimiser)
        if schedule.lowest:
            average = lowest(loss, output)
        else:
            average = _averaged(average, output, done, schedule.ema)
        watch(done, output, average)
        if done % CHECK_EVERY and done < schedule.iterations:
            continue
        last = float(loss)
        first = last if math.isnan(first) else first
        if not math.isfinite(last) or last > DIVERGED * first:
            return None
        if settled(done, average) or enough(done, average):
            break
    return average, last, done


def _averaged(average: Tensor, output: Tensor, done: int, ema: float) -> Tensor:
    """Return the running average, written into its own memory from the second output on."""
    if not ema:
        return output
    if done == 1:
        return output.clone()
    return average.lerp_(output, 1 - min(ema, (done - 1) / (done + 4)))


@dataclass
class Lowest:
    """Keeps the output of the lowest loss, without making a GPU wait."""

    _loss: Tensor | None = None
    _output: Tensor = field(default_factory=lambda: torch.empty(0))

    def __call__(self, loss: Tensor, output: Tensor) -> Tensor:
        """Return the best output so far."""
        if self._loss is None:
            self._loss, self._output = loss, output
            return output
        better = loss < self._loss
        self._loss = torch.where(better, loss, self._loss)
        self._output = torch.where(better, output, self._output)
        return self._output


@dataclass
class Settled:
    """Says when an output has stopped changing, without knowing what it should be.

    The change is the root mean square difference to the output of the last look, in standard
    deviations of the output, divided by the iterations since. It must be below the tolerance at two
    looks in a row.
    """

    tolerance: float
    _before: Tensor | None = None
    _since: int = 0
    _quiet: int = field(default=0)

    def __call__(self, done: int, output: Tensor) -> bool:
        """Compare with the last look; always false at a tolerance of 0."""
        if not self.tolerance:
            return False
        if self._before is not None:
            moved = (output - self._before).square().mean().sqrt()
            change = float(moved / output.std()) / (done - self._since)
            self._quiet = self._quiet + 1 if change < self.tolerance else 0
        self._before, self._since = output.clone(), done
        return self._quiet >= 2


def _optimiser(problem: Problem, schedule: Schedule) -> Adam | Muon:
    if schedule.optimiser == "muon":
        return Muon(problem.parameters(), schedule.rate)
    return Adam(problem.parameters(), schedule.rate)


def _set_rate(optimiser: Adam | Muon, schedule: Schedule, step: int) -> None:
    if schedule.warm_up:
        optimiser.rate = schedule.share_at(step) * schedule.rate


def _step(problem: Problem, optimiser: Adam | Muon) -> tuple[Tensor, Tensor]:
    with repeatable():
        loss, output = problem.evaluate()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return loss.detach(), output.detach()


def repeatable() -> AbstractContextManager[None]:
    """Return a context in which cuDNN is deterministic and keeps full single precision."""
    if not torch.cuda.is_available():
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def mixed_seed(*numbers: int) -> int:
    """Return a seed in [0, 2**63) that any change of the numbers changes altogether.

    Examples
    --------
    >>> mixed_seed(0, 1) == mixed_seed(0, 1), mixed_seed(0, 1) == mixed_seed(1, 0)
    (True, False)
    """
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
