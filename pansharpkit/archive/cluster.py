"""Scenes side by side on the workers of a dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from pansharpkit.archive.record import WORKER_DIED, SceneError, SceneRecord
from pansharpkit.archive.work import SceneTask, do_scene
from pansharpkit.crew import Crew, answer

if TYPE_CHECKING:
    from pansharpkit.crew import Reply

log = logging.getLogger(__name__)


def run(tasks: Iterable[SceneTask], crew: Crew) -> Iterator[SceneRecord]:
    """Yield the record of each scene as it ends; a task is taken when a worker is free for it.

    A scene whose worker dies is a failed attempt, which the batch may repeat. The inputs, and the
    output folder, are read and written by the workers themselves, who have to share them.

    Raises
    ------
    ClusterError
        If a worker does not share the output folder, or the scheduler is lost.
    """
    waiting = iter(tasks)
    first = next(waiting, None)
    if first is None:
        return
    crew.check_shared(first.folder)
    ready = (_threaded(task, crew.threads) for task in chain([first], waiting))
    with closing(crew.done(ready, _do_scene, gpu=True)) as done:
        for task, future in done:
            yield _record(task, future, crew)


def _threaded(task: SceneTask, threads: int) -> SceneTask:
    options = replace(task.request.run, threads=threads)
    return replace(task, request=replace(task.request, run=options))


def _record(task: SceneTask, future: Reply, crew: Crew) -> SceneRecord:
    """Return what became of a task: its record, or that its workers died of it."""
    from distributed import KilledWorker

    try:
        record = answer(future, crew.client)
    except KilledWorker as error:
        deaths = error.allowed_failures + 1
        who = "its worker" if deaths == 1 else f"each of {deaths} workers"
        text = (
            f"{who} died, the last being {error.last_worker.address}; where memory ran out, use a "
            "smaller --tile or --ram, or workers with more"
        )
        log.warning("%s: %s", task.id, text)
        return SceneRecord(task.id, "failed", error=SceneError(WORKER_DIED, text))
    assert isinstance(record, SceneRecord)
    return record


def _do_scene(task: SceneTask) -> SceneRecord:
    """On a worker: fuse and assess a scene."""
    import torch

    torch.set_num_threads(task.request.run.workers)
    return do_scene(task)
