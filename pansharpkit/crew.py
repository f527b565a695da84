"""The workers of a dask cluster: told apart from others, and kept busy."""

from __future__ import annotations

import asyncio
import pickle
import platform
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from pansharpkit.errors import ClusterError, PansharpkitError
from pansharpkit.luggage import Luggage
from pansharpkit.resources import keep_freed_memory

if TYPE_CHECKING:
    from distributed import Client, Future

    Reply = Future[object]

Item = TypeVar("Item")

_LOOK_AGAIN_S = 5.0  # for workers that joined or left
_PATIENCE_S = 120.0  # without any worker: one that died is replaced, which takes a while
_GPU = "GPU"


@dataclass(frozen=True)
class Crew:
    """The workers of a cluster."""

    client: Client
    threads: int
    """Threads of each worker, for one piece of work at a time."""
    luggage: Luggage = field(default_factory=Luggage.of_here)

    def size(self, *, gpu: bool) -> int:
        """Return how many pieces of work the workers can do at the same time, one at least."""
        gpus = self._gpus()
        return max(1, sum(gpus) if gpu else len(gpus))

    def has_gpus(self) -> bool:
        """Return whether workers declare GPUs."""
        return any(self._gpus())

    def _gpus(self) -> list[int]:
        """Return how many GPUs each worker declares."""
        found = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return [int(worker["resources"].get(_GPU, 0)) for worker in found]

    def everywhere(self, function: Callable[..., object], *args: object) -> dict[str, object]:
        """Return what a function returns on each worker, by its address.

        Raises
        ------
        PansharpkitError
            The first that one of them raises; a ClusterError for whatever else goes wrong.
        """
        parcel = _Parcel.of(self.luggage, function, *args)
        said = self.client.run(_carry_out_aside, parcel, on_error="return")
        for worker, found in said.items():
            if isinstance(found, Exception):
                raise ClusterError(
                    f"worker {worker} cannot take part ({type(found).__name__}: {found}); "
                    f"install pansharpkit {self.luggage.versions['pansharpkit']} there"
                ) from found
        return {worker: _unwrapped(found) for worker, found in said.items()}

    def check_shared(self, folder: Path) -> None:
        """Let every worker show that it writes where this process reads.

        Raises
        ------
        ClusterError
            If one of them has another folder by that path, or none.
        """
        for worker, mark in self.everywhere(_mark, folder.absolute()).items():
            seen = folder / str(mark)
            if not seen.exists():
                raise not_shared(folder, worker)
            seen.unlink(missing_ok=True)

    def done(
        self,
        items: Iterable[Item],
        work: Callable[[Item], object],
        *,
        gpu: bool = False,
        ahead: int = 1,
        ended: SimpleQueue[Reply | None] | None = None,
    ) -> Generator[tuple[Item, Reply]]:
        """Yield each item with what became of `work(item)`, as they end; `answer` tells.

        No more items are taken than workers can do at a time, `ahead` times as many at most: the
        scheduler never knows of more. Closing the generator calls off what has not begun; so does
        another thread that puts None in the queue of what has ended.

        Raises
        ------
        ClusterError
            If the scheduler is lost, or every worker for longer than one takes to come back.
        """
        ended = SimpleQueue() if ended is None else ended
        gpu = gpu and self.has_gpus()
        needs = {_GPU: 1} if gpu else None
        room = _Room(lambda: self.size(gpu=gpu) * ahead)
        waiting = iter(items)
        running: dict[Reply, Item] = {}
        try:
            while True:
                for item in islice(waiting, max(0, room.now() - len(running))):
                    begun = self.client.submit(
                        _carry_out,
                        _Parcel.of(self.luggage, work, item),
                        pure=False,
                        resources=needs,
                    )
                    running[begun] = item
                    begun.add_done_callback(ended.put)
                if not running or (future := self._awaited(ended)) is None:
                    return
                if future.cancelled():
                    raise lost(self.client)
                yield running.pop(future), future
        finally:
            for future in running:  # the scheduler forgets what nobody wants
                future.release()

    def _awaited(self, ended: SimpleQueue[Reply | None]) -> Reply | None:
        seen = time.monotonic()
        while time.monotonic() - seen < _PATIENCE_S:
            with suppress(Empty):
                return ended.get(timeout=_LOOK_AGAIN_S)
            with suppress(Exception):  # of a scheduler that is lost, work that ends tells
                seen = time.monotonic() if self._gpus() else seen
        raise ClusterError(
            f"the scheduler at {address(self.client)} has had no worker for {_PATIENCE_S:.0f} s; "
            "start some, then run the same command again: what is finished is kept"
        )


class _Room:
    """A number that costs a question to the scheduler, asked again now and then."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._asked = -_LOOK_AGAIN_S
        self._answer = 0

    def now(self) -> int:
        if time.monotonic() - self._asked >= _LOOK_AGAIN_S:
            self._answer, self._asked = self._ask(), time.monotonic()
        return self._answer


def answer(future: Reply, client: Client) -> object:
    """Return what a piece of work returned, or raise what it raised.

    Raises
    ------
    ClusterError
        If the scheduler was lost.
    """
    from distributed.comm.core import CommClosedError

    try:
        return _unwrapped(future.result())
    except (CancelledError, CommClosedError) as error:
        raise lost(client) from error


@dataclass(frozen=True)
class _Failure:
    """An error of ours on its way home: as an exception, dask could not carry all kinds."""

    kind: type[PansharpkitError]
    text: str


def _unwrapped(found: object) -> object:
    if isinstance(found, _Failure):
        raise found.kind(found.text)
    return found


@dataclass(frozen=True)
class _Parcel:
    """A piece of work that workers alone unpack: the scheduler need not load PyTorch."""

    contents: bytes = field(repr=False)

    @classmethod
    def of(cls, luggage: Luggage, work: Callable[..., object], *args: object) -> _Parcel:
        return cls(pickle.dumps((luggage, pickle.dumps((work, args)))))


def _carry_out(parcel: _Parcel) -> object:
    """On a worker: do a piece of work in its own environment."""
    luggage, packed = pickle.loads(parcel.contents)
    keep_freed_memory()
    try:
        with luggage.unpacked():
            work, args = pickle.loads(packed)
            return work(*args)
    except PansharpkitError as error:
        return _Failure(type(error), str(error))


async def _carry_out_aside(parcel: _Parcel) -> object:
    """On a worker: do a piece of work while the worker goes on answering the scheduler."""
    return await asyncio.to_thread(_carry_out, parcel)


def address(client: Client) -> str:
    """Return where the scheduler of a client is, or was."""
    return str(getattr(client.scheduler, "address", "its address"))


def lost(client: Client) -> ClusterError:
    """Return the error that says that there is no scheduler any more."""
    return ClusterError(
        f"the connection to the scheduler at {address(client)} was lost; see that one is running, "
        "then run the same command again: what is finished is kept"
    )


def not_shared(folder: Path, worker: str) -> ClusterError:
    """Return the error that says that a worker has not this folder."""
    return ClusterError(
        f"{folder}: worker {worker} does not share this folder; write the output to storage that "
        "all workers mount at the same path, and may write to"
    )


def _mark(folder: Path) -> str:
    """On a worker: leave a file in a folder, and return its name."""
    mark = f".seen-{uuid.uuid4().hex}"
    try:
        (folder / mark).touch()
    except OSError as error:
        raise not_shared(folder, platform.node()) from error
    return mark
