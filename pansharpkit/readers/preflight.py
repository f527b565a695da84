"""What is checked of a raster before the first pixel is used.

A broken file costs least when it is refused at once. Truncated GeoTIFFs open without complaint
and fail hours later; the file of a writer that was killed even reads without complaint, as zeros.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RioWindow

from pansharpkit.errors import FileReadError, GridError, InputError, OptionError
from pansharpkit.grid import Grid
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.rpc import advice

MAX_BANDS = 1024
MAX_BLOCKS = 2**22
"""Each is looked up once: a header of a few KB may claim a billion."""
_MOST_BLOCKS = 2**18  # blocks of one band whose place in the file is checked one by one
_SAMPLE = 16  # blocks looked at before every block of an apparently empty raster is


def check_shape(dataset: DatasetReader, shown: str, options: ReadOptions) -> None:
    """Refuse rasters whose mere size is an attack or a mistake.

    Raises
    ------
    InputError
        If there are too many pixels, bands or blocks, or one stored block is too large.
    """
    pixels = dataset.height * dataset.width
    if pixels > options.max_pixels:
        raise InputError(
            f"{shown}: {dataset.width} x {dataset.height} pixels, at most {options.max_pixels} "
            "are allowed; raise --max-pixels if this is right"
        )
    if dataset.count > MAX_BANDS:
        raise InputError(f"{shown}: {dataset.count} bands, at most {MAX_BANDS} are supported")
    height, width = dataset.block_shapes[0]
    blocks = math.prod(_block_counts(dataset))
    if blocks > MAX_BLOCKS:
        raise InputError(
            f"{shown}: is stored in {blocks} blocks of {width} x {height} pixels, at most "
            f"{MAX_BLOCKS} are supported; tile it anew (gdal_translate -co TILED=YES)"
        )
    together = dataset.count if _pixel_interleaved(dataset) else 1
    size = height * width * together * max(np.dtype(t).itemsize for t in dataset.dtypes)
    if size > options.max_block_bytes:
        raise InputError(
            f"{shown}: one stored block is {width} x {height} pixels, {size} bytes, at most "
            f"{options.max_block_bytes} are allowed; tile it first (gdal_translate -co TILED=YES)"
        )


def check_pixels(dataset: DatasetReader, shown: str) -> None:
    """Refuse pixels that are not measurements.

    Raises
    ------
    InputError
        If they are complex, or indices into a palette.
    """
    if any(np.dtype(t).kind == "c" for t in dataset.dtypes):
        raise InputError(f"{shown}: pixels are {dataset.dtypes[0]}; give amplitudes instead")
    if ColorInterp.palette in dataset.colorinterp:
        raise InputError(
            f"{shown}: pixels are palette indices; give the original, not a coloured picture"
        )


def read_grid(
    dataset: DatasetReader, shown: str, options: ReadOptions, placed: Affine | None = None
) -> Grid:
    """Return the grid of a raster.

    Parameters
    ----------
    placed : geotransform that counts if the raster has none.

    Raises
    ------
    GridError
        If the transform is missing, not finite or singular, or there is no CRS.
    """
    transform = dataset.transform
    if not all(math.isfinite(value) for value in transform[:6]):
        raise GridError(f"{shown}: geotransform {transform[:6]} is not finite; georeference it")
    if placed is not None and transform == Affine.identity():
        transform = placed
    if transform in (Affine.identity(), Affine.scale(1, -1)):
        if dataset.rpcs is not None:
            raise GridError(f"{shown}: {advice('in its own tags')}")
        why = "only ground control points: warp" if dataset.gcps[0] else "identity: georeference"
        raise GridError(f"{shown}: has no geotransform ({why} it first)")
    if transform.is_degenerate:
        raise GridError(f"{shown}: geotransform {transform[:6]} has no area; georeference it again")
    crs = _declared_crs(dataset, shown) or _assumed_crs(options.assume_crs)
    if crs is None:
        raise GridError(f"{shown}: declares no CRS; pass --assume-crs EPSG:code if you know it")
    return Grid(dataset.height, dataset.width, transform, crs)


def _declared_crs(dataset: DatasetReader, shown: str) -> CRS | None:
    try:
        return dataset.crs
    except (CRSError, UnicodeDecodeError):
        raise GridError(f"{shown}: its CRS cannot be understood; assign it again") from None


def _assumed_crs(text: str | None) -> CRS | None:
    if text is None:
        return None
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError):
        raise OptionError(f"--assume-crs {text}: is not a CRS; write EPSG:32630 or WKT") from None


def check_storage(dataset: DatasetReader, shown: str, size: int | None) -> int:
    """Check that every stored block lies inside the file and that the last ones can be read.

    Parameters
    ----------
    size : bytes of the file, None if unknown.

    Returns
    -------
    int
        Blocks of the first band that were never written; they read as nodata or zero.

    Raises
    ------
    FileReadError
        If the file is truncated or its last blocks are broken.
    """
    absent = 0
    bands = [1] if _pixel_interleaved(dataset) else list(dataset.indexes)
    for band in bands if dataset.driver == "GTiff" else ():
        for row, col in _spread(dataset, _MOST_BLOCKS):
            extent = _stored(dataset, band, row, col)
            if extent is None:
                absent += band == 1
            elif size is not None and sum(extent) > size:
                raise FileReadError(
                    f"{shown}: is truncated ({size} bytes, at least {sum(extent)} expected); "
                    "download or copy it again"
                )
    last = _block_window(dataset, *(n - 1 for n in _block_counts(dataset)))
    try:
        dataset.read(window=last)
    except RasterioError:
        raise FileReadError(
            f"{shown}: the last block cannot be read, the file is truncated or damaged; "
            "download or copy it again, or pass --on-bad-block mask"
        ) from None
    return absent


def check_holds_data(
    dataset: DatasetReader, shown: str, nodata: float | None, tile: bool = False
) -> bool:
    """Refuse a raster without a single pixel that is neither zero nor nodata.

    That is what a writer that was killed leaves behind. A real scene shows a signal in one of the
    first blocks looked at, so that the whole raster is read only where there is none.

    Parameters
    ----------
    tile : whether it may be the empty corner of a larger image; the zeros must then be stored.

    Returns
    -------
    bool
        Whether there is such a pixel, which only a tile may lack.

    Raises
    ------
    FileReadError
        If there is no such pixel.
    """
    sample = list(_spread(dataset, _SAMPLE))
    middle = len(sample) // 2
    ordered = [sample[middle], *sample[:middle], *sample[middle + 1 :]]
    if any(_has_signal(dataset, row, col, nodata) for row, col in ordered):
        return True
    any_stored = False
    for row, col in _spread(dataset, None):
        if not _is_stored(dataset, row, col):
            continue
        any_stored = True
        if _has_signal(dataset, row, col, nodata):
            return True
    if tile and any_stored:
        return False
    raise FileReadError(
        f"{shown}: holds no data, every pixel is zero or nodata; the program that wrote it was "
        "probably interrupted: write or download it again"
    )


def _has_signal(dataset: DatasetReader, row: int, col: int, nodata: float | None) -> bool:
    try:
        values: NDArray[np.generic] = dataset.read(window=_block_window(dataset, row, col))
    except RasterioError:
        return False  # reading the scene will say so, or mask it
    signal = values != 0
    if values.dtype.kind == "f":
        signal &= np.isfinite(values)
    if nodata is not None:
        signal &= values != values.dtype.type(nodata)
    return bool(signal.any())


def _pixel_interleaved(dataset: DatasetReader) -> bool:
    return dataset.interleaving is not None and dataset.interleaving.value.lower() == "pixel"


def _block_counts(dataset: DatasetReader) -> tuple[int, int]:
    height, width = dataset.block_shapes[0]
    return math.ceil(dataset.height / height), math.ceil(dataset.width / width)


def _spread(dataset: DatasetReader, most: int | None) -> Iterator[tuple[int, int]]:
    """Yield (row, col) of all blocks, or of `most` spread evenly from the first to the last."""
    rows, cols = _block_counts(dataset)
    total = rows * cols
    if most is None or total <= most:
        indices = iter(range(total))
    else:
        indices = (i * (total - 1) // (most - 1) for i in range(most))
    return (divmod(index, cols) for index in indices)


def _stored(dataset: DatasetReader, band: int, row: int, col: int) -> tuple[int, int] | None:
    """Return offset and size of a block in the file, None if it was never written."""
    offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
    size = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
    return None if offset is None or size is None else (int(offset), int(size))


def _is_stored(dataset: DatasetReader, row: int, col: int) -> bool:
    """Whether some band of a block was ever written; only TIFFs can tell."""
    if dataset.driver != "GTiff":
        return True
    bands = [1] if _pixel_interleaved(dataset) else dataset.indexes
    return any(_stored(dataset, band, row, col) for band in bands)


def _block_window(dataset: DatasetReader, row: int, col: int) -> RioWindow:
    height, width = dataset.block_shapes[0]
    top, left = row * height, col * width
    return RioWindow(left, top, min(width, dataset.width - left), min(height, dataset.height - top))
