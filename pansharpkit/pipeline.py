"""One scene from files to a fused raster and its report: what the command line calls."""

from __future__ import annotations

import logging
import time
import warnings as captured
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import rasterio

from pansharpkit.engine import resolve_device, run
from pansharpkit.errors import InputError, PansharpkitWarning
from pansharpkit.intake import input_files
from pansharpkit.methods.base import Progress
from pansharpkit.outcome import FuseOutcome, rounded_seconds
from pansharpkit.parts import Parts
from pansharpkit.preparing import (
    FuseRequest,
    Job,
    begin,
    deviations_writer,
    fused_writer,
    prepare,
)
from pansharpkit.provenance import command
from pansharpkit.resources import cache_bytes
from pansharpkit.resuming import TileRunner, kept_tiles
from pansharpkit.runs import clipping

if TYPE_CHECKING:  # loaded when they are needed: that takes longer than many a scene
    from pansharpkit.estimate import Estimate
    from pansharpkit.reporting import Made

__all__ = ["FuseRequest", "fuse", "plan"]

log = logging.getLogger(__name__)


def fuse(
    request: FuseRequest,
    progress: Progress | None = None,
    announce: Callable[[Estimate | None], None] | None = None,
    workers: TileRunner | None = None,
) -> FuseOutcome:
    """Fuse one scene into a raster, assess it, and write the report beside it.

    `announce` is told how long that will take before it starts; without it, nobody finds out, nor
    where `workers` fuse the tiles.

    Raises
    ------
    PansharpkitError
        With one clear message; no output is left behind.
    """
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(request.run.ram_mb)):
        return _fuse(request, progress, announce, workers)


def _fuse(
    request: FuseRequest,
    progress: Progress | None,
    announce: Callable[[Estimate | None], None] | None,
    workers: TileRunner | None,
) -> FuseOutcome:
    started = time.perf_counter()
    job = _settled(prepare(request, progress), workers)
    scene, options = job.method.scene, job.options
    expected = None
    if announce is not None and workers is None:
        begin("estimate", progress)
        expected = _estimate(job, request)
        announce(expected)
    with (
        fused_writer(request, job.profile) as sink,
        deviations_writer(request, job.profile) or nullcontext() as beside,  # is there first
        job.warned.listening(),
    ):
        with _tiles(job, request, keep=workers is not None) as parts:
            asked = scene, job.method.method, sink, options, progress
            if workers is None or parts is None:
                result = run(*asked, parts=parts, deviations=beside)
            else:
                result = workers.run(*asked, parts, beside)
        finishing = time.perf_counter()
        begin("finish", progress)
    seconds = dict(result.seconds) | {"finish": time.perf_counter() - finishing}
    result = replace(result, seconds=seconds)
    said = (*job.warned.conclude(), *result.warnings, *clipping(result, options))
    log.info("fused in %.1f s", time.perf_counter() - started)
    outcome = FuseOutcome(
        sink.manifest, result, job.registration, None, None, None, said,
        job.method.name, job.selection, expected,
        uncertainty=None if beside is None else beside.manifest,
    )  # fmt: skip
    if not request.report:
        return outcome
    begin("assess", progress)
    from pansharpkit.evaluate import JUDGED
    from pansharpkit.reporting import Made

    made = Made(
        scene, sink.manifest.path, options, result, job.registration, said, command(),
        None if request.judge_all else JUDGED, rounded_seconds(expected),
    )  # fmt: skip
    return _reported(outcome, made, job, progress)


def _settled(job: Job, workers: TileRunner | None) -> Job:
    if workers is None:
        return job
    return replace(job, options=workers.settled(job.method.scene, job.method.method, job.options))


def _tiles(
    job: Job, request: FuseRequest, *, keep: bool = False
) -> AbstractContextManager[Parts | None]:
    files = [path for path in input_files(request.scene) if path.is_file()]
    output = request.output
    return kept_tiles(
        output, job.method, job.options, files,
        resume=request.resume, keep=keep, say=job.warned.say,
    )  # fmt: skip


def _reported(outcome: FuseOutcome, made: Made, job: Job, progress: Progress | None) -> FuseOutcome:
    """Add the report; a raster that cannot be judged, being all zeros perhaps, still stands."""
    from pansharpkit.reporting import full_resolution_report, write_report

    method, started = job.method, time.perf_counter()
    try:
        with captured.catch_warnings():
            captured.simplefilter("ignore", PansharpkitWarning)  # said while fusing
            found = full_resolution_report(made, method.name, method.options, progress)
            report = replace(found.report, selection=job.selection)
    except InputError as error:
        text = f"the result cannot be assessed: {error}"
        log.warning(text)
        return replace(outcome, warnings=(*outcome.warnings, text))
    json, html = write_report(report, found.pictures, made.output)
    seconds = dict(outcome.run.seconds) | {"report": time.perf_counter() - started}
    ran = replace(outcome.run, seconds=seconds)
    return replace(
        outcome, run=ran, report=report, report_json=json, report_html=html, quality=found.quality
    )


def _estimate(job: Job, request: FuseRequest) -> Estimate | None:
    from pansharpkit.estimate import estimate
    from pansharpkit.evaluate import JUDGED
    from pansharpkit.trial import Work

    ready = job.method
    work = Work(
        ready.scene, ready.method, job.options, job.profile, request.cog, request.report,
        None if request.judge_all else JUDGED,
    )  # fmt: skip
    return estimate(work)


def plan(request: FuseRequest) -> dict[str, object]:
    """Check everything and return what `fuse` would do, without writing."""
    job = prepare(request)
    profile = job.profile
    found = _estimate(job, request)
    return {
        "output": str(request.output),
        "method": job.method.name,
        "chosen": None if job.selection is None else job.selection.why,
        "size": f"{profile.grid.width} x {profile.grid.height}",
        "bands": list(profile.band_names),
        "dtype": profile.dtype,
        "nodata": None if profile.nodata is None else str(profile.nodata),
        "uncompressed_mb": round(profile.raw_bytes / 1e6, 1),
        "device": resolve_device(request.run.device),
        "time": "unknown" if found is None else found.describe(),
        "estimated_seconds": rounded_seconds(found),
        "registration": job.registration.describe(),
        "warnings": list(job.warned.conclude()),
    }
