"""Small archives for tests of batches, and an engine that needs no processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rasters import Pair, make_pair

from pansharpkit.archive.batch import BatchSummary, run
from pansharpkit.archive.find import FindRequest
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.record import SceneRecord
from pansharpkit.archive.rows import Row
from pansharpkit.archive.survey import BatchRequest
from pansharpkit.archive.work import SceneTask, do_scene
from pansharpkit.intake import SceneRequest
from pansharpkit.pipeline import FuseRequest
from pansharpkit.requested import MethodRequest
from pansharpkit.runs import RunOptions

PAIR = ("PAN=*_P.tif", "MS=*_M.tif")
EXP = ("-m", "exp", "--no-report", "--pair", *PAIR)
"""Options of the quickest batch there is."""


def make_archive(folder: Path, names: str, size: tuple[int, int] = (24, 32)) -> Path:
    """Write a pair of ratio 4 for each letter, all of the same ground."""
    pair: Pair = make_pair(folder.parent / "ground", size=size)
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copyfile(pair.pan, folder / f"{name}_P.tif")
        shutil.copyfile(pair.ms, folder / f"{name}_M.tif")
    return folder


def request(archive: Path, folder: Path, **changes: Any) -> BatchRequest:
    """Return a batch with the quickest method, one thread and no reports."""
    scene = FuseRequest(
        SceneRequest(()), folder, MethodRequest("exp"), RunOptions(threads=1), report=False
    )
    return replace(BatchRequest(FindRequest(archive, PAIR), folder, scene), **changes)


def in_this_process(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
    """Do scenes one after the other."""
    return map(do_scene, tasks)


def batch(asked: BatchRequest) -> tuple[BatchSummary, list[SceneRecord]]:
    """Run a batch in this process; return how it ended and every record in order."""
    records: list[SceneRecord] = []
    return run(asked, in_this_process, records.append), records


def rows(folder: Path) -> dict[str, Row]:
    """Return what the ledger knows."""
    with Ledger(folder / NAME, "read") as ledger:
        return {row.entry.id: row for row in ledger.rows()}


def states(folder: Path) -> dict[str, str]:
    """Return the state of each scene."""
    return {id: row.state for id, row in rows(folder).items()}
