"""Workers for tests, and what they are given to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from command_line import environment
from torch import Tensor

from pansharpkit.crew import Crew
from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

_PATIENCE_S = 60


def value_of(name: str) -> str | None:
    """Return a variable of a worker's environment."""
    return os.environ.get(name)


def kill_one(crew: Crew) -> int:
    """Kill the process of one worker, and return its number."""
    crew.client.wait_for_workers(1, timeout=_PATIENCE_S)
    process = next(iter(crew.everywhere(os.getpid).values()))
    assert isinstance(process, int)
    os.kill(process, signal.SIGKILL)
    return process


def at_tile(number: int, act: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Return a progress callback that does something once so many tiles are written."""

    def report(stage: str, done: int, total: int) -> None:
        del total
        if (stage, done) == ("tiles", number):
            act()

    return report


def listening() -> list[str]:
    """Return the addresses at which this process and those below it wait for connections."""
    me = psutil.Process()
    found = []
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            places = process.net_connections(kind="inet")
            found += [place.laddr.ip for place in places if place.status == psutil.CONN_LISTEN]
    return found


@dataclass(frozen=True)
class Deadly:
    """A method that ends every process but one at some tile."""

    spared: int
    tile: int

    def halo(self, sampling: Sampling) -> int:
        return Exp().halo(sampling)

    def overlap(self, sampling: Sampling) -> int:
        return Exp().overlap(sampling)

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        return _DeadlyFitted(self, Exp().fit(sample, context))


@dataclass(frozen=True)
class _DeadlyFitted:
    method: Deadly
    fitted: Fitted

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        fatal = any(each.index == self.method.tile for each in batch)
        if fatal and os.getpid() != self.method.spared:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.fitted.apply(batch, context)

    def summary(self) -> Mapping[str, object]:
        return self.fitted.summary()


@contextmanager
def scheduler_apart(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Start a scheduler and one worker as processes of their own.

    Gives the file with the scheduler's address, and a function that kills the scheduler.
    """
    file = folder / "scheduler.json"
    here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    scheduler = _dask("scheduler", *here, "--port", "0")
    worker = _dask("worker", *here, "--nworkers", "1", "--nthreads", "1", "--no-nanny")
    try:
        until = time.monotonic() + _PATIENCE_S
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.05)
        yield file, scheduler.kill
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


def _dask(what: str, *args: str) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", f"distributed.cli.dask_{what}", *args)
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment())
