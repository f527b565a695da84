"""What people and programs read in the terminal."""

from __future__ import annotations

import io
import json
import logging
import math

import pytest
from rich.console import Console

from pansharpkit_cli import console


def test_an_error_is_one_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail("a [bold]very[/x] long\nmessage about a.tif: " + "x" * 300)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error a [bold]very[/x] long message about a.tif: {'x' * 300}\n"


def test_a_warning_above_a_bar_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(console, "stderr", terminal)
    with console.progress_bar(quiet=False) as progress:
        assert progress is not None
        progress("tiles", 1, 2)
        console.warn("a.tif: look " + "y" * 60)
    assert "warning a.tif: look yyy" in shown.getvalue()


def test_warnings_and_notes_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.warn("[odd] name.tif: " + "y" * 100)
    console.note("[odd] " + "z" * 100)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"warning [odd] name.tif: {'y' * 100}\n[odd] {'z' * 100}\n"


def test_nothing_in_a_name_is_obeyed_by_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31m\x9b2J\u202eb.tif"
    console.warn(hostile)
    console.note(hostile)
    console.print_pairs(hostile, {hostile: hostile})
    console.stdout.print(console.table(hostile, {"file": "left"}, [[hostile]]))
    out, err = capsys.readouterr()
    assert (out.count(r"a\x1b[31m\x9b2J\u202eb.tif"), err.count(r"\x1b[31m")) == (5, 2)
    assert (out + err).replace("\n", "").isprintable()


def test_titles_are_no_markup_and_are_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    folder = "/data/[/b]/a folder/of archives"
    console.print_pairs(f"Batch in {folder}", {"done": 1})
    assert capsys.readouterr().out.splitlines()[0].rstrip() == f"Batch in {folder}"


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": None, "b": "ä[red]"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": "ä[red]"}
    with pytest.raises(ValueError, match="JSON"):
        console.print_json({"a": math.nan})


def test_pairs_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_pairs("T", {"file": "[x].tif", "none": None, "list": [1.5, "b"], "map": {"k": 2}})
    shown = capsys.readouterr().out
    for text in ("[x].tif", "–", "1.5, b", "k 2"):
        assert text in shown


def test_findings_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    registration = {
        "shift_rows": 0.5, "shift_cols": -2.0, "r2": 0.9, "r2_unshifted": 0.5, "reliable": False,
    }  # fmt: skip
    sentences = [
        "The first thing that should be known about this pair of files.",
        "And another one.",
    ]
    values = {
        "pan_size": [3, 4],
        "chosen": None,
        "registration": registration,
        "notices": sentences,
        "bands": [f"B{i}" for i in range(100)],
    }
    console.print_findings("Scene", values)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "  pan size       3, 4" in shown
    assert "  registration   shift +0.50 rows, -2.00 cols, R² 0.900 there, 0.500 as" in shown
    assert any(line.startswith("  notices        The first thing") for line in shown)
    assert f"                 {sentences[1]}" in shown
    assert "  bands          B0, B1, B2, ..., B99 (100 in all)" in shown
    assert not any("chosen" in line for line in shown)


def test_numbers_of_tables() -> None:
    assert console.number(None) == "–"
    assert console.number(0.123456) == "0.1235"


def test_library_warnings_are_shown_once_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("pansharpkit.pipeline")
    with console.notices(quiet=False):
        log.warning("look here")
    with console.notices(quiet=True):
        log.warning("be silent")
    assert capsys.readouterr().err == "warning look here\n"


def test_no_progress_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_bar(quiet=False) as progress:
        assert progress is None
    assert capsys.readouterr().err == ""


def test_tables_show_cells_as_they_are() -> None:
    made = console.table("T", {"a": "left", "b": "right"}, [["[/x]", "1"]])
    with console.stdout.capture() as shown:
        console.stdout.print(made)
    assert "[/x]" in shown.get()
