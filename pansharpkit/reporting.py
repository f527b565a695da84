"""Put together what a run found into a report, and write it beside the raster."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from pansharpkit import evaluate
from pansharpkit.engine import RunOptions, RunResult
from pansharpkit.methods.base import Progress
from pansharpkit.metrics import Indices, QualityMap
from pansharpkit.pointspectra import tellings
from pansharpkit.previews import previews
from pansharpkit.provenance import licences, versions
from pansharpkit.readers.written import open_written
from pansharpkit.registration import Registration
from pansharpkit.report import (
    Clipped,
    FailedTile,
    GridSummary,
    MethodSummary,
    Provenance,
    QualityReport,
    RasterSummary,
    SceneSummary,
    tiles_of_map,
)
from pansharpkit.report.render import render_html
from pansharpkit.scene import Scene
from pansharpkit.source import Source
from pansharpkit.writer.whole import write_whole


@dataclass(frozen=True)
class Made:
    """A fused raster and how it came to be."""

    scene: Scene
    output: Path
    options: RunOptions
    result: RunResult
    registration: Registration
    warnings: tuple[str, ...]
    command: str
    judged: int | None = evaluate.JUDGED
    """Values to judge at most; None for all."""
    estimated_seconds: float | None = None
    """That the run was expected to take, if that was found out."""


@dataclass(frozen=True)
class Assessed:
    """What is known about a fused raster."""

    report: QualityReport
    pictures: Mapping[str, bytes]
    quality: QualityMap
    """Of every block that was judged; the report has means over some."""


def full_resolution_report(
    made: Made,
    method: str,
    method_options: Mapping[str, object],
    progress: Progress | None = None,
) -> Assessed:
    """Assess a written raster and return the report with its pictures."""
    started = time.perf_counter()
    fused = open_written(made.output, grid=made.scene.grid)
    indices = evaluate.assess(
        made.scene, fused, compat=made.options.compat, most=made.judged, progress=progress
    )
    names = [band.common_name for band in made.scene.sensor.bands]
    shown = previews(made.scene, fused, indices.quality_map, evaluate.red_nir(names))
    report = QualityReport(
        protocol="full-resolution",
        scene=_scene(made.scene, fused),
        method=MethodSummary(method, _json(method_options), _json(made.result.fit)),
        indices=indices.values,
        intervals=indices.intervals,
        per_band=_per_band(indices, fused.names),
        per_tile=tiles_of_map(
            indices.quality_map.values,
            indices.quality_map.block,
            (fused.grid.height, fused.grid.width),
            others=indices.quality_map.others,
        ),
        tile_index=indices.quality_map.name,
        n_pixels=indices.n_pixels,
        masked_fraction=indices.masked_fraction,
        clipped={
            name: Clipped(low, high)
            for name, low, high in zip(fused.names, made.result.low, made.result.high, strict=True)
        },
        registration=made.registration,
        definitions=indices.definitions,
        provenance=_provenance(made, time.perf_counter() - started),
        warnings=made.warnings,
        wavelengths_nm=_wavelengths(made.scene),
        spectra=tellings(made.scene, fused) if len(fused.names) >= evaluate.CUBE_BANDS else (),
        failed_tiles=tuple(
            FailedTile(fault.index, *fault.window, fault.reason) for fault in made.result.faults
        ),
        histograms=shown.histograms,
        views={
            name: (part.row, part.col, part.height, part.width)
            for name, part in shown.views.items()
        },
    )
    return Assessed(report, shown.pictures, indices.quality_map)


def _wavelengths(scene: Scene) -> tuple[float, ...]:
    known = [band.center_nm for band in scene.sensor.bands if band.center_nm is not None]
    return tuple(known) if len(known) == len(scene.sensor.bands) else ()


def _json(values: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return option values as plain JSON values."""
    plain: dict[str, JsonValue] = json.loads(json.dumps(dict(values), default=str))
    return plain


def _per_band(indices: Indices, names: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
    return {
        name: {index: values[i] for index, values in indices.per_band.items()}
        for i, name in enumerate(names)
    }


def _scene(scene: Scene, fused: Source) -> SceneSummary:
    return SceneSummary(
        _raster(scene.guide),
        _raster(scene.target),
        _raster(fused),
        scene.sensor.id,
        scene.sampling.ratio,
        scene.sampling.phase,
        scene.metadata.get("DATE_ACQUIRED"),
    )


def _raster(source: Source) -> RasterSummary:
    nodata = None if source.nodata is None else f"{source.nodata:g}"
    return RasterSummary(
        source.label, source.names, str(source.dtype), nodata, GridSummary.of(source.grid)
    )


def _provenance(made: Made, reporting: float) -> Provenance:
    return Provenance(
        command=made.command,
        seed=made.options.seed,
        device=made.result.device,
        versions=versions(),
        seconds={**made.result.seconds, "report": reporting},
        estimated_seconds=made.estimated_seconds,
        inputs={made.scene.guide.label: None, made.scene.target.label: None},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        licences=licences(),
    )


def write_report(
    report: QualityReport, pictures: Mapping[str, bytes], output: Path
) -> tuple[Path, Path]:
    """Write ``NAME.report.json`` and ``NAME.report.html`` beside a raster, each one whole."""
    output = output.absolute()
    paths = (output.with_suffix(".report.json"), output.with_suffix(".report.html"))
    for path, text in zip(paths, (report.to_json(), render_html(report, pictures)), strict=True):
        write_whole(path, text)
    return paths
