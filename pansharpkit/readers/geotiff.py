"""A GeoTIFF, or a georeferenced JPEG 2000 file, that is read by windows."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RioWindow

from pansharpkit.errors import BadBlockWarning, FileReadError, InputError, out_of_memory
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import preflight
from pansharpkit.readers.product import UNNAMED, ReadOptions, Scaling
from pansharpkit.readers.safe_open import (
    Location,
    RasterFile,
    gdal_environment,
    locate,
    open_georeferenced,
    printable,
)
from pansharpkit.readers.tifftag import declared_nodata
from pansharpkit.source import measured

_BAND_SUFFIX = re.compile(r"(?:^|[_-])(B\d{1,2}A?)$", re.IGNORECASE)
_LONGEST_TAG = 1000
_UNWANTED_TAG = re.compile(r"AREA_OR_POINT|TIFFTAG_|OVR_|STATISTICS_")


@dataclass(frozen=True)
class GeoTiffSource:
    """Some bands of a GeoTIFF, read lazily.

    Reading is safe from any number of threads: each opens the file for itself.
    """

    file: RasterFile
    grid: Grid
    names: tuple[str, ...]
    dtype: np.dtype[np.generic]
    nodata: float | None
    """Declared in the file or given by the user; a value that the type cannot hold is dropped."""
    indexes: tuple[int, ...]
    """Bands read, from 1."""
    masked: bool = False
    """Whether a mask band inside the file says which pixels are valid."""
    scaling: tuple[Scaling, ...] = ()
    """Declared scale and offset of each band."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Descriptive tags of the file."""
    notices: tuple[str, ...] = ()
    blank: bool = False
    """Whether no pixel is anything but zero or nodata, as in a tile outside the scene."""
    bandwise: bool = False
    """Whether a value may be missing in one band alone: `read` then tells masked pixels only."""

    @property
    def label(self) -> str:
        """File name."""
        return self.file.location.label

    def select(self, positions: Sequence[int]) -> GeoTiffSource:
        """Return the bands at the given positions, from 0, in that order."""
        return replace(
            self,
            names=tuple(self.names[i] for i in positions),
            indexes=tuple(self.indexes[i] for i in positions),
            scaling=tuple(self.scaling[i] for i in positions),
        )

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [C, h, w] pixels and [h, w] validity of a window inside the raster.

        A pixel is valid if it is measured and not nodata in every band, and not masked.

        Raises
        ------
        FileReadError
            If a stored block cannot be read and bad blocks are not to be masked.
        """
        try:
            return self._read(window)
        except RasterioError as error:
            _check_memory(error)
            if self.file.options.on_bad_block == "mask":
                return self._read_around_damage(window)
            raise FileReadError(
                f"{self.file.location.shown}: {_extent_text(window)} cannot be read, the file is "
                "damaged there; download or copy it again, or pass --on-bad-block mask"
            ) from None

    def _read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        place = RioWindow(window.col, window.row, window.width, window.height)
        mask: NDArray[np.uint8] | None = None
        with gdal_environment(self.file.options):
            dataset = self.file.dataset
            values: NDArray[np.generic] = dataset.read(list(self.indexes), window=place)
            if self.masked:
                mask = dataset.read_masks(self.indexes[0], window=place)
        inside = self._valid(values)
        if mask is not None:
            inside &= mask > 0
        return values, inside

    def _valid(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return [h, w]: measured and not nodata in every band, if that is not left for later."""
        if self.dtype.kind == "f" and not self.bandwise:
            inside: NDArray[np.bool_] = np.logical_and.reduce(measured(values))
        else:
            inside = np.ones(values.shape[1:], bool)
        if self.nodata is not None and math.isfinite(self.nodata) and not self.bandwise:
            for band in values:
                inside &= band != self.dtype.type(self.nodata)
        return inside

    def _read_around_damage(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read block by block; what cannot be read is zero and invalid."""
        values = np.zeros((len(self.indexes), window.height, window.width), self.dtype)
        valid = np.zeros(values.shape[1:], bool)
        for block in _blocks_under(window, self.file.dataset):
            part = block.clip(window)
            rows, cols = part.relative_to(window).slices
            try:
                values[:, rows, cols], valid[rows, cols] = self._read(part)
            except RasterioError as error:
                _check_memory(error)
                where = _extent_text(block.clip(self.grid.window))
                warnings.warn(BadBlockWarning(self.file.location.shown, where), stacklevel=3)
        return values, valid


def open_geotiff(
    name: str | os.PathLike[str],
    options: ReadOptions | None = None,
    *,
    band_names: Sequence[str] | None = None,
    keep: object = None,
    tile: bool = False,
    transform: Affine | None = None,
) -> GeoTiffSource:
    """Open a GeoTIFF or JPEG 2000 file safely, check it, and return it as a source of all bands.

    Parameters
    ----------
    band_names : names of the bands, instead of what the file says.
    keep : kept alive as long as the source, such as the scratch folder of an archive.
    tile : whether it is one tile of an image, which may hold nothing but nodata.
    transform : geotransform of a file that has none itself.

    Raises
    ------
    FileReadError
        If the file may not or cannot be opened, is truncated, or holds no data.
    GridError
        If it is not georeferenced.
    InputError
        If its size, blocks or pixel type are not supported, or it has not as many bands as names.
    """
    options = options or ReadOptions()
    location = locate(name, options, keep, placed=transform is not None)
    with open_georeferenced(location, options) as dataset, gdal_environment(options):
        preflight.check_shape(dataset, location.shown, options)
        preflight.check_pixels(dataset, location.shown)
        grid = preflight.read_grid(dataset, location.shown, options, transform)
        dtype = np.dtype(dataset.dtypes[0])
        nodata, notices = _nodata(dataset, location, options)
        if options.on_bad_block == "fail":
            notices += _check_storage(dataset, location, nodata)
        holds_data = preflight.check_holds_data(dataset, location.shown, nodata, tile)
        names = tuple(band_names) if band_names else _band_names(dataset, location)
        if len(names) != dataset.count:
            expected = "1 band" if len(names) == 1 else f"{len(names)} bands"
            raise InputError(
                f"{location.shown}: expected {expected} ({', '.join(names)}), found {dataset.count}"
            )
        return GeoTiffSource(
            file=RasterFile(location, options),
            grid=grid,
            names=names,
            dtype=dtype,
            nodata=nodata,
            indexes=tuple(dataset.indexes),
            masked=_has_mask_band(dataset),
            scaling=tuple(zip(dataset.scales, dataset.offsets, strict=True)),
            tags=_tags(dataset),
            notices=notices + (() if band_names else _alpha_notice(dataset, location)),
            blank=not holds_data,
        )


def _nodata(
    dataset: DatasetReader, location: Location, options: ReadOptions
) -> tuple[float | None, tuple[str, ...]]:
    """Return the value that marks gaps, and a notice about each that cannot occur."""
    declared, dtype = dataset.nodata, dataset.dtypes[0]
    if declared is None and not location.remote and location.driver == "GTiff":
        declared = declared_nodata(Path(location.name))  # GDAL's bindings hide what does not fit
    return options.marker(declared, dtype, location.label)


def _check_storage(
    dataset: DatasetReader, location: Location, nodata: float | None
) -> tuple[str, ...]:
    size = None if location.remote else Path(location.name).stat().st_size
    absent = preflight.check_storage(dataset, location.shown, size)
    if not absent or nodata is not None:
        return ()
    return (
        f"{location.label}: {absent} blocks were never written and read as zero; pass --nodata 0 "
        "to leave them out",
    )


def _has_mask_band(dataset: DatasetReader) -> bool:
    flags = dataset.mask_flag_enums[0]
    # Writers label the fourth band alpha by default, so that alpha is no reason to mask.
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _alpha_notice(dataset: DatasetReader, location: Location) -> tuple[str, ...]:
    alpha = [i for i, kind in enumerate(dataset.colorinterp, 1) if kind is ColorInterp.alpha]
    return tuple(
        f"{location.label}: band {i} is labelled alpha (transparency) and is used like the "
        "others; leave it out with --bands if it is none"
        for i in alpha
    )


def _band_names(dataset: DatasetReader, location: Location) -> tuple[str, ...]:
    """Return the descriptions if all bands have one, else what the file name says, else numbers.

    The numbers must not look like names: B1 means another band to every sensor.
    """
    try:
        described = [printable(text) for text in dataset.descriptions if text]
    except UnicodeDecodeError:  # names are not worth refusing a raster for
        described = []
    if len(set(described)) == dataset.count:
        return tuple(described)
    if dataset.count > 1:
        return tuple(f"{UNNAMED} {i}" for i in dataset.indexes)
    stem = location.label.rpartition(".")[0]
    found = _BAND_SUFFIX.search(stem)
    return (found.group(1).upper() if found else stem,)


def _tags(dataset: DatasetReader) -> dict[str, str]:
    try:
        tags = dataset.tags()
    except UnicodeDecodeError:
        return {}
    return {
        printable(key): printable(value)
        for key, value in tags.items()
        if not _UNWANTED_TAG.match(key) and len(value) <= _LONGEST_TAG
    }


def _blocks_under(window: Window, dataset: DatasetReader) -> Iterator[Window]:
    """Yield the stored blocks that a window touches."""
    height, width = dataset.block_shapes[0]
    for row in range(window.row // height * height, window.stop[0], height):
        for col in range(window.col // width * width, window.stop[1], width):
            yield Window(row, col, height, width)


def _check_memory(error: RasterioError) -> None:
    """Tell a machine without memory from a file with a damage, which may be masked."""
    if out_of_memory(error):
        raise MemoryError(str(error)) from error


def _extent_text(window: Window) -> str:
    last_row, last_col = (stop - 1 for stop in window.stop)
    return f"rows {window.row}-{last_row}, columns {window.col}-{last_col}"
