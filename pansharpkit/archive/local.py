"""Scenes side by side on this machine, in processes that live on from scene to scene.

A process that dies takes its scene with it and nothing else: another one takes its place.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import TYPE_CHECKING

from pansharpkit.archive.record import WORKER_DIED, SceneError, SceneRecord
from pansharpkit.resources import cores

if TYPE_CHECKING:  # a worker sets its threads and GPU before these load PyTorch
    from pansharpkit.archive.work import SceneTask

log = logging.getLogger(__name__)

_CONTEXT = multiprocessing.get_context("spawn")
_LEAVE_S = 10.0  # for a worker to tidy up


def run(
    tasks: Iterable[SceneTask],
    jobs: int = 1,
    *,
    threads: int | None = None,
    gpus: Sequence[str] = (),
) -> Iterator[SceneRecord]:
    """Yield the record of each scene as it ends; a task is taken when a process is free for it.

    Parameters
    ----------
    jobs : processes; even a single scene does not run in this one.
    threads : of each process, for tasks that do not say it; by default they share the cores.
    gpus : as CUDA_VISIBLE_DEVICES names them, shared out; empty where that stays as it is.
    """
    threads = threads or max(1, cores() // jobs)
    crew: list[_Worker] = []
    waiting = (_with_threads(task, threads) for task in tasks)
    try:
        for place in range(jobs):
            task = next(waiting, None)
            if task is None:
                break
            worker = _Worker(_environment(threads, gpus, place))
            crew.append(worker)
            worker.give(task)
        while busy := [worker for worker in crew if worker.task is not None]:
            for worker in _ready(busy):
                record = worker.record()
                task = next(waiting, None)
                if task is not None:
                    worker.give(task)
                yield record
    finally:
        _dismiss(crew)


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs of this machine that may be used, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip() not in ("", "-1"))
    import torch

    return tuple(str(number) for number in range(torch.cuda.device_count()))


def _with_threads(task: SceneTask, threads: int) -> SceneTask:
    if task.request.run.threads is not None:
        return task
    options = replace(task.request.run, threads=threads)
    return replace(task, request=replace(task.request, run=options))


def _environment(threads: int, gpus: Sequence[str], place: int) -> dict[str, str]:
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(threads, int(wanted)) if wanted.isdecimal() and int(wanted) else threads
    found = {"OMP_NUM_THREADS": str(threads)}
    return found | ({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {})


@dataclass
class _Worker:
    """A process with at most one task, and the pipe to it."""

    environment: Mapping[str, str]
    task: SceneTask | None = None

    def __post_init__(self) -> None:
        self._hire()

    def _hire(self) -> None:
        self.pipe, other = _CONTEXT.Pipe()
        arguments = (other, dict(self.environment))
        self.process = _CONTEXT.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def give(self, task: SceneTask) -> None:
        """Hand over a task, to a new process if this one is gone."""
        self.task = task
        try:
            if self.process.is_alive():
                self.pipe.send(task)
                return
        except OSError:  # it went at this moment
            pass
        self.pipe.close()
        self._hire()
        self.pipe.send(task)

    def record(self) -> SceneRecord:
        """Return what became of the task: its record, or that the process died of it."""
        task, self.task = self.task, None
        assert task is not None
        try:
            record: SceneRecord = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            said = SceneError(WORKER_DIED, _death(self.process.exitcode))
            log.warning("%s: %s", task.id, said.text)
            return SceneRecord(task.id, "failed", error=said, host=socket.gethostname())
        return record

    def dismiss(self) -> None:
        """Ask the process to go: at once if it is at work, else when it sees the pipe closed."""
        if self.task is not None and self.process.is_alive():
            self.process.terminate()
        self.pipe.close()


def _ready(busy: Sequence[_Worker]) -> list[_Worker]:
    """Wait until a worker has something to say or dies, and return those that do."""
    ready = set(wait([worker.pipe for worker in busy]))  # a death closes the pipe
    return [worker for worker in busy if worker.pipe in ready]


def _dismiss(crew: Iterable[_Worker]) -> None:
    crew = list(crew)
    for worker in crew:
        worker.dismiss()
    for worker in crew:
        worker.process.join(_LEAVE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        hint = "; where memory ran out, use fewer --jobs, or a smaller --tile or --ram"
        return f"its process was ended by {name}{hint if name == 'SIGKILL' else ''}"
    return f"its process ended without a word, with exit code {code}"


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Do scenes until there are no more: the whole life of a worker process."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the batch hears Ctrl-C, and tells
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        _follow_parent()
        logging.basicConfig(handlers=[logging.NullHandler()])  # warnings are in the records
        warnings.simplefilter("ignore")

        import torch

        from pansharpkit.archive.work import do_scene

        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
        while True:
            pipe.send(do_scene(pipe.recv()))
    except (KeyboardInterrupt, EOFError, ConnectionError):  # nobody is there any more
        sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """End at once when the batch's own process is gone, killed perhaps."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
