"""`make bench`: results with their record, tables made from them, and the check of the tables."""

from __future__ import annotations

import argparse
import doctest
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
if not (FOLDER / "bench.py").exists():
    pytest.skip("the benchmarks are not part of the package", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import bench  # noqa: E402
import bench_entries  # noqa: E402
import bench_entry  # noqa: E402
import bench_record  # noqa: E402
import bench_results  # noqa: E402
import bench_tables  # noqa: E402
import mdtable  # noqa: E402
import render  # noqa: E402
import tables_classical  # noqa: E402
import tables_networks  # noqa: E402

ENTRIES = pytest.mark.parametrize("entry", bench_entries.ENTRIES, ids=lambda entry: entry.name)
SETTINGS = bench_entry.Settings
KEPT = sorted(bench_results.RESULTS.glob("*.json"))


class _ParsedError(Exception):
    """The arguments were understood."""


def an_entry(folder: Path, program: str) -> bench_entry.Entry:
    """Return an entry whose script is the given program."""
    (folder / "script.py").write_text(program)
    return bench_entry.Entry("toy", "same", "a toy", f"{folder}/script.py {{data}} {{rounds}}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the pages, to be changed."""
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text(encoding="utf-8"))
    copytree(ROOT / "docs", tmp_path / "docs", ignore=lambda *_: ["assets", "__pycache__"])
    return tmp_path


@ENTRIES
def test_scripts_understand_the_arguments_of_their_entries(
    entry: bench_entry.Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> None:
        original(parser, words)
        raise _ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setattr(sys, "argv", entry.arguments(SETTINGS(tmp_path), tmp_path / "figures.json"))
    with pytest.raises(_ParsedError):
        runpy.run_path(str(entry.script), run_name="__main__")
    assert "{" not in entry.command


def test_selections() -> None:
    def names(*words: str) -> set[str]:
        return {entry.name for entry in bench_entries.selected(list(words))}

    assert names("all") == set(bench_entries.BY_NAME)
    assert names("quick+timed") < names("quick")
    assert names("geometry", "tiling") == {"geometry", "tiling"}
    assert names("timed") | names("untimed") == names("all")
    with pytest.raises(ValueError, match="no benchmark is 'quick\\+nonsense'"):
        names("quick+nonsense")


def test_the_record_says_what_a_figure_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    bench_record.peers.cache_clear()
    record = bench_record.about("python x.py", "0", "DATA", bench_record.Clock.now())
    bench_record.peers.cache_clear()
    assert record["peers"] == dict.fromkeys(("GDAL", "OTB"), "absent")
    assert {"cpu", "cores", "memory_gib", "system"} <= record["machine"].keys()
    versions = {"python", "torch", "numpy", "rasterio", "gdal", "pansharpkit"}
    assert versions <= record["versions"].keys()
    assert all(record[key] for key in ("command", "seed", "data", "date"))
    assert json.loads(json.dumps(record)) == record


def test_the_commit_and_changes_since(tmp_path: Path) -> None:
    assert bench_record.commit(tmp_path / "nowhere") == {"id": None, "dirty": None}
    code = tmp_path / "code.py"
    code.write_text("1\n")
    name = ["-c", "user.name=n", "-c", "user.email=e@e"]
    for words in (["init", "-q"], ["add", "."], [*name, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    clean = bench_record.commit(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{10}", str(clean["id"]))
    assert clean["dirty"] is False
    code.write_text("2\n")
    assert bench_record.commit(tmp_path) == {"id": clean["id"], "dirty": True}


def test_a_result_holds_the_printed_table_and_no_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys\nprint('Of', sys.argv[1])\nprint('| a | b |\\n|---|---|\\n| 1 | 2 |')\n"
    entry = an_entry(tmp_path, program)
    result = bench.run(entry, SETTINGS(tmp_path))
    assert result is not None
    table = {"title": "Of DATA", "head": ("a", "b"), "rows": (("1", "2"),)}
    assert result["tables"] == [table]
    monkeypatch.setattr(bench_results, "RESULTS", tmp_path / "kept")
    bench_results.keep(entry, result, tmp_path)
    loaded = bench_results.load("toy", tmp_path / "kept")
    assert loaded is not None
    assert mdtable.stored(loaded.tables()[0]) == table


def test_a_benchmark_that_fails_leaves_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_results, "RESULTS", tmp_path / "kept")
    entry = an_entry(tmp_path, "print('half')\nraise SystemExit(3)\n")
    assert bench.every([entry], SETTINGS()) == ["toy"]
    assert not (tmp_path / "kept").exists()
    assert "toy failed with exit code 3" in capfd.readouterr().err


def test_what_is_lacking_is_told() -> None:
    entry = bench_entries.BY_NAME["denoising"]
    assert "DATA" in str(bench.lacking(entry, None))
    assert bench.lacking(entry, ROOT) is None


def test_pages_are_as_their_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.check() == 0, capsys.readouterr().out


def test_every_table_has_its_place_and_every_result_its_entry() -> None:
    shown = [name for page in render.shown_where() for name in page.tables]
    assert sorted(shown) == sorted(set(shown) & set(bench_tables.known()))
    assert set(shown) == set(bench_tables.known())
    for path in KEPT:
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["name"] == path.stem
        assert result["about"]["command"] == bench_entries.BY_NAME[path.stem].command


def test_rendering_twice_changes_nothing(checkout: Path) -> None:
    render.refresh(checkout)
    assert render.refresh(checkout) == []
    assert render.check(checkout) == 0


def test_the_check_sees_a_figure_that_somebody_changed(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = checkout / "docs" / "how-to" / "choose-a-method.md"
    text = page.read_text(encoding="utf-8")
    (match, *_) = render.REGION.finditer(text)
    figure = re.search(r"\| (\d\.\d+) /", match[2])
    assert figure is not None
    place = match.start(2) + figure.start(1)
    page.write_text(text[:place] + "9" + text[place + 1 :], encoding="utf-8")
    assert render.check(checkout) == 1
    assert "choose-a-method.md: not as in benchmarks/results" in capsys.readouterr().out
    assert render.refresh(checkout)[0] == "docs/how-to/choose-a-method.md"
    assert page.read_text(encoding="utf-8") == text


def test_a_table_without_a_result_stays_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "<!-- table: results -->\nby hand\n<!-- /table -->\n"
    (tmp_path / "README.md").write_text(text)
    (tmp_path / "docs").mkdir()
    assert render.check(tmp_path, tmp_path) == 0
    assert "README.md: results is typed by hand" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no table is called 'nonsense'"):
        render.refreshed(text.replace("results", "nonsense"), results=tmp_path)


def result(name: str, **content: object) -> bench_results.Result:
    return bench_results.Result(name, {}, content)


def body(table: str) -> list[list[str]]:
    """Return the cells of a table's rows."""
    (found,) = mdtable.found(table)
    return [list(row) for row in found.rows]


def test_tables_of_learned_methods_are_made_of_their_rows() -> None:
    def row(method: str, psnr: float, **more: object) -> dict[str, object]:
        figures = {"psnr_db": psnr, "sam_deg": 1.0, "ergas": 2.0, "q2n": 0.9, "cpu_s": 3.0}
        return {"scene": "S1", "method": method, "operator": "exact", **figures, **more}

    scenes = [{"scene": "S1", "data": "a city"}]
    exact = [row("gsa+10bp", 30.0), row("scenenet", 31.0), row("scenenet", 32.0)]
    others = {"mtf-glp-fs": 29.0, "gsa+10bp": 28.0, "scenenet": 28.5}
    wrong = [row(method, psnr, operator="bicubic") for method, psnr in others.items()]
    reduced = {"reduced": [*exact, *wrong], "scenes": scenes}
    best, ours = "30.00 / 1.00 / 2.000 / .900", "31.50 / 1.00 / 2.000 / .900"
    made = body(tables_networks.by_wald(result("learned-wald", figures=reduced)))
    assert made == [["S1 a city", best, ours, "+1.50", "3.0"]]
    made = body(tables_networks.with_operators(result("learned-operators", figures=reduced)))
    assert made == [["bicubic", "+1.00 (+1.00)", "-0.50 (-0.50)"]]

    keys = ("detail_correlation", "ripple_percent", "consistency_error_percent", "hqnr",
            "consistency_error_estimated_percent", "ndvi_drift_estimated")  # fmt: skip
    full = [{"scene": "S1", "method": m, **dict.fromkeys(keys, v)}
            for m, v in (("mtf-glp-fs", 0.5), ("scenenet", 0.6))]  # fmt: skip
    found = result("learned-full", figures={"full": full, "scenes": scenes})
    plain, other = ".500 / 1.00 / .5, .5 / .5000 / .500", ".600 / 1.20 / .6, .6 / .6000 / .600"
    assert body(tables_networks.at_full_resolution(found)) == [["S1 a city", plain, other]]


def test_tables_of_cubes_mark_the_best_and_name_what_was_not_run() -> None:
    def row(scene: str, method: str, psnr: float) -> dict[str, object]:
        pair = {"scene": scene, "cube": "paris", "ratio": 4, "srf": "worldview2", "noise_db": None}
        figures = {"psnr_db": psnr, "sam_deg": 1.0, "ergas": 0.5, "ssim": 0.99, "cpu_s": 0.25}
        return {**pair, "method": method, **figures}

    methods = ("fuse", "hysure", "scenenet-hs")
    rows = [row("one", method, 30.0 + i) for i, method in enumerate(methods)]
    rows += [row("two", "fuse", 20.0), row("two", "gsa-hs", 99.0)]
    made = body(tables_networks.cube_learned(result("hs-quality", figures={"rows": rows})))
    rest = "1.00 / .50 / .990"
    pair = ["Paris", "4", "WorldView-2", "–"]
    assert made[0] == [*pair, f"30.00 / {rest}", f"31.00 / {rest}", f"**32.00** / {rest}"]
    assert made[1] == [*pair, f"**20.00** / {rest}", "not run", "not run"]
    assert made[2][4:] == [f"{p} / {rest}" for p in ("30.00", "31.00", "32.00")]
    assert made[3][4:] == [".25"] * 3


def test_small_print_tells_of_other_work_beside_times() -> None:
    about = {
        "command": "python benchmarks/speed_methods.py", "seed": "0", "date": "2026-01-01",
        "machine": {"cpu": "a processor", "cores": 2}, "versions": {"torch": "2"},
        "peers": {"GDAL": "3.6.2", "OTB": "absent"}, "commit": {"id": "abc", "dirty": True},
        "other_work_cores": 0.84,
    }  # fmt: skip
    timed = bench_tables.source(bench_results.Result("classical-speed", about, {}))
    assert "2 cores of which other work took 0.8" in timed
    assert "commit abc with changes" in timed
    assert "GDAL 3.6.2" in timed
    assert "OTB" not in timed
    untimed = bench_tables.source(bench_results.Result("classical-quality", about, {}))
    assert "other work" not in untimed


@pytest.mark.parametrize("module", [mdtable, bench_results, tables_classical])
def test_examples_in_the_benchmarks(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
