"""What the overview of an archive shows of each scene, and how scenes are ranked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pansharpkit.archive.entry import Ring
from pansharpkit.archive.rows import Row
from pansharpkit.readers.safe_open import printable
from pansharpkit.report.indices import IndexStyle, ordered, style_of
from pansharpkit.report.printed import known

_BEYOND = {
    "shift": IndexStyle("Shift", "0", "how far the MS lies beside the PAN", 2, "PAN px"),
    "r2": IndexStyle("R²", "1", "how much of the PAN the MS explains"),
}
"""Of what a record holds beside the indices of the report."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One scene, without what the overview does not need."""

    id: str
    state: str
    method: str
    seconds: float | None
    indices: Mapping[str, float]
    """Those that have a value."""
    error_kind: str
    error: str
    flags: tuple[str, ...]
    acquired: str
    """Date, or nothing."""
    rings: tuple[Ring, ...]
    """Where it lies; nothing where that is not known."""
    report: str | None
    """Path of its page below the output folder."""


def listed(row: Row, out: Path) -> Listed:
    """Return what is shown of a row of the ledger."""
    entry, record = row.entry, row.record
    values = {} if record is None else record.indices
    error = None if record is None else record.error
    return Listed(
        id=printable(entry.id),
        state=row.state,
        method="" if record is None else printable(record.method),
        seconds=None if record is None else record.seconds,
        indices={printable(name): value for name, value in values.items() if known(value)},
        error_kind="" if error is None else printable(error.kind),
        error="" if error is None else printable(error.text),
        flags=() if record is None else tuple(printable(text) for text in record.flags),
        acquired="" if entry.acquired is None else entry.acquired.date().isoformat(),
        rings=_rings(row, out),
        report=None if record is None else below(record.report_html),
    )


def below(path: str | None) -> str | None:
    """Return a path of the ledger if it stays below the output folder.

    >>> below("a/a.report.html"), below("../secret"), below("javascript:alert(1)")
    ('a/a.report.html', None, None)
    """
    if path is None or ":" in path or "\\" in path:
        return None
    parts = PurePosixPath(path)
    return None if parts.is_absolute() or ".." in parts.parts else path


def _rings(row: Row, out: Path) -> tuple[Ring, ...]:
    """Return the outline of what was made, else of what was found."""
    found = row.entry.footprint
    if row.record is not None and row.record.output is not None and below(row.entry.id):
        item = out / row.entry.id / f"{row.entry.id}.json"
        rings = _rings_of_item(item)
        return rings or (() if found is None else (found,))
    return () if found is None else (found,)


def _rings_of_item(path: Path) -> tuple[Ring, ...]:
    try:
        geometry = json.loads(path.read_text(encoding="utf-8"))["geometry"]
        parts = geometry["coordinates"]
        polygons = parts if geometry["type"] == "MultiPolygon" else [parts]
        return tuple(
            tuple((float(lon), float(lat)) for lon, lat in polygon[0]) for polygon in polygons
        )
    except (OSError, ValueError, TypeError, LookupError):
        return ()


def style(name: str) -> IndexStyle:
    """Return how an index or a figure of the registration is shown."""
    return _BEYOND.get(name) or style_of(name)


def direction(name: str) -> int:
    """Return 1 where larger is better, -1 where smaller is, 0 where neither can be said."""
    return {"1": 1, "∞": 1, "0": -1}.get(style(name).best, 0)


def index_names(scenes: Iterable[Listed]) -> list[str]:
    """Return the indices that any scene has, the most telling first."""
    return ordered({name for scene in scenes for name in scene.indices})


def headline(scenes: Sequence[Listed]) -> str | None:
    """Return the index to rank scenes by: the most telling that half of the judged ones have."""
    judged = [scene for scene in scenes if scene.indices]
    counts = Counter(name for scene in judged for name in scene.indices if direction(name))
    names = [name for name in ordered(counts) if 2 * counts[name] >= len(judged)]
    return names[0] if names else None


def worst_first(scenes: Iterable[Listed], index: str | None) -> list[Listed]:
    """Return the scenes that were fused: without a value for an index first, then the worst."""
    made = [scene for scene in scenes if scene.state in ("done", "flagged")]
    if index is None:
        return made
    sign = direction(index)

    def rank(scene: Listed) -> tuple[bool, float]:
        value = scene.indices.get(index)
        return (False, 0.0) if value is None else (True, sign * value)

    return sorted(made, key=rank)
