"""What a worker of a cluster needs to fuse tiles of a scene, and how it does so.

The description of the work lies in the folder that holds the tiles; workers read it once.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rasterio
import torch

from pansharpkit import engine
from pansharpkit.crew import not_shared
from pansharpkit.errors import ClusterError, OutputError
from pansharpkit.grid import Window
from pansharpkit.methods.base import Fitted, Method
from pansharpkit.parts import Parts
from pansharpkit.resources import cache_bytes
from pansharpkit.runs import RunOptions
from pansharpkit.scene import Scene

_LOOK = 16  # pixels along the side of what a worker reads to show that it can


@dataclass(frozen=True)
class TileJob:
    """All that a worker needs to fuse tiles of a scene."""

    scene: Scene
    method: Method
    fitted: Fitted
    options: RunOptions
    about: Mapping[str, object]


@dataclass(frozen=True)
class Ticket:
    """Where a job lies in the shared folder, and what tells it from anything else there."""

    folder: Path
    name: str
    sha256: str

    def job(self) -> TileJob:
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
        assert isinstance(job, TileJob)
        return job


@contextmanager
def deposited(parts: Parts, job: TileJob) -> Iterator[Ticket]:
    """Keep a job in the folder of its tiles, where the workers find it."""
    try:
        stored = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise ClusterError(
            f"{job.scene.guide.label}: this scene cannot be handed to workers ({error}); fuse it "
            "without a cluster"
        ) from error
    folder = parts.folder.absolute()
    ticket = Ticket(folder, f"job-{uuid.uuid4().hex}", hashlib.sha256(stored).hexdigest())
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


# What follows runs on workers.


@dataclass(frozen=True)
class Errand:
    """A portion of a job."""

    ticket: Ticket
    indices: tuple[int, ...]


_Fill = Callable[[Parts, Iterable[int]], int]
_at_hand: dict[Ticket, tuple[TileJob, _Fill, Parts]] = {}
"""The job that this process works on; at most one."""


def fuse_tiles(errand: Errand) -> int:
    """Fuse and keep a portion of the tiles, and return how many were missing."""
    job, fill, parts = _prepared(errand.ticket)
    torch.set_num_threads(job.options.workers)
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(job.options.ram_mb)):
        return fill(parts, errand.indices)


def look(ticket: Ticket) -> None:
    """Read a little of the scene, to see whether that works here."""
    scene = ticket.job().scene
    corner = scene.extent
    scene.read(Window(corner.row, corner.col, _LOOK, _LOOK).clip(corner))


def _prepared(ticket: Ticket) -> tuple[TileJob, _Fill, Parts]:
    if ticket not in _at_hand:
        _at_hand.clear()
        job = ticket.job()
        fill = engine.filler(job.scene, job.method, job.fitted, job.options)
        _at_hand[ticket] = job, fill, Parts(ticket.folder, job.about)
    return _at_hand[ticket]


def forget(ticket: Ticket) -> None:
    """Drop what is kept of a job."""
    _at_hand.pop(ticket, None)
