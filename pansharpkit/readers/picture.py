"""PNG, JPEG and BMP files: pictures that say nothing of where they lie.

They are decoded as a whole: their formats give no access to a part without what precedes it.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from pansharpkit.errors import FileReadError, InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import preflight
from pansharpkit.readers.product import UNNAMED, ReadOptions
from pansharpkit.readers.safe_open import (
    PICTURES,
    Location,
    gdal_environment,
    locate,
    open_georeferenced,
)

MOST_PIXELS = 2**28
"""Largest picture, all bands together: it has to fit into memory."""
_NAMES = {1: ("grey",), 3: ("red", "green", "blue")}
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PictureSource:
    """A picture in memory."""

    grid: Grid
    """Without CRS, and with the identity for its transform."""
    values: NDArray[np.generic]
    """[C, H, W]."""
    valid: Mask
    """[H, W]."""
    names: tuple[str, ...]
    label: str
    notices: tuple[str, ...] = ()
    """What was done that the user should know, one line each."""
    nodata: None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the pixels, uint8 or uint16."""
        return self.values.dtype

    def read(self, window: Window) -> tuple[NDArray[np.generic], Mask]:
        """Return a window; what is transparent is invalid."""
        return self.values[:, *window.slices], self.valid[window.slices]


def open_picture(
    name: str | os.PathLike[str], options: ReadOptions | None = None, *, merge_grey: bool = True
) -> PictureSource:
    """Decode a PNG, JPEG or BMP file.

    A palette is looked up, fewer than 8 bits are spread over 8, grey that is stored as three
    equal bands becomes one (`merge_grey`), and an alpha band says which pixels are valid.

    Raises
    ------
    FileReadError
        If the file may not or cannot be opened or decoded.
    InputError
        If it is too large or its pixels are no measurements.
    """
    options = options or ReadOptions()
    location = locate(name, options, placed=True, drivers=PICTURES)
    if location.driver == "PNG" and not location.remote:
        _check_chunks(Path(location.name), location.shown)
    with (
        gdal_environment(options),
        rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING="YES"),  # else what is missing becomes grey
        open_georeferenced(location, options) as dataset,
    ):
        _check(dataset, location, options)
        try:
            values: NDArray[np.generic] = dataset.read()
        except RasterioError:
            raise _damaged(location.shown) from None
        values, valid = _decoded(values, dataset)
        notices = _notices(dataset, location)
    if merge_grey and len(values) == 3 and (values[1:] == values[0]).all():
        values = values[:1]
    gap = options.nodata if options.nodata is not None else dataset.nodata
    if gap is not None:
        valid &= (values != gap).all(axis=0)
    names = _NAMES.get(len(values), tuple(f"{UNNAMED} {i + 1}" for i in range(len(values))))
    grid = Grid(valid.shape[0], valid.shape[1], Affine.identity(), None)
    return PictureSource(grid, values, valid, names, location.label, notices)


def _check(dataset: DatasetReader, location: Location, options: ReadOptions) -> None:
    preflight.check_shape(dataset, location.shown, options)
    pixels = dataset.height * dataset.width * dataset.count
    if pixels > MOST_PIXELS:
        raise InputError(
            f"{location.shown}: {dataset.width} x {dataset.height} pixels are too many for a "
            "picture, which is read as a whole; convert it to a tiled GeoTIFF (gdal_translate "
            "-co TILED=YES)"
        )


def _check_chunks(path: Path, shown: str) -> None:
    """Refuse a PNG that is cut off, or whose checksums do not fit: GDAL would fill in black."""
    with path.open("rb") as file:
        file.seek(8)
        kind = b""
        while kind != b"IEND":
            head = file.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if len(head) < 8 or length > path.stat().st_size:
                raise _damaged(shown)
            content, stored = file.read(length), file.read(4)
            found = zlib.crc32(content, zlib.crc32(kind))
            if len(stored) < 4 or found != int.from_bytes(stored, "big"):
                raise _damaged(shown)


def _damaged(shown: str) -> FileReadError:
    return FileReadError(
        f"{shown}: cannot be decoded to its end, the file is truncated or damaged; download or "
        "copy it again"
    )


def _decoded(
    values: NDArray[np.generic], dataset: DatasetReader
) -> tuple[NDArray[np.generic], Mask]:
    """Return what a viewer would show, and where it is not transparent."""
    valid = np.ones(values.shape[1:], bool)
    kinds = dataset.colorinterp
    if kinds[0] is ColorInterp.palette and len(kinds) == 1:
        colours = np.zeros((256, 4), np.uint8)
        for index, colour in dataset.colormap(1).items():
            colours[index] = colour
        values, valid = np.moveaxis(colours[values[0], :3], -1, 0), colours[values[0], 3] > 0
    elif ColorInterp.alpha in kinds:
        alpha = kinds.index(ColorInterp.alpha)
        values, valid = np.delete(values, alpha, axis=0), values[alpha] > 0
    bits = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    if bits is not None and int(bits) < 8 and kinds[0] is not ColorInterp.palette:
        values = (values * (255 // (2 ** int(bits) - 1))).astype(np.uint8)
    return values, valid


def _notices(dataset: DatasetReader, location: Location) -> tuple[str, ...]:
    turned = dataset.tags().get("EXIF_Orientation", "1").strip()
    if turned == "1":
        return ()
    return (
        f"{location.label}: a viewer would turn it (EXIF orientation {turned}); pixels are taken "
        "as they are stored",
    )
