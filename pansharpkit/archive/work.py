"""One scene of a batch, from its files to its record: what a worker does, whatever runs it."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pansharpkit import pipeline
from pansharpkit.archive.beside import Beside
from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.files import fingerprints
from pansharpkit.archive.record import OutputFile, SceneError, SceneRecord
from pansharpkit.archive.stac.item import write_item
from pansharpkit.errors import explained
from pansharpkit.gate import Gate
from pansharpkit.outcome import FuseOutcome
from pansharpkit.provenance import versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneTask:
    """A scene to be done; it can be sent to another process."""

    entry: SceneEntry
    request: pipeline.FuseRequest
    folder: Path
    """The batch's output folder."""
    gate: Gate = field(default_factory=Gate)
    beside: Beside = field(default_factory=Beside)

    @property
    def id(self) -> str:
        """Name of the scene."""
        return self.entry.id


def output_of(folder: Path, id: str) -> Path:
    """Return where a scene's raster goes."""
    return folder / id / f"{id}.tif"


def do_scene(task: SceneTask) -> SceneRecord:
    """Fuse and assess a scene, and write its item for the catalogue.

    Whatever is wrong with the scene is in the record. Only an interruption gets out.
    """
    started = time.perf_counter()
    failed = SceneRecord(task.id, "failed", host=socket.gethostname(), versions=versions())
    record = failed
    folder = task.request.output.parent
    try:
        record = replace(record, inputs=fingerprints(task.request.scene.inputs))
        folder.mkdir(parents=True, exist_ok=True)
        made = pipeline.fuse(task.request)
        _forget(made, task.beside)
        task.beside.write(made, task.entry.inputs, overwrite=task.request.overwrite)
        record = _described(record, task, made)
        record = replace(record, seconds=time.perf_counter() - started)
        write_item(record, task.entry, task.folder)
    except Exception as error:
        log.debug("%s failed", task.id, exc_info=True)
        with suppress(OSError):
            folder.rmdir()  # if it is empty
        record = replace(failed, inputs=record.inputs, error=_said(error), warnings=record.warnings)
        if task.request.output.exists():
            left = f"{task.request.output} is there all the same, of another attempt"
            record = replace(record, warnings=(*record.warnings, left))
    return replace(record, seconds=time.perf_counter() - started)


def _said(error: Exception) -> SceneError:
    return SceneError(type(error).__name__, explained(error))


def _forget(made: FuseOutcome, beside: Beside) -> None:
    """Remove what belongs to the raster that this one has replaced."""
    rasters = beside.rasters(uncertainty=made.uncertainty is not None)
    stale = [suffix for suffix, asked in rasters.items() if not asked]
    if made.report is None:
        stale += [".report.json", ".report.html"]
    for suffix in stale:
        made.manifest.path.with_suffix(suffix).unlink(missing_ok=True)


def _described(record: SceneRecord, task: SceneTask, made: FuseOutcome) -> SceneRecord:
    missed = task.gate.missed(made.judged)
    manifest = made.manifest
    return replace(
        record,
        state="flagged" if missed else "done",
        output=OutputFile(
            _below(task.folder, manifest.path),
            manifest.sha256,
            manifest.bytes,
            manifest.modified_ns,
        ),
        report_json=None if made.report_json is None else _below(task.folder, made.report_json),
        report_html=None if made.report_html is None else _below(task.folder, made.report_html),
        method=made.method,
        indices=made.judged,
        flags=missed,
        warnings=made.warnings,
    )


def _below(folder: Path, path: Path) -> str:
    return path.absolute().relative_to(folder.absolute()).as_posix()
