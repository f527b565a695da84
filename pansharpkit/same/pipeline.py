"""Images of one resolution from files to one raster and its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from pansharpkit.engine import RunOptions, resolve_device
from pansharpkit.methods import create
from pansharpkit.methods.base import Progress
from pansharpkit.outcome import rounded_seconds
from pansharpkit.output import output_dtype, output_nodata, output_profile
from pansharpkit.parts import Parts
from pansharpkit.provenance import versions
from pansharpkit.requested import Prepared
from pansharpkit.resources import cache_bytes
from pansharpkit.resuming import kept_tiles
from pansharpkit.runs import clipping
from pansharpkit.same.images import is_placed
from pansharpkit.same.intake import Opened, input_files, open_images
from pansharpkit.same.outcome import SameOutcome
from pansharpkit.same.request import SameRequest
from pansharpkit.same.running import own_options, prepared, run_images
from pansharpkit.warned import Warned
from pansharpkit.writer import (
    OutputProfile,
    RasterWriter,
    is_envi,
    is_picture,
    lineage_tags,
    open_output,
)

if TYPE_CHECKING:  # loaded when they are needed: that takes longer than many a scene
    from pansharpkit.estimate import Estimate

log = logging.getLogger(__name__)


def make(
    request: SameRequest,
    progress: Progress | None = None,
    announce: Callable[[Estimate | None], None] | None = None,
) -> SameOutcome:
    """Blend or restore images into a raster, assess it, and write the report beside it.

    `announce` is told how long that will take before it starts; without it, nobody finds out.

    Raises
    ------
    PansharpkitError
        With one clear message; no output is left behind.
    """
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(request.run.ram_mb)):
        job = _prepare(request)
        expected = None
        if announce is not None:
            if progress is not None:
                progress("estimate", 0, 1)
            expected = _estimate(job, request)
            announce(expected)
        outcome = replace(_made(job, request, progress), estimate=expected)
        if not request.report:
            return outcome
        if progress is not None:
            progress("assess", 0, 1)
        from pansharpkit.same.reporting import reported

        return reported(outcome, job.opened, job.ready, job.options)


@dataclass(frozen=True)
class _Job:
    """A request after every check that needs no fusion."""

    opened: Opened
    ready: Prepared
    options: RunOptions
    """Type and nodata value are those of the output."""
    profile: OutputProfile
    warned: Warned


def _prepare(request: SameRequest) -> _Job:
    """Check the request, cheapest things first."""
    task = request.images.task
    create(request.method_name, request.options, task)
    resolve_device(request.run.device)
    opened = open_images(request.images)
    scene = opened.scene
    ready = prepared(opened, task, request.method, request.options)
    dtype = output_dtype(scene, request.run.dtype or str(opened.reference.dtype))
    options = replace(request.run, dtype=str(dtype), nodata=_nodata(opened, dtype, request))
    profile = _profile(opened, dtype, options.nodata, _lineage(ready, request, opened), request)
    _output(request, profile).check()
    warned = Warned()
    for text in (*scene.notices, *_lost(opened, request)):
        warned.say(text)
    return _Job(opened, ready, options, profile, warned)


def _lost(opened: Opened, request: SameRequest) -> tuple[str, ...]:
    """Say what a picture does not keep."""
    if not (is_picture(request.output) and is_placed(opened.scene.grid)):
        return ()
    return (
        f"{request.output.name}: a picture does not say where it lies; write a .tif to keep it",
    )


def _nodata(opened: Opened, dtype: np.dtype[np.generic], request: SameRequest) -> float | None:
    if is_picture(request.output):
        return None
    stored = replace(opened.scene, target=opened.reference)
    maskable = not is_envi(request.output)
    return output_nodata(stored, dtype, request.run.nodata, maskable=maskable)


def _profile(
    opened: Opened,
    dtype: np.dtype[np.generic],
    nodata: float | None,
    tags: Mapping[str, str],
    request: SameRequest,
) -> OutputProfile:
    """Return what the output is to be: grey or of the target's bands, or in colour."""
    found = output_profile(
        opened.scene, dtype, nodata, tags=tags, creation_options=request.creation_options
    )
    if opened.colours is None:
        return found
    colours = ["undefined"] * 3
    for place, colour in zip(opened.colours.order, ("red", "green", "blue"), strict=True):
        colours[place] = colour
    return replace(
        found, band_names=opened.colours.source.names, color_interp=tuple(colours),
        wavelengths_nm=(), fwhm_nm=(), scales=found.scales * 3, offsets=found.offsets * 3,
    )  # fmt: skip


def _output(request: SameRequest, profile: OutputProfile) -> RasterWriter:
    return open_output(
        request.output,
        profile,
        overwrite=request.overwrite,
        inputs=input_files(request.images),
        cog=request.cog,
        threads=request.run.threads,
        pictures=True,
    )


def _made(job: _Job, request: SameRequest, progress: Progress | None) -> SameOutcome:
    """Run the method into the output."""
    started = time.perf_counter()
    with _output(request, job.profile) as sink, job.warned.listening():
        with _tiles(job, request) as parts:
            result = run_images(job.opened, job.ready, sink, job.options, progress, parts)
        finishing = time.perf_counter()
    seconds = dict(result.seconds) | {"finish": time.perf_counter() - finishing}
    result = replace(result, seconds=seconds)
    if result.valid < result.total and request.output.suffix.lower() in (".jpg", ".jpeg"):
        job.warned.say(f"{request.output.name}: a JPEG has no gaps; missing pixels are black")
    said = (*job.warned.conclude(), *result.warnings, *clipping(result, job.options))
    log.info("made in %.1f s", time.perf_counter() - started)
    return SameOutcome(request.images.task, job.ready.name, sink.manifest, result, said)


def _tiles(job: _Job, request: SameRequest) -> AbstractContextManager[Parts | None]:
    options = own_options(job.opened, job.options)
    ready = replace(job.ready, options={**job.ready.options, **_asked(request, job.opened)})
    files = [path for path in input_files(request.images) if path.is_file()]
    return kept_tiles(
        request.output, ready, options, files, resume=request.resume, say=job.warned.say
    )


def _asked(request: SameRequest, opened: Opened) -> dict[str, object]:
    """Return what besides the method's options shapes the pixels."""
    images = request.images
    return {
        "align": images.align,
        "match": images.match,
        "scales": [list(pair) for pair in opened.maps],
        "colour_from": images.colour_from,
    }


def _lineage(ready: Prepared, request: SameRequest, opened: Opened) -> dict[str, str]:
    used: dict[str, object] = {
        **ready.options,
        **_asked(request, opened),
        "seed": request.run.seed,
        "tile": request.run.tile,
    }
    return lineage_tags(
        version=versions()["pansharpkit"],
        method=ready.name,
        options=used,
        inputs={Path(name).name: None for name in request.images.inputs},
    )


def _estimate(job: _Job, request: SameRequest) -> Estimate | None:
    from pansharpkit.estimate import estimate
    from pansharpkit.trial import Work

    options = own_options(job.opened, job.options)
    profile = output_profile(
        job.opened.scene, np.dtype(options.dtype), options.nodata, tags={}, creation_options={}
    )
    work = Work(job.ready.scene, job.ready.method, options, profile, request.cog, report=False)
    found = estimate(work)
    if found is None or not found.stages or not request.report:
        return found
    from pansharpkit.same.judge import expected_seconds

    stages = {**found.stages, "report": expected_seconds(job.opened)}
    return replace(found, stages=stages)


def plan(request: SameRequest) -> dict[str, object]:
    """Check everything and return what `make` would do, without writing."""
    job = _prepare(request)
    profile, found = job.profile, _estimate(job, request)
    return {
        "output": str(request.output),
        "method": job.ready.name,
        "size": f"{profile.grid.width} x {profile.grid.height}",
        "bands": list(profile.band_names),
        "dtype": profile.dtype,
        "nodata": None if profile.nodata is None else str(profile.nodata),
        "uncompressed_mb": round(profile.raw_bytes / 1e6, 1),
        "device": resolve_device(request.run.device),
        "time": "unknown" if found is None else found.describe(),
        "estimated_seconds": rounded_seconds(found),
        "warnings": list(job.warned.conclude()),
    }
