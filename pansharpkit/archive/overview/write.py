"""An overview of a whole batch: one page and one table over its ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.overview.listed import Listed, index_names, listed
from pansharpkit.archive.overview.scenetable import scene_table
from pansharpkit.writer.whole import write_whole

PAGE, TABLE = "overview.html", "overview.csv"


def overview(out: Path) -> tuple[Path, Path]:
    """Write ``overview.html`` and ``overview.csv`` into a batch's folder; return their paths.

    The ledger is only read, so that a batch may be running.

    Raises
    ------
    FileReadError
        If the folder has no ledger, or that is damaged.
    OutputError
        If the files cannot be written.
    """
    from pansharpkit.archive.overview.page import render_overview

    with Ledger(out / NAME, "read") as ledger:
        scenes = [listed(row, out) for row in ledger.rows()]
        table = _table(ledger, out, scenes)
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page = render_overview(scenes, out, TABLE, created)
    paths = out / PAGE, out / TABLE
    for path, content in zip(paths, (page, table), strict=True):
        write_whole(path, content)
    return paths


def _table(ledger: Ledger, out: Path, scenes: list[Listed]) -> str:
    """Return the CSV; rows are read once more, so that never all of them are in memory."""
    known = {scene.id: scene for scene in scenes}
    rows = ((row, known.get(row.entry.id) or listed(row, out)) for row in ledger.rows())
    return scene_table(rows, index_names(scenes))
