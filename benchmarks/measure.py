"""What a command costs: wall time, processor time and peak memory, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Cost:
    """Cost of a process and all that it started."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    rss_mb: float
    """Peak of the largest process."""

    def row(self) -> str:
        return f"{self.wall:8.2f} {self.cpu:8.2f} {self.rss_mb:8.0f}"


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        With the end of its output, if it fails.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdout=said, stderr=said, env={**os.environ, **(env or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            tail = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def alternated(tasks: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Run all tasks, again and again in the same order, so that each sees the same machine."""
    costs: dict[str, list[Cost]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            costs[name].append(task())
    return costs


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians."""
    return Cost(*(median(getattr(c, field) for c in costs) for field in ("wall", "cpu", "rss_mb")))
