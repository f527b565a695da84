"""How long a run will take, in words and in seconds, before it starts."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pansharpkit.engine import resolve_device
from pansharpkit.errors import PansharpkitWarning
from pansharpkit.trial import Work, stages

log = logging.getLogger(__name__)

FEW = 10.0
"""Seconds below which a run takes "a few"."""


@dataclass(frozen=True)
class Estimate:
    """How long a run will take."""

    device: str
    threads: int
    """Processors that the run takes."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each stage; empty where the run is too short to be worth a closer look."""

    @property
    def seconds(self) -> float | None:
        """Seconds in all."""
        return math.fsum(self.stages.values()) if self.stages else None

    @property
    def long(self) -> bool:
        """Whether that is more than a few seconds."""
        return self.seconds is not None and self.seconds >= FEW

    def describe(self) -> str:
        """Return the estimate in words.

        Examples
        --------
        >>> Estimate("cpu", 2, {"fit": 20.0, "apply": 220.0}).describe()
        'about 4 min on 2 cores'
        """
        if not self.long:
            return "a few seconds"
        cores = f"{self.threads} core{'s' if self.threads > 1 else ''}"
        place = cores if self.device == "cpu" else self.device
        return f"about {rounded(self.seconds or 0.0)} on {place}"


def rounded(seconds: float) -> str:
    """Return a length of time in words, to two digits."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.2g} {unit}"
    return f"{round(seconds / 86400)} days"


def estimate(work: Work) -> Estimate | None:
    """Return how long a run will take, or None where a few tiles cannot tell.

    That takes one or two seconds, more where a single step of the method takes longer. It changes
    nothing, the random state included.
    """
    device = resolve_device(work.options.device)
    try:
        with _silence():
            found = stages(work, device)
    except Exception as error:  # whatever it is, the run itself will say it better, or do better
        log.debug("no estimate: %r", error)
        return None
    return Estimate(device, work.options.workers, found)


@contextmanager
def _silence() -> Iterator[None]:
    """Leave warnings to the run."""
    logger = logging.getLogger("pansharpkit")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PansharpkitWarning)
            yield
    finally:
        logger.setLevel(level)
