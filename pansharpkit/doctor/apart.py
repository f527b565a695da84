"""Checks in a process of their own: a library that crashes takes only that process along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType

from pansharpkit.doctor.finding import Finding
from pansharpkit.errors import PansharpkitError

PATIENCE_S = 180.0
"""How long a check may take, on a machine that is busy with other things."""
_CONTEXT = multiprocessing.get_context("spawn")
_LEAVE_S = 10.0
_LAST_WORDS = 4096  # bytes


class Apart:
    """Does checks in another process, and takes a new one where that dies."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._folder = contextlib.ExitStack()
        self._words = Path(os.devnull)

    def __enter__(self) -> Apart:
        with contextlib.suppress(OSError):  # a check of its own says what is wrong with the folder
            made = tempfile.TemporaryDirectory(prefix="pansharpkit-doctor-")
            self._words = Path(self._folder.enter_context(made)) / "stderr"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dismiss()
        self._folder.close()

    def check(self, name: str, kind: str, what: str = "") -> Finding:
        """Return what a check found, or how the process ended over it."""
        if self._process is None or self._pipe is None:
            self._hire()
        assert self._pipe is not None
        try:
            self._pipe.send((name, kind, what))
            if self._pipe.poll(self._patience_s):
                finding = self._pipe.recv()
                assert isinstance(finding, Finding)
                return finding
            end = f"no answer within {self._patience_s:.0f} s"
        except (EOFError, OSError):
            end = self._death()
        self._dismiss()
        return Finding(name, "failed", f"{end}; install it again, in a fresh environment")

    def _hire(self) -> None:
        self._pipe, other = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(other, str(self._words)), daemon=True)
        self._process.start()
        other.close()

    def _dismiss(self) -> None:
        if self._process is None or self._pipe is None:
            return
        self._pipe.close()  # which ends a process that waits for work
        self._process.join(0 if self._process.exitcode is not None else 1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_LEAVE_S)
        self._process = self._pipe = None

    def _death(self) -> str:
        assert self._process is not None
        self._process.join(_LEAVE_S)
        code = self._process.exitcode or 0
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        said = _last_line(self._words)
        return f"crashed the program {how}" + (f": {said}" if said else "")


def _last_line(file: Path) -> str:
    try:
        text = file.read_bytes()[-_LAST_WORDS:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _serve(pipe: Connection, words: str) -> None:
    """In the other process: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    _redirect(words)
    while True:
        try:
            name, kind, what = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_checked(name, kind, what))


def _redirect(words: str) -> None:
    """Let a file have all that libraries print: stdout may be JSON, stderr is for people."""
    file = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)


def _checked(name: str, kind: str, what: str) -> Finding:
    """Do a check; whatever goes wrong in it is what it found."""
    try:
        return _do(kind, what)
    except ImportError as error:
        said = f"cannot be imported: {error}; install it again"
    except PansharpkitError as error:
        said = str(error)
    except Exception as error:
        said = f"does not work: {type(error).__name__}: {error}"
    return Finding(name, "failed", " ".join(said.split()))


def _do(kind: str, what: str) -> Finding:
    from pansharpkit.doctor import fusion, software

    match kind:
        case "package":
            return software.package(what)
        case "fusion":
            return fusion.fused(what)
        case "torch":
            return software.torch_()
        case "gdal":
            return software.gdal()
        case "codecs":
            return software.codecs()
        case "sensors":
            return software.sensors()
    raise ValueError(f"no check {kind!r}")
