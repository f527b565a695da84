"""`pansharpkit batch` from end to end: an archive in, a ledger and a catalogue out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_batches import EXP, PAIR, in_this_process, make_archive, rows, states
from command_line import Outcome, environment, pansharpkit
from fault_place import assert_fails, read
from rasters import make_pair

from pansharpkit.archive.batch import LOCK
from pansharpkit.archive.ledger import NAME


def events(done: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches of this process fuse in it, where other processes are not what is tested."""
    monkeypatch.setattr("pansharpkit_cli.batch._local", lambda scene, jobs, gpus: in_this_process)


def test_a_batch_from_end_to_end(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "abc"), tmp_path / "out"
    (archive / "b_P.tif").write_bytes(b"II*\0 and then nothing")
    command = ("batch", archive, "--out", out, *EXP)
    planned = pansharpkit(*command, "--dry-run", "--json")
    assert planned.code == 0, planned.stderr
    *plans, forecast = events(planned)
    assert [(plan["id"], plan["verdict"], plan["to_do"]) for plan in plans] == [
        ("a", "new", True), ("b", "new", True), ("c", "new", True),
    ]  # fmt: skip
    assert (forecast["to_do"], forecast["unpaired"]) == (3, [])
    assert not out.exists()
    done = pansharpkit(*command, "--json", "--jobs", 2)
    assert done.code == 3
    *scenes, summary = events(done)
    assert {scene["id"]: scene["state"] for scene in scenes} == {
        "a": "done", "b": "failed", "c": "done",
    }  # fmt: skip
    assert summary["states"] == {"done": 2, "failed": 1}
    assert summary["failed"] == ["b"]
    assert "b failed: " in done.stderr
    assert np.array_equal(read(out / "a" / "a.tif"), read(out / "c" / "c.tif"))
    shutil.copyfile(archive / "a_P.tif", archive / "b_P.tif")
    done = pansharpkit(*command)
    assert done.code == 0, done.stderr
    assert "3 scenes: 1 changed inputs, 2 done" in done.stderr
    assert "b: changed inputs: b_P.tif has changed" in done.stderr
    assert states(out) == dict.fromkeys("abc", "done")
    alone = make_pair(tmp_path / "ground")
    single = "fuse", alone.pan, alone.ms, "-o", tmp_path / "alone.tif", "-m", "exp", "--no-report"
    assert pansharpkit(*single).code == 0
    assert np.array_equal(read(out / "b" / "b.tif"), read(tmp_path / "alone.tif"))
    said = pansharpkit("batch", "status", out)
    assert (said.code, "done" in said.stdout, "scenes" in said.stdout) == (0, True, True)
    *known, counts = events(pansharpkit("batch", "status", out, "--json"))
    assert counts["states"] == {"done": 3}
    assert [(each["id"], each["attempts"]) for each in known] == [("a", 1), ("b", 2), ("c", 1)]


@pytest.mark.usefixtures("here")
def test_scenes_that_are_gone_are_kept_and_said(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "ab"), tmp_path / "out"
    command = ("batch", archive, "--out", out, *EXP)
    assert pansharpkit(*command, "-q").code == 0
    for path in archive.glob("a_*"):
        path.unlink()
    done = pansharpkit(*command)
    assert done.code == 0
    assert done.stderr == "in the ledger, but no longer in the archive: a\n1 scene: 1 done\n"
    assert states(out) == {"a": "done", "b": "done"}
    assert len(list(out.glob("*/*.tif"))) == 2


@pytest.mark.usefixtures("here")
def test_bars_flag_and_do_not_fail(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "a"), tmp_path / "out"
    command = ("batch", "run", archive, "--out", out, *EXP)
    assert_fails(pansharpkit(*command, "--min", "hqnr=.9"), 2, "--no-report")
    done = pansharpkit(*command, "--min", "r2=1.5")
    assert done.code == 0
    assert states(out) == {"a": "flagged"}
    assert "a is flagged: r2 is" in done.stderr
    assert "should be at least 1.5" in pansharpkit("batch", "status", out).stdout
    assert pansharpkit(*command, "-q").stdout == ""
    assert states(out) == {"a": "done"}


def test_what_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "ab"), tmp_path / "out"
    command = ("batch", archive, "--out", out, *EXP)
    assert_fails(pansharpkit("batch", tmp_path / "none", "--out", out), 4, "none")
    assert_fails(pansharpkit(*command, "-m", "nope"), 2, "no method 'nope'")
    assert_fails(pansharpkit(*command, "--min", "hqn=1"), 2, "no such index")
    assert_fails(pansharpkit("batch", archive), 2, "--out")
    assert_fails(pansharpkit("batch", "status", out), 4, "there is no ledger")
    assert_fails(pansharpkit("batch", "retry", out), 4, "there is no ledger")
    (archive / "a_M.tif").unlink()
    for more in ((), ("--dry-run",)):
        done = pansharpkit(*command, *more)
        assert (done.code, "a_P.tif" in done.lines[-1]) == (4, True)
        assert "--skip-missing-pairs" in done.lines[-1]
    (archive / "b_M.tif").unlink()
    done = pansharpkit(*command, "--skip-missing-pairs")
    assert_fails(done, 4, f"{archive}: no scene was found")
    assert not out.exists()


def test_folders_and_ledgers_that_cannot_be_used(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "a"), tmp_path / "out"
    command = ("batch", archive, "--out", out, *EXP)
    out.write_text("a file")
    assert_fails(pansharpkit(*command), 1, "cannot be written to", "choose another --out")
    out.unlink()
    out.mkdir()
    (out / NAME).write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    for damaged in (command, ("batch", "status", out), ("batch", "retry", out)):
        assert_fails(pansharpkit(*damaged), 4, NAME, "is damaged", "move it away")
    (out / NAME).unlink()
    assert [path.name for path in out.iterdir()] == []


def children(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if folder.name.isdecimal() and int(fields[1]) == process:
                found.append(int(folder.name))
        except (OSError, IndexError):
            continue
    return found


def waited(condition: Any, seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def endless(archive: Path, out: Path) -> subprocess.Popen[str]:
    """Start a batch that never ends, and return it once both of its workers write."""
    command = [
        sys.executable, "-m", "pansharpkit_cli.app", "batch", str(archive), "--out", str(out),
        "--pair", *PAIR, "-j", "2", "-m", "gdd", "--option", "iterations=1000000", "--tile", "32",
        "--device", "cpu", "--no-report", "--json",
    ]  # fmt: skip
    job = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waited(lambda: len(list(out.glob("*/.*.partial-*"))) == 2 or job.poll() is not None)
    assert job.poll() is None
    return job


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_stop_a_batch_and_the_next_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "abc"), tmp_path / "out"
    job = endless(archive, out)
    workers = children(job.pid)
    command = ("batch", archive, "--out", out, *EXP)
    assert_fails(pansharpkit(*command), 1, f"process {job.pid} is writing it")
    job.send_signal(number)
    _, err = job.communicate(timeout=60)
    assert waited(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 20)
    assert not list(out.glob("*/*.tif"))
    if number is not signal.SIGKILL:
        assert job.returncode == 130
        assert "interrupted" in err.splitlines()[-1]
        assert states(out) == {"a": "interrupted", "b": "interrupted", "c": "waiting"}
        assert not list(out.glob("*/.*.partial-*"))
        assert not (out / LOCK).exists()
    done = pansharpkit(*command)
    assert done.code == 0, done.stderr
    assert "2 changed options, 1 new" in done.stderr
    assert states(out) == dict.fromkeys("abc", "done")
    assert {row.failures for row in rows(out).values()} == {0}
    names = sorted(path.name for path in (out / "a").iterdir())
    assert names == ["a.json", "a.thumbnail.jpg", "a.tif"]


@pytest.mark.slow
def test_a_killed_worker_costs_its_scene_an_attempt(tmp_path: Path) -> None:
    archive, out = make_archive(tmp_path / "in", "ab"), tmp_path / "out"
    job = endless(archive, out)
    busy = next(out.glob("*/.*.partial-*"))
    name, worker = busy.parent.name, int(busy.name.rpartition("-")[2])
    os.kill(worker, signal.SIGKILL)
    assert job.stdout is not None
    record = json.loads(job.stdout.readline())
    assert (record["id"], record["error"]["kind"]) == (name, "WorkerDied")
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert states(out)[name] in ("failed", "interrupted")
    assert rows(out)[name].failures == 1
