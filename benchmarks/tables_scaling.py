"""Tables of what runs take and survive, from results."""

from __future__ import annotations

from collections.abc import Mapping

import mdtable
from bench_results import Json, Result

_FEW = "not told"
"""Where the rehearsal would be as much work as the run."""


def expected_time(result: Result) -> str:
    """Seconds that each method was expected to take, beside those that it took."""
    content = result.content["figures"]
    assert isinstance(content, Mapping)
    scenes: Mapping[str, list[Json]] = content["scenes"]
    rows = {
        scene: {str(row["method"]): row for row in methods} for scene, methods in scenes.items()
    }
    names = dict.fromkeys(name for methods in rows.values() for name in methods)
    lines = [
        [f"`{name}`", *(_expected(methods[name]) for methods in rows.values())] for name in names
    ]
    return mdtable.written(["expected / took / finding out, s", *rows], lines)


def _expected(row: Json) -> str:
    estimate = row["estimate_s"]
    shown = _FEW if estimate is None else f"{_float(estimate):.1f}"
    return f"{shown} / {_float(row['took_s']):.1f} / {_float(row['rehearsal_s']):.1f}"


def survived(result: Result) -> str:
    """Trials of each fault, and how many were survived."""
    lines = [
        [str(row["fault"]), str(row["trials"]), f"{row['survived']}{_missed(row)}"]
        for row in result.rows()
    ]
    return mdtable.written(["fault", "trials", "survived"], lines)


def _missed(row: Json) -> str:
    count = row["not_possible"]
    return f" ({count} not possible there)" if count else ""


def _float(value: object) -> float:
    return float(str(value))
