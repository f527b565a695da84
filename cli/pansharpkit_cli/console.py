"""Terminal output: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pansharpkit.estimate import Estimate
    from pansharpkit.methods.base import Progress
    from pansharpkit.outcome import FuseOutcome
    from pansharpkit.same.outcome import SameOutcome

MISSED = 5
"""Exit code of a result that misses a bar for its quality."""

_SENTENCES = {"notices", "warnings"}
"""What has a line for each item, however short."""
_SENTENCE = 60
"""Characters of an item from which on a list has a line for each."""

_MANY = 16
"""Items from which on a list shows its ends alone."""

stdout = Console()
stderr = Console(stderr=True)


def print_json(value: object) -> None:
    """Print one JSON document on stdout, without colours or wrapping."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def warn(text: str) -> None:
    """Print a warning on stderr."""
    _say("warning", "yellow", text)


def note(text: str) -> None:
    """Print a notice on stderr."""
    stderr.print(_shown(text), markup=False, highlight=False, style="dim", soft_wrap=True)


def announce(found: Estimate | None) -> None:
    """Print how long a run will take, on stderr; short runs say so on a terminal only."""
    if found is not None and (stderr.is_terminal or found.long):
        note(f"this takes {found.describe()}")


def fail(text: str) -> None:
    """Print an error on stderr, on one line."""
    _say("error", "bold red", " ".join(text.split()))


def _say(what: str, style: str, text: str) -> None:
    """Print one line at once: above a bar that moves, each call ends its line."""
    line = Text.assemble((what, style), " ", _shown(text))
    stderr.print(line, highlight=False, soft_wrap=True)


def _shown(text: str) -> str:
    r"""Return text in which nothing is left that a terminal obeys, but the ends of lines.

    >>> _shown("a\x1b[31m b\n")
    'a\\x1b[31m b\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def judge(missed: Sequence[str] | None) -> None:
    """End with exit code 5 if a bar for quality is missed."""
    if missed:
        fail(f"quality gate: {'; '.join(missed)}")
        raise typer.Exit(MISSED)


def table(title: str, columns: Mapping[str, str], rows: list[list[str]]) -> Table:
    """Return a rich table; `columns` maps each heading to left or right."""
    made = _titled(title)
    made.pad_edge, made.collapse_padding = False, True
    for heading, justify in columns.items():
        made.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(_shown(cell)) for cell in row))
    return made


def _titled(title: str) -> Table:
    """Return an empty table that is as wide as its title, for titles may be paths."""
    text = Text(_shown(title))
    return Table(
        title=text, title_justify="left", title_style="bold", header_style="bold",
        box=SIMPLE_HEAD, min_width=min(text.cell_len, stdout.width),
    )  # fmt: skip


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure for a table, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """Show each stage with the time it has taken and the time left, on a terminal only."""
    if quiet or not stderr.is_terminal:
        yield None
        return
    from pansharpkit_cli.progress import Stages

    with Stages(stderr) as stages:
        yield stages.report


class _Warnings(logging.Handler):
    """Shows the library's warnings as they come."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@contextmanager
def notices(quiet: bool) -> Iterator[None]:
    """Print the library's warnings on stderr."""
    logger = logging.getLogger("pansharpkit")
    if quiet or logger.isEnabledFor(logging.INFO):  # --verbose shows them already
        yield
        return
    handler = _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def print_plan(found: Mapping[str, object], *, json: bool) -> None:
    """Print what would be done."""
    if json:
        print_json(found)
    else:
        print_findings("Dry run: nothing was written", found)


def print_findings(title: str, values: Mapping[str, object]) -> None:
    """Print what programs read as JSON, for people: what is not known is left out."""
    shown = {name: value for name, value in values.items() if value not in (None, [], {})}
    found = shown.get("registration")
    if isinstance(found, Mapping):
        shown["registration"] = (
            f"shift {found['shift_rows']:+.2f} rows, {found['shift_cols']:+.2f} cols, "
            f"R² {found['r2']:.3f} there, {found['r2_unshifted']:.3f} as georeferenced"
            + ("" if found["reliable"] else "; not reliable")
        )
    for name in _SENTENCES & shown.keys():
        shown[name] = "\n".join(map(str, cast("list[object]", shown[name])))
    print_pairs(title, {name.replace("_", " "): _shortened(v) for name, v in shown.items()})


def _shortened(value: object) -> object:
    """Return the first and the last of many items, and how many there are."""
    if not isinstance(value, list) or len(value) <= _MANY:
        return value
    return [*value[:3], "...", f"{value[-1]} ({len(value)} in all)"]


def print_pairs(title: str, values: Mapping[str, object]) -> None:
    """Print names and values as a table."""
    made = _titled(title)
    made.show_header = False
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(Text(_shown(name)), Text(_shown(_plain(value))))
    stdout.print(made)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _listed([f"{k} {_plain(v)}" for k, v in value.items()])
    if isinstance(value, (list, tuple)):
        return _listed([_plain(v) for v in value])
    return "–" if value is None else str(value)


def _listed(texts: Sequence[str]) -> str:
    """Return items one after the other; sentences have a line each."""
    between = "\n" if any(len(text) > _SENTENCE for text in texts) else ", "
    return between.join(texts) or "–"


_HEADLINES = {
    "hqnr": "HQNR", "d_lambda_k": "D_lambda_K", "d_s": "D_s", "qnr": "QNR",
    "detail_correlation": "detail correlation", "ripple_percent": "ripple %",
    "pan_ripple_percent": "PAN's own ripple %", "consistency_error_percent": "consistency error %",
    "consistency_error_estimated_percent": "consistency, est. %",
    "ndvi_drift": "NDVI drift", "ndvi_drift_estimated": "NDVI drift, est.",
    "overshoot_percent": "overshoot %",
    "guide_correlation": "guide correlation", "guide_error_percent": "guide error %",
}  # fmt: skip


def print_outcome(outcome: FuseOutcome) -> None:
    """Print what was made: indices, registration, and where the files are."""
    rows = {"method": outcome.method}
    if outcome.selection is not None:
        rows["why"] = outcome.selection.why
    if outcome.report is not None:
        found = outcome.report.indices
        rows |= {text: number(found[key]) for key, text in _HEADLINES.items() if key in found}
    rows["registration"] = outcome.registration.describe()
    rows["valid pixels"] = f"{outcome.run.valid} of {outcome.run.total}"
    clipped = sum(outcome.run.low) + sum(outcome.run.high)
    rows["clipped values"] = str(clipped)
    rows["seconds"] = ", ".join(f"{k} {v:.1f}" for k, v in outcome.run.seconds.items())
    rows["raster"] = str(outcome.manifest.path)
    if outcome.report_html is not None:
        rows["report"] = str(outcome.report_html)
    print_pairs("Fused", rows)


def print_made(outcome: SameOutcome) -> None:
    """Print what was blended or restored: indices, and where the files are."""
    rows = {name: number(value) for name, value in (outcome.indices or {}).items()}
    rows["valid pixels"] = f"{outcome.run.valid} of {outcome.run.total}"
    rows["clipped values"] = str(sum(outcome.run.low) + sum(outcome.run.high))
    rows["seconds"] = ", ".join(f"{k} {v:.1f}" for k, v in outcome.run.seconds.items())
    rows["raster"] = str(outcome.manifest.path)
    if outcome.report_html is not None:
        rows["report"] = str(outcome.report_html)
    print_pairs({"blend": "Blended", "denoise": "Restored"}[outcome.task], rows)
