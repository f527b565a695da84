"""How scenes are laid out in the ledger: one row each, lists and mappings as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, cast

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.record import OutputFile, SceneError, SceneRecord
from pansharpkit.fingerprint import Fingerprint

State = Literal["waiting", "running", "interrupted", "done", "flagged", "failed"]

COLUMNS: Mapping[str, str] = {
    "id": "TEXT PRIMARY KEY",
    "state": "TEXT NOT NULL",
    "attempts": "INTEGER NOT NULL DEFAULT 0",  # all of them
    "failures": "INTEGER NOT NULL DEFAULT 0",  # since inputs or options last changed
    "entry": "TEXT NOT NULL",
    "options_hash": "TEXT",
    "inputs": "TEXT",
    "output": "TEXT",
    "sha256": "TEXT",
    "bytes": "INTEGER",
    "modified_ns": "INTEGER",
    "report_json": "TEXT",
    "report_html": "TEXT",
    "method": "TEXT",
    "seconds": "REAL",
    "indices": "TEXT",
    "flags": "TEXT",
    "error_kind": "TEXT",
    "error": "TEXT",
    "warnings": "TEXT",
    "host": "TEXT",
    "versions": "TEXT",
    "started": "TEXT",
    "finished": "TEXT",
}
"""Names and types of the columns."""

Cells = dict[str, object]


@dataclass(frozen=True)
class Row:
    """What the ledger knows of a scene."""

    entry: SceneEntry
    """As it was found last."""
    state: State
    attempts: int
    """That were begun."""
    failures: int
    """That failed since inputs or options last changed."""
    options_hash: str | None
    """Of the last attempt."""
    record: SceneRecord | None
    """How that ended; None if it did not."""
    started: str | None
    finished: str | None


def entry_text(entry: SceneEntry) -> str:
    """Return a scene's entry as JSON."""
    when = None if entry.acquired is None else entry.acquired.isoformat()
    return json.dumps(asdict(entry) | {"acquired": when}, sort_keys=True)


def filled(record: SceneRecord) -> Cells:
    """Return the cells of a finished scene."""
    output, error = record.output, record.error
    return {
        "state": record.state,
        "inputs": json.dumps({name: asdict(found) for name, found in record.inputs.items()}),
        "output": output and output.path,
        "sha256": output and output.sha256,
        "bytes": output and output.bytes,
        "modified_ns": output and output.modified_ns,
        "report_json": record.report_json,
        "report_html": record.report_html,
        "method": record.method,
        "seconds": record.seconds,
        "indices": json.dumps(dict(record.indices)),
        "flags": json.dumps(record.flags),
        "error_kind": error and error.kind,
        "error": error and error.text,
        "warnings": json.dumps(record.warnings),
        "host": record.host,
        "versions": json.dumps(dict(record.versions)),
    }


def row_of(cells: Cells) -> Row:
    """Read a row.

    Raises
    ------
    ValueError
        If the cells do not hold what they should.
    """
    try:
        return Row(
            _entry(cells["entry"]),
            cast(State, cells["state"]),
            cast(int, cells["attempts"]),
            cast(int, cells["failures"]),
            cast("str | None", cells["options_hash"]),
            _record(cells) if cells["state"] in ("done", "flagged", "failed") else None,
            cast("str | None", cells["started"]),
            cast("str | None", cells["finished"]),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"scene {cells.get('id')!r}: {error}") from None


def _entry(text: object) -> SceneEntry:
    values = json.loads(str(text))
    values["inputs"] = tuple(values["inputs"])
    if values["acquired"] is not None:
        values["acquired"] = datetime.fromisoformat(values["acquired"])
    if values["footprint"] is not None:
        values["footprint"] = tuple((lon, lat) for lon, lat in values["footprint"])
    return SceneEntry(**values)


def _record(cells: Cells) -> SceneRecord:
    values = {name: cells[name] for name in _PLAIN}
    values |= {name: json.loads(str(cells[name])) for name in ("indices", "versions")}
    values |= {name: tuple(json.loads(str(cells[name]))) for name in ("flags", "warnings")}
    inputs = json.loads(str(cells["inputs"]))
    values["inputs"] = {name: Fingerprint(**found) for name, found in inputs.items()}
    if cells["output"] is not None:
        values["output"] = OutputFile(*(cells[name] for name in _OUTPUT))  # type: ignore[arg-type]
    if cells["error"] is not None:
        values["error"] = SceneError(str(cells["error_kind"]), str(cells["error"]))
    return SceneRecord(**values)  # type: ignore[arg-type]


_PLAIN = ("id", "state", "report_json", "report_html", "method", "seconds", "host")
_OUTPUT = ("output", "sha256", "bytes", "modified_ns")
