"""The quality gate: which bars are met, and what is said about those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import pansharpkit
from fault_place import Place
from rasters import make_pair
from scenes import demo_scene

from pansharpkit import registration
from pansharpkit.errors import OptionError
from pansharpkit.gate import INDICES, Gate, judged


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        ([], [], ()),
        (["hqnr=.9"], ["shift=.5"], ()),
        (["hqnr=0.95"], ["shift=0.2"], ()),
        (["hqnr=.96"], [], ("hqnr is 0.95, should be at least 0.96",)),
        ([], ["shift=.1", "d_s=0"], ("shift is 0.2, should be at most 0.1", "d_s is 0.03")),
        (["ndvi_drift=0"], [], ("ndvi_drift is undefined, should be at least 0",)),
        (["qnr=.5"], [], ("qnr is undefined",)),
        (["d_rho=.5"], [], ("d_rho is undefined",)),
    ],
)
def test_bars(least: list[str], most: list[str], said: tuple[str, ...]) -> None:
    values = {"hqnr": 0.95, "shift": 0.2, "d_s": 0.03, "ndvi_drift": None, "qnr": float("nan")}
    found = Gate.parse(least, most).missed(values)
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True))


@pytest.mark.parametrize(
    ("least", "most", "why"),
    [
        (["hqn=.9"], [], "--min hqn: no such index; did you mean hqnr"),
        ([], ["shift"], "--max 'shift' must look like"),
        ([], ["shift=near"], "'near' is no finite number"),
        (["hqnr=nan"], [], "'nan' is no finite number"),
        (["hqnr=.9", "hqnr=.8"], [], "--min hqnr is given more than once"),
    ],
)
def test_bars_that_make_no_sense(least: list[str], most: list[str], why: str) -> None:
    with pytest.raises(OptionError, match=why):
        Gate.parse(least, most)


def test_what_is_judged() -> None:
    found = registration.measure(demo_scene())
    assert judged({"hqnr": 0.9}, found) == {"hqnr": 0.9, "shift": found.distance, "r2": found.r2}
    assert judged(None, None) == {"shift": None, "r2": None}
    assert Gate.parse([], ["shift=1"]).missed(judged(None, None)) == (
        "shift could not be measured reliably, should be at most 1",
    )
    assert not Gate.parse([], ["shift=1"]).needs_report
    assert Gate.parse(["hqnr=.9"], []).needs_report


def test_fuse_and_assess_keep_what_misses_a_bar(place: Place, tmp_path: Path) -> None:
    pair = make_pair(tmp_path / "pair", size=(48, 48))
    kept = "-o", place.output, "-m", "gsa"
    done = pansharpkit("fuse", pair.pan, pair.ms, *kept, "--min", "hqnr=1.5", "--json")
    assert done.code == 5
    assert done.json["missed"][0].startswith("hqnr is ")
    assert set(done.json["indices"]) <= set(INDICES)
    assert "should be at least 1.5" in done.stderr
    assert place.output.exists()
    assert place.output.with_suffix(".report.json").exists() or list(place.outputs.glob("*.json"))
    judge = "assess", "--fused", place.output, "--pan", pair.pan, "--ms", pair.ms
    assert pansharpkit(*judge, "--max", "shift=.5", "--min", "hqnr=-1").code == 0
    done = pansharpkit(*judge, "--max", "d_s=-1", "--json")
    assert (done.code, done.json["missed"]) == (5, [done.json["missed"][0]])
    passed = pansharpkit("fuse", pair.pan, pair.ms, *kept, "--overwrite", "--max", "shift=20")
    assert passed.code == 0, passed.stderr


def test_a_bar_needs_the_report_that_it_judges(place: Place) -> None:
    done = place.fuse(place.pan(), place.ms(), options=["--min", "hqnr=.9"])
    assert done.code == 2
    assert "--no-report" in done.stderr
    assert place.fuse(place.pan(), place.ms(), options=["--max", "shift=9"]).code in (0, 5)
