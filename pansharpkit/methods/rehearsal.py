"""A run cut short, to find out how long the whole would take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from pansharpkit.methods.base import Context

_LEAST = 0.25  # seconds of a loop to be measured: shorter, and the clock's noise counts
_PART = 0.1  # of a short loop, which may be measured badly, as it counts for little
_SLOW = 3.0  # seconds of a first step, which warms up as well, that may stand for all of them
_MOST = 5.0
_SHARE = 0.002  # of what the loop will take, between these bounds
_FIRST_SHARE = 0.02


class Stopwatch:
    """Time as it would have passed if nothing had been left out."""

    def __init__(self, device: str = "cpu", clock: Callable[[], float] = time.perf_counter) -> None:
        self._device = torch.device(device)
        self._clock = clock
        self._left_out = 0.0

    def now(self) -> float:
        """Return seconds, with those left out, once the device has done all it was given."""
        return self.real() + self._left_out

    def real(self) -> float:
        """Return seconds without those left out."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return self._clock()

    def leave_out(self, seconds: float) -> None:
        """Count time for something that is not done."""
        self._left_out += seconds


@dataclass(frozen=True)
class Rehearsal(Context):
    """A context in which loops end after a few steps, and the watch counts the rest."""

    watch: Stopwatch = field(default_factory=Stopwatch)
    rehearsing: ClassVar[bool] = True

    def steps(self, stage: str, total: int) -> Iterator[int]:
        """Count until the time of a step is known; the first one, which warms up, tells little."""
        started, marks = self.watch.real(), [self.watch.now()]
        for step in range(total):
            yield step
            marks.append(self.watch.now())
            if self.watch.real() - started >= _needed(marks, total):
                break
        if total:
            self.watch.leave_out(_rate(marks) * (total - len(marks) + 1))


def _needed(marks: list[float], total: int) -> float:
    """Return how long a loop has to be watched, given the times before and after each step."""
    expected = _rate(marks) * total
    if len(marks) == 2:
        return min(max(_SLOW, _FIRST_SHARE * expected), _MOST)
    return min(max(min(_LEAST, _PART * expected), _SHARE * expected), _MOST)


def _rate(marks: list[float]) -> float:
    first = min(1, len(marks) - 2)
    return (marks[-1] - marks[first]) / (len(marks) - 1 - first)
