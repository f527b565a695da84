"""The contract between the engine and every fusion method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the steps done and the steps in all."""


class Stopped(BaseException):
    """A thread gives up work that nobody waits for; no failure, so not to be handled as one."""


@dataclass(frozen=True)
class Context:
    """What a run gives to a method besides pixels."""

    seed: int = 0
    device: str = "cpu"
    progress: Progress | None = None
    stop: Event = field(default_factory=Event, repr=False, compare=False)
    """Set once nobody waits for the result any more; loops end then."""
    rehearsing: ClassVar[bool] = False
    """Whether loops end early and nothing may be kept; see :meth:`steps`."""

    def report(self, stage: str, done: int, total: int) -> None:
        """Tell the caller how far a stage is, if it wants to know."""
        if self.progress is not None:
            self.progress(stage, done, total)

    def steps(self, stage: str, total: int) -> Iterator[int]:
        """Count from 0 to `total` and report each step when it is done.

        Loops that take long go through here, iterations and blocks alike. A rehearsal, which finds
        out how long a run will take, ends them early, after one step at least, and counts the time
        of the steps left out: what follows the loop must be able to work then.

        Raises
        ------
        Stopped
            Before a step, once the run was given up.
        """
        for step in range(total):
            if self.stop.is_set():
                raise Stopped
            yield step
            self.report(stage, step + 1, total)


class Fitted(Protocol):
    """A method that knows everything it needs from the whole scene."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation: [C, H, W] on its guide grid, in its dtype and device.

        Pure: the result depends on the observation, the fit and the seed alone. Pixels closer than
        the method's halo to an edge of the arrays that is not an edge of the scene are wrong.
        """
        ...

    def summary(self) -> Mapping[str, object]:
        """Return what was estimated (weights, gains, ...) as JSON-ready values, for the report."""
        ...


class Method(Protocol):
    """A fusion method with its options, before it has seen the scene."""

    def halo(self, sampling: Sampling) -> int:
        """Return how many guide pixels around a tile its result depends on."""
        ...

    def overlap(self, sampling: Sampling) -> int:
        """Return over how many guide pixels neighbouring results are blended; 0 if they agree."""
        ...

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Estimate what holds for the whole scene from blocks of it.

        The blocks' masks do not overlap, so sums over masked pixels are sums over the scene. The
        sequence may read lazily: iterate, do not keep.
        """
        ...


@runtime_checkable
class Pixelwise(Protocol):
    """A method whose fused pixels depend on the target around them, but on one guide pixel each."""

    pixelwise: bool


@runtime_checkable
class Uncertain(Protocol):
    """A method that gives, after the [C, H, W] fused bands, the standard deviation of each."""

    uncertain: bool


def is_uncertain(method: Method) -> bool:
    """Return whether the method gives 2C bands, of which the last C are standard deviations."""
    return isinstance(method, Uncertain) and method.uncertain


def guide_halo(method: Method, sampling: Sampling) -> int:
    """Return how many guide pixels a tile needs around it; the target has its own margin."""
    if isinstance(method, Pixelwise) and method.pixelwise:
        return 0
    return method.halo(sampling)
