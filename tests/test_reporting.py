"""What a run found reaches the report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pansharpkit import pipeline
from pansharpkit.engine import RunResult, TileFault
from pansharpkit.intake import SceneRequest
from pansharpkit.report import QualityReport
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import PairOptions
from pansharpkit.showcase import demo_files


def test_tiles_that_failed_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = pipeline.run
    fault = TileFault(3, (0, 64, 64, 32), "fell back to mtf-glp-fs: the result is not finite")

    def run(*args: object, **kwargs: object) -> RunResult:
        return dataclasses.replace(genuine(*args, **kwargs), faults=(fault,))  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "run", run)
    pair = PairOptions(bounds=(608850.0, 4739275.0, 610770.0, 4741195.0))
    request = pipeline.FuseRequest(
        SceneRequest(tuple(map(str, demo_files())), "landsat8_oli", pair=pair),
        tmp_path / "out.tif",
        MethodRequest("gsa"),
    )
    outcome = pipeline.fuse(request)
    assert outcome.report is not None
    assert outcome.report_json is not None
    listed = json.loads(outcome.report_json.read_text())["failed_tiles"]
    assert listed == [
        {"index": 3, "row": 0, "col": 64, "height": 64, "width": 32, "reason": fault.reason}
    ]
    again = type(outcome.report).from_json(outcome.report_json.read_text())
    assert again.failed_tiles == outcome.report.failed_tiles
    _assert_that_maps_and_histograms_agree(again)


def _assert_that_maps_and_histograms_agree(report: QualityReport) -> None:
    """The tiles' indices are those of the scene, and pictures and histograms are of its pixels."""
    means = {
        name: np.mean([tile.indices[name] for tile in report.per_tile])
        for name in report.per_tile[0].indices
    }
    assert set(means) == {"d_lambda", "d_s", "consistency_error_percent", "ndvi_drift"}
    for name in ("d_lambda", "d_s"):
        assert report.indices[name] <= means[name] < 3 * report.indices[name], name
    for name in ("consistency_error_percent", "ndvi_drift"):
        assert means[name] == pytest.approx(report.indices[name], rel=0.15), name
    worst = min(report.per_tile, key=lambda tile: tile.q)
    row, col, height, width = report.views["tile-worst"]
    assert row <= worst.row < row + height
    assert col <= worst.col < col + width
    size = report.scene.fused.grid
    for histogram in report.histograms:
        assert 0.95 < sum(histogram.after) / (size.height * size.width) <= 1, histogram.name
    assert [h.name for h in report.histograms][-1] == "NDVI"
    assert report.provenance.licences["numpy"].startswith("BSD")
