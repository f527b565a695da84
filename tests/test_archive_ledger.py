"""The ledger: what it keeps, what it survives, and what it refuses."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.record import OutputFile, SceneError, SceneRecord
from pansharpkit.errors import FileReadError, InputError, MetadataError, OutputError
from pansharpkit.fingerprint import Fingerprint

WHERE = ((-1.0, 42.0), (0.0, 42.0), (0.0, 43.0), (-1.0, 42.0))
ENTRY = SceneEntry("a", ("a_P.tif", "a_M.tif"), "pair", datetime(2020, 5, 1, tzinfo=UTC), WHERE)
DONE = SceneRecord(
    "a",
    "done",
    OutputFile("a/a.tif", "0f" * 32, 1234, 10**18),
    "a/a.report.json",
    "a/a.report.html",
    "gsa",
    1.5,
    {"hqnr": 0.93, "ndvi_drift": None},
    {"a_P.tif": Fingerprint(10, 20, "ab" * 32)},
    (),
    None,
    ("a warning",),
    "machine",
    {"torch": "2"},
)
FAILED = SceneRecord("a", "failed", error=SceneError("FileReadError", "a_P.tif: is empty"))


def begun(path: Path, *ids: str) -> Ledger:
    ledger = Ledger(path)
    ledger.enter(SceneEntry(id, (f"{id}.tif",), "pair") for id in ids)
    return ledger


def test_a_record_survives_json_and_the_ledger(tmp_path: Path) -> None:
    assert SceneRecord.from_dict(DONE.to_dict()) == DONE
    assert SceneRecord.from_dict(FAILED.to_dict()) == FAILED
    with pytest.raises(MetadataError, match="state"):
        SceneRecord.from_dict({"id": "a", "state": "perhaps"})
    with Ledger(tmp_path / NAME) as ledger:
        ledger.enter([ENTRY])
        (row,) = ledger.rows()
        assert (row.entry, row.state, row.attempts, row.record) == (ENTRY, "waiting", 0, None)
        ledger.start(ENTRY, "123", {"seed": 1})
        (row,) = ledger.rows()
        assert (row.state, row.attempts, row.options_hash, row.record) == (
            "running",
            1,
            "123",
            None,
        )
        ledger.finish(DONE)
        assert ledger.options("123") == {"seed": 1}
        assert ledger.options("321") == {}
    with Ledger(tmp_path / NAME, "read") as ledger:
        (row,) = ledger.rows()
        assert (row.entry, row.state, row.record) == (ENTRY, "done", DONE)
        assert ledger.counts() == {"done": 1}


def test_attempts_and_failures_are_counted_apart(tmp_path: Path) -> None:
    with begun(tmp_path / NAME, "a") as ledger:
        for _ in range(2):
            ledger.start(ENTRY, "1", {})
            ledger.finish(FAILED)
        ledger.start(ENTRY, "1", {})
        ledger.finish(FAILED, counts=False)
        ledger.start(ENTRY, "1", {})
        ledger.release(["a"], "interrupted")
        (row,) = ledger.rows()
        assert (row.state, row.attempts, row.failures, row.record) == ("interrupted", 4, 2, None)
        ledger.start(ENTRY, "1", {})
        ledger.finish(FAILED)
        ledger.forgive(["a"])
        (row,) = ledger.rows()
        assert (row.state, row.attempts, row.failures) == ("waiting", 5, 0)
        ledger.enter([ENTRY])
        assert next(ledger.rows()).attempts == 5, "a scene that is known stays as it is"
        ledger.start(ENTRY, "1", {})
        ledger.finish(DONE)
        ledger.forgive(["a"])
        assert ledger.counts() == {"done": 1}, "there is nothing to forgive"


def test_an_error_in_a_transaction_changes_nothing(tmp_path: Path) -> None:
    with begun(tmp_path / NAME, "a", "b") as ledger:

        def fail() -> None:
            with ledger._changing() as database:
                database.execute("UPDATE scenes SET state = 'done'")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert ledger.counts() == {"waiting": 2}


def test_files_that_are_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with pytest.raises(FileReadError, match="there is no ledger; run"):
        Ledger(path, "read")
    assert not path.exists()
    path.write_text("this is a text, longer than the header of a database" * 4)
    with pytest.raises(FileReadError, match=r"is damaged .*move it away"):
        Ledger(path)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE birds (name TEXT)")
    other.close()
    with pytest.raises(FileReadError, match=r"is no ledger of a batch; move it away$"):
        Ledger(path)


def test_a_damaged_ledger_says_so(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with begun(path, *(f"scene{n}" for n in range(400))):
        pass
    content = bytearray(path.read_bytes())
    content[8192:20000] = b"\xa5" * (20000 - 8192)
    path.write_bytes(content)
    with pytest.raises(FileReadError, match=f"{NAME}: is damaged"):
        list(Ledger(path).rows())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FileReadError, match=f"{NAME}: is damaged"):
        list(Ledger(path).rows())


def test_a_ledger_of_another_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    begun(path, "a").close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(InputError, match="schema 99, but this release reads 1") as said:
        Ledger(path)
    assert "damaged" not in str(said.value)  # nor must it be moved away


def test_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="unable to open"):
        Ledger(tmp_path / "missing" / NAME)
    begun(tmp_path / NAME, "a").close()
    with Ledger(tmp_path / NAME, "read") as ledger:
        assert ledger.counts() == {"waiting": 1}
        with pytest.raises(OutputError, match="readonly"):
            ledger.finish(DONE)


def _write(path: Path, name: str, count: int) -> None:
    with Ledger(path) as ledger:
        for number in range(count):
            entry = SceneEntry(f"{name}{number:05}", (f"{number}.tif",), "pair")
            ledger.enter([entry])
            ledger.start(entry, "1", {})
            ledger.finish(SceneRecord(entry.id, "done"))


@pytest.mark.fault("10,000 entries of a ledger from two writers at the same time")
def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / NAME
    writers = [get_context("spawn").Process(target=_write, args=(path, n, 5000)) for n in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with Ledger(path, "read") as ledger:
        assert ledger.counts() == {"done": 10_000}


def test_ten_thousand_scenes(tmp_path: Path) -> None:
    with begun(tmp_path / NAME, *(f"scene{n:05}" for n in range(10_000))) as ledger:
        assert len(list(ledger.rows())) == 10_000
        assert ledger.counts() == {"waiting": 10_000}
