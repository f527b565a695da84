"""Tables of the methods that blend images of one resolution, from results."""

from __future__ import annotations

from collections.abc import Sequence

import mdtable
from bench_results import Json, Result
from quality_tables import mean
from tables_classical import number

VISIBLE, MEDICAL, FOCUS, EXPOSURE = "vis-ir", "medical", "multi-focus", "multi-exposure"
FOUR = (("q_abf_bristol", 3), ("mi_renyi", 3), ("q_piella", 3), ("q_cvejic", 3))
"""The indices of the paper on DIP fusion."""
EIGHT = (*FOUR, ("q_abf", 3), ("mi", 2), ("q_piella_w", 3), ("scd", 3))
_COPIES = {"1": "1 copy"}


def visible_infrared(result: Result) -> str:
    return _by_index(result, "visible, infrared", [VISIBLE], EIGHT)


def medical(result: Result) -> str:
    return _by_index(result, "MRI, PET", [MEDICAL], EIGHT)


def others(result: Result) -> str:
    """The four indices where gains are no help, and over all pairs."""
    kinds = {"focus settings": [FOCUS], "exposures": [EXPOSURE]}
    return _by_kind(result, {**kinds, "all": [VISIBLE, MEDICAL, FOCUS, EXPOSURE]})


def larger(result: Result) -> str:
    """The four indices on larger pieces."""
    kinds = {"visible, infrared": [VISIBLE], "MRI, PET": [MEDICAL]}
    return _by_kind(result, {**kinds, "both": [VISIBLE, MEDICAL]}, cost=True)


def whole(result: Result) -> str:
    return _by_index(result, "MRI, PET, whole pictures", [MEDICAL], EIGHT)


def copies(result: Result) -> str:
    return _by_index(result, "all kinds", [VISIBLE, MEDICAL, FOCUS, EXPOSURE], FOUR)


def _by_index(
    result: Result, title: str, kinds: Sequence[str], keys: Sequence[tuple[str, int]]
) -> str:
    """Methods down, indices across, the best of each bold."""
    found = _rows(result, kinds)
    best = {key: max(_mean(rows, key) for rows in found.values()) for key, _ in keys}
    lines = [
        [_called(method), *(_marked(rows, key, digits, best[key]) for key, digits in keys),
         _seconds(rows)]
        for method, rows in found.items()
    ]  # fmt: skip
    head = [f"{title}: {_count(found)}", *(f"`{key}`" for key, _ in keys), "CPU s"]
    return mdtable.written(head, lines)


def _by_kind(result: Result, kinds: dict[str, list[str]], *, cost: bool = False) -> str:
    """Methods down, kinds of pairs across, the four indices in each cell, the best bold."""
    columns, heads = [], []
    for title, own in kinds.items():
        found = _rows(result, own)
        best = {key: max(_mean(rows, key) for rows in found.values()) for key, _ in FOUR}
        columns.append([
            ", ".join(_marked(rows, key, digits, best[key]) for key, digits in FOUR)
            for rows in found.values()
        ])  # fmt: skip
        heads.append(f"{title}: {_count(found)}")
    if cost:
        columns.append([_seconds(rows) for rows in found.values()])
        heads.append("CPU s")
    lines = zip(map(_called, found), *columns, strict=True)
    return mdtable.written([", ".join(f"`{key}`" for key, _ in FOUR), *heads], lines)


def _rows(result: Result, kinds: Sequence[str]) -> dict[str, list[Json]]:
    """Return the rows of some kinds of pairs, by method."""
    figures = result.content["figures"]
    assert isinstance(figures, list)
    methods = dict.fromkeys(str(row["method"]) for row in figures)
    return {
        method: [row for row in figures if row["method"] == method and row["kind"] in kinds]
        for method in methods
    }


def _count(found: dict[str, list[Json]]) -> str:
    count = len({(row["kind"], row["pair"]) for rows in found.values() for row in rows})
    return f"{count} pair{'' if count == 1 else 's'}"


def _mean(rows: Sequence[Json], key: str) -> float:
    """Return the mean over pairs and seeds: every pair has as many."""
    found = mean(rows, key)
    assert found is not None
    return found


def _marked(rows: Sequence[Json], key: str, digits: int, best: float) -> str:
    text = number(_mean(rows, key), digits)
    return f"**{text}**" if _mean(rows, key) == best else text


def _seconds(rows: Sequence[Json]) -> str:
    seconds = _mean(rows, "cpu_s")
    return number(seconds, 1 if seconds >= 1 else 2 if seconds >= 0.01 else 3)


def _called(method: str) -> str:
    """Return a method as the page names it.

    >>> _called("dip-fusion:copies=1"), _called("dip-fusion:preset=quality"), _called("mean")
    ('`dip-fusion`, 1 copy', '`dip-fusion`, `quality`', '`mean`')
    """
    name, _, listed = method.partition(":")
    options = dict(part.split("=", 1) for part in listed.split(",") if part)
    if "copies" in options:
        copies = options["copies"]
        return f"`{name}`, {_COPIES.get(copies, f'{copies} copies')}"
    return f"`{name}`, `{options['preset']}`" if "preset" in options else f"`{name}`"
