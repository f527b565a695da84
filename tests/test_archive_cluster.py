"""A batch on a cluster: the ledger stays true, whatever becomes of workers and scheduler."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from archive_batches import PAIR, in_this_process, make_archive, request
from clusters import scheduler_apart
from command_line import pansharpkit
from rasters import write_geotiff

from pansharpkit.archive import batch, cluster
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.record import SceneRecord
from pansharpkit.archive.work import SceneTask
from pansharpkit.cluster import ClusterRequest, connected
from pansharpkit.crew import Crew
from pansharpkit.errors import ClusterError


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with connected(ClusterRequest(n_workers=2, deaths=0)) as made:
        yield made


def engine(crew: Crew) -> batch.Engine:
    return lambda tasks: cluster.run(tasks, crew)


def states(folder: Path) -> dict[str, str]:
    with Ledger(folder / NAME, "read") as ledger:
        return {row.entry.id: row.state for row in ledger.rows()}


def rasters(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.glob("*/*.tif")):
        with rasterio.open(path) as file:
            found[path.stem] = np.array(file.read()).tobytes()
    return found


def test_scenes_are_those_of_this_process(crew: Crew, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in", "abcd")
    write_geotiff(archive / "e_P.tif", np.zeros((1, 96, 128), np.uint16))  # no such ground
    (archive / "e_M.tif").write_bytes((archive / "a_M.tif").read_bytes())
    done = batch.run(request(archive, tmp_path / "out"), engine(crew))
    alone = batch.run(request(archive, tmp_path / "alone"), in_this_process)
    assert done.counts == alone.counts == {"done": 4, "failed": 1}
    assert done.failed[0].error == replace(alone.failed[0]).error
    assert rasters(tmp_path / "out") == rasters(tmp_path / "alone")


@pytest.mark.fault("a scene of a batch that ends every dask worker it meets: one failure")
def test_a_scene_that_kills_its_workers_is_one_failure(crew: Crew, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in", "abcde")

    def deadly(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
        """Let the worker that starts scene c die of it."""
        for task, future in crew.done(tasks, _do_or_die, gpu=True):
            yield cluster._record(task, future, crew)

    done = batch.run(request(archive, tmp_path / "out", max_attempts=2), deadly)
    failed = {record.id: record.error for record in done.failed}
    assert done.counts["done"] == 5 - len(failed)
    assert failed["c"] is not None
    assert failed["c"].kind == "WorkerDied"
    assert "its worker died" in failed["c"].text
    again = batch.run(request(archive, tmp_path / "out"), engine(crew))
    assert again.counts == {"done": 5}


def _do_or_die(task: SceneTask) -> SceneRecord:
    if task.id == "c":
        os.kill(os.getpid(), signal.SIGKILL)
    return cluster._do_scene(task)


def test_no_more_scenes_are_begun_than_there_are_workers(crew: Crew, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in", "abcdefgh")
    begun: list[str] = []
    most = ended = 0

    def watched(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
        nonlocal most, ended

        def noted() -> Iterator[SceneTask]:
            nonlocal most
            for task in tasks:
                begun.append(task.id)
                most = max(most, len(begun) - ended)
                yield task

        for record in cluster.run(noted(), crew):
            ended += 1
            yield record

    assert batch.run(request(archive, tmp_path / "out"), watched).counts == {"done": 8}
    assert most == 2


@pytest.mark.fault("the dask scheduler of a batch ended by SIGKILL")
def test_a_scheduler_that_is_lost_leaves_a_ledger_to_go_on_from(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in", "abcdef")
    told: list[str] = []
    with scheduler_apart(tmp_path) as (file, kill):

        def tell(record: SceneRecord) -> None:
            told.append(record.id)
            kill()

        with (
            pytest.raises(ClusterError, match=r"connection to the scheduler at .* was lost"),
            connected(ClusterRequest(scheduler_file=file)) as crew,
        ):
            batch.run(request(archive, tmp_path / "out"), engine(crew), tell)
    assert len(told) == 1
    left = states(tmp_path / "out")
    assert left[told[0]] == "done"
    assert "running" not in left.values()
    done = batch.run(request(archive, tmp_path / "out"), in_this_process)
    assert done.counts == {"done": 6}
    batch.run(request(archive, tmp_path / "alone"), in_this_process)
    assert rasters(tmp_path / "out") == rasters(tmp_path / "alone")


def test_the_command_line_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in", "a")
    asked = ("batch", archive, "--out", tmp_path / "out", "-m", "exp", "--pair", *PAIR)
    done = pansharpkit(*asked, "--n-workers", "2", "--jobs", "2")
    assert (done.code, "--jobs is for processes" in done.stderr) == (2, True)
    done = pansharpkit(*asked, "--scheduler-file", tmp_path / "none")
    assert (done.code, "is not what `dask scheduler" in done.stderr) == (1, True)
    assert states(tmp_path / "out") == {"a": "waiting"}
    plan = pansharpkit(*asked, "--n-workers", "2", "--dry-run")
    assert plan.code == 0
