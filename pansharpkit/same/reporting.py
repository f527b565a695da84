"""Put together what is known of a blend or a restoration, and write it beside the raster."""

from __future__ import annotations

import datetime
import json
import logging
import time
import warnings as captured
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from pansharpkit.engine import RunOptions
from pansharpkit.errors import InputError, PansharpkitWarning
from pansharpkit.outcome import rounded_seconds
from pansharpkit.provenance import command, versions
from pansharpkit.report import (
    Clipped,
    FailedTile,
    GridSummary,
    MethodSummary,
    Provenance,
    RasterSummary,
)
from pansharpkit.report.images import ImagesReport
from pansharpkit.report.images_page import render_images
from pansharpkit.requested import Prepared
from pansharpkit.same.intake import Opened
from pansharpkit.same.judge import definitions_of, indices_of, open_made
from pansharpkit.same.outcome import SameOutcome
from pansharpkit.same.pictures import pictures_of
from pansharpkit.source import Source
from pansharpkit.writer.whole import write_whole

log = logging.getLogger(__name__)


def reported(
    outcome: SameOutcome, opened: Opened, ready: Prepared, options: RunOptions
) -> SameOutcome:
    """Add the report; a raster that cannot be judged, being all zeros perhaps, still stands."""
    started = time.perf_counter()
    output = outcome.manifest.path
    try:
        with captured.catch_warnings():
            captured.simplefilter("ignore", PansharpkitWarning)  # said while it was made
            fused = open_made(output, opened.scene.grid)
            indices = indices_of(opened, fused, outcome.task)
            pictures = pictures_of(opened, fused, outcome.task)
    except InputError as error:
        text = f"the result cannot be assessed: {error}"
        log.warning(text)
        return replace(outcome, warnings=(*outcome.warnings, text))
    seconds = dict(outcome.run.seconds) | {"report": time.perf_counter() - started}
    outcome = replace(outcome, indices=indices, run=replace(outcome.run, seconds=seconds))
    report = _report(outcome, opened, ready, options, fused)
    paths = output.with_suffix(".report.json"), output.with_suffix(".report.html")
    write_whole(paths[0], report.to_json())
    write_whole(paths[1], render_images(report, pictures))
    return replace(outcome, report_json=paths[0], report_html=paths[1])


def _report(
    outcome: SameOutcome, opened: Opened, ready: Prepared, options: RunOptions, fused: Source
) -> ImagesReport:
    result = outcome.run
    clipped = zip(fused.names, result.low, result.high, strict=False)
    return ImagesReport(
        task=outcome.task,
        sources=tuple(_raster(source) for source in opened.shown),
        scales=opened.maps,
        fused=_raster(fused, outcome.manifest.path.name),
        method=MethodSummary(ready.name, _json(ready.options), _json(result.fit)),
        indices=dict(outcome.indices or {}),
        definitions=definitions_of(opened, outcome.task),
        n_pixels=result.valid,
        masked_fraction=1 - result.valid / max(1, result.total),
        clipped={name: Clipped(low, high) for name, low, high in clipped},
        provenance=_provenance(outcome, opened, options),
        warnings=outcome.warnings,
        failed_tiles=tuple(
            FailedTile(fault.index, *fault.window, fault.reason) for fault in result.faults
        ),
    )


def _raster(source: Source, name: str | None = None) -> RasterSummary:
    nodata = None if source.nodata is None else f"{source.nodata:g}"
    grid = GridSummary.of(source.grid)
    return RasterSummary(name or source.label, source.names, str(source.dtype), nodata, grid)


def _json(values: Mapping[str, object]) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = json.loads(json.dumps(dict(values), default=str))
    return plain


def _provenance(outcome: SameOutcome, opened: Opened, options: RunOptions) -> Provenance:
    return Provenance(
        command=command(),
        seed=options.seed,
        device=outcome.run.device,
        versions=versions(),
        seconds=outcome.run.seconds,
        estimated_seconds=rounded_seconds(outcome.estimate),
        inputs={source.label: None for source in opened.shown},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
