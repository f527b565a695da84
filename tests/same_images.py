"""Small images of one resolution, as files of every kind that blends are made of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

DRIVERS = {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP", ".tif": "GTiff"}
Array = NDArray[Any]


def smooth(
    size: tuple[int, int] = (48, 64), seed: int = 0, low: int = 20, high: int = 230
) -> Array:
    """Return [H, W] uint8: waves that fill the range."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: size[0], : size[1]]
    waves = sum(
        np.sin(rows * a + cols * b + c) for a, b, c in rng.uniform(0.05, 0.6, (6, 3)) * (1, 1, 9)
    )
    unit = (waves - waves.min()) / (waves.max() - waves.min())
    return np.rint(low + (high - low) * unit).astype(np.uint8)


def write_picture(path: Path, values: Array, **options: Any) -> Path:
    """Write [H, W] or [C, H, W] to a picture, or a TIFF without a georeference."""
    stacked = values[None] if values.ndim == 2 else values
    count, height, width = stacked.shape
    colours = options.pop("colours", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=DRIVERS[path.suffix], count=count, height=height, width=width,
            dtype=stacked.dtype, **options,
        ) as out:  # fmt: skip
            out.write(stacked)
            if colours is not None:
                out.write_colormap(1, colours)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


def pixels(path: Path) -> Array:
    """Return [C, H, W] of any raster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            values: Array = dataset.read()
    return values
