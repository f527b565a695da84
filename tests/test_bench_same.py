"""Tables of the benchmarks of blending and of uncertainty."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not (FOLDER / "bench.py").exists():
    pytest.skip("the benchmarks are not part of the package", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import bench_results  # noqa: E402
import mdtable  # noqa: E402
import tables_blending  # noqa: E402
import tables_uncertainty  # noqa: E402


def table(text: str) -> mdtable.MdTable:
    (found,) = mdtable.found(text)
    return found


def result(figures: object) -> bench_results.Result:
    return bench_results.Result("a benchmark", {}, {"figures": figures})


def blended(method: str, kind: str, value: float) -> dict[str, object]:
    figures = {key: value for key, _ in tables_blending.EIGHT}
    return {"method": method, "kind": kind, "pair": "1", "cpu_s": 0.004, **figures}


def test_blending_methods_stand_below_each_other_and_the_best_is_bold() -> None:
    rows = [
        blended("mean", "vis-ir", 0.25), blended("dip-fusion:copies=1", "vis-ir", 0.75),
        blended("mean", "multi-focus", 0.5), blended("dip-fusion:copies=1", "multi-focus", 0.5),
    ]  # fmt: skip
    made = table(tables_blending.visible_infrared(result(rows)))
    assert made.head[0] == "visible, infrared: 1 pair"
    assert made.rows[0][:2] == ("`mean`", ".250")
    assert made.rows[1][:2] == ("`dip-fusion`, 1 copy", "**.750**")
    assert made.column("CPU s") == [".004", ".004"]
    made = table(tables_blending.copies(result(rows)))
    assert made.head[0] == "all kinds: 2 pairs"
    assert made.column("`mi_renyi`") == [".375", "**.625**"]


def test_kinds_stand_beside_each_other() -> None:
    rows = [blended("mean", kind, 0.5) for kind in ("vis-ir", "medical")]
    made = table(tables_blending.larger(result(rows)))
    assert made.head[1:] == ("visible, infrared: 1 pair", "MRI, PET: 1 pair", "both: 2 pairs",
                             "CPU s")  # fmt: skip
    assert made.rows[0][1] == ", ".join(["**.500**"] * 4)


def test_uncertainty_stands_beside_contrast_and_other_ways() -> None:
    def found(rank: float) -> dict[str, object]:
        ranks = {"rank": rank, "block_rank": 2 * rank, "all_rank": rank}
        return {**ranks, "factor": 2.5, "within": 0.584}

    tried = {
        "2 seeds, averaged over 5": found(0.2), "4 seeds, averaged over 5": found(0.3),
        "last 60 outputs, averaged over 5": found(0.1),
        "last 30 outputs, averaged over 5": found(0.05),
    }  # fmt: skip
    row = {"case": "S2/gdd", "uncertainty": found(0.3), "contrast": found(0.4), "candidates": tried}
    rows = {"rows": [row, {**row, "case": "jasper/scenenet-hs"}]}
    made = table(tables_uncertainty.agreement(result(rows)))
    assert [line[0] for line in made.rows] == ["S2, `gdd`", "`jasper`, `scenenet-hs`"]
    assert made.rows[0][1:5] == (".30", ".40", ".60", ".80")
    assert made.rows[0][-2:] == ("2.5", "58 %")
    ways = table(tables_uncertainty.ways(result(rows)))
    shown = {line[0]: line[2] for line in ways.rows}
    assert shown["**4 seeds, averaged over 5 × 5**"] == ".30, .60"
    assert shown["outputs of the last half of the iterations, 5 × 5"] == ".10, .20"
    assert shown["outputs of the last quarter, 5 × 5"] == ".05, .10"
    assert shown["4 seeds, each pixel by itself"] == ""


def test_examples() -> None:
    assert doctest.testmod(tables_blending).failed == 0
