"""Small scenes in memory, cut from the real demo scene."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from pansharpkit.grid import Grid, Window
from pansharpkit.scene import ArraySource, PairOptions, Scene, make_scene
from pansharpkit.sensor import load_sensor

PAN = "LC08_20150630_pamplona_PAN_15m.tif"
MS = "LC08_20150630_pamplona_MS_30m.tif"
BANDS = ("B2", "B3", "B4", "B5")
UTM = CRS.from_epsg(32630)


@cache
def _raster(name: str) -> tuple[NDArray[np.uint16], Grid]:
    with as_file(files("pansharpkit") / "_demo" / name) as path, rasterio.open(path) as dataset:
        grid = Grid(dataset.height, dataset.width, dataset.transform, dataset.crs)
        return dataset.read(), grid


def demo_source(name: str, window: Window | None = None, **changes: Any) -> ArraySource:
    """Return a crop of one of the demo rasters."""
    values, grid = _raster(name)
    window = window or grid.window
    names = ("PAN",) if name == PAN else BANDS
    source = ArraySource(
        grid.subset(window), values[:, *window.slices], names, nodata=0.0, label=name
    )
    return dataclasses.replace(source, **changes)


def demo_scene(rows: int = 60, cols: int = 70, row: int = 100, col: int = 120) -> Scene:
    """Return a scene of about 2*rows x 2*cols PAN pixels over the city."""
    ms = demo_source(MS, Window(row, col, rows, cols))
    pan = demo_source(PAN, Window(2 * row - 1, 2 * col, 2 * rows, 2 * cols))
    return make_scene(pan, ms, landsat())


def landsat() -> Any:
    """Return the preset of the demo scene's four bands."""
    return load_sensor("landsat8_oli").subset(BANDS)


def synthetic(
    ratio: tuple[float, float] = (2.0, 2.0),
    phase: tuple[float, float] = (0.5, 0.5),
    size: tuple[int, int] = (96, 101),
    options: PairOptions | None = None,
) -> Scene:
    """Return a scene of any geometry: smooth random ground, MS sampled at the given phase."""
    small = tuple(int((n - p - r / 2) / r) + 1 for n, p, r in zip(size, phase, ratio, strict=True))
    pan = ground(*(np.arange(n, dtype=float) for n in size))
    at = [r * np.arange(n) + p for n, p, r in zip(small, phase, ratio, strict=True)]
    bands = np.stack([ground(*at) * gain + offset for gain, offset in ((1, 0), (0.5, 300))])
    origin = Affine(10.0, 0, 5000, 0, -10.0, 9000)
    shift = Affine.translation(phase[1] + 0.5 - ratio[1] / 2, phase[0] + 0.5 - ratio[0] / 2)
    guide = ArraySource(Grid(*size, origin, UTM), pan[None].astype("f4"), ("PAN",), label="pan")
    target = ArraySource(
        Grid(*small, origin @ shift @ Affine.scale(ratio[1], ratio[0]), UTM),
        bands.astype("f4"),
        ("red", "nir"),
        label="ms",
    )
    from pansharpkit.sensor import generic_sensor

    return make_scene(guide, target, generic_sensor(2, ("red", "nir")), options=options)


def ground(rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a smooth landscape at any row and column positions."""
    r, c = rows[:, None], cols[None, :]
    return (
        1000
        + 300 * np.sin(r / 9.0) * np.cos(c / 7.0)
        + 200 * np.sin((r + 2 * c) / 17.0)
        + 150 * np.cos((3 * r - c) / 23.0)
    )
