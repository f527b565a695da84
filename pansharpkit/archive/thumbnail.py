"""A small picture of a fused raster of any size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from pansharpkit.archive.product import Product, open_product, read_product
from pansharpkit.errors import FileReadError
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import gdal_environment
from pansharpkit.source import measured

SIDE = 512
"""Largest height and width, pixels."""
_QUALITY = 85
_AVERAGED = 16  # times as large as the picture: what is averaged without overviews
_MISSING = (24, 28, 33)


def thumbnail(path: Path, side: int = SIDE) -> bytes:
    """Return a JPEG file of a fused raster, natural colours where its bands allow.

    Tones go from the 2nd to the 98th percentile of the valid pixels; missing pixels are dark. Only
    overviews are read, or single rows and columns of a raster that has none: memory is bounded by
    the picture and by a block of the raster.

    Raises
    ------
    FileReadError
        If the raster is missing or broken.
    """
    import matplotlib.image

    from pansharpkit.report.quicklook import rgb_bands, stretch

    product = read_product(path)
    shown = rgb_bands(
        [band.name for band in product.bands], [band.center_nm for band in product.bands]
    )
    values, valid = read_small(product, sorted(set(shown)), side)
    place = {band: i for i, band in enumerate(sorted(set(shown)))}
    picture = stretch(values[[place[band] for band in shown]], valid).copy()
    picture[~valid] = _MISSING
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, picture, format="jpeg", pil_kwargs={"quality": _QUALITY})
    return buffer.getvalue()


def read_small(
    product: Product, bands: list[int], side: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return [C, h, w] of some bands, from 0, and [h, w] validity, neither side above `side`."""
    grid = product.grid
    step = max(grid.height / side, grid.width / side, 1.0)
    size = max(1, round(grid.height / step)), max(1, round(grid.width / step))
    indexes = [band + 1 for band in bands]
    with open_product(product.path) as dataset, gdal_environment(ReadOptions()):
        how = _resampling(dataset, step)
        try:
            values = dataset.read(indexes, out_shape=(len(indexes), *size), resampling=how)
            masks = dataset.read_masks(indexes, out_shape=(len(indexes), *size))
        except RasterioError as error:
            raise FileReadError(f"{product.path}: cannot be read, fuse it again") from error
    valid: NDArray[np.bool_] = np.logical_and.reduce((masks > 0) & measured(values))
    return values, valid


def _resampling(dataset: DatasetReader, step: float) -> Resampling:
    """Return means where that reads few pixels, else single ones: a mean would read them all."""
    cheap = bool(dataset.overviews(1)) or step <= _AVERAGED
    return Resampling.average if cheap else Resampling.nearest
