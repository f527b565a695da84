"""How many threads a run takes, and how much memory."""

from __future__ import annotations

import os

RAM_MB = 512
"""What a run aims at where nothing else is asked for."""
AHEAD = 2
"""Tiles that are read or written while as many as there are threads are computed."""
_MB = 1 << 20
_PROGRAM_MB = 256  # libraries, before the first pixel
_LEAST_MB = 32
_SMALLEST_TILE = 128
_CACHE_SHARE = 8


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
