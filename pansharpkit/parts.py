"""Finished tiles of a run, kept on disk so that it can go on after it was interrupted.

Each tile is a file of its own that appears whole under its name, so several processes can add tiles
to the same folder, and what a killed one leaves is found by its name or its checksum.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import OutputError
from pansharpkit.fingerprint import changes
from pansharpkit.radiometry import Cast

log = logging.getLogger(__name__)

_ABOUT = "run.json"
_PER_FOLDER = 1000  # files; more make some filesystems slow
_KINDS = "iuf"


@dataclass(frozen=True)
class Fused:
    """A tile's blended window: working values, or what is to be written already."""

    values: NDArray[np.float32] | Cast
    valid: NDArray[np.bool_]
    """[h, w]."""
    fault: str | None
    """What did not go the ordinary way."""
    deviation: NDArray[np.float32] | None = None
    """[C, h, w] standard deviations beside values that are to be written; in working values they
    come after the bands. NaN where nobody knows."""


class Keeper(Protocol):
    """Where a run looks for finished tiles, and leaves its own."""

    def get(self, index: int) -> Fused | None:
        """Return a tile, after a wait perhaps; None if it is to be computed."""
        ...

    def put(self, index: int, tile: Fused) -> None:
        """Store a tile."""
        ...

    def abandon(self) -> None:
        """Let nobody wait in `get` any longer."""
        ...


class Parts:
    """The tiles of one run in a folder, by their index.

    `about` says what they depend on, as flat JSON-ready values: tiles of another run are dropped.
    """

    def __init__(self, folder: Path, about: Mapping[str, object]) -> None:
        self._folder = folder
        stated = json.dumps(dict(about), sort_keys=True)
        self._about = json.loads(stated)  # as it is read back: no tuples
        self._run = hashlib.sha256(stated.encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the tiles are."""
        return self._folder

    def open(self) -> tuple[str, ...]:
        """Make the folder ready; drop tiles of another run and return why they do not fit.

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        about = self._folder / _ABOUT
        differing: tuple[str, ...] = ()
        try:
            if self._folder.is_dir():
                found = _json(about)
                differing = changes(found, self._about) if found else ()
                if found != self._about:
                    shutil.rmtree(self._folder)
            self._folder.mkdir(exist_ok=True)
            _appear(about, json.dumps(self._about).encode())
        except OSError as error:
            raise self._failed(error) from error
        return differing

    @property
    def about(self) -> Mapping[str, object]:
        """What the tiles depend on."""
        return dict(self._about)

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob("*/*.tile"))

    def indices(self) -> set[int]:
        """Return the tiles for which there is a file."""
        return {int(path.stem) for path in self._folder.glob("*/*.tile")}

    def done(self, index: int) -> bool:
        """Return whether there is a file for a tile."""
        return self._path(index).exists()

    def get(self, index: int) -> Fused | None:
        """Return a tile; None if it is not there, or damaged."""
        try:
            stored = self._path(index).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error) from error
        try:
            return _decoded(stored, self._run)
        except (ValueError, KeyError, TypeError):
            log.warning("%s is damaged; tile %d is computed again", self._path(index), index)
            return None

    def put(self, index: int, tile: Fused) -> None:
        """Store a tile.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self._path(index)
        try:
            path.parent.mkdir(exist_ok=True)
            _appear(path, *_encoded(tile, self._run))
        except OSError as error:
            raise self._failed(error) from error

    def abandon(self) -> None:
        """Do nothing: nobody waits here."""

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index // _PER_FOLDER:04d}" / f"{index:08d}.tile"

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._folder}: finished tiles cannot be kept here: {error.strerror or error}; make "
            "room or choose another folder"
        )


def _appear(path: Path, *pieces: bytes | memoryview) -> None:
    """Write a file that appears whole; a crash of the machine is found by its checksum."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with hidden.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def _json(path: Path) -> dict[str, object]:
    """Return what a file says; {} if it does not."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _encoded(tile: Fused, run: str) -> tuple[bytes, bytes | memoryview, bytes, bytes]:
    """Return a line of JSON, the pixels, their deviations if any, and their validity in bits."""
    clipped: dict[str, object] = {}
    pixels: NDArray[np.generic]
    if isinstance(tile.values, Cast):
        pixels = np.ascontiguousarray(tile.values.values)
        clipped = {"low": tile.values.low.tolist(), "high": tile.values.high.tolist()}
    else:
        pixels = np.ascontiguousarray(tile.values)
    body, valid = pixels.data.cast("B"), np.packbits(tile.valid).tobytes()
    deviation = b"" if tile.deviation is None else tile.deviation.tobytes()
    header = {
        "shape": pixels.shape,
        "dtype": pixels.dtype.str,
        "clipped": clipped,
        "deviation": tile.deviation is not None,
        "fault": tile.fault,
        "run": run,  # a process that outlived its run may write here still
        "crc": zlib.crc32(valid, zlib.crc32(deviation, zlib.crc32(body))),
    }
    line = json.dumps(header).encode()
    return b"%08x %s\n" % (zlib.crc32(line), line), body, deviation, valid


def _decoded(stored: bytes, run: str) -> Fused:
    """Return a tile from its bytes.

    Raises
    ------
    ValueError, KeyError, TypeError
        If they are not what was written, or by another run.
    """
    line, _, rest = stored.partition(b"\n")
    checksum, _, line = line.partition(b" ")
    if int(checksum, 16) != zlib.crc32(line):
        raise ValueError("header")
    header = json.loads(line)
    if header["run"] != run:
        raise ValueError("run")
    if zlib.crc32(rest) != header["crc"]:
        raise ValueError("pixels")
    shape, dtype = tuple(header["shape"]), np.dtype(header["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError("type")
    count = math.prod(shape)
    pixels = np.frombuffer(rest, dtype, count).reshape(shape)
    end, deviation = count * dtype.itemsize, None
    if header["deviation"]:
        deviation = np.frombuffer(rest, np.float32, count, end).reshape(shape)
        end += deviation.nbytes
    bits = np.frombuffer(rest, np.uint8, offset=end)
    valid = np.unpackbits(bits, count=math.prod(shape[1:])).reshape(shape[1:]).astype(bool)
    clipped = header["clipped"]
    if not clipped:
        return Fused(pixels, valid, header["fault"])
    low, high = (np.array(clipped[key], np.int64) for key in ("low", "high"))
    return Fused(Cast(pixels, low, high), valid, header["fault"], deviation)
