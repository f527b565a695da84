"""What a batch prints: its plan, its scenes as they end, and how it ended."""

from __future__ import annotations

import json as codec
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pansharpkit_cli import console

if TYPE_CHECKING:
    from pansharpkit.archive.batch import BatchSummary
    from pansharpkit.archive.forecast import Forecast
    from pansharpkit.archive.ledger import Ledger
    from pansharpkit.archive.record import SceneRecord
    from pansharpkit.archive.survey import Survey

_LISTED = 20
"""Scenes that a table of what went wrong names."""
_PLANNED = 1000
"""Scenes that the table of a plan names: laying out more takes longer than planning."""


def print_line(value: dict[str, object]) -> None:
    """Print one line of JSON on stdout, at once."""
    sys.stdout.write(codec.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


class Teller:
    """Says how far a batch is, while it runs."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self._json, self._quiet = json, quiet
        self._stack = ExitStack()
        self._total = self._done = 0

    def __enter__(self) -> Teller:
        """Show a bar, on a terminal."""
        self._progress = self._stack.enter_context(console.progress_bar(self._quiet or self._json))
        self._stack.enter_context(console.notices(self._quiet))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._stack.close()

    def begin(self, plan: Survey) -> None:
        """Say what is to be done."""
        self._total = len(plan.to_do)
        if not self._quiet:
            _warn_unpaired(plan)
            _note_gone(plan)
            counts = Counter(each.verdict for each in plan.planned)
            said = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
            console.note(f"{_scenes(len(plan.planned))}: {said}")
            for each in plan.to_do:
                if each.anew:
                    console.note(f"{each.entry.id}: {each.verdict}: {each.why}")
        self._show()

    def tell(self, record: SceneRecord) -> None:
        """Say what became of a scene."""
        self._done += 1
        if self._json:
            print_line({"event": "scene", **record.to_dict()})
        if not self._quiet:
            if record.error is not None:
                console.warn(f"{record.id} failed: {record.error.text}")
            for flag in record.flags:
                console.warn(f"{record.id} is flagged: {flag}")
            if record.warnings:
                more = len(record.warnings) - 1
                rest = f" (and {more} more in its report)" if more else ""
                console.note(f"{record.id}: {record.warnings[0]}{rest}")
        self._show()

    def _show(self) -> None:
        if self._progress is not None and self._total:
            self._progress("scenes", min(self._done, self._total), self._total)


def print_plan(plan: Survey, expected: Forecast, *, json: bool) -> None:
    """Print what a batch would do."""
    if json:
        for each in plan.planned:
            print_line(
                {
                    "event": "plan", "id": each.entry.id, "inputs": list(each.entry.inputs),
                    "family": each.entry.family, "verdict": each.verdict, "why": each.why,
                    "to_do": each.to_do,
                }
            )  # fmt: skip
        unpaired = [{"path": left.path, "why": left.why} for left in plan.found.unpaired]
        print_line(
            {
                "event": "forecast", "to_do": len(plan.to_do), "unpaired": unpaired,
                "gone": list(plan.gone), "seconds": expected.seconds, "at_most": expected.at_most,
                "bytes": expected.bytes, "free_bytes": expected.free_bytes,
                "basis": expected.basis,
            }
        )  # fmt: skip
        return
    listed = plan.planned[:_PLANNED]
    above = _folder_of([path for each in listed for path in each.entry.inputs])
    rows = [
        [each.entry.id, each.verdict, each.why, "\n".join(_below(above, each.entry.inputs))]
        for each in listed
    ]
    columns = dict.fromkeys(("scene", "state", "why", "inputs"), "left")
    console.stdout.print(console.table("Dry run: nothing was written", columns, rows))
    if above:
        console.note(f"inputs are below {above}")
    if len(plan.planned) > _PLANNED:
        console.note(f"and {len(plan.planned) - _PLANNED} more: --json lists them all")
    _warn_unpaired(plan)
    _note_gone(plan)
    console.note(f"{len(plan.to_do)} of {_scenes(len(plan.planned))} to do: {expected.describe()}")


def _scenes(number: int) -> str:
    return f"{number} scene{'' if number == 1 else 's'}"


def _folder_of(paths: Sequence[str]) -> str:
    """Return the folder that several absolute paths share, or nothing."""
    local = len(set(paths)) > 1 and all(map(os.path.isabs, paths))
    return os.path.commonpath(paths) if local else ""


def _below(folder: str, paths: Sequence[str]) -> list[str]:
    from pansharpkit.readers.safe_open import printable

    return [printable(os.path.relpath(path, folder) if folder else path) for path in paths]


def print_summary(found: BatchSummary, folder: Path, *, json: bool, quiet: bool) -> None:
    """Print how a batch ended."""
    if json:
        print_line(
            {
                "event": "summary", "states": found.counts, "ran": found.ran,
                "failed": [record.id for record in found.failed],
                "flagged": [record.id for record in found.flagged],
                "seconds": round(found.seconds, 3),
                "ledger_seconds": round(found.ledger_seconds, 4),
                "catalogue": None if found.catalogue is None else str(found.catalogue),
            }
        )  # fmt: skip
        return
    if quiet:
        return
    values: dict[str, object] = {
        **found.counts,
        "fused in this run": found.ran,
        "seconds": f"{found.seconds:.1f}",
        "folder": str(folder),
    }
    if found.catalogue is not None:
        values["catalogue"] = str(found.catalogue)
    console.print_pairs("Batch", values)
    _print_unhappy((*found.failed, *found.flagged))


def print_status(ledger: Ledger, folder: Path, *, json: bool) -> None:
    """Print what a ledger knows."""
    unhappy: list[SceneRecord] = []
    for row in ledger.rows():
        if json:
            record = {} if row.record is None else row.record.to_dict()
            print_line(
                {
                    "event": "scene", "id": row.entry.id, **record, "state": row.state,
                    "attempts": row.attempts, "failures": row.failures,
                    "started": row.started, "finished": row.finished,
                }
            )  # fmt: skip
        elif row.record is not None and row.state in ("failed", "flagged"):
            unhappy.append(row.record)
    counts = ledger.counts()
    if json:
        print_line({"event": "summary", "states": counts})
        return
    console.print_pairs(f"Batch in {folder}", {**counts, "scenes": sum(counts.values())})
    _print_unhappy(unhappy)


def _print_unhappy(records: Sequence[SceneRecord]) -> None:
    if not records:
        return
    rows = [[record.id, record.state, _reason(record)] for record in records[:_LISTED]]
    columns = dict.fromkeys(("scene", "state", "why"), "left")
    console.stdout.print(console.table("Look at these", columns, rows))
    if len(records) > _LISTED:
        console.note(f"and {len(records) - _LISTED} more: `pansharpkit batch status` --json")


def _reason(record: SceneRecord) -> str:
    return record.error.text if record.error is not None else "; ".join(record.flags)


def _warn_unpaired(plan: Survey) -> None:
    for left in plan.found.unpaired[:_LISTED]:
        console.warn(f"{left.path}: {left.why}")
    if len(plan.found.unpaired) > _LISTED:
        console.warn(f"and {len(plan.found.unpaired) - _LISTED} more that make no scene")


def _note_gone(plan: Survey) -> None:
    if plan.gone:
        console.note(f"in the ledger, but no longer in the archive: {_some(plan.gone)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
