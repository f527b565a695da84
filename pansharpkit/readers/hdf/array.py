"""Arrays of an HDF5 file, read by windows."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import BadBlockWarning, FileReadError, InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.hdf.file import HdfFile
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.source import measured

if TYPE_CHECKING:
    import h5py

_MOST_CHUNKS = 2**20
_SLACK = 2**16
"""Bytes by which a stored chunk may exceed what it holds: compression can fail to compress."""
_HARMLESS = 2**20
"""Bytes of a compressed chunk that cannot unpack to more than a gigabyte."""
_DEFLATE = 1  # number of the filter
_SAMPLE = 16  # rows looked at before every row of an apparently empty array is


@dataclass(frozen=True)
class HdfSource:
    """Some bands of an array of two or three axes in an HDF5 file, read lazily."""

    file: HdfFile
    dataset: str
    axes: str
    """What the axes of the array are, in their order: r rows, c columns, b bands."""
    bands: tuple[int, ...]
    """Positions along the band axis, from 0; (0,) without one."""
    grid: Grid
    names: tuple[str, ...]
    dtype: np.dtype[np.generic]
    options: ReadOptions
    nodata: float | None = None
    """Marks a missing value."""
    blank: float | None = None
    """Marks a missing pixel where it stands in every band."""
    bandwise: bool = False
    """Whether values may be missing in single bands, so that a valid pixel may lack some."""

    @property
    def label(self) -> str:
        """File name."""
        return self.file.shown

    def select(self, positions: Sequence[int]) -> HdfSource:
        """Return the bands at the given positions, from 0, in that order."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in positions),
            names=tuple(self.names[i] for i in positions),
        )

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [C, h, w] pixels and [h, w] validity of a window inside the raster.

        Raises
        ------
        FileReadError
            If it cannot be read and bad blocks are not to be masked.
        """
        last_row, last_col = (stop - 1 for stop in window.stop)
        where = f"rows {window.row}-{last_row}, columns {window.col}-{last_col}"
        if self.options.on_bad_block == "mask":
            return self._read_around_damage(window)
        with self.file.guarded(f"{self.dataset}, {where} cannot be read"):
            return self._read(window)

    def _read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        array = self.file.array(self.dataset)
        assert array is not None  # it was there when the source was made
        low, high = min(self.bands), max(self.bands) + 1
        rows, cols = window.slices
        place = {"r": rows, "c": cols, "b": slice(low, high)}
        block = np.asarray(array[tuple(place[axis] for axis in self.axes)])
        if "b" not in self.axes:
            block = block[..., None]
        axes = self.axes if "b" in self.axes else self.axes + "b"
        ordered = block.transpose([axes.index(axis) for axis in "brc"])
        values = np.ascontiguousarray(ordered[[band - low for band in self.bands]])
        return values.astype(self.dtype, copy=False), self._valid(values)

    def _valid(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        valid = np.ones(values.shape[1:], bool)
        if not self.bandwise:
            valid &= np.logical_and.reduce(measured(values))
            if self.nodata is not None and np.isfinite(self.nodata):
                valid &= (values != self.dtype.type(self.nodata)).all(axis=0)
        if self.blank is not None:
            valid &= (values != self.dtype.type(self.blank)).any(axis=0)
        return valid

    def _read_around_damage(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read at once or, if that fails, row by row; what cannot be read is zero and invalid."""
        try:
            with self.file.guarded(""):
                return self._read(window)
        except FileReadError:
            pass
        values = np.zeros((len(self.bands), window.height, window.width), self.dtype)
        valid = np.zeros(values.shape[1:], bool)
        for row in range(window.height):
            part = Window(window.row + row, window.col, 1, window.width)
            try:
                with self.file.guarded(""):
                    values[:, row : row + 1], valid[row : row + 1] = self._read(part)
            except FileReadError:
                warnings.warn(BadBlockWarning(self.label, f"row {part.row}"), stacklevel=3)
        return values, valid


def check_array(
    file: HdfFile, name: str, ndim: Sequence[int], options: ReadOptions
) -> h5py.Dataset:
    """Return an array whose size and storage are plausible, and all of which lies in the file.

    Raises
    ------
    FileReadError
        If it is missing, empty, or part of it lies beyond the end of the file.
    InputError
        If it does not hold real numbers on so many axes, is too large, or is stored in chunks that
        are too many or too large.
    """
    array = file.array(name)
    if array is None:
        raise FileReadError(f"{file.shown}: {printable(name)} is missing; get the whole file")
    with file.guarded(f"{name} cannot be read"):
        if array.ndim not in ndim or array.dtype.kind not in "iuf" or 0 in array.shape:
            raise InputError(
                f"{file.shown}: {printable(name)} is {array.dtype} with axes {array.shape}, not an "
                f"array of real numbers on {' or '.join(map(str, ndim))} axes"
            )
        if array.size > options.max_pixels:
            raise InputError(
                f"{file.shown}: {printable(name)} has {array.size} values, at most "
                f"{options.max_pixels} are allowed; raise --max-pixels if this is right"
            )
        _check_chunks(file, name, array, options)
        return array


def _check_chunks(file: HdfFile, name: str, array: h5py.Dataset, options: ReadOptions) -> None:
    held = math.prod(array.chunks or (1,)) * array.dtype.itemsize
    if held > options.max_block_bytes:
        raise InputError(
            f"{file.shown}: {printable(name)} is stored in chunks of {held} bytes, at most "
            f"{options.max_block_bytes} are allowed"
        )
    if array.id.get_storage_size() == 0:
        raise FileReadError(f"{file.shown}: {printable(name)} was never written; get it again")
    size, identifier = file.path.stat().st_size, array.id
    if array.chunks is None:
        end = (identifier.get_offset() or 0) + identifier.get_storage_size()
    else:
        count = math.prod(-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))
        if count > _MOST_CHUNKS:
            raise InputError(f"{file.shown}: {printable(name)} is stored in {count} chunks")
        extents: list[tuple[int, int, tuple[int, ...]]] = []
        identifier.chunk_iter(lambda c: extents.append((c.byte_offset, c.size, c.chunk_offset)))
        end = max((offset + stored for offset, stored, _ in extents), default=0)
        if max((stored for _, stored, _ in extents), default=0) > held + _SLACK:
            raise InputError(f"{file.shown}: {printable(name)} has a chunk larger than its content")
        if end <= size:
            large = [at for _, stored, at in extents if stored > _HARMLESS]
            _check_unpacked(file, name, array, held, large)
    if end > size:
        raise FileReadError(
            f"{file.shown}: is truncated ({size} bytes, at least {end} expected); download or copy "
            "it again"
        )


def _check_unpacked(
    file: HdfFile, name: str, array: h5py.Dataset, held: int, large: Sequence[tuple[int, ...]]
) -> None:
    """Refuse chunks that unpack to more than they hold: HDF5 itself would unpack them whole."""
    stored = array.id.get_create_plist()
    filters = [stored.get_filter(i)[0] for i in range(stored.get_nfilters())]
    if filters.count(_DEFLATE) > 1:
        raise InputError(f"{file.shown}: {printable(name)} is compressed twice over")
    for at in large if _DEFLATE in filters else ():
        skipped, packed = array.id.read_direct_chunk(at)
        if skipped:
            continue
        unpack, rest, count = zlib.decompressobj(), packed, 0
        while rest and not unpack.eof and count <= held:
            count += len(unpack.decompress(rest, 2**20))
            rest = unpack.unconsumed_tail
        if count > held:
            raise InputError(
                f"{file.shown}: {printable(name)} has a chunk that unpacks to more than the {held} "
                "bytes that it holds"
            )


def check_holds_data(source: HdfSource) -> None:
    """Refuse an array without a single pixel that is measured and not zero.

    Raises
    ------
    FileReadError
        If there is none, as where a program that wrote it was interrupted.
    """
    rows = source.grid.height
    sample = [i * (rows - 1) // (_SAMPLE - 1) for i in range(_SAMPLE)]
    middle = rows // 2
    for row in dict.fromkeys([middle, *sample, *range(rows)]):
        values, valid = source.read(Window(row, 0, 1, source.grid.width))
        if (values[:, valid] != 0).any():
            return
    raise FileReadError(
        f"{source.label}: {printable(source.dataset)} holds no data, every pixel is zero or "
        "missing; download it again"
    )
