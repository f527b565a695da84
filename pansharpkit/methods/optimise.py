"""The one optimisation loop of the methods that fit a network to a single image."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError

log = logging.getLogger(__name__)

CHECK_EVERY = 10
"""Iterations between two looks at the loss: each look makes a GPU wait."""


class Problem(Protocol):
    """One start of an optimisation: fresh weights, and what they are judged by."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return what is to be optimised."""
        ...

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and the output that it judges, both differentiable."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam at a constant rate."""

    iterations: int
    rate: float = 0.01
    """Learning rate; lowering it on the way made the Guided Deep Decoder worse."""
    ema: float = 0.0
    """Decay of the running average of the output that is returned; 0 returns the last output."""
    starts: int = 3
    """How often to begin with another seed, in all, when the loss stops being finite."""


@dataclass(frozen=True)
class Optimum:
    """Where an optimisation ended."""

    output: Tensor
    """Last or averaged output, detached."""
    loss: float
    starts: int
    """1 unless the loss stopped being finite on the way."""


Watch = Callable[[int, Tensor, Tensor], None]
"""Called with the number of iterations done, the output of the last one, and the average.

The average is written over by the next iteration: copy what you keep.
"""


def optimise(
    start: Callable[[int], Problem],
    schedule: Schedule,
    *,
    seed: tuple[int, ...],
    steps: Callable[[int], Iterable[int]] = range,
    watch: Watch = lambda done, output, average: None,
) -> Optimum:
    """Minimise a loss from a random start, and from another one if it stops being finite.

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

    Raises
    ------
    FusionError
        If no start keeps a finite loss.
    """
    for attempt in range(schedule.starts):
        found = _descend(start(mixed_seed(*seed, attempt)), schedule, steps, watch)
        if found is not None:
            output, loss = found
            return Optimum(output, loss, attempt + 1)
        log.warning("the loss is not finite at start %d of %d", attempt + 1, schedule.starts)
    raise FusionError(
        f"the optimisation diverged from {schedule.starts} random starts at a learning rate of "
        f"{schedule.rate:g}; lower the rate, or use a classical method"
    )


def _descend(
    problem: Problem,
    schedule: Schedule,
    steps: Callable[[int], Iterable[int]],
    watch: Watch,
) -> tuple[Tensor, float] | None:
    """Return output and loss after all iterations, or None once the loss is not finite."""
    adam = torch.optim.Adam(problem.parameters(), lr=schedule.rate)
    average, last = torch.empty(0), math.nan
    for step in steps(schedule.iterations):
        done = step + 1
        loss, output = _step(problem, adam)
        if done == 1 or not schedule.ema:
            average = output.clone() if schedule.ema else output
        else:
            average.lerp_(output, 1 - schedule.ema)
        watch(done, output, average)
        if done % CHECK_EVERY == 0 or done == schedule.iterations:
            last = float(loss)
            if not math.isfinite(last):
                return None
    return average, last


def _step(problem: Problem, adam: torch.optim.Adam) -> tuple[Tensor, Tensor]:
    with _repeatable():
        loss, output = problem.evaluate()
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    return loss.detach(), output.detach()


def _repeatable() -> AbstractContextManager[None]:
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
