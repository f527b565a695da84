"""One scene from files to a fused raster and its report: what the command line calls."""

from __future__ import annotations

import logging
import math
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pansharpkit import evaluate, registration
from pansharpkit.engine import RunOptions, RunResult, resolve_device, run
from pansharpkit.errors import OptionError
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import create, method_names
from pansharpkit.methods.base import Method, Progress
from pansharpkit.physics import Compat
from pansharpkit.provenance import versions
from pansharpkit.radiometry import check_nodata
from pansharpkit.readers import ReadOptions, open_geotiff
from pansharpkit.registration import Registration
from pansharpkit.report import QualityReport
from pansharpkit.reporting import Made, full_resolution_report, write_report
from pansharpkit.scene import Scene
from pansharpkit.writer import Manifest, OutputProfile, lineage_tags, open_output

log = logging.getLogger(__name__)

_COLOURS = {"blue": "blue", "green": "green", "red": "red"}


@dataclass(frozen=True)
class MethodRequest:
    """Which method, with which options and which post-step."""

    name: str = "mtf-glp-fs"
    options: Mapping[str, object] = field(default_factory=dict)
    back_projection: int = 0
    """Steps of damped back-projection after the method."""
    damping: float = 1.0

    def create(self) -> Method:
        """Return the method.

        Raises
        ------
        OptionError
            If the method, an option or a value is unknown.
        """
        method = create(self.name, self.options)
        if not self.back_projection:
            return method
        from pansharpkit.methods.backprojection import BackProjected

        return BackProjected(method, self.back_projection, self.damping)

    def summary(self) -> dict[str, object]:
        """Return the options as they go into the report."""
        found: dict[str, object] = dict(self.options)
        if self.back_projection:
            found |= {"back_projection": self.back_projection, "damping": self.damping}
        return found


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


@dataclass(frozen=True)
class FuseOutcome:
    """What was made."""

    manifest: Manifest
    run: RunResult
    registration: Registration
    report: QualityReport | None
    report_json: Path | None
    report_html: Path | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as JSON-ready values."""
        found = self.registration
        return {
            "output": str(self.manifest.path),
            "sha256": self.manifest.sha256,
            "report_json": None if self.report_json is None else str(self.report_json),
            "report_html": None if self.report_html is None else str(self.report_html),
            "indices": None if self.report is None else dict(self.report.indices),
            "registration": {
                "shift_rows": found.shift_rows,
                "shift_cols": found.shift_cols,
                "r2": found.r2,
                "reliable": found.reliable,
            },
            "valid_pixels": self.run.valid,
            "total_pixels": self.run.total,
            "clipped_low": list(self.run.low),
            "clipped_high": list(self.run.high),
            "seconds": dict(self.run.seconds),
            "device": self.run.device,
            "warnings": list(self.warnings),
        }


def fuse(request: FuseRequest, progress: Progress | None = None) -> FuseOutcome:
    """Fuse one scene into a raster, assess it, and write the report beside it.

    Raises
    ------
    PansharpkitError
        With one clear message; no output is left behind.
    """
    method = request.method.create()
    resolve_device(request.run.device)
    scene, found, warnings = checked_scene(request)
    options = replace(request.run, nodata=_output_nodata(scene, request.run))
    profile = output_profile(scene, request, options)
    inputs = tuple(Path(name) for name in request.scene.inputs)
    started = time.perf_counter()
    with open_output(
        request.output, profile, overwrite=request.overwrite, inputs=inputs, cog=request.cog
    ) as sink:
        result = run(scene, method, sink, options, progress)
        finishing = time.perf_counter()
    seconds = dict(result.seconds) | {"finish": time.perf_counter() - finishing}
    result = replace(result, seconds=seconds)
    warnings += result.warnings
    log.info("fused in %.1f s", time.perf_counter() - started)
    made = Made(scene, request.output, options, result, found, tuple(warnings), _command())
    report: QualityReport | None = None
    paths: tuple[Path | None, Path | None] = (None, None)
    if request.report:
        if progress is not None:
            progress("assess", 0, 1)
        report, pictures = full_resolution_report(
            made, request.method.name, request.method.summary()
        )
        paths = write_report(report, pictures, request.output)
    return FuseOutcome(sink.manifest, result, found, report, *paths, tuple(warnings))


def checked_scene(request: FuseRequest) -> tuple[Scene, Registration, list[str]]:
    """Open the scene, measure its registration, and correct or refuse it as asked.

    The list holds everything the user should read.
    """
    scene = open_scene(request.scene)
    warnings = list(scene.notices)
    found = registration.measure(scene)
    log.info(found.describe())
    doubt = registration.check(found, force=request.force)
    if request.correct_shift and found.reliable:
        scene = scene.moved((found.shift_rows, found.shift_cols))
        warnings.append(
            f"MS moved by {found.shift_rows:+.2f} rows, {found.shift_cols:+.2f} cols (PAN px)"
        )
    elif doubt is not None:
        warnings.append(doubt)
    for text in warnings:
        log.warning(text)
    return scene, found, warnings


def _output_nodata(scene: Scene, options: RunOptions) -> float | None:
    """Return the value of missing pixels: the target's, else the guide's, else NaN for floats."""
    dtype = np.dtype(options.dtype or scene.target.dtype)
    for nodata in (options.nodata, scene.target.nodata, scene.guide.nodata):
        if nodata is None:
            continue
        if dtype.kind == "f":
            return float(np.asarray(nodata, dtype))
        if math.isfinite(nodata):
            check_nodata(nodata, dtype)
            return nodata
    return math.nan if dtype.kind == "f" else None


def output_profile(scene: Scene, request: FuseRequest, options: RunOptions) -> OutputProfile:
    """Return what the output raster is to be."""
    bands = scene.sensor.bands
    dtype = str(np.dtype(options.dtype or scene.target.dtype))
    scaling = scene.scaling or ()
    return OutputProfile(
        grid=scene.grid,
        dtype=dtype,
        band_names=scene.target.names,
        nodata=options.nodata,
        with_mask=options.nodata is None,
        wavelengths_nm=tuple(band.center_nm for band in bands),
        fwhm_nm=tuple(band.fwhm_nm for band in bands),
        scales=tuple(scale for scale, _ in scaling),
        offsets=tuple(offset for _, offset in scaling),
        color_interp=_color_interp(scene),
        tags=dict(scene.metadata) | _lineage(scene, request, options),
        creation_options=request.creation_options,
    )


def _color_interp(scene: Scene) -> tuple[str, ...]:
    colours = [_COLOURS.get(band.common_name or "", "undefined") for band in scene.sensor.bands]
    return tuple(
        name if colours.index(name) == i else "undefined" for i, name in enumerate(colours)
    )


def _lineage(scene: Scene, request: FuseRequest, options: RunOptions) -> dict[str, str]:
    used: dict[str, object] = {
        **request.method.summary(),
        "sensor": scene.sensor.id,
        "shift": list(scene.shift),
        "seed": options.seed,
        "tile": options.tile,
        "compat": options.compat,
        "toa": request.scene.read.toa,
    }
    return lineage_tags(
        version=versions()["pansharpkit"],
        method=request.method.name,
        options=used,
        inputs={Path(name).name: None for name in request.scene.inputs},
    )


def _command() -> str:
    return shlex.join(["pansharpkit", *sys.argv[1:]]) if sys.argv else "pansharpkit"


def plan(request: FuseRequest) -> dict[str, object]:
    """Check everything and return what `fuse` would do, without writing."""
    request.method.create()
    scene, found, warnings = checked_scene(request)
    options = replace(request.run, nodata=_output_nodata(scene, request.run))
    profile = output_profile(scene, request, options)
    return {
        "output": str(request.output),
        "method": request.method.name,
        "size": f"{profile.grid.width} x {profile.grid.height}",
        "bands": list(profile.band_names),
        "dtype": profile.dtype,
        "nodata": None if profile.nodata is None else str(profile.nodata),
        "uncompressed_mb": round(profile.raw_bytes / 1e6, 1),
        "device": resolve_device(request.run.device),
        "registration": found.describe(),
        "warnings": warnings,
    }


def describe(request: SceneRequest) -> dict[str, object]:
    """Return what a pair or product is."""
    scene = open_scene(request)
    found = registration.measure(scene)
    crs = scene.guide.grid.crs
    return {
        "pan": scene.guide.label,
        "ms": scene.target.label,
        "pan_size": [scene.guide.grid.width, scene.guide.grid.height],
        "ms_size": [scene.target.grid.width, scene.target.grid.height],
        "crs": None if crs is None else crs.to_string(),
        "ratio": list(scene.sampling.ratio),
        "phase": list(scene.sampling.phase),
        "fused_size": [scene.grid.width, scene.grid.height],
        "bands": list(scene.target.names),
        "dtype": str(scene.target.dtype),
        "nodata": {"pan": _text(scene.guide.nodata), "ms": _text(scene.target.nodata)},
        "sensor": scene.sensor.id,
        "registration": {
            "shift_rows": found.shift_rows,
            "shift_cols": found.shift_cols,
            "r2": found.r2,
            "reliable": found.reliable,
        },
        "metadata": dict(scene.metadata),
        "notices": list(scene.notices),
    }


def _text(nodata: float | None) -> str | None:
    return None if nodata is None else f"{nodata:g}"


def assess(
    request: SceneRequest, fused: Path, *, compat: Compat = "none"
) -> dict[str, float | None]:
    """Return the full-resolution indices of a fused raster."""
    scene = open_scene(request)
    source = open_geotiff(fused, request.read)
    return dict(evaluate.assess(scene, source, compat=compat).values)


def compare(
    reference: Path,
    fused: Path,
    ratio: float,
    *,
    read: ReadOptions | None = None,
    peak: float | None = None,
    compat: Compat = "none",
) -> dict[str, object]:
    """Return the reduced-resolution indices of a fused raster against its reference."""
    truth, source = open_geotiff(reference, read), open_geotiff(fused, read)
    return dict(evaluate.compare(truth, source, ratio, peak=peak, compat=compat).values)


def wald(
    request: SceneRequest,
    names: Sequence[str],
    *,
    method: MethodRequest,
    run: RunOptions,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, object]]:
    """Yield a row for each method: the Wald protocol on a pair.

    Options are given to every method that knows them; one that none of them knows is an error.
    """
    methods = dict(zip(names, _methods(names, method), strict=True))
    scene = open_scene(request)
    for text in scene.notices:
        log.warning(text)
    for row in evaluate.wald(scene, methods, run, peak=peak, progress=progress):
        values: dict[str, object] = dict(row.indices.values)
        yield {
            "method": row.method,
            **values,
            "peak": row.peak,
            "seconds": round(sum(row.run.seconds.values()), 3),
        }


def _methods(names: Sequence[str], wanted: MethodRequest) -> list[Method]:
    if not names or len(set(names)) < len(names):
        raise OptionError(f"-m needs different methods out of {', '.join(method_names())}")
    if len(names) > 1 and wanted.options:
        raise OptionError("--option goes with a single method; evaluate one method at a time")
    return [replace(wanted, name=name).create() for name in names]
