"""Whether a file is opened by anyone, C libraries included."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OPENED = 0x20  # IN_OPEN


@contextmanager
def never_opened(path: Path) -> Iterator[None]:
    """Fail if the file is opened inside the block; skip where the system cannot tell."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs inotify")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    if watch < 0 or libc.inotify_add_watch(watch, os.fsencode(path), _OPENED) < 0:
        pytest.skip("inotify is not to be had")
    try:
        yield
        with pytest.raises(BlockingIOError):  # nothing to read: no event
            os.read(watch, 4096)
    finally:
        os.close(watch)
