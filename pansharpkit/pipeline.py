"""One scene from files to a fused raster and its report: what the command line calls."""

from __future__ import annotations

import logging
import time
import warnings as captured
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from pansharpkit import registration
from pansharpkit.engine import RunOptions, resolve_device, run
from pansharpkit.errors import InputError, PansharpkitWarning
from pansharpkit.intake import SceneRequest, input_files, open_scene
from pansharpkit.methods.base import Progress
from pansharpkit.modelled import modelled, needs_model
from pansharpkit.outcome import FuseOutcome, rounded_seconds
from pansharpkit.output import (
    output_dtype,
    output_nodata,
    output_profile,
    uncertainty_path,
    uncertainty_profile,
)
from pansharpkit.parts import Parts
from pansharpkit.provenance import command, versions
from pansharpkit.registration import Registration
from pansharpkit.requested import MethodRequest, Prepared
from pansharpkit.resources import cache_bytes
from pansharpkit.resuming import TileRunner, kept_tiles
from pansharpkit.runs import clipping
from pansharpkit.scene import Scene
from pansharpkit.warned import Warned
from pansharpkit.writer import OutputProfile, RasterWriter, is_envi, lineage_tags, open_output

if TYPE_CHECKING:  # loaded when they are needed: that takes longer than many a scene
    from pansharpkit.estimate import Estimate
    from pansharpkit.report import Selection
    from pansharpkit.reporting import Made

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FuseRequest:
    """Everything that says what is to be fused, how, and where to."""

    scene: SceneRequest
    output: Path
    method: MethodRequest = field(default_factory=MethodRequest)
    run: RunOptions = field(default_factory=RunOptions)
    correct_shift: bool = False
    force: bool = False
    """Go on although guide and target seem to show other ground."""
    overwrite: bool = False
    cog: bool = True
    creation_options: Mapping[str, str] = field(default_factory=dict)
    report: bool = True
    judge_all: bool = False
    """Whether the report judges every pixel of a large scene, instead of a part spread over it."""
    resume: bool = False
    """Keep finished tiles beside the output, and go on from those of a run that ended early."""


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
    job = _settled(_prepare(request, progress), workers)
    scene, options = job.method.scene, job.options
    expected = None
    if announce is not None and workers is None:
        _begin("estimate", progress)
        expected = _estimate(job, request)
        announce(expected)
    with (
        _job_output(request, job.profile) as sink,
        _job_deviations(request, job.profile) or nullcontext() as beside,  # is there first
        job.warned.listening(),
    ):
        with _tiles(job, request, keep=workers is not None) as parts:
            asked = scene, job.method.method, sink, options, progress
            if workers is None or parts is None:
                result = run(*asked, parts=parts, deviations=beside)
            else:
                result = workers.run(*asked, parts, beside)
        finishing = time.perf_counter()
        _begin("finish", progress)
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
    _begin("assess", progress)
    from pansharpkit.evaluate import JUDGED
    from pansharpkit.reporting import Made

    made = Made(
        scene, sink.manifest.path, options, result, job.registration, said, command(),
        None if request.judge_all else JUDGED, rounded_seconds(expected),
    )  # fmt: skip
    return _reported(outcome, made, job, progress)


def _begin(stage: str, progress: Progress | None) -> None:
    """Tell of a stage of which nobody knows yet how long it is."""
    if progress is not None:
        progress(stage, 0, 1)


def _settled(job: _Job, workers: TileRunner | None) -> _Job:
    if workers is None:
        return job
    return replace(job, options=workers.settled(job.method.scene, job.method.method, job.options))


def _tiles(
    job: _Job, request: FuseRequest, *, keep: bool = False
) -> AbstractContextManager[Parts | None]:
    files = [path for path in input_files(request.scene) if path.is_file()]
    output = request.output
    return kept_tiles(
        output, job.method, job.options, files,
        resume=request.resume, keep=keep, say=job.warned.say,
    )  # fmt: skip


def _reported(
    outcome: FuseOutcome, made: Made, job: _Job, progress: Progress | None
) -> FuseOutcome:
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


@dataclass(frozen=True)
class _Job:
    """A request after every check that needs no fusion."""

    method: Prepared
    options: RunOptions
    profile: OutputProfile
    registration: Registration
    warned: Warned
    """What the user should read."""
    selection: Selection | None = None
    """How the method was chosen, if that was left to us."""


def _estimate(job: _Job, request: FuseRequest) -> Estimate | None:
    from pansharpkit.estimate import estimate
    from pansharpkit.evaluate import JUDGED
    from pansharpkit.trial import Work

    ready = job.method
    work = Work(
        ready.scene, ready.method, job.options, job.profile, request.cog, request.report,
        None if request.judge_all else JUDGED,
    )  # fmt: skip
    return estimate(work)


def _prepare(request: FuseRequest, progress: Progress | None = None) -> _Job:
    """Check the request, cheapest things first, measure the registration, choose the method."""
    early = request.method.stand_in()
    early.create()
    _begin("open", progress)
    resolve_device(request.run.device)
    opened = open_scene(request.scene)
    request = replace(request, method=request.method.for_guide(len(opened.guide.names)))
    method = request.method.stand_in().prepared(opened, request.run.compat)
    scene = method.scene
    dtype = output_dtype(scene, request.run.dtype)
    maskable = not is_envi(request.output)
    nodata = output_nodata(scene, dtype, request.run.nodata, maskable=maskable)
    options = replace(request.run, dtype=str(dtype), nodata=nodata)
    profile = output_profile(
        scene, dtype, nodata,
        tags=_lineage(method, request, options), creation_options=request.creation_options,
    )  # fmt: skip
    _job_output(request, profile).check()
    if (beside := _job_deviations(request, profile)) is not None:
        beside.check()
    warned = Warned()
    with warned.listening():
        found = registration.measure(opened)
        opened = _registered(opened, found, request, warned)
        chosen, selection = _chosen(request, opened, progress)
        if needs_model(opened, chosen.name) and request.scene.model is None:
            before, opened = len(opened.notices), modelled(opened)
            for text in opened.notices[before:]:
                warned.say(text)
    method = chosen.prepared(opened, options.compat)  # the scene may have moved
    tags = {**profile.tags, **_lineage(method, request, options, selection)}
    return _Job(method, options, replace(profile, tags=tags), found, warned, selection)


def _chosen(
    request: FuseRequest, scene: Scene, progress: Progress | None
) -> tuple[MethodRequest, Selection | None]:
    """Return the method requested, or the one that is best for the scene and why."""
    if not request.method.is_auto:
        return request.method, None
    from pansharpkit.selection import choose

    options = request.run
    choice = choose(
        scene, request.method, compat=options.compat, seed=options.seed, progress=progress
    )
    return choice.request, choice.selection


def _job_output(request: FuseRequest, profile: OutputProfile) -> RasterWriter:
    return open_output(
        request.output,
        profile,
        overwrite=request.overwrite,
        inputs=input_files(request.scene),
        cog=request.cog,
        threads=request.run.threads,
    )


def _job_deviations(request: FuseRequest, fused: OutputProfile) -> RasterWriter | None:
    """Return what writes the standard deviations beside the output, if they are asked for."""
    if not request.method.uncertainty:
        return None
    return open_output(
        uncertainty_path(request.output),
        uncertainty_profile(fused, request.output),
        overwrite=request.overwrite,
        inputs=input_files(request.scene),
        cog=request.cog,
        threads=request.run.threads,
    )


def _registered(scene: Scene, found: Registration, request: FuseRequest, warned: Warned) -> Scene:
    """Correct or refuse the scene as asked, and say what should be known about it."""
    said = list(scene.notices)
    log.info(found.describe())
    doubt = registration.check(found, force=request.force)
    if request.correct_shift and found.reliable:
        rows, cols = registration.correction(scene, found)
        scene = scene.moved((rows, cols))
        said.append(
            f"{found.target} moved by {rows:+.2f} rows, {cols:+.2f} cols ({found.guide} px)"
        )
    elif doubt is not None:
        said.append(doubt)
    for text in said:
        warned.say(text)
    return scene


def _lineage(
    method: Prepared,
    request: FuseRequest,
    options: RunOptions,
    selection: Selection | None = None,
) -> dict[str, str]:
    used: dict[str, object] = {
        **method.options,
        "sensor": method.scene.sensor.id,
        "shift": list(method.scene.shift),
        "seed": options.seed,
        "tile": options.tile,
        "compat": options.compat,
        "toa": request.scene.read.toa,
    }
    if selection is not None:
        used["auto"] = {"why": selection.why, "scores": selection.scores}
    return lineage_tags(
        version=versions()["pansharpkit"],
        method=method.name,
        options=used,
        inputs={Path(name).name: None for name in request.scene.inputs},
    )


def plan(request: FuseRequest) -> dict[str, object]:
    """Check everything and return what `fuse` would do, without writing."""
    job = _prepare(request)
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
