"""The figures of the quality benchmark as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, object]

_CELL = (("psnr_db", 2), ("sam_deg", 2), ("ergas", 3), ("q2n", 3))
_COLUMNS = (
    ("detail_correlation", "detail corr.", 3),
    ("ripple_percent", "ripple %", 2),
    ("consistency_error_percent", "consistency %, preset", 2),
    ("consistency_error_estimated_percent", "estimated", 2),
    ("ndvi_drift", "NDVI drift, preset", 4),
    ("ndvi_drift_estimated", "estimated", 4),
    ("hqnr", "HQNR", 4),
    ("overshoot_percent", "overshoot %", 2),
    ("cpu_s", "CPU s", 2),
)
_PLAIN = "mtf-glp-fs"
"""The method whose ripple the others' is compared with."""


def document(result: Mapping[str, object]) -> str:
    """Return everything that was measured."""
    reduced, guards, full = (_rows(result[key]) for key in ("reduced", "guards", "full"))
    parts = [_head(result), _scenes(_rows(result["scenes"]))]
    if reduced:
        parts += [_reduced(reduced, operator) for operator in _distinct(reduced, "operator")]
        parts += [_margins(reduced), _guards(guards)]
    parts += [_full(full, scene) for scene in _distinct(full, "scene")]
    parts += [_errors([*reduced, *guards, *full])]
    return "\n\n".join(part for part in parts if part)


def _rows(value: object) -> list[Row]:
    return list(value) if isinstance(value, list) else []


def _distinct(rows: Iterable[Row], key: str) -> list[str]:
    return list(dict.fromkeys(str(row[key]) for row in rows))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def _head(result: Mapping[str, object]) -> str:
    machine = result["machine"]
    assert isinstance(machine, Mapping)
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    return (
        f"# Quality on real scenes\n\n{about}. Seeds of methods that have one: 0 to "
        f"{int(str(result['seeds'])) - 1}, figures are means over them; directions of shifts: "
        f"seed {result['shift_seed']}."
    )


def _scenes(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        found = row.get("estimated")
        mtf = shift = "–"
        if isinstance(found, Mapping):
            mtf = " ".join(f"{gain:.2f}" for gain in found["mtf"])
            shift = " ".join(f"({r:+.2f} {c:+.2f})" for r, c in found["shift"])
        preset = row["preset_mtf"]
        assert isinstance(preset, Sequence)
        lines.append([
            str(row["scene"]), str(row["data"]), str(row["reduced"]), str(row["full"] or "–"),
            " ".join(f"{gain:.2f}" for gain in preset), mtf, shift,
        ])  # fmt: skip
    head = (
        "scene", "data", "reduced, px", "full, px", "MTF gains, preset", "estimated",
        "shift, PAN px (rows cols)",
    )  # fmt: skip
    return _table(head, lines)


def mean(rows: Iterable[Row], key: str) -> float | None:
    values = [row[key] for row in rows if isinstance(row.get(key), (int, float))]
    return statistics.fmean(float(str(value)) for value in values) if values else None


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _reduced(rows: list[Row], operator: str) -> str:
    chosen = [row for row in rows if row["operator"] == operator]
    scenes = _distinct(chosen, "scene")
    lines = []
    for method in _distinct(chosen, "method"):
        own = [row for row in chosen if row["method"] == method]
        cells = [
            "/".join(_number(mean((r for r in own if r["scene"] == scene), key), n)
                     for key, n in _CELL)
            for scene in scenes
        ]  # fmt: skip
        lines.append([method, *cells, _number(mean(own, "cpu_s"), 2)])
    title = f"## Reduced resolution, target made by: {operator}\n\nPSNR/SAM/ERGAS/Q2n\n\n"
    return title + _table(("method", *scenes, "CPU s"), lines)


def _margins(rows: list[Row]) -> str:
    """PSNR against the best plain or projected classic of the same scene and operator."""
    operators = _distinct(rows, "operator")
    lines = []
    for method in _distinct(rows, "method"):
        cells = [margin(rows, method, operator) for operator in operators]
        lines.append([method, *cells])
    title = (
        "## PSNR over the best other method without training, dB\n\nMean over the scenes, and "
        "the worst scene.\n\n"
    )
    return title + _table(("method", *operators), lines)


def margin(rows: list[Row], method: str, operator: str) -> str:
    margins = []
    for scene in _distinct(rows, "scene"):
        here = [r for r in rows if r["operator"] == operator and r["scene"] == scene]
        own = mean((r for r in here if r["method"] == method), "psnr_db")
        others = [
            mean((r for r in here if r["method"] == other), "psnr_db")
            for other in _distinct(here, "method")
            if other != method and not other.startswith(("scenenet", "gdd"))
        ]
        best = max((value for value in others if value is not None), default=None)
        if own is not None and best is not None:
            margins.append(own - best)
    return f"{statistics.fmean(margins):+.2f} ({min(margins):+.2f})" if margins else "–"


def _guards(rows: list[Row]) -> str:
    scenes = _distinct(rows, "scene")
    lines = []
    for method in _distinct(rows, "method"):
        own = {str(row["scene"]): row for row in rows if row["method"] == method}
        lines.append([method, *(_guard_cell(rows, own[scene]) for scene in scenes)])
    title = (
        "## What the guards say where the truth is known\n\nReduced resolution, exact operator: "
        f"detail correlation/ripple over {_PLAIN}'s/consistency %, estimated operator/HQNR. The "
        "reference is the delivered MS: what a perfect result scores.\n\n"
    )
    return title + _table(("method", *scenes), lines)


def _guard_cell(rows: list[Row], row: Row) -> str:
    same = [other for other in rows if other["scene"] == row["scene"]]
    plain = mean((other for other in same if other["method"] == _PLAIN), "ripple_percent")
    ripple = mean([row], "ripple_percent")
    ratio = ripple / plain if ripple is not None and plain else None
    return "/".join([
        _number(mean([row], "detail_correlation"), 3),
        _number(ratio, 2),
        _number(mean([row], "consistency_error_estimated_percent"), 2),
        _number(mean([row], "hqnr"), 3),
    ])  # fmt: skip


def _full(rows: list[Row], scene: str) -> str:
    chosen = [row for row in rows if row["scene"] == scene]
    plain = mean((row for row in chosen if row["method"] == _PLAIN), "ripple_percent")
    lines = []
    for method in _distinct(chosen, "method"):
        own = [row for row in chosen if row["method"] == method]
        ripple = mean(own, "ripple_percent")
        ratio = ripple / plain if ripple is not None and plain else None
        cells = [_number(mean(own, key), n) for key, _, n in _COLUMNS]
        lines.append([method, *cells[:2], _number(ratio, 2), *cells[2:]])
    titles = [title for _, title, _ in _COLUMNS]
    head = ("method", *titles[:2], f"over {_PLAIN}'s", *titles[2:])
    pan = _number(mean(chosen, "pan_ripple_percent"), 2)
    return f"## Full resolution, {scene}\n\nRipple of PAN itself {pan} %.\n\n{_table(head, lines)}"


def _errors(rows: list[Row]) -> str:
    failed = [
        f"- {row['scene']}, {row['method']}: {row['error']}" for row in rows if "error" in row
    ]
    return "## Failed\n\n" + "\n".join(failed) if failed else ""
