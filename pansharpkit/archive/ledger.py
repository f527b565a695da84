"""The ledger of a batch: what became of each scene, in one SQLite file that survives its writers.

Each change of a scene is one transaction. Only the process that runs the batch writes; others may
read, and even two writers would wait for each other. Times are written for people: nothing is
decided by them.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.record import SceneRecord
from pansharpkit.archive.rows import COLUMNS, Row, entry_text, filled, row_of
from pansharpkit.errors import FileReadError, InputError, OutputError, PansharpkitError

NAME = "ledger.sqlite"
SCHEMA_VERSION = 1
_APPLICATION = 0x50534B4C  # "PSKL": tells our files from other SQLite files
_WAIT_S = 60.0
_SCHEMA = f"""
CREATE TABLE scenes ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())}) STRICT;
CREATE INDEX scenes_by_state ON scenes (state);
CREATE TABLE options (hash TEXT PRIMARY KEY, options TEXT NOT NULL) STRICT;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_CLEARED = filled(SceneRecord("", "failed"))
"""What is known of a scene before its attempt ends: nothing."""

Waiting = Literal["waiting", "interrupted"]
Mode = Literal["read", "write", "create"]


class Ledger:
    """The scenes of a batch, by id; a context manager that closes the file."""

    def __init__(self, path: Path, mode: Mode = "create") -> None:
        """Open a ledger: to read it, to write to it, or to begin one where there is none.

        Raises
        ------
        FileReadError
            If there is none and none is to be begun, or the file is damaged or something else.
        InputError
            If another release wrote it in another schema.
        OutputError
            If the folder cannot be written to.
        """
        self.path = path
        self.seconds = 0.0
        """Time spent in transactions, to know what the ledger costs."""
        if mode != "create" and not path.is_file():
            raise FileReadError(f"{path}: there is no ledger; run `pansharpkit batch` first")
        with self._explained():
            self._database = _connected(path, mode)
            try:
                self._open(mode)
            except BaseException:
                self._database.close()
                raise

    def __enter__(self) -> Ledger:
        """Return the ledger itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; changes are in it already."""
        self._database.close()

    def rows(self) -> Iterator[Row]:
        """Yield all scenes, by id."""
        with self._explained():
            names = ", ".join(COLUMNS)
            for values in self._database.execute(f"SELECT {names} FROM scenes ORDER BY id"):
                yield row_of(dict(zip(COLUMNS, values, strict=True)))

    def counts(self) -> dict[str, int]:
        """Return how many scenes are in each state."""
        with self._explained():
            found = "SELECT state, COUNT(*) FROM scenes GROUP BY state ORDER BY state"
            return dict(self._database.execute(found).fetchall())

    def options(self, digest: str) -> dict[str, object]:
        """Return the options with a hash, flat; empty if they are not known."""
        with self._explained():
            query = "SELECT options FROM options WHERE hash = ?"
            found = self._database.execute(query, (digest,)).fetchone()
            return {} if found is None else dict(json.loads(found[0]))

    def enter(self, entries: Iterable[SceneEntry]) -> None:
        """Write down scenes that are to be done; those that are known stay as they are."""
        values = [(entry.id, entry_text(entry)) for entry in entries]
        with self._changing() as database:
            database.executemany(
                "INSERT INTO scenes (id, entry, state) VALUES (?, ?, 'waiting') "
                "ON CONFLICT (id) DO UPDATE SET entry = excluded.entry",
                values,
            )

    def start(self, entry: SceneEntry, digest: str, options: Mapping[str, object]) -> None:
        """Begin an attempt with options of a given hash: what the last one left is forgotten."""
        text = json.dumps(dict(options), sort_keys=True)
        changes = {
            **_CLEARED, "state": "running", "entry": entry_text(entry), "options_hash": digest,
            "started": _now(), "finished": None, "host": socket.gethostname(),
        }  # fmt: skip
        with self._changing() as database:
            database.execute("INSERT OR IGNORE INTO options VALUES (?, ?)", (digest, text))
            self._update(entry.id, changes, "attempts = attempts + 1")

    def finish(self, record: SceneRecord, *, counts: bool = True) -> None:
        """End an attempt; a failure that `counts` is one of those that a scene is granted."""
        changes = filled(record) | {"finished": _now()}
        failed = record.state == "failed" and counts
        with self._changing():
            self._update(record.id, changes, *(["failures = failures + 1"] if failed else []))

    def judge(self, flags: Mapping[str, tuple[str, ...]]) -> None:
        """Judge finished scenes anew: which bars each of them misses."""
        with self._changing() as database:
            database.executemany(
                "UPDATE scenes SET state = ?, flags = ? WHERE id = ?",
                [("flagged" if f else "done", json.dumps(f), id) for id, f in flags.items()],
            )

    def release(self, ids: Iterable[str], state: Waiting) -> None:
        """End attempts without a result and without a failure."""
        with self._changing() as database:
            database.executemany(
                "UPDATE scenes SET state = ? WHERE id = ?", [(state, id) for id in ids]
            )

    def forgive(self, ids: Iterable[str]) -> None:
        """Let scenes be tried again as if they had never failed."""
        with self._changing() as database:
            database.executemany(
                "UPDATE scenes SET failures = 0, state = 'waiting' WHERE id = ? "
                "AND state = 'failed'",
                [(id,) for id in ids],
            )

    def forget_failures(self, ids: Iterable[str]) -> None:
        """Count failures from zero again, as for scenes whose inputs or options have changed."""
        with self._changing() as database:
            database.executemany(
                "UPDATE scenes SET failures = 0 WHERE id = ?", [(id,) for id in ids]
            )

    def _update(self, id: str, changes: Mapping[str, object], *more: str) -> None:
        settings = ", ".join([*(f"{name} = ?" for name in changes), *more])
        values = [*changes.values(), id]
        self._database.execute(f"UPDATE scenes SET {settings} WHERE id = ?", values)

    def _open(self, mode: Mode) -> None:
        database = self._database
        if mode == "create" and not self._tables():
            database.execute("PRAGMA journal_mode = WAL")
            with self._changing():
                if not self._tables():  # nobody else began it meanwhile
                    for statement in _SCHEMA.strip().split(";\n"):
                        database.execute(statement)
        if mode != "read":  # after a crash of the machine, a scene may have to be done again
            database.execute("PRAGMA synchronous = NORMAL")
        self._check()

    def _tables(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])

    def _check(self) -> None:
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            raise FileReadError(f"{self.path}: is no ledger of a batch; move it away")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: schema {version}, but this release reads {SCHEMA_VERSION}; go on "
                "with the release that wrote it, or use another output folder"
            )
        (found,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found.replace("\n", " "))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        started = time.perf_counter()
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        self.seconds += time.perf_counter() - started

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours: a file that is not whole, or a place that fails."""
        try:
            yield
        except PansharpkitError:  # some are a ValueError, too, and say what to do already
            raise
        except sqlite3.OperationalError as error:
            raise OutputError(f"{self.path}: {error}; {_remedy(error)}") from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise FileReadError(
                f"{self.path}: is damaged ({error}); restore it from a backup, or move it away "
                "and run with --overwrite to do all scenes again"
            ) from error


def _connected(path: Path, mode: Mode) -> sqlite3.Connection:
    if mode != "read":
        return sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    address = f"{path.absolute().as_uri()}?mode=ro"
    still = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    if still:  # nobody writes, and we could not make the file that readers share with a writer
        address += "&immutable=1"
    return sqlite3.connect(address, timeout=_WAIT_S, isolation_level=None, uri=True)


def _remedy(error: sqlite3.OperationalError) -> str:
    if "locked" in str(error):
        return "another program has it open for writing: close that one"
    return "check the folder's permissions and the room on the disk"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
