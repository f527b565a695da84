"""Tables of the Guided Deep Decoder, from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import mdtable
from bench_results import Json, Result
from tables_classical import figures, number

_QUALITY = (("psnr_db", 2), ("sam_deg", 2), ("ergas", 3), ("q2n", 3))
_CURVE = (("psnr_db", 2), ("sam_deg", 2), ("ergas", 2), ("q2n", 3))
_TITLES: Mapping[str, str] = {
    "S1": "S1, WorldView-2, 8 bands, ratio 4",
    "S5": "S5, WorldView-2, 8 bands, ratio 4",
    "S2": "S2, VHR, 4 bands, ratio 4",
    "S3": "S3, Landsat 8, 4 bands, ratio 2",
}
_WIDTH = 64
"""Channels as published."""
_SHOWN = (100, 300, 500, 900, 1700, 4000, 8001)
"""Iterations of the published schedule that the page shows."""
_CURVE_OUTPUTS = {
    "last": "last output",
    "average": "averaged (0.98)",
    "average + 10 bp": "averaged, 10 back-projections",
}


def presets(result: Result, started: Result | None) -> str:
    """Quality and cost of each preset on each scene, beside those of the published program.

    Its cost is that of as many iterations of the reference, by the pace found in the same run.
    """
    content = result.content["figures"]
    assert isinstance(content, Mapping)
    published = content["published"]
    rows = result.rows()
    lines = []
    for scene in dict.fromkeys(str(row["scene"]) for row in rows):
        own = [row for row in rows if row["scene"] == scene]
        block = []
        if scene == published["scene"]:
            block.append(_program(published, own))
        for row in own:
            name = f"`{row['preset']}`"
            block.append(_line(name, [row], published))
            if started is not None and (same := _alike(row, started)):
                called = f"{name} from another scene's weights, mean of {len(same)} seeds"
                block.append(_line(called, same, published))
        lines += [[title, *cells] for title, cells in zip(_once(scene, block), block, strict=True)]
    head = [
        "scene", "preset", "networks, channels, steps", "PSNR / SAM / ERGAS / Q2n", "CPU s",
        "faster",
    ]  # fmt: skip
    return mdtable.written(head, lines, right=head[-2:])


def averaged(result: Result) -> str:
    """The decoder alone, scenenet alone, and the mean of both, scene by scene."""
    rows = result.rows("reduced")
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    scenes = list(dict.fromkeys(str(row["scene"]) for row in rows))
    of = {(str(row["scene"]), str(row["method"])): row for row in rows}
    lines = [
        [_TITLES.get(scene, scene), *(_with_cost(of[scene, method]) for method in methods)]
        for scene in scenes
    ]
    head = ["PSNR / SAM / ERGAS / Q2n, CPU s", *(f"`{method}`" for method in methods)]
    return mdtable.written(head, lines)


def _with_cost(row: Json) -> str:
    return f"{figures(row, _QUALITY)}, {number(row['cpu_s'], 0)}"


def _once(scene: str, block: Sequence[object]) -> list[str]:
    return [_TITLES.get(scene, scene), *[""] * (len(block) - 1)]


def _alike(row: Json, other: Result) -> list[Json]:
    """Return the rows of another result for the same scene and preset."""
    same = ("scene", "preset")
    return [found for found in other.rows() if all(found[key] == row[key] for key in same)]


def _program(published: Json, rows: Sequence[Json]) -> list[str]:
    steps = published["iterations"]
    cost = _program_cpu_s(published, rows)
    name = f"published program, {steps} iterations, averaged"
    known = [key for key in _CURVE if published.get(key[0]) is not None]
    return [name, f"1, {_WIDTH}, {steps}", figures(published, known), f"{cost:.0f}", "1"]


def _program_cpu_s(published: Json, rows: Sequence[Json]) -> float:
    """Return CPU seconds of the published program's iterations, by the pace beside some rows."""
    return _float(published["iterations"]) * _mean(rows, "reference_cpu_s_per_iteration")


def _line(name: str, rows: Sequence[Json], published: Json) -> list[str]:
    """Return the cells of a preset: means over seeds."""
    steps = int(_float(rows[0]["shared"]) + _float(rows[0]["iterations"]))
    means = {key: _mean(rows, key) for key, _ in _QUALITY}
    cost = _mean(rows, "fit_cpu_s") + _mean(rows, "apply_cpu_s")
    faster = number(_program_cpu_s(published, rows) / cost, 1)
    schedule = f"{rows[0]['members']}, {rows[0]['channels']}, {steps}"
    return [name, schedule, figures(means, _QUALITY), f"{cost:.0f}", faster]


def curve(result: Result) -> str:
    """Quality of the published schedule against iterations, with the classical methods above."""
    rows, others = result.rows(), {str(row["output"]): row for row in result.rows("others")}
    beside = ", ".join(
        f"{title} has {figures(others[name], _CURVE)}"
        for name, title in (("GSA", "GSA"), ("MTF_GLP_FS", "MTF-GLP-FS"))
    )
    found = {(row["iterations"], row["output"]): row for row in rows}
    lines = [
        [f"{done:,}", *(figures(found[done, name], _CURVE) for name in _CURVE_OUTPUTS),
         f"{_float(found[done, 'last']['cpu_s']):,.0f}"]
        for done in _SHOWN
    ]  # fmt: skip
    head = ["iterations", *_CURVE_OUTPUTS.values(), "CPU s"]
    return f"{beside}.\n\n{mdtable.written(head, lines, right=head[-1:])}"


def _mean(rows: Sequence[Json], key: str) -> float:
    return fmean(_float(row[key]) for row in rows)


def _float(value: object) -> float:
    return float(str(value))
