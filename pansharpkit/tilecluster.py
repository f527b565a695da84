"""The tiles of one large scene on the workers of a cluster.

Workers write finished tiles to a folder beside the output, which they share with this process; it
puts them together while others are computed. Neither pixels nor the scene pass the scheduler: it
knows of a few portions of tile numbers at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    closing,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from pansharpkit import engine, planning
from pansharpkit.crew import Crew, answer
from pansharpkit.errors import ClusterError
from pansharpkit.methods.base import Method, Progress
from pansharpkit.parts import Fused, Parts
from pansharpkit.runs import RunOptions, RunResult, Sink
from pansharpkit.scene import Scene
from pansharpkit.tilejob import Errand, Ticket, TileJob, deposited, forget, fuse_tiles, look

if TYPE_CHECKING:
    from pansharpkit.crew import Reply

log = logging.getLogger(__name__)

_AHEAD = 2
_MOST = 32  # tiles in a portion: a worker that dies costs little, the scheduler hears seldom
_PER_WORKER = 4  # portions that each worker would get of what is left: the last ones are small


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
        plan = planning.tile_plan(scene, method, options)
        device = planning.resolve_device(options.device)
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
        plan, kept = planning.tile_plan(scene, method, options), parts.indices()
        todo = [tile.index for tile in planning.assembled(plan) if tile.index not in kept]
        if not todo:
            return engine.run(
                scene, method, sink, options, progress, parts=parts, deviations=deviations
            )
        with self.connect() as crew:
            crew.check_shared(parts.folder)
            started = time.perf_counter()
            fitted = engine.fit(scene, method, options, progress)
            fit = time.perf_counter() - started
            with deposited(parts, TileJob(scene, method, fitted, options, parts.about)) as ticket:
                crew.everywhere(look, ticket)
                with _Filling(crew, ticket, todo, gpu=options.device != "cpu") as filling:
                    waiting = _Awaited(parts, filling)
                    result = engine.run(
                        scene, method, sink, options, progress,
                        parts=waiting, fitted=fitted, deviations=deviations,
                    )  # fmt: skip
        return replace(result, seconds=dict(result.seconds) | {"fit": fit})


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

    def __init__(self, crew: Crew, ticket: Ticket, todo: Sequence[int], *, gpu: bool) -> None:
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
                self._crew.client.run(forget, self._ticket)

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
        errands = (Errand(ticket, portion) for portion in offered)
        done = crew.done(errands, fuse_tiles, gpu=self._gpu, ahead=_AHEAD, ended=self._ended)
        with closing(done):
            for errand, future in done:
                self._learn(errand, future)

    def _learn(self, errand: Errand, future: Reply) -> None:
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
