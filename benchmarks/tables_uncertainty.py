"""Tables of how well the uncertainty of learned images tells where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping

import mdtable
from bench_results import Json, Result
from tables_classical import number

_RANKS = ("rank", "block_rank", "all_rank")
_WAYS = {
    "2 seeds, averaged over 5": ("2 seeds, averaged over 5 × 5", "2 ×"),
    "4 seeds, averaged over 1": ("4 seeds, each pixel by itself", "4 ×"),
    "4 seeds, averaged over 3": ("4 seeds, averaged over 3 × 3", "4 ×"),
    "4 seeds, averaged over 5": ("**4 seeds, averaged over 5 × 5**", "4 ×"),
    "4 seeds, averaged over 9": ("4 seeds, averaged over 9 × 9", "4 ×"),
    "half of the outputs": ("outputs of the last half of the iterations, 5 × 5", "none"),
    "a quarter of the outputs": ("outputs of the last quarter, 5 × 5", "none"),
    "8 turns, averaged over 5": (
        "one network, the input turned in eight ways, 5 × 5", "8 × the network"
    ),
}  # fmt: skip
_LATE = ("half of the outputs", "a quarter of the outputs")
_SHOWN = ("S3/scenenet", "S2/gdd", "S3/gdd")


def agreement(result: Result) -> str:
    """Rank correlation with the errors, that of the contrast of PAN beside it, and sizes."""
    lines = []
    for row in result.rows():
        ours, plain = _mapping(row["uncertainty"]), _mapping(row["contrast"])
        ranks = [number(found[key], 2) for key in _RANKS for found in (ours, plain)]
        within = f"{100 * float(str(ours['within'])):.0f} %"
        lines.append([_case(row), *ranks, number(ours["factor"], 1), within])
    head = [
        "case", "pixels", "contrast", "8 × 8 pixels", "contrast", "pixels of all bands", "contrast",
        "RMS error / RMS uncertainty", "error ≤ 2 σ",
    ]  # fmt: skip
    return mdtable.written(head, lines)


def ways(result: Result) -> str:
    """Rank correlation over pixels and over blocks, for other ways to measure the same."""
    rows = {str(row["case"]): row for row in result.rows()}
    found = {case: _ways(rows[case]) for case in _SHOWN if case in rows}
    lines = [
        [title, cost, *(_ranks(tried.get(way)) for tried in found.values())]
        for way, (title, cost) in _WAYS.items()
    ]
    return mdtable.written(["way", "cost", *(_case(rows[case]) for case in found)], lines)


def _ways(row: Json) -> dict[str, Json]:
    """Return what was tried; the outputs of late iterations by the share that they are."""
    tried = {name: _mapping(found) for name, found in _mapping(row["candidates"]).items()}
    late = [name for name in tried if "outputs, averaged over 5" in name]
    return {**tried, **{way: tried[name] for way, name in zip(_LATE, late, strict=False)}}


def _ranks(found: Json | None) -> str:
    if found is None:
        return ""
    return f"{number(found['rank'], 2)}, {number(found['block_rank'], 2)}"


def _case(row: Json) -> str:
    scene, _, method = str(row["case"]).partition("/")
    return f"{scene if scene[0] == 'S' else f'`{scene}`'}, `{method}`"


def _mapping(value: object) -> Json:
    assert isinstance(value, Mapping)
    return value
