"""The demo scene, mirrored again and again until it is as large as wanted.

Both rasters are mirrored about the same lines on the ground, the edges of MS pixels, so that the
pair stays one: at Landsat's geometry such a line runs through the centres of PAN pixels. The grids
get a ratio of exactly 2: what the demo's lacks of it would add up to many pixels.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.showcase import demo_files

_BLOCK = 512
RATIO = 2
Places = tuple[NDArray[np.int_], NDArray[np.int_]]


def landsat(folder: Path, side: int, bands: int = 4) -> tuple[Path, Path]:
    """Write PAN of side x side pixels and MS of half of that; return their paths.

    The demo has four bands; further ones, which only cost what bands cost, repeat them.
    """
    pan, ms = folder / f"pan{side}.tif", folder / f"ms{side}.tif"
    sources = demo_files()
    scene = open_scene(SceneRequest(tuple(map(str, sources))))
    fine, coarse = scene.guide.grid, scene.target.grid
    axes = [
        _axis(phase, have, had)
        for phase, have, had in zip(
            scene.sampling.phase, (fine.height, fine.width), (coarse.height, coarse.width),
            strict=True,
        )
    ]  # fmt: skip
    rows, cols = axes
    _write(sources[0], pan, side, [0], (rows[0](side), cols[0](side)), fine.transform)
    below = (rows[1](side // RATIO), cols[1](side // RATIO))
    coarser = fine.transform @ Affine.translation(0.5, 0.5) @ Affine.scale(RATIO)
    _write(sources[1], ms, side // RATIO, [band % 4 for band in range(bands)], below, coarser)
    return pan, ms


class _Mirror:
    """Indices that go to and fro between two lines."""

    def __init__(self, first: float, length: float, start: int) -> None:
        self._first, self._length, self.start = first, length, start

    def __call__(self, count: int) -> NDArray[np.int_]:
        place = (self.start + np.arange(count) - self._first) % (2 * self._length)
        return np.rint(self._first + np.minimum(place, 2 * self._length - place)).astype(int)


def _axis(phase: float, fine: int, coarse: int) -> tuple[_Mirror, _Mirror]:
    """Return how PAN and MS are mirrored along an axis, at the first and last MS edges on PAN."""
    place = round(phase)
    first = math.ceil((1 - place) / RATIO) if place < 1 else 0
    count = min(coarse - first, (fine - place - RATIO * first) // RATIO)
    line = place + RATIO * first - 1
    return _Mirror(line, RATIO * count, line), _Mirror(first - 0.5, count, first)


def _write(
    source: Path, target: Path, side: int, bands: list[int], places: Places, transform: Affine
) -> None:
    with rasterio.open(source) as dataset:
        values, profile = dataset.read()[bands], dataset.profile
    profile.update(
        driver="GTiff", height=side, width=side, count=len(bands), tiled=True, blockxsize=_BLOCK,
        blockysize=_BLOCK, compress="deflate", zlevel=1, predictor=2, interleave="pixel",
        bigtiff="if_safer", transform=transform,
    )  # fmt: skip
    with rasterio.open(target, "w", **profile) as dataset:
        for row in range(0, side, _BLOCK):
            rows = places[0][row : row + _BLOCK]
            dataset.write(values[:, rows][:, :, places[1]], window=Window(0, row, side, len(rows)))
