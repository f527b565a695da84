"""MATLAB files of versions 5 to 7.2, as far as numeric arrays go; nothing in them is executed.

Source: MATLAB MAT-File Format (The MathWorks), chapter 1, for the layout.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError, InputError
from pansharpkit.readers.archive import unpacked_limit
from pansharpkit.readers.safe_open import printable

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_MOST_VARIABLES = 1000
_MOST_AXES = 8
_LONGEST_NAME = 256
_CHUNK = 2**20
_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single",
    8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64",
    15: "uint64", 16: "function", 17: "opaque",
}  # fmt: skip
NUMERIC = frozenset(name for code, name in _CLASSES.items() if 6 <= code <= 15)
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
           13: "u8"}  # fmt: skip
_BROKEN = (OSError, EOFError, ValueError, KeyError, IndexError, OverflowError, zlib.error)
_COMPLEX, _LOGICAL = 0x0800, 0x0200


@dataclass(frozen=True)
class Variable:
    """An array in a MATLAB file."""

    name: str
    shape: tuple[int, ...]
    """As MATLAB sees it."""
    kind: str
    """Its class, such as ``double`` or ``struct``; ``complex`` and ``logical`` are no numbers."""
    place: tuple[int, int, bool] = (0, 0, False)
    """Offset and size in a file of version 5, and whether it is compressed."""

    @property
    def numeric(self) -> bool:
        """Whether it holds real numbers."""
        return self.kind in NUMERIC

    def __str__(self) -> str:
        """Return name, shape and class as messages show them."""
        return f"{printable(self.name)[:60]} {' x '.join(map(str, self.shape))} {self.kind}"


@dataclass(frozen=True)
class Mat5:
    """A file whose variables are known and not read yet."""

    path: Path
    shown: str
    order: str
    """``<`` or ``>``: how numbers are stored."""
    variables: tuple[Variable, ...]

    def read(self, variable: Variable) -> NDArray[np.generic]:
        """Return an array in MATLAB's shape; one that is not compressed stays on disk.

        Integers that MATLAB keeps as floating point come in the type they are stored in.

        Raises
        ------
        FileReadError
            If the file is truncated or damaged.
        InputError
            If it is no array of real numbers, or unpacks to far more than a cube may.
        """
        if not variable.numeric:
            raise InputError(f"{self.shown}: {variable} is no array of real numbers")
        offset, size, packed = variable.place
        with _guarded(self.shown), self.path.open("rb") as file:
            file.seek(offset)
            data = _Inflated(file, size, unpacked_limit(self.path)) if packed else _Part(file, size)
            if packed:
                _tag(data, self.order)
            _describe(data, self.order, variable.place)
            code, count, small = _tag(data, self.order)
            kind = np.dtype(self.order + _STORED[code])
            expected = math.prod(variable.shape) * kind.itemsize
            if count != expected:
                raise ValueError(f"{variable.name} has {count} bytes, expected {expected}")
            if packed or small is not None:
                raw = small if small is not None else data.take(count)
                flat = np.frombuffer(raw, kind, math.prod(variable.shape))
                data.finish()
                return flat.reshape(variable.shape, order="F")
            if file.tell() + count > self.path.stat().st_size:
                raise ValueError("it ends too early")
            return np.memmap(self.path, kind, "r", file.tell(), variable.shape, order="F")


def open_mat5(path: Path, shown: str) -> Mat5:
    """Open a file and list its variables.

    Raises
    ------
    FileReadError
        If it is of another version, truncated or damaged.
    """
    with _guarded(shown), path.open("rb") as file:
        head = file.read(_HEADER)
        order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
        if order is None or head[125 if order == "<" else 124] != 1:
            raise FileReadError(
                f"{shown}: is no MATLAB file of version 5 or later; save it with -v7 or -v7.3"
            )
        return Mat5(path, shown, order, tuple(_listed(file, path.stat().st_size, order)))


def _listed(file: IO[bytes], end: int, order: str) -> Iterator[Variable]:
    at = _HEADER
    for _ in range(_MOST_VARIABLES):
        if at >= end:
            return
        file.seek(at)
        code, size, _ = _tag(_Part(file, 8), order)
        if code not in (_MATRIX, _COMPRESSED) or at + 8 + size > end:
            raise ValueError(f"no whole variable begins at byte {at}")
        place = (at + 8, size, code == _COMPRESSED)
        data = _Inflated(file, size, _CHUNK) if place[2] else _Part(file, size)
        if place[2]:
            _tag(data, order)
        if found := _describe(data, order, place):
            yield found
        at += 8 + size
    raise ValueError(f"it has more than {_MOST_VARIABLES} variables")


def _describe(data: _Part, order: str, place: tuple[int, int, bool]) -> Variable | None:
    """Read what precedes the numbers of an array; None for MATLAB's own, which have no name."""
    flags = np.frombuffer(_element(data, order, 8), order + "u4")
    shape = tuple(
        int(n) for n in np.frombuffer(_element(data, order, 4 * _MOST_AXES), order + "i4")
    )
    name = _element(data, order, _LONGEST_NAME).decode("latin-1")
    if min(shape, default=-1) < 0:
        raise ValueError(f"{name} has a shape of {shape}")
    kind = _CLASSES.get(int(flags[0]) & 0xFF, "unknown")
    if kind in NUMERIC and int(flags[0]) & (_COMPLEX | _LOGICAL):
        kind = "complex" if int(flags[0]) & _COMPLEX else "logical"
    return Variable(name, shape, kind, place) if name else None


def _element(data: _Part, order: str, most: int) -> bytes:
    _, size, small = _tag(data, order)
    if small is not None:
        return small
    if size > most:
        raise ValueError(f"a part of {size} bytes where at most {most} make sense")
    return data.take(size + -size % 8)[:size]


def _tag(data: _Part, order: str) -> tuple[int, int, bytes | None]:
    """Return type and size of what follows, and its bytes if they stand in the tag itself."""
    raw = data.take(8)
    first, second = (int(n) for n in np.frombuffer(raw, order + "u4"))
    if size := first >> 16:
        if size > 4:
            raise ValueError(f"a small part of {size} bytes")
        return first & 0xFFFF, size, raw[4 : 4 + size]
    return first, second, None


class _Part:
    """So many bytes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def take(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        self._left -= size
        if self._left < 0:
            raise EOFError("it ends too early")
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError("it ends too early")
        return data

    def finish(self) -> None:
        """Check what is left, if it can tell."""


class _Inflated(_Part):
    """The same, compressed, of which at most `limit` bytes are unpacked."""

    def __init__(self, file: IO[bytes], size: int, limit: int) -> None:
        super().__init__(file, size)
        self._limit = limit
        self._unpack = zlib.decompressobj()
        self._packed = b""

    def take(self, size: int) -> bytes:
        """Return exactly so many unpacked bytes."""
        self._limit -= size
        if self._limit < 0:
            raise InputError("an array unpacks to a hundred times the size of the file")
        out = io.BytesIO()
        while (missing := size - out.tell()) > 0:
            if not self._packed and not self._unpack.eof:
                self._packed = super().take(min(_CHUNK, self._left))
            data = self._unpack.decompress(self._packed, min(missing, _CHUNK))
            if not data and (self._unpack.eof or not self._left):
                raise EOFError("it ends too early")
            out.write(data)
            self._packed = self._unpack.unconsumed_tail
        return out.getvalue()

    def finish(self) -> None:
        """Unpack to the end, where the checksum is."""
        while not self._unpack.eof:
            self._packed = self._packed or super().take(min(_CHUNK, self._left))
            if not self._packed:
                raise EOFError("it ends too early")
            if len(self._unpack.decompress(self._packed, _CHUNK)) > 8:
                raise ValueError("an array is longer than its shape")
            self._packed = self._unpack.unconsumed_tail


@contextmanager
def _guarded(shown: str) -> Iterator[None]:
    try:
        yield
    except FileReadError:
        raise
    except InputError as error:
        raise InputError(f"{shown}: {error}; no cube does") from None
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        OverflowError,
        zlib.error,
    ) as error:
        raise FileReadError(
            f"{shown}: is truncated or damaged ({printable(str(error))[:200]}); download or copy "
            "it again"
        ) from None
