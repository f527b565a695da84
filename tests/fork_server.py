"""Starts commands in a moment, and ends them at another: imports are made once, for all trials.

Run as a program, it reads orders from standard input, a line of JSON each, and answers in kind.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from command_line import Outcome, environment

_LEAVE_S = 20.0
_LOADED = (
    "torch",
    "pansharpkit.archive.batch",
    "pansharpkit.evaluate",
    "pansharpkit.methods.gdd.method",
    "pansharpkit.methods.classical.substitution",
    "pansharpkit.pipeline",
    "pansharpkit.reporting",
    "pansharpkit.report.charts",
    "pansharpkit_cli.app",
)


@dataclass(frozen=True)
class Server:
    """A process that has everything loaded."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self,
        *args: object,
        after: float | None = None,
        by: int = signal.SIGKILL,
        worker: int | None = None,
    ) -> tuple[Outcome, float]:
        """Run a command, sent a signal after so many seconds; return what it left, and how long.

        The code of a process that a signal ended is the negative number of that. With `worker`, one
        of its own processes gets the signal instead. Fails if any of these outlives the command.
        """
        out, err = self.folder / "stdout", self.folder / "stderr"
        order = {
            "args": [str(arg) for arg in args],
            "after": after,
            "by": int(by),
            "worker": worker,
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert not answer["left"]
        return Outcome(answer["code"], out.read_text(), err.read_text()), answer["seconds"]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Start the server."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process, folder)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(300)  # where others use the machine, too


def _serve() -> None:
    for module in _LOADED:
        importlib.import_module(module)
    _fork_workers()
    for line in sys.stdin:
        order = json.loads(line)
        started = time.monotonic()
        child = os.fork()
        if not child:
            _command(order)
        code = _ended(child, order["after"], order["by"], order["worker"])
        seconds = time.monotonic() - started
        print(json.dumps({"code": code, "seconds": seconds, "left": _left(child)}), flush=True)


def _fork_workers() -> None:
    """Let batches fork their workers: they would load for longer than they work.

    Most signals would come meanwhile, when there is nothing to lose.
    """
    from pansharpkit.archive import local

    serve = local._serve

    def alone(pipe: Connection, environment: Mapping[str, str]) -> None:
        for other in gc.get_objects():  # what only a fork inherits: the ends of the batch itself
            if type(other) is Connection and other is not pipe:
                other.close()
        serve(pipe, environment)

    def deaf() -> None:  # a new process has no handlers
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    os.register_at_fork(after_in_child=deaf)
    local._serve = alone
    local._CONTEXT = multiprocessing.get_context("fork")  # type: ignore[assignment]


def _ended(child: int, after: float | None, by: int, worker: int | None) -> int:
    """Wait for a child, at most so long, then send it the signal; return its code."""
    if after is not None:
        watched = os.pidfd_open(child)
        if not select.select([watched], [], [], after)[0]:
            others = [process for process in _session(child) if process != child]
            victim = others[worker % len(others)] if worker is not None and others else child
            if worker is None or others:
                with suppress(ProcessLookupError):
                    os.kill(victim, by)
        os.close(watched)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _session(leader: int) -> list[int]:
    """Return the processes that a command has started, and itself."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(folder.name))
    return sorted(found)


def _left(leader: int) -> list[str]:
    """Return the commands of processes that outlive theirs by more than some seconds."""
    deadline = time.monotonic() + _LEAVE_S
    while (left := _session(leader)) and time.monotonic() < deadline:
        time.sleep(0.02)
    commands = []
    for process in left:
        with suppress(OSError):
            commands.append(Path(f"/proc/{process}/cmdline").read_text().replace("\0", " "))
            os.kill(process, signal.SIGKILL)
    return commands


def _command(order: dict[str, object]) -> None:
    """Be a command from here on."""
    os.setsid()
    from pansharpkit_cli.app import main

    for name, number in (("stdout", 1), ("stderr", 2)):
        file = os.open(str(order[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.argv = ["pansharpkit", *order["args"]]  # type: ignore[misc]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
