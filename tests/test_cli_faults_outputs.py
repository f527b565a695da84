"""Outputs that must not or cannot be written, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import pansharpkit
from fault_place import Place, assert_fails, files_end_at

Target = Callable[[Place], tuple[Path, tuple[str, ...]]]


def existing(place: Place) -> Path:
    place.output.write_bytes(b"precious")
    return place.output


def folder(place: Place) -> Path:
    (place.outputs / "d.tif").mkdir()
    return place.outputs / "d.tif"


def linked(place: Place, how: Callable[[Path, Path], None]) -> Path:
    how(place.inputs / "ms.tif", place.outputs / "other.tif")
    return place.outputs / "other.tif"


OUTPUTS: dict[str, tuple[int, tuple[str, ...], Target]] = {
    "exists": (2, ("fused.tif", "--overwrite"), lambda p: (existing(p), ())),
    "is the PAN": (
        2, ("pan.tif", "is the input"), lambda p: (p.inputs / "pan.tif", ("--overwrite",)),
    ),
    "is the MS": (
        2, ("ms.tif", "is the input"), lambda p: (p.inputs / "ms.tif", ("--overwrite",)),
    ),
    "is a link to an input": (
        2, ("other.tif", "is the input"),
        lambda p: (linked(p, lambda a, b: b.symlink_to(a)), ("--overwrite",)),
    ),
    "is a hard link to an input": (
        2, ("other.tif", "is the input"),
        lambda p: (linked(p, lambda a, b: b.hardlink_to(a)), ("--overwrite",)),
    ),
    "is a folder": (2, ("out",), lambda p: (p.outputs, ())),
    "is a folder called .tif": (2, ("d.tif", "folder"), lambda p: (folder(p), ())),
    "has no TIFF name": (2, ("a.png", ".tif"), lambda p: (p.outputs / "a.png", ())),
    "in no folder": (1, ("none", "does not exist"), lambda p: (p.outputs / "none" / "a.tif", ())),
    "in a file": (1, ("pan.tif",), lambda p: (p.inputs / "pan.tif" / "a.tif", ())),
    "has too long a name": (1, ("too long",), lambda p: (p.outputs / f"{'x' * 300}.tif", ())),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("dry", [False, True], ids=["run", "dry run"])
def test_output_fault(name: str, dry: bool, place: Place) -> None:
    pan, ms = place.pan(), place.ms()
    code, said, make = OUTPUTS[name]
    output, options = make(place)
    before = place.listing()
    extra = (*options, "--dry-run") if dry else options
    assert_fails(place.fuse(pan, ms, output=output, options=extra), code, *said)
    assert place.listing() == before


def test_output_in_a_read_only_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit.writer import lock

    def deny(*_: object) -> bool:  # root may write anywhere, so that no mode helps
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock, "_create", deny)
    done = place.fuse(place.pan(), place.ms())
    assert_fails(done, 1, "fused.tif", "Permission denied", "writable")
    assert not any(place.outputs.iterdir())


def test_full_disk_is_known_before_the_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(place.outputs)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert_fails(place.fuse(place.pan(), place.ms()), 1, "fused.tif", "1000 bytes", "free")
    assert not any(place.outputs.iterdir())


def test_disk_that_fills_up_while_the_raster_is_written(place: Place) -> None:
    existing(place)
    with files_end_at(60_000):
        done = place.fuse(place.pan(), place.ms(), options=("--overwrite",))
    line = done.lines[-1]  # libtiff may have complained before, to the terminal
    assert done.code == 1
    assert line.startswith(f"error {place.output} cannot be written: ")
    assert "writing needs up to" in line
    assert "bytes) are free now" in line
    assert place.output.read_bytes() == b"precious"
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]


def test_disk_that_fills_up_while_the_report_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pansharpkit import reporting

    def write_report(*args: Any) -> Any:
        with files_end_at(1000):
            return written(*args)

    written = reporting.write_report
    monkeypatch.setattr(reporting, "write_report", write_report)
    done = pansharpkit("fuse", place.pan(), place.ms(), "-o", place.output, "-m", "exp")
    assert_fails(done, 1, "fused.report.json: cannot be written", "File too large")
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"], "which is whole"


def test_disk_too_small_for_an_evaluation(place: Place) -> None:
    inputs = (place.pan(), place.ms())
    with files_end_at(1000):
        done = pansharpkit("evaluate", *inputs, "-m", "exp")
    assert_fails(done, 1, "bytes are needed", "CPL_TMPDIR")
    assert not any((place.inputs.parent / "scratch").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("options", ["ro", "size=200k"])
def test_disks_that_are_read_only_or_full(options: str, place: Place) -> None:
    """The real thing, where it can be had."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place.outputs], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = place.fuse(place.pan(), place.ms())
        left = list(place.outputs.iterdir())
    finally:
        subprocess.run(["umount", place.outputs], check=True)
    said = "Read-only file system" if options == "ro" else "bytes) are free"
    assert_fails(done, 1, "fused.tif", said)
    assert left == []


def test_folder_that_vanishes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit.writer import raster

    def vanish(*args: Any, **named: Any) -> None:
        shutil.rmtree(place.outputs)
        verify(*args, **named)

    verify = raster.verify
    monkeypatch.setattr(raster, "verify", vanish)
    assert_fails(place.fuse(place.pan(), place.ms()), 1, "fused.tif", "vanished")
    assert not place.outputs.exists()


def test_leftovers_of_killed_jobs_disappear(place: Place) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock = {"pid": dead.pid, "host": socket.gethostname(), "started": None}
    (place.outputs / ".fused.tif.lock").write_text(json.dumps(lock))
    for name in ("tif.partial-{}", "tif.partial-{}.final", "report.json.partial-{}"):
        (place.outputs / f".fused.{name.format(dead.pid)}").write_bytes(b"half")
    other = place.outputs / ".another.tif.partial-1"
    other.write_bytes(b"half")
    done = pansharpkit("fuse", place.pan(), place.ms(), "-o", place.output, "-m", "exp")
    assert done.code == 0
    made = {path.name for path in place.outputs.iterdir()}
    assert made == {"fused.tif", "fused.report.json", "fused.report.html", other.name}


def test_second_job_for_one_output_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit.writer.lock import OutputLock

    lock = OutputLock(place.outputs / ".fused.tif.lock", place.output)
    lock.acquire()
    from pansharpkit import registration

    with monkeypatch.context() as patch:  # at once, before anything is measured
        patch.delattr(registration, "measure")
        assert_fails(place.fuse(place.pan(), place.ms()), 1, "fused.tif", "is writing it")
    lock.release()
    assert place.fuse(place.pan(), place.ms()).code == 0


def test_failure_while_fusing_keeps_the_old_output(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pansharpkit import tilework

    existing(place)

    def fail(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(tilework, "cast", fail)
    done = place.fuse(place.pan(), place.ms(), options=("--overwrite",))
    assert done.code == 1
    assert len(done.lines) == 1
    assert "surprise" in done.stderr
    assert place.output.read_bytes() == b"precious"
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]


@pytest.mark.parametrize(
    "name", ["with space", "ünï-日本", "new\nline", "perc%20ent", "[a]*?", "#;&'\"{}", "-dash"]
)
def test_strange_names_work(name: str, place: Place) -> None:
    folder = place.inputs / name
    folder.mkdir()
    pan = Path(shutil.move(place.pan(), folder / f"{name}pan.tif"))
    ms = Path(shutil.move(place.ms(), folder / f"{name}ms.tif"))
    done = pansharpkit("fuse", pan, ms, "-o", folder / f"{name}.tif", "-m", "exp", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert done.json["output"] == str(folder / f"{name}.tif")
    made = {path.name.removeprefix(name) for path in folder.iterdir()}
    assert made == {"pan.tif", "ms.tif", ".tif", ".report.json", ".report.html"}


def test_strange_names_are_shown_on_one_line(place: Place) -> None:
    assert_fails(place.fuse(place.file("new\nline.tif", ""), place.ms()), 4, "new\\nline.tif")


def test_names_that_look_like_options(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.inputs)
    place.pan("-pan.tif")
    place.ms("-ms.tif")
    assert_fails(place.fuse("-pan.tif", "-ms.tif"), 2, "-p")
    assert place.fuse("--", "-pan.tif", "-ms.tif").code == 2, "-o is no option after --"
    done = pansharpkit("fuse", "-o", "-out.tif", "--no-report", "--", "-pan.tif", "-ms.tif")
    assert done.code == 0
    assert (place.inputs / "-out.tif").exists()
