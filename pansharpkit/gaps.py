"""Gaps that nobody declared: frames of zeros, which would count as measured."""

from __future__ import annotations

import numpy as np

from pansharpkit.grid import Window
from pansharpkit.scene import Scene
from pansharpkit.source import Source

_SIDE = 64
"""Of a window that is looked at, pixels."""
_MOST = 8
"""Windows along each side of the scene."""
_FEW = 0.01
"""Share of pixels up to which zeros are taken for measurements."""


def undeclared(scene: Scene) -> tuple[str, ...]:
    """Return a notice about each raster that declares no nodata value and has zeros for one.

    The cost does not grow with the scene: at most 64 small windows of each raster are read.
    """
    sides = ((scene.guide, scene.domain), (scene.target, scene.target_domain))
    return tuple(
        f"{source.label}: {share:.0%} of the pixels are 0 in every band and count as measured; "
        "pass --nodata 0 if they are gaps"
        for source, area in sides
        if source.nodata is None and (share := _zeros(source, area)) > _FEW
    )


def _zeros(source: Source, area: Window) -> float:
    """Return which share of the valid pixels is zero in every band, judged on a few windows."""
    valid = zero = 0
    for row in _starts(area.row, area.height):
        for col in _starts(area.col, area.width):
            values, inside = source.read(Window(row, col, _SIDE, _SIDE).clip(area))
            valid += int(np.count_nonzero(inside))
            zero += int(np.count_nonzero(inside & ~values.any(axis=0)))
    return zero / max(valid, 1)


def _starts(first: int, length: int) -> list[int]:
    """Return where windows begin that lie evenly from one end to the other."""
    count = min(_MOST, -(-length // _SIDE))
    last = first + max(0, length - _SIDE)
    return [int(start) for start in np.unique(np.linspace(first, last, count).astype(int))]
