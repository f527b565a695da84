"""Scenes in processes of their own: they outlive one another, and never the batch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from archive_batches import make_archive, request

from pansharpkit.archive import local
from pansharpkit.archive.batch import _Batch
from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.record import WORKER_DIED
from pansharpkit.archive.survey import survey
from pansharpkit.archive.work import SceneTask


@dataclass(frozen=True)
class Deadly(SceneEntry):
    """A scene that kills the process which unpacks it, as one that eats its memory does."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return signal.raise_signal, (signal.SIGKILL,)


def tasks_of(tmp_path: Path, names: str) -> list[SceneTask]:
    asked = request(make_archive(tmp_path / "in", names), tmp_path / "out")
    with Ledger(tmp_path / NAME) as ledger:
        batch = _Batch(asked, ledger, lambda record: None)
        return [batch._task(each) for each in survey(asked).planned]


def deadly(task: SceneTask) -> SceneTask:
    given = {field.name: getattr(task.entry, field.name) for field in fields(task.entry)}
    return replace(task, entry=Deadly(**given))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_that_dies_takes_one_scene_with_it(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "abcd")
    tasks[1] = deadly(tasks[1])
    taken: list[str] = []

    def counted() -> Iterator[SceneTask]:
        for task in tasks:
            taken.append(task.id)
            yield task

    found = {}
    stream = local.run(counted(), jobs=2)
    first = next(stream)
    assert len(taken) <= 3, "tasks are taken as there is room for them"
    for record in (first, *stream):
        found[record.id] = record
    assert {id: record.state for id, record in found.items()} == {
        "a": "done", "b": "failed", "c": "done", "d": "done",
    }  # fmt: skip
    error = found["b"].error
    assert error is not None
    assert (error.kind, "SIGKILL" in error.text) == (WORKER_DIED, True)
    assert "fewer --jobs" in error.text


def test_workers_leave_with_the_batch(tmp_path: Path) -> None:
    stream = local.run(iter(tasks_of(tmp_path, "ab")), jobs=1)
    assert next(stream).state == "done"
    names = (path.name for path in Path("/proc").iterdir())
    workers = [int(name) for name in names if name.isdecimal() and _ours(int(name))]
    assert workers
    stream.close()  # type: ignore[attr-defined]
    assert not any(alive(worker) for worker in workers)


def _ours(process: int) -> bool:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return False
    return b"spawn_main" in command and int(parent) == os.getpid()


@pytest.mark.parametrize(
    ("named", "gpus"), [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("GPU-1f", ("GPU-1f",))]
)
def test_gpus_are_those_that_may_be_used(
    named: str, gpus: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert local.visible_gpus() == gpus


def test_each_worker_has_its_gpu_and_its_share_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    places = [local._environment(4, ("5", "7"), place) for place in range(3)]
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["5", "7", "5"]
    assert {place["OMP_NUM_THREADS"] for place in places} == {"4"}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert local._environment(4, (), 0) == {"OMP_NUM_THREADS": "1"}
