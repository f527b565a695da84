"""How far a run is, as the terminal shows it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from pansharpkit_cli.progress import Stages, TimeLeft


def stages() -> Stages:
    return Stages(Console(file=io.StringIO(), force_terminal=True, width=80))


def drawn(shown: Stages) -> list[tuple[str, float, float | None]]:
    return [(task.description, task.completed, task.total) for task in shown.tasks]


def test_a_stage_of_one_step_goes_when_the_next_begins() -> None:
    with stages() as shown:
        shown.report("fit", 0, 1)
        shown.report("fit", 1, 1)
        assert drawn(shown) == [("fit", 0, None)]
        shown.report("tiles", 1, 4)
        assert drawn(shown) == [("tiles", 1, 4)]
        shown.report("assess", 0, 1)  # how many windows is not known at once
        shown.report("assess", 1, 3)
        assert drawn(shown) == [("tiles", 1, 4), ("assess", 1, 3)]


def test_the_next_tile_has_a_time_of_its_own() -> None:
    with stages() as shown:
        for done in (1, 2):
            shown.report("training", done, 2)
        task = shown.tasks[0]
        assert task.finished
        assert TimeLeft().render(task).plain == ""
        shown.report("training", 1, 2)
        assert not task.finished


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (9, "0:09 left"), (75, "1:15 left"), (3725, "1:02:05 left")],
)
def test_time_left_reads_as_time(seconds: float | None, text: str) -> None:
    task: Any = SimpleNamespace(finished=False, time_remaining=seconds)
    assert TimeLeft().render(task).plain == text
