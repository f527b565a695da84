"""The parts of the quality benchmark, on the demo scene."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pansharpkit.grid import Window
from tests.scenes import demo_scene

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not (FOLDER / "quality.py").exists():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import quality  # noqa: E402
import quality_scenes as scenes  # noqa: E402
import quality_tables  # noqa: E402


@pytest.fixture(scope="module")
def pair() -> scenes.Pair:
    scene = demo_scene(rows=100, cols=110)
    return scenes.Pair("T", "demo", scenes.truth_of(scene), scenes.cropped(scene))


def test_truth_is_the_delivered_ms(pair: scenes.Pair) -> None:
    scene = demo_scene(rows=100, cols=110)
    window = scene.target_domain
    rows, cols = pair.truth.bands.shape[1:]
    delivered, _ = scene.target.read(Window(window.row, window.col, rows, cols))
    assert np.array_equal(pair.truth.bands.numpy(), delivered)
    assert pair.truth.guide.shape == (1, rows, cols)


@pytest.mark.parametrize("name", scenes.OPERATORS)
def test_operators_differ_as_named(pair: scenes.Pair, name: str) -> None:
    exact, reference = scenes.reduced(pair.truth, scenes.OPERATORS["exact"], 0)
    other, again = scenes.reduced(pair.truth, scenes.OPERATORS[name], 0)
    assert np.array_equal(reference.values, again.values, equal_nan=True)
    assert exact.ratio == other.ratio == pytest.approx(2)
    first, second = exact.target.values, other.target.values
    change = float(np.nanstd(first - second) / np.nanstd(first))
    sharper = float(np.nanstd(other.guide.values) / np.nanstd(exact.guide.values))
    assert (sharper > 1.005) == (name == "PAN bicubic")
    same = name in ("exact", "PAN bicubic")
    assert change == 0 if same else 0.005 < change < 0.2


def test_missing_pixels_stay_missing(pair: scenes.Pair) -> None:
    valid = pair.truth.valid.clone()
    valid[:20, :20] = False
    scene, reference = scenes.reduced(
        replace(pair.truth, valid=valid), scenes.OPERATORS["exact"], 0
    )
    assert np.isnan(reference.values[:, :20, :20]).all()
    assert np.isnan(scene.target.values[:, :9, :9]).all()
    assert np.isfinite(scene.target.values[:, 15:, 15:]).all()


def test_clouds_of_a_quality_band() -> None:
    bits = np.array([[0, 0b11 << 14, 0b01 << 14, 0b11 << 12]], np.uint16)
    assert scenes._clouds(bits).tolist() == [[0, 1, 0, 0]]


def test_methods_are_parsed() -> None:
    entrant = quality.Entrant.parse("gdd:iterations=30,channels=16+10bp")
    assert (entrant.name, entrant.steps) == ("gdd", 10)
    assert entrant.options == {"iterations": "30", "channels": "16"}
    exp = quality.Entrant.parse("exp")
    assert (exp.name, exp.steps, exp.options) == ("exp", 0, {})


def test_methods_without_registry_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    found = quality.entrants_of(["exp", "no-such-method"])
    assert [entrant.label for entrant in found] == ["exp"]
    assert "no-such-method: not in the registry" in capsys.readouterr().err


def test_document_holds_every_figure(pair: scenes.Pair) -> None:
    torch.set_num_threads(1)
    entrants = quality.entrants_of(["exp", "mtf-glp-fs", "mtf-glp-fs+2bp"])
    result = {
        "machine": quality.machine(),
        "seeds": 1,
        "shift_seed": 0,
        "scenes": [quality.described(pair)],
        "reduced": list(quality.with_reference(pair, "exact", entrants, 1)),
        "guards": list(quality.guards_with_reference(pair, entrants)),
        "full": list(quality.without_reference(pair, entrants, 1)),
    }
    psnr = {row["method"]: row["psnr_db"] for row in result["reduced"]}
    assert psnr["exp"] < psnr["mtf-glp-fs"] < psnr["mtf-glp-fs+2bp"]
    errors = {row["method"]: row["consistency_error_percent"] for row in result["full"]}
    assert errors["mtf-glp-fs+2bp"] < errors["mtf-glp-fs"]
    assert result["guards"][0]["method"] == "reference"
    assert result["guards"][0]["consistency_error_percent"] == pytest.approx(0, abs=1e-3)
    text = quality_tables.document(result)
    assert "| mtf-glp-fs+2bp |" in text
    assert "Failed" not in text
    assert f"{psnr['exp']:.2f}/" in text


def test_a_method_that_fails_is_a_row(pair: scenes.Pair) -> None:
    entrants = [quality.Entrant("exp!", "exp", {"no": "option"})]
    (row,) = quality.with_reference(pair, "exact", entrants, 1)
    assert "no option" in row["error"]
