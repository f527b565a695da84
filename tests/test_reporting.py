"""What a run found reaches the report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pansharpkit import pipeline
from pansharpkit.engine import RunResult, TileFault
from pansharpkit.intake import SceneRequest
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
        pipeline.MethodRequest("gsa"),
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
