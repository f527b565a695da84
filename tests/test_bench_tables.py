"""Tables made of results: the Guided Deep Decoder, expected times, and trials of faults."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not (FOLDER / "bench.py").exists():
    pytest.skip("the benchmarks are not part of the package", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import bench_results  # noqa: E402
import mdtable  # noqa: E402
import tables_gdd  # noqa: E402
import tables_scaling  # noqa: E402

QUALITY = {"psnr_db": 35.0, "sam_deg": 3.0, "ergas": 2.5, "q2n": 0.98}
SHOWN = "35.00 / 3.00 / 2.500 / .980"


def result(name: str, figures: object) -> bench_results.Result:
    return bench_results.Result(name, {}, {"figures": figures})


def body(table: str) -> list[list[str]]:
    """Return the cells of a table's rows."""
    (found,) = mdtable.found(table)
    return [list(row) for row in found.rows]


def preset(scene: str, name: str, steps: int, spent: float, **more: object) -> dict[str, object]:
    schedule = {"members": 1, "channels": 32, "shared": 100, "iterations": steps - 100}
    cost = {"fit_cpu_s": 1.0, "apply_cpu_s": spent - 1, "reference_cpu_s_per_iteration": 0.5}
    return {"scene": scene, "preset": name, "seed": 0, **QUALITY, **schedule, **cost, **more}


def test_presets_are_compared_with_the_cost_of_the_published_program() -> None:
    published = {"scene": "S5", "iterations": 900, **QUALITY}
    del published["q2n"]
    rows = [preset("S5", "balanced", 190, 30.0), preset("S2", "balanced", 190, 45.0)]
    seeds = [preset("S5", "balanced", 120, 10.0, psnr_db=p) for p in (34.0, 35.0, 36.0)]
    found = result("gdd-presets", {"published": published, "rows": rows})
    made = body(tables_gdd.presets(found, result("gdd-weights", {"rows": seeds})))
    assert [row[1:] for row in made] == [
        ["published program, 900 iterations, averaged", "1, 64, 900", "35.00 / 3.00 / 2.50",
         "450", "1"],
        ["`balanced`", "1, 32, 190", SHOWN, "30", "15.0"],
        ["`balanced` from another scene's weights, mean of 3 seeds", "1, 32, 120", SHOWN, "10",
         "45.0"],
        ["`balanced`", "1, 32, 190", SHOWN, "45", "10.0"],
    ]  # fmt: skip
    assert [row[0][:2] for row in made] == ["S5", "", "", "S2"]
    assert len(body(tables_gdd.presets(found, None))) == 3


def test_the_curve_stands_below_the_classical_methods() -> None:
    outputs = ("last", "average", "average + 10 bp")
    marks = (100, 300, 500, 900, 1700, 4000, 8001)
    rows = [
        {"iterations": done, "output": name, "cpu_s": done / 10, **QUALITY}
        for done in (*marks, 200)
        for name in outputs
    ]
    others = [{"output": name, **QUALITY} for name in ("bicubic", "GSA", "MTF_GLP_FS")]
    table = tables_gdd.curve(result("gdd-curve", {"others": others, "rows": rows}))
    rounded = "35.00 / 3.00 / 2.50 / .980"
    assert table.startswith(f"GSA has {rounded}, MTF-GLP-FS has {rounded}.\n\n")
    assert [row[0] for row in body(table)] == [f"{done:,}" for done in marks]
    assert body(table)[-1][1:] == [rounded] * 3 + ["800"]


def test_expected_times_stand_beside_real_ones() -> None:
    small = {"method": "exp", "estimate_s": None, "took_s": 0.31, "rehearsal_s": 0.1}
    large = {**small, "estimate_s": 4.26, "took_s": 5.0, "rehearsal_s": 1.0}
    found = result("time-estimate", {"scenes": {"demo": [small], "4096": [large]}})
    table = tables_scaling.expected_time(found)
    assert body(table) == [["`exp`", "not told / 0.3 / 0.1", "4.3 / 5.0 / 1.0"]]


def test_trials_that_were_not_possible_are_told() -> None:
    rows = [
        {"fault": "a full disk", "trials": 30, "survived": 29, "not_possible": 0},
        {"fault": "no rights", "trials": 0, "survived": 0, "not_possible": 1},
    ]
    table = tables_scaling.survived(result("reliability", {"rows": rows}))
    assert body(table) == [
        ["a full disk", "30", "29"],
        ["no rights", "0", "0 (1 not possible there)"],
    ]
