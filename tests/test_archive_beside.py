"""What a batch writes beside its rasters: asked for later, missing, and left alone."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from archive_batches import batch, make_archive, request

from pansharpkit.archive.beside import Beside
from pansharpkit.archive.ledger import NAME
from pansharpkit.archive.settings import differing, settings
from pansharpkit.archive.survey import BatchRequest, survey
from pansharpkit.errors import OptionError
from pansharpkit.requested import MethodRequest

MAPS = Beside(quality_raster=True)
GDD = MethodRequest("gdd", {"preset": "fast", "shared": 0, "iterations": 1, "channels": 4})


@pytest.fixture
def asked(tmp_path: Path) -> BatchRequest:
    return request(make_archive(tmp_path / "in", "a"), tmp_path / "out")


def verdict(asked: BatchRequest) -> tuple[str, str]:
    (found,) = survey(asked).planned
    return found.verdict, found.why


def names(asked: BatchRequest) -> set[str]:
    return {path.name for path in (asked.folder / "a").iterdir()}


def test_maps_that_are_asked_for_later_make_a_scene_anew(asked: BatchRequest) -> None:
    asked = replace(asked, scene=replace(asked.scene, report=True))
    batch(asked)
    mapped = replace(asked, beside=MAPS)
    assert verdict(mapped) == ("changed output", "a/a.quality.tif: not there")
    assert batch(mapped)[0].ran == 1
    assert "a.quality.tif" in names(asked)
    for again in (asked, mapped):  # nothing is done again to have less
        assert batch(again)[0].ran == 0
    scene = replace(asked.scene, method=MethodRequest("brovey"), report=False)
    other = replace(asked, scene=scene)
    assert batch(other)[0].ran == 1
    assert "a.quality.tif" not in names(asked)  # it was of the raster before


def test_styles_are_written_for_what_is_done(asked: BatchRequest) -> None:
    batch(asked)
    styled = replace(asked, beside=Beside(qml=True))
    assert batch(styled)[0].ran == 0
    path = asked.folder / "a" / "a.qml"
    assert path.exists()
    path.write_text("the user's")
    assert batch(styled)[0].ran == 0
    assert path.read_text() == "the user's"


def test_maps_need_reports(asked: BatchRequest) -> None:
    with pytest.raises(OptionError, match="leave --no-report out"):
        batch(replace(asked, beside=MAPS))
    assert not asked.folder.exists()


def test_uncertainty_comes_with_each_scene(asked: BatchRequest) -> None:
    plain = replace(asked, scene=replace(asked.scene, method=GDD))
    sure = replace(plain, scene=replace(asked.scene, method=replace(GDD, uncertainty=True)))
    assert batch(sure)[0].counts == {"done": 1}
    assert "a.uncertainty.tif" in names(asked)
    item = json.loads((asked.folder / "a" / "a.json").read_text())
    assert item["assets"]["uncertainty"]["href"] == "./a.uncertainty.tif"
    assert verdict(plain) == verdict(sure) == ("done", "")
    (asked.folder / "a" / "a.uncertainty.tif").unlink()
    assert verdict(plain)[0] == "done"
    assert verdict(sure) == ("changed output", "a/a.uncertainty.tif: not there")


def test_a_ledger_of_before_an_option_is_still_good(asked: BatchRequest) -> None:
    batch(asked)
    before = settings(asked.scene)
    del before["judge_all"], before["method.outside"]
    with sqlite3.connect(asked.folder / NAME) as ledger:
        ledger.execute("UPDATE options SET hash = 'old', options = ?", (json.dumps(before),))
        ledger.execute("UPDATE scenes SET options_hash = 'old'")
    assert verdict(asked) == ("done", "")
    assert batch(asked)[0].ran == 0
    all_of_it = replace(asked, scene=replace(asked.scene, judge_all=True))
    assert verdict(all_of_it) == ("changed options", "judge_all: False became True")


def test_settings_that_nobody_knows_differ(asked: BatchRequest) -> None:
    now = settings(asked.scene)
    assert differing(now, now) == ()
    assert differing({}, now)
    assert differing({**now, "gone": 1}, now) == ("gone: 1 became unset",)
