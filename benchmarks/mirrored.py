"""The demo scene, mirrored again and again until it is as large as wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from pansharpkit.showcase import demo_files

_BLOCK = 512


def landsat(folder: Path, side: int, bands: int = 4) -> tuple[Path, Path]:
    """Write PAN of side x side pixels and MS of half of that; return their paths.

    The demo has four bands; further ones, which only cost what bands cost, repeat them.
    """
    pan, ms = folder / f"pan{side}.tif", folder / f"ms{side}.tif"
    sources = demo_files()
    _write(sources[0], pan, side, [0])
    _write(sources[1], ms, side // 2, [band % 4 for band in range(bands)])
    return pan, ms


def _write(source: Path, target: Path, side: int, bands: list[int]) -> None:
    with rasterio.open(source) as dataset:
        values, profile = dataset.read()[bands], dataset.profile
    double = np.concatenate([values, values[:, ::-1]], axis=1)
    double = np.concatenate([double, double[:, :, ::-1]], axis=2)
    cols = np.arange(side) % double.shape[2]
    profile.update(
        driver="GTiff", height=side, width=side, count=len(bands), tiled=True, blockxsize=_BLOCK,
        blockysize=_BLOCK, compress="deflate", zlevel=1, predictor=2, interleave="pixel",
        bigtiff="if_safer",
    )  # fmt: skip
    with rasterio.open(target, "w", **profile) as dataset:
        for row in range(0, side, _BLOCK):
            rows = np.arange(row, min(row + _BLOCK, side)) % double.shape[1]
            dataset.write(double[:, rows][:, :, cols], window=Window(0, row, side, len(rows)))
