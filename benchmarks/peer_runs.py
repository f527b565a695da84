"""Scenes fused by the other tools that are here, and judged as ours are."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import rasterio
from peer_tools import GDAL, OTB, OTB_METHODS, gdal, here, otb, otb_environment

from pansharpkit.degraded import degraded_scene
from pansharpkit.errors import GridError
from pansharpkit.evaluate import assess, default_peak, raster_of
from pansharpkit.grid import Window
from pansharpkit.metrics import Indices, reduced_resolution
from pansharpkit.scene import Scene
from pansharpkit.source import ArraySource, Source

Figures = Mapping[str, float | None]


def by_wald(scene: Scene) -> dict[str, Figures]:
    """Let each tool fuse the degraded pair; return its figures against the MS."""
    coarse, truth = degraded_scene(scene)
    area = coarse.extent
    window = Window(truth.row + area.row, truth.col + area.col, area.height, area.width)
    reference, peak = raster_of(scene.target, window), default_peak(scene.target)
    return {
        name: reduced_resolution(reference, raster_of(made), ratio=scene.ratio, peak=peak).values
        for name, made in fused(coarse)
    }


def as_delivered(scene: Scene) -> dict[str, Indices]:
    """Let each tool fuse the pair; return its indices without a reference."""
    return {name: assess(scene, made) for name, made in fused(scene)}


def fused(scene: Scene) -> Iterator[tuple[str, ArraySource]]:
    """Yield what each tool makes of a pair, given to it as two float32 files.

    Raises
    ------
    GridError
        If a tool leaves the grid of PAN.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pan = written(scene.guide, folder / "pan.tif")
        ms = written(scene.target, folder / "ms.tif")
        for tool, command in commands(pan, ms, folder).items():
            environment = {**os.environ, **otb_environment(1)}
            subprocess.run(command, check=True, capture_output=True, env=environment)
            with rasterio.open(folder / f"{tool}.tif") as dataset:
                if not dataset.transform.almost_equals(scene.guide.grid.transform, 1e-6):
                    raise GridError(f"{tool} has left the grid of PAN")
                values = dataset.read()[:, *scene.extent.slices]
            yield tool, ArraySource(scene.grid, values, scene.target.names, label=tool)


def commands(pan: Path, ms: Path, folder: Path) -> dict[str, list[str]]:
    """Return the command of each tool that is here, with its own defaults; it writes NAME.tif."""
    found = {}
    if here(OTB):
        for method in OTB_METHODS:
            out = folder / f"OTB {method}.tif"
            found[f"OTB {method}"] = otb(pan, ms, out, method, pixel="float")
    if here(GDAL):
        found["GDAL"] = gdal(pan, ms, folder / "GDAL.tif", threads=1, options=())
    return found


def written(source: Source, path: Path) -> Path:
    """Write a raster as float32, gaps as 0."""
    values, valid = source.read(source.grid.window)
    grid = source.grid
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": len(values),
        "dtype": "float32", "crs": grid.crs, "transform": grid.transform,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.where(valid, values, 0).astype(np.float32))
    return path
