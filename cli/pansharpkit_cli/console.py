"""Terminal output: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pansharpkit.methods.base import Progress

stdout = Console()
stderr = Console(stderr=True)


def print_json(value: object) -> None:
    """Print one JSON document on stdout, without colours or wrapping."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def warn(text: str) -> None:
    """Print a warning on stderr."""
    stderr.print("[yellow]warning[/]", end=" ")
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print a notice on stderr."""
    stderr.print(text, markup=False, highlight=False, style="dim", soft_wrap=True)


def fail(text: str) -> None:
    """Print an error on stderr, on one line."""
    line = " ".join(text.split())
    stderr.print("[bold red]error[/]", end=" ")
    stderr.print(line, markup=False, highlight=False, soft_wrap=True)


def table(title: str, columns: Mapping[str, str], rows: list[list[str]]) -> Table:
    """Return a rich table; `columns` maps each heading to left or right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for heading, justify in columns.items():
        made.add_column(heading, justify="right" if justify == "right" else "left")
    for row in rows:
        made.add_row(*row)
    return made


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure for a table, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """Show progress with an estimate of the time left, on a terminal only."""
    if quiet or not stderr.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=stderr, transient=True) as bar:
        tasks: dict[str, object] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield report
