"""One job per output: a lock file that outlives neither its job nor a crash of it."""

from __future__ import annotations

import errno
import glob
import json
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pansharpkit.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_NO_LINKS = (errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

_ENDED = ("Z", "X")  # a process that ended keeps its number until its parent asks, maybe for ever
_GRACE_S = 60.0  # a lock file without readable contents is about to get them, or never will


class OutputLock:
    """A file, created exclusively, that names the process at work.

    The lock of a process that died is taken over, on the machine where it ran; on any other
    machine nobody can know, and the message says which file to delete.
    """

    def __init__(self, path: Path, output: Path) -> None:
        self._path = path
        self._output = output
        self._contents = ""

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        OutputError
            If another job holds it, or the folder cannot be written to.
        """
        if not _create(self._path, _myself()):
            self._evict_dead()
            if not _create(self._path, _myself()):
                raise self._held("another job")
        self._contents = self._path.read_text()
        for leftover in self._path.parent.glob(f"{glob.escape(self._path.name)}.*"):
            leftover.unlink(missing_ok=True)  # of jobs that died on their way to the lock

    def check(self) -> None:
        """Refuse at once what `acquire` would refuse later; touch nothing.

        Raises
        ------
        OutputError
            If another job holds the lock.
        """
        owner = _read(self._path)
        if owner is not None and (holder := _holder(owner, self._path)):
            raise self._held(holder)

    def release(self) -> None:
        """Give the lock back, if it is still ours."""
        try:
            if self._contents and self._path.read_text() == self._contents:
                self._path.unlink()
        except FileNotFoundError:
            log.warning("the lock %s vanished while this job held it", self._path)
        self._contents = ""

    def _evict_dead(self) -> None:
        """Remove the lock if its process is dead.

        Between reading a dead lock and deleting it, another job might have replaced it by its own.
        So whoever evicts is alone meanwhile.
        """
        with _alone(self._path.with_name(self._path.name + ".takeover")) as alone:
            if not alone:
                raise self._held("another job")
            self.check()
            log.warning("taking over the lock of a dead job on %s", self._output)
            self._path.unlink(missing_ok=True)

    def _held(self, holder: str) -> OutputError:
        return OutputError(
            f"{self._output}: {holder} is writing it; wait for that job, choose another output, "
            f"or delete {self._path} if the job is gone"
        )


def _create(path: Path, contents: str) -> bool:
    """Create a file that has its contents from the start; return False if it is there already."""
    own = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        own.write_text(contents)
        os.link(own, path)
    except (FileExistsError, FileNotFoundError):  # or who has the lock tidied up
        if not path.parent.is_dir():
            raise
        return False
    except PermissionError:
        if not os.access(path.parent, os.W_OK):
            raise
        return _create_at_once(path, contents)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_at_once(path, contents)
    finally:
        own.unlink(missing_ok=True)
    return True


def _create_at_once(path: Path, contents: str) -> bool:
    """Create a file where there are no hard links; for a moment it is empty."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(contents)
    return True


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Say whether no other process is in here at the same time; a dead one never is."""
    if fcntl is None:
        created = _create_at_once(path, _myself())
        try:
            yield created
        finally:
            if created:
                path.unlink(missing_ok=True)
        return
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        alone = _locked(descriptor, path)
        try:
            yield alone
        finally:
            if alone:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, path: Path) -> bool:
    """Lock an open file, if nobody else has, and if it is still the one of that name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _myself() -> str:
    process = os.getpid()
    return json.dumps(
        {"pid": process, "host": socket.gethostname(), "started": _start_time(process)}
    )


def _read(path: Path) -> dict[str, object] | None:
    """Return what a lock file says, {} if that cannot be read, None if it is gone."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _holder(owner: dict[str, object], path: Path) -> str:
    """Return who holds a lock, or an empty string if nobody does any more."""
    process, host = owner.get("pid"), owner.get("host")
    if not isinstance(process, int) or process <= 0:
        return "another job" if _age(path) < _GRACE_S else ""
    if host != socket.gethostname():
        return f"process {process} on {host}"
    return f"process {process}" if _alive(process, owner.get("started")) else ""


def _age(path: Path) -> float:
    """Return the seconds since a file was written; infinite if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _alive(process: int, started: object) -> bool:
    if os.name != "posix":  # elsewhere, asking with a signal would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if _state(process, 0) in _ENDED:
        return False
    now = _start_time(process)
    return started is None or now is None or now == started  # else the number was given out again


def _start_time(process: int) -> str | None:
    """Return when a process started, in ticks since boot, where the system tells."""
    return _state(process, 19)


def _state(process: int, field: int) -> str | None:
    """Return what Linux says of a process, by its place behind the name: proc(5)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return fields.rpartition(")")[2].split()[field]
