"""The tiles of one large scene on the workers of a cluster.

Workers write finished tiles to a folder beside the output, which they share with this process; it
puts them together while others are computed. Neither pixels nor the scene pass the scheduler: it
knows of a few portions of tile numbers at a time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import rasterio
import torch

from pansharpkit import engine
from pansharpkit.crew import Crew, answer, not_shared
from pansharpkit.errors import ClusterError, OutputError
from pansharpkit.grid import Window
from pansharpkit.methods.base import Fitted, Method, Progress
from pansharpkit.parts import Fused, Parts
from pansharpkit.resources import cache_bytes
from pansharpkit.runs import RunOptions, RunResult, Sink
from pansharpkit.scene import Scene

if TYPE_CHECKING:
    from pansharpkit.crew import Reply

log = logging.getLogger(__name__)

_AHEAD = 2
_MOST = 32  # tiles in a portion: a worker that dies costs little, the scheduler hears seldom
_PER_WORKER = 4  # portions that each worker would get of what is left: the last ones are small
_LOOK = 16  # pixels along the side of what a worker reads to show that it can


@dataclass(frozen=True)
class Tiles:
    """Runs scenes tile by tile on a cluster; `pipeline.fuse` takes it for its own engine."""

    connect: Callable[[], AbstractContextManager[Crew]]
    """Gives the workers once they are needed."""
    threads: int = 1
    """Threads of each worker, for one tile at a time."""

    @classmethod
    def of(cls, crew: Crew) -> Tiles:
        """Return what runs scenes on workers that are there already."""
        return cls(lambda: nullcontext(crew), crew.threads)

    def settled(self, scene: Scene, method: Method, options: RunOptions) -> RunOptions:
        """Return options that give the same tiles on every machine: those of this one."""
        plan = engine.tile_plan(scene, method, options)
        device = engine.resolve_device(options.device)
        return replace(options, tile=plan.tile, threads=self.threads, device=device)

    def run(
        self,
        scene: Scene,
        method: Method,
        sink: Sink,
        options: RunOptions,
        progress: Progress | None,
        parts: Parts,
        deviations: Sink | None = None,
    ) -> RunResult:
        """Fit here, let workers fuse the tiles, and write these as they come.

        Raises
        ------
        ClusterError
            If the workers do not share the folder of the output or the inputs, die again and again,
            or the scheduler is lost.
        PansharpkitError
            What `engine.run` raises, here or on a worker.
        """
        plan, kept = engine.tile_plan(scene, method, options), parts.indices()
        todo = [tile.index for tile in engine.assembled(plan) if tile.index not in kept]
        if not todo:
            return engine.run(
                scene, method, sink, options, progress, parts=parts, deviations=deviations
            )
        with self.connect() as crew:
            crew.check_shared(parts.folder)
            started = time.perf_counter()
            fitted = engine.fit(scene, method, options, progress)
            fit = time.perf_counter() - started
            with _deposited(parts, _Job(scene, method, fitted, options, parts.about)) as ticket:
                crew.everywhere(_look, ticket)
                with _Filling(crew, ticket, todo, gpu=options.device != "cpu") as filling:
                    waiting = _Awaited(parts, filling)
                    result = engine.run(
                        scene, method, sink, options, progress,
                        parts=waiting, fitted=fitted, deviations=deviations,
                    )  # fmt: skip
        return replace(result, seconds=dict(result.seconds) | {"fit": fit})


@dataclass(frozen=True)
class _Job:
    """All that a worker needs to fuse tiles of a scene."""

    scene: Scene
    method: Method
    fitted: Fitted
    options: RunOptions
    about: Mapping[str, object]


@dataclass(frozen=True)
class _Ticket:
    """Where a job lies in the shared folder, and what tells it from anything else there."""

    folder: Path
    name: str
    sha256: str

    def job(self) -> _Job:
        """Read the job.

        Raises
        ------
        ClusterError
            If it is not there, or another file by its name.
        """
        try:
            stored = (self.folder / self.name).read_bytes()
        except OSError:
            raise not_shared(self.folder, platform.node()) from None
        if hashlib.sha256(stored).hexdigest() != self.sha256:  # never unpickle what is not ours
            raise ClusterError(f"{self.folder / self.name}: was changed; run the command again")
        job = pickle.loads(stored)
        assert isinstance(job, _Job)
        return job


@contextmanager
def _deposited(parts: Parts, job: _Job) -> Iterator[_Ticket]:
    """Keep a job in the folder of its tiles, where the workers find it."""
    try:
        stored = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise ClusterError(
            f"{job.scene.guide.label}: this scene cannot be handed to workers ({error}); fuse it "
            "without a cluster"
        ) from error
    folder = parts.folder.absolute()
    ticket = _Ticket(folder, f"job-{uuid.uuid4().hex}", hashlib.sha256(stored).hexdigest())
    path = folder / ticket.name
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(stored)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    try:
        yield ticket
    finally:
        path.unlink(missing_ok=True)


def portions(indices: Sequence[int], workers: int) -> Iterator[tuple[int, ...]]:
    """Yield tiles in portions that shrink towards the end, so that all workers end together.

    >>> [len(portion) for portion in portions(range(100), 2)]
    [12, 11, 9, 8, 7, 6, 5, 5, 4, 4, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    first = 0
    while left := len(indices) - first:
        size = max(1, min(_MOST, left // (_PER_WORKER * workers)))
        yield tuple(indices[first : first + size])
        first += size


class _Filling:
    """A thread that hands out portions of tiles and learns which are finished."""

    def __init__(self, crew: Crew, ticket: _Ticket, todo: Sequence[int], *, gpu: bool) -> None:
        self._crew, self._ticket, self._todo, self._gpu = crew, ticket, todo, gpu
        self._left = set(todo)
        self._error: BaseException | None = None
        self._news = threading.Condition()
        self._stop = False
        self._ended: SimpleQueue[Reply | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._fill, name="filling", daemon=True)

    def __enter__(self) -> _Filling:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()
        self._thread.join()
        if self._error is None:
            with suppress(Exception):  # they forget it with the next scene at the latest
                self._crew.client.run(_forget, self._ticket)

    def wait(self, index: int) -> None:
        """Return once a tile is finished, or nobody is going to finish it.

        Raises
        ------
        PansharpkitError
            Why it is not.
        """
        with self._news:
            self._news.wait_for(
                lambda: index not in self._left or self._error is not None or self._stop
            )
        if index in self._left and self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Hand out nothing further and let nobody wait."""
        self._ended.put(None)
        with self._news:
            self._stop = True
            self._news.notify_all()

    def _fill(self) -> None:
        try:
            self._hand_out()
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    def _hand_out(self) -> None:
        crew, ticket = self._crew, self._ticket
        offered = portions(self._todo, crew.size(gpu=self._gpu and crew.has_gpus()))
        errands = (_Errand(ticket, portion) for portion in offered)
        done = crew.done(errands, _fuse_tiles, gpu=self._gpu, ahead=_AHEAD, ended=self._ended)
        with closing(done):
            for errand, future in done:
                self._learn(errand, future)

    def _learn(self, errand: _Errand, future: Reply) -> None:
        from distributed import KilledWorker

        try:
            answer(future, self._crew.client)
        except KilledWorker as error:
            tiles = f"tiles {errand.indices[0]} to {errand.indices[-1]}"
            raise ClusterError(
                f"{tiles} ended {error.allowed_failures + 1} workers; where memory ran out, use a "
                "smaller --tile or --ram, or a higher --memory-limit"
            ) from error
        with self._news:
            self._left.difference_update(errand.indices)
            self._news.notify_all()


@dataclass(frozen=True)
class _Awaited:
    """Tiles that are being computed elsewhere."""

    parts: Parts
    filling: _Filling

    def get(self, index: int) -> Fused | None:
        """Return a tile once it is there; None if it is to be computed here after all."""
        self.filling.wait(index)
        found = self.parts.get(index)
        if found is None:
            log.warning("tile %d did not come from the workers and is computed here", index)
        return found

    def put(self, index: int, tile: Fused) -> None:
        """Keep a tile."""
        self.parts.put(index, tile)

    def abandon(self) -> None:
        """Let nobody wait any longer."""
        self.filling.abandon()


# What follows runs on workers.


@dataclass(frozen=True)
class _Errand:
    """A portion of a job."""

    ticket: _Ticket
    indices: tuple[int, ...]


_Fill = Callable[[Parts, Iterable[int]], int]
_at_hand: dict[_Ticket, tuple[_Job, _Fill, Parts]] = {}
"""The job that this process works on; at most one."""


def _fuse_tiles(errand: _Errand) -> int:
    """Fuse and keep a portion of the tiles, and return how many were missing."""
    job, fill, parts = _prepared(errand.ticket)
    torch.set_num_threads(job.options.workers)
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(job.options.ram_mb)):
        return fill(parts, errand.indices)


def _look(ticket: _Ticket) -> None:
    """Read a little of the scene, to see whether that works here."""
    scene = ticket.job().scene
    corner = scene.extent
    scene.read(Window(corner.row, corner.col, _LOOK, _LOOK).clip(corner))


def _prepared(ticket: _Ticket) -> tuple[_Job, _Fill, Parts]:
    if ticket not in _at_hand:
        _at_hand.clear()
        job = ticket.job()
        fill = engine.filler(job.scene, job.method, job.fitted, job.options)
        _at_hand[ticket] = job, fill, Parts(ticket.folder, job.about)
    return _at_hand[ticket]


def _forget(ticket: _Ticket) -> None:
    _at_hand.pop(ticket, None)
