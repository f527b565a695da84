"""The numbers of an ENVI image, read by windows.

They are read with plain positioned reads: mapping a file into memory ends the program if the file
shrinks meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.envi.header import Layout


@dataclass(frozen=True)
class EnviSource:
    """Some bands of an ENVI image, read lazily by windows.

    Reading is safe from any number of threads: each read opens the file for itself. Its validity
    is true everywhere; what is missing in single bands is told by `LiveSource`.
    """

    path: Path
    layout: Layout
    grid: Grid
    names: tuple[str, ...]
    nodata: float | None
    indexes: tuple[int, ...]
    """Bands read, from 0."""
    label: str
    keep: object = None
    """Kept alive as long as the source, such as the scratch folder of an archive."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the numbers, in the byte order of this machine."""
        return self.layout.dtype.newbyteorder("=")

    def __reduce__(self) -> tuple[type[EnviSource], tuple[object, ...]]:
        parts = (self.path, self.layout, self.grid, self.names, self.nodata, self.indexes)
        return EnviSource, (*parts, self.label)

    def select(self, positions: Sequence[int]) -> EnviSource:
        """Return the bands at the given positions, from 0, in that order."""
        return replace(
            self,
            names=tuple(self.names[i] for i in positions),
            indexes=tuple(self.indexes[i] for i in positions),
        )

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [C, h, w] pixels of a window inside the raster, all called valid.

        Raises
        ------
        FileReadError
            If the file has become shorter or cannot be read.
        """
        values = np.empty((len(self.indexes), window.height, window.width), self.dtype)
        try:
            with self.path.open("rb", buffering=0) as file:
                reader = _READERS[self.layout.interleave]
                reader(_Numbers(file.fileno(), self), window, self.indexes, values)
        except OSError as error:
            if isinstance(error, FileReadError):
                raise
            raise FileReadError(f"{self.label}: cannot be read: {error.strerror}") from None
        return values, np.ones(values.shape[1:], bool)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of an open file, counted from the first."""

    file: int
    source: EnviSource

    def read(self, first: int, count: int) -> NDArray[np.generic]:
        layout = self.source.layout
        size = layout.dtype.itemsize
        data = bytearray()
        while len(data) < count * size:
            at = layout.offset + first * size + len(data)
            part = os.pread(self.file, count * size - len(data), at)
            if not part:
                raise FileReadError(f"{self.source.label}: ends before its last pixel, it was cut "
                                    "off while it was read; copy it again")  # fmt: skip
            data += part
        return np.frombuffer(data, layout.dtype)


def _read_bsq(
    numbers: _Numbers, window: Window, bands: Sequence[int], out: NDArray[np.generic]
) -> None:
    height, width = numbers.source.layout.height, numbers.source.layout.width
    for k, band in enumerate(bands):
        top = (band * height + window.row) * width
        if window.width == width:
            out[k] = numbers.read(top, window.height * width).reshape(window.height, width)
            continue
        for i in range(window.height):
            out[k, i] = numbers.read(top + i * width + window.col, window.width)


def _read_bil(
    numbers: _Numbers, window: Window, bands: Sequence[int], out: NDArray[np.generic]
) -> None:
    layout = numbers.source.layout
    for i in range(window.height):
        line = (window.row + i) * layout.count * layout.width
        if window.width * 2 > layout.width:
            whole = numbers.read(line, layout.count * layout.width)
            cols = slice(window.col, window.stop[1])
            out[:, i] = whole.reshape(layout.count, layout.width)[list(bands), cols]
            continue
        for k, band in enumerate(bands):
            out[k, i] = numbers.read(line + band * layout.width + window.col, window.width)


def _read_bip(
    numbers: _Numbers, window: Window, bands: Sequence[int], out: NDArray[np.generic]
) -> None:
    layout = numbers.source.layout
    for i in range(window.height):
        first = ((window.row + i) * layout.width + window.col) * layout.count
        line = numbers.read(first, window.width * layout.count)
        out[:, i] = line.reshape(window.width, layout.count).T[list(bands)]


_READERS = {"bsq": _read_bsq, "bil": _read_bil, "bip": _read_bip}
