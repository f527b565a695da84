"""Jobs that are interrupted, through the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Outcome, environment
from fault_place import Place, assert_fails


def test_interrupt_in_this_process(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit import pipeline

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert_fails(place.fuse(place.pan(), place.ms()), 130, "interrupted")
    assert not any(place.outputs.iterdir())


def started(place: Place, pan: Path, ms: Path) -> subprocess.Popen[str]:
    """Start a job that never ends, and return it once it writes."""
    command = [
        sys.executable, "-m", "pansharpkit_cli.app", "fuse", str(pan), str(ms),
        "-o", str(place.output), "-m", "gdd", "--option", "iterations=1000000",
        "--tile", "32", "--device", "cpu", "--quiet",
    ]  # fmt: skip
    job = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list(place.outputs.glob(".fused.tif.partial-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
        assert job.poll() is None
    return job


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_no_final_file(number: signal.Signals, place: Place) -> None:
    pan, ms = place.pan(), place.ms()
    job = started(place, pan, ms)
    assert_fails(place.fuse(pan, ms), 1, "fused.tif", f"process {job.pid} is writing it")
    job.send_signal(number)
    out, err = job.communicate(timeout=60)
    assert not place.output.exists()
    if number is not signal.SIGKILL:
        assert_fails(Outcome(job.returncode, out, err), 130, "interrupted")
        assert not any(place.outputs.iterdir())
    assert place.fuse(pan, ms).code == 0, "the next job takes over"
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]
