"""All scenes of an archive as CSV: one row each, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from pansharpkit.archive.overview.listed import Listed
from pansharpkit.archive.rows import Row
from pansharpkit.archive.stac.footprint import box_of
from pansharpkit.readers.safe_open import printable

COLUMNS = (
    "id", "state", "attempts", "method", "family", "acquired", "west", "south", "east", "north",
    "seconds", "host", "output", "sha256", "bytes", "report", "inputs", "flags", "warnings",
    "error_kind", "error", "started", "finished",
)  # fmt: skip
"""Columns before those of the indices."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def scene_table(rows: Iterable[tuple[Row, Listed]], indices: Sequence[str]) -> str:
    r"""Return the table, with a column for each index after `COLUMNS`.

    What does not exist is left empty. Text that a spreadsheet would take for a formula is given
    an apostrophe in front, and line breaks are written as ``\n``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *map(_safe, indices)])
    for row, scene in rows:
        cells = _cells(row, scene)
        writer.writerow([_safe(cells[name]) for name in COLUMNS]
                        + [_safe(scene.indices.get(name)) for name in indices])  # fmt: skip
    return text.getvalue()


def _cells(row: Row, scene: Listed) -> dict[str, str | float | None]:
    record, entry = row.record, row.entry
    box = box_of(scene.rings)
    output = None if record is None else record.output
    return {
        "id": entry.id,
        "state": row.state,
        "attempts": row.attempts,
        "method": scene.method,
        "family": entry.family,
        "acquired": None if entry.acquired is None else entry.acquired.isoformat(),
        **dict(zip(("west", "south", "east", "north"), box or (None,) * 4, strict=True)),
        "seconds": None if record is None else round(record.seconds, 3),
        "host": None if record is None else record.host,
        "output": None if output is None else output.path,
        "sha256": None if output is None else output.sha256,
        "bytes": None if output is None else output.bytes,
        "report": scene.report,
        "inputs": "; ".join(entry.inputs),
        "flags": "; ".join(scene.flags),
        "warnings": None if record is None else "; ".join(record.warnings),
        "error_kind": scene.error_kind,
        "error": scene.error,
        "started": row.started,
        "finished": row.finished,
    }


def _safe(value: str | float | None) -> str | float | None:
    r"""Return a cell that no spreadsheet computes and no line break tears apart.

    >>> _safe("=1+1"), _safe(-0.5), _safe("a\nb")
    ("'=1+1", -0.5, 'a\\nb')
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if value.lstrip(" ").startswith(_FORMULA) else text
