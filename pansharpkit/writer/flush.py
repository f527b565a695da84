"""Send what was written to the disk meanwhile, so that little is left to wait for at the end."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_EVERY = 32 << 20  # bytes, before compression


class Flusher:
    """Syncs a growing file from a thread of its own, now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1)
        self._pending = 0
        self._running: Future[None] | None = None

    def wrote(self, count: int) -> None:
        """Take note of bytes written; returns at once."""
        self._pending += count
        if self._pending >= _EVERY and (self._running is None or self._running.done()):
            self._pending = 0
            self._running = self._pool.submit(sync, self._path)

    def close(self) -> None:
        """Wait for the thread; what it could not do, the last sync of the file will complain of."""
        self._pool.shutdown()


def sync(path: Path) -> None:
    """Force a file or a folder to disk, so that a rename never outlives what it renames."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
