"""How many threads a run takes, and how much memory."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

RAM_MB = 512
"""What a run aims at where nothing else is asked for."""
AHEAD = 2
"""Tiles that are read or written while as many as there are threads are computed."""
_MB = 1 << 20
_PROGRAM_MB = 256  # libraries, before the first pixel
_LEAST_MB = 32
_SMALLEST_TILE = 128
_CACHE_SHARE = 8
_TRIM, _MMAP = -1, -3  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
_KEPT = 256 * _MB
_OF_ITS_OWN = 32 * _MB  # larger blocks come from the system and go back to it; the most there is


def cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def affordable_tile(tile: int, halo: int, bands: int, threads: int, ram_mb: int) -> int:
    """Return the side of a tile, at most `tile`, with which the process stays within `ram_mb`.

    >>> affordable_tile(512, 24, 4, 2, 512)
    512
    >>> affordable_tile(4096, 24, 4, 2, 512)
    1024
    """
    room = max(_LEAST_MB, ram_mb - _PROGRAM_MB) * _MB

    def need(side: int) -> int:
        computed, waiting = 14 * bands + 16, 2 * bands + 2  # bytes per pixel
        return (side + 2 * halo) ** 2 * (threads * computed + AHEAD * waiting)

    while need(tile) > room and tile >= 2 * _SMALLEST_TILE:
        tile //= 2
    return tile


def cache_bytes(ram_mb: int) -> int:
    """Return how much of the memory may hold blocks of files."""
    return max(_LEAST_MB, ram_mb // _CACHE_SHARE) * _MB


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what a tile has freed for the next one.

    Dask starts workers with MALLOC_TRIM_THRESHOLD_=65536. Every array then comes from the system
    anew, and its page faults cost more time than what is computed in it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP, _OF_ITS_OWN)
        mallopt(_TRIM, _KEPT)
