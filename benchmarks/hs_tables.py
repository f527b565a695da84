"""Tables of what hs_quality.py found: one for each figure, pairs by methods, then means.

    python benchmarks/hs_tables.py hs.json [more.json ...]

Of rows in several files the last counts. The best of each pair is bold.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COLUMNS = {"psnr_db": "PSNR", "sam_deg": "SAM", "ergas": "ERGAS", "ssim": "SSIM", "cpu_s": "CPU s"}
HIGHER_IS_BETTER = ("psnr_db", "ssim")
DIGITS = {"psnr_db": 2, "sam_deg": 2, "ergas": 3, "ssim": 4, "cpu_s": 2}
JUDGED = ("psnr_db", "sam_deg", "ergas", "ssim")
"""Figures of which the best is marked: time is no matter of being best."""

Row = Mapping[str, object]


def document(found: Sequence[Row]) -> str:
    """Return the tables as Markdown: each figure, the means and how often each was best."""
    good = [row for row in found if "error" not in row]
    lines: list[str] = []
    for key in COLUMNS:
        lines += [f"**{COLUMNS[key]}**", "", *_pivot(good, key), ""]
    lines += [*_means(good)]
    lines += [f"\n{r['scene']}, {r['method']}: {r['error']}" for r in found if "error" in r]
    return "\n".join(lines)


def _pivot(rows: Sequence[Row], key: str) -> Iterator[str]:
    """Yield one figure of every pair (down) and method (across)."""
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    cells = {(row["scene"], row["method"]): row for row in rows}
    yield "| pair | " + " | ".join(methods) + " |"
    yield "|---|" + "---:|" * len(methods)
    for scene in dict.fromkeys(str(row["scene"]) for row in rows):
        own = [cells.get((scene, method)) for method in methods]
        yield f"| {scene} | " + " | ".join(_cell(row, rows, key) for row in own) + " |"


def _cell(row: Row | None, rows: Sequence[Row], key: str) -> str:
    if row is None:
        return ""
    text = f"{_number(row, key):.{DIGITS[key]}f}"
    return f"**{text}**" if key in JUDGED and _best(row, rows, key) else text


def _means(rows: Sequence[Row]) -> Iterator[str]:
    titles = " | ".join([*COLUMNS.values(), "best PSNR", "best SAM"])
    yield f"| method | pairs | {titles} |"
    yield "|---|---:|" + "---:|" * (len(COLUMNS) + 2)
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        mean = {key: statistics.fmean(_number(row, key) for row in own) for key in COLUMNS}
        texts = [f"{mean[key]:.{DIGITS[key]}f}" for key in COLUMNS]
        best = [str(sum(_best(row, rows, key) for row in own)) for key in ("psnr_db", "sam_deg")]
        yield f"| {method} | {len(own)} | " + " | ".join([*texts, *best]) + " |"


def _best(row: Row, others: Sequence[Row], key: str) -> bool:
    values = [_number(o, key) for o in others if o["scene"] == row["scene"]]
    wanted = max(values) if key in HIGHER_IS_BETTER else min(values)
    return _number(row, key) == wanted


def _number(row: Row, key: str) -> float:
    return float(str(row[key]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    rows = {
        (row["scene"], row["method"]): row
        for path in parser.parse_args().files
        for row in json.loads(path.read_text())["rows"]
    }
    print(document(list(rows.values())))


if __name__ == "__main__":
    main()
