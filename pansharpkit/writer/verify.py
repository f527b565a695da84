"""Read back samples of what was written, because a file that opens may still be empty."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from pansharpkit.errors import OutputError
from pansharpkit.grid import Window

_SIDE = 128  # pixels kept in mind of each window written
_SAMPLES = 16  # each costs a block of all bands


@dataclass(frozen=True)
class Sample:
    """Checksum of a part of a window, as it was given to be written."""

    window: Window
    checksum: int

    @classmethod
    def of(
        cls, window: Window, values: NDArray[np.generic], mask: NDArray[np.uint8] | None
    ) -> Sample:
        """Remember the lower right corner of a window."""
        height, width = min(window.height, _SIDE), min(window.width, _SIDE)
        part = Window(window.stop[0] - height, window.stop[1] - width, height, width)
        rows, cols = part.relative_to(window).slices
        return cls(
            part, _checksum(values[:, rows, cols], None if mask is None else mask[rows, cols])
        )


def verify(
    path: Path, samples: Sequence[Sample], *, with_mask: bool, driver: str = "GTiff"
) -> None:
    """Check that every block lies in the file, and compare some samples, the last one included.

    Raises
    ------
    OutputError
        If a block is cut off, or a sample cannot be read or differs.
    """
    try:
        with rasterio.open(path, driver=driver) as dataset:
            if driver == "GTiff":
                _check_blocks(dataset, path)
            for sample in _spread(samples):
                window = raster_window(sample.window)
                mask = dataset.dataset_mask(window=window) if with_mask else None
                if _checksum(dataset.read(window=window), mask) != sample.checksum:
                    raise OutputError(
                        f"{path}: rows {sample.window.row} to {sample.window.stop[0]} do not hold "
                        "what was written; the disk or its file system is at fault"
                    )
    except rasterio.errors.RasterioError as error:
        raise OutputError(f"{path} cannot be read back ({error}); is the disk full?") from error


def _check_blocks(dataset: DatasetReader, path: Path) -> None:
    """Find blocks that a full disk cut off, which GDAL's threads may keep to themselves."""
    size = path.stat().st_size
    height, width = dataset.block_shapes[0]
    apart = dataset.interleaving is not None and dataset.interleaving.name == "band"
    for band in dataset.indexes if apart else (1,):
        for row in range(-(-dataset.height // height)):
            for col in range(-(-dataset.width // width)):
                found = [
                    dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band)
                    for what in ("OFFSET", "SIZE")
                ]
                if None not in found and sum(map(int, found)) > size:
                    raise OutputError(f"{path}: is cut off after {size} bytes; is the disk full?")


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    if not samples:
        return []
    chosen = np.unique(np.linspace(0, len(samples) - 1, _SAMPLES).round().astype(int))
    return [*(samples[i] for i in chosen), max(samples, key=lambda sample: sample.window.stop)]


def _checksum(values: NDArray[np.generic], mask: NDArray[np.uint8] | None) -> int:
    if values.dtype.kind == "f":  # sparse blocks come back with another NaN, and without -0
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values) + values.dtype.type(
            0
        )
    checksum = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data)
    return checksum if mask is None else zlib.crc32(np.ascontiguousarray(mask).data, checksum)


def raster_window(window: Window) -> RasterWindow:
    """Return rasterio's kind of window."""
    return RasterWindow(window.col, window.row, window.width, window.height)
