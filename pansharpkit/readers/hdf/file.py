"""The only door to an HDF5 file.

HDF5 files can send a reader to other files: by external links, by soft links through them, by
virtual datasets and by external storage. Every step of a path is looked at before it is taken,
every array before it is opened, and all of these are refused.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError, InputError, MetadataError, out_of_memory
from pansharpkit.readers.safe_open import check_regular, printable

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, 512, 1024, 2048)
_LARGEST_ATTRIBUTE = 2**20
_CACHE_SLOTS, _CACHE_BYTES = 12_289, 2**26
"""For each array: enough for a row of chunks of a large cube, so that none is unpacked twice."""
_BROKEN = (OSError, KeyError, ValueError, RuntimeError, TypeError)
_OPENING = threading.Lock()


@dataclass(frozen=True)
class _Opened:
    """What one process has open of a file."""

    pid: int
    file: h5py.File
    arrays: dict[str, h5py.Dataset] = field(default_factory=dict)
    """Kept, because each has a cache of what was decompressed last."""


@dataclass(frozen=True)
class HdfFile:
    """An HDF5 file that every process opens for itself; threads share it, h5py lets one read."""

    path: Path
    shown: str
    """What the user called it, on one line."""
    keep: object = field(default=None, repr=False, compare=False)
    """Whatever must outlive the file, such as the scratch folder it lies in."""
    _opened: list[_Opened] = field(default_factory=list, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[HdfFile], tuple[Path, str]]:
        return HdfFile, (self.path, self.shown)

    def _own(self) -> _Opened:
        """Return what the calling process has open; a file must not survive a fork."""
        import h5py  # loading it costs more than opening a GeoTIFF

        with _OPENING:
            if not self._opened or self._opened[-1].pid != os.getpid():
                with self.guarded("cannot be opened"):
                    file = h5py.File(self.path, "r", driver="sec2", locking=False)
                self._opened[:] = [_Opened(os.getpid(), file)]
            return self._opened[-1]

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn whatever h5py raises into one line about this file."""
        try:
            yield
        except (FileReadError, InputError):
            raise
        except _BROKEN as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise FileReadError(
                f"{self.shown}: {what}, the file is truncated or damaged "
                f"({printable(str(error)).strip(chr(39))[:200]}); download or copy it again"
            ) from None

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names in a group, empty if there is no such group.

        Raises
        ------
        FileReadError
            If the way to it leads by a link.
        """
        import h5py

        found = self._find(group)
        with self.guarded(f"{group} cannot be listed"):
            if found is None or not isinstance(found, h5py.Group):
                return ()
            return tuple(name for name in found if isinstance(name, str))  # else not UTF-8

    def array(self, name: str) -> h5py.Dataset | None:
        """Return an array that lies in this file, None if there is none of that name.

        Raises
        ------
        FileReadError
            If it is, or lies behind, something that leads to other files.
        """
        import h5py

        opened = self._own()
        if name not in opened.arrays:
            found = self._find(name)
            if not isinstance(found, h5py.Dataset):
                return None
            opened.arrays[name] = found
        return opened.arrays[name]

    def is_own(self, name: str) -> bool:
        """Whether something can be opened without leaving this file."""
        try:
            return self._find(name) is not None
        except FileReadError:
            return False

    def attribute(self, name: str, owner: str = "/") -> NDArray[np.generic] | None:
        """Return an attribute of the file, or of something in it, as an array; None without it."""
        place = self._find(owner)
        with self.guarded(f"attribute {name} cannot be read"):
            if place is None or name not in place.attrs:
                return None
            kind = place.attrs.get_id(name)
            if math.prod(kind.shape) * max(kind.dtype.itemsize, 1) > _LARGEST_ATTRIBUTE:
                raise InputError(f"{self.shown}: attribute {name} is too large for metadata")
            return np.asarray(place.attrs[name])

    def text(self, name: str, owner: str = "/") -> str | None:
        """Return an attribute as text on one line; None if it is not there, empty or no scalar."""
        value = self.attribute(name, owner)
        if value is None or value.size != 1:
            return None
        item = value.reshape(-1)[0]
        text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        return printable(text.strip().rstrip("\0"))[:200] or None

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return an attribute of the file as finite numbers.

        Raises
        ------
        MetadataError
            If there is none, or it is anything else.
        """
        value = self.attribute(name)
        if value is None:
            raise MetadataError(f"{self.shown}: has no attribute {name}; get the whole product")
        try:
            found = np.asarray(value, np.float64).reshape(-1)
        except (TypeError, ValueError):
            raise MetadataError(f"{self.shown}: attribute {name} is not a number") from None
        if not found.size or not np.isfinite(found).all():
            raise MetadataError(f"{self.shown}: attribute {name} is not a finite number")
        return found

    def number(self, name: str) -> float:
        """Return an attribute of the file as one finite number, or raise as `numbers` does."""
        return float(self.numbers(name)[0])

    def _find(self, name: str) -> h5py.Group | h5py.Dataset | None:
        """Walk to something by its path, taking no step that could leave the file."""
        import h5py

        with self.guarded(f"{name} cannot be read"):
            place: h5py.Group | h5py.Dataset | None = self._own().file["/"]
            for part in filter(None, name.split("/")):
                if not isinstance(place, h5py.Group):
                    return None
                link = place.get(part, getlink=True)
                if link is None:
                    return None
                if not isinstance(link, h5py.HardLink):
                    raise self._refused(name, "an external or soft link")
                place = self._step(place, part, name)
            return place

    def _step(self, group: h5py.Group, part: str, name: str) -> h5py.Group | h5py.Dataset | None:
        import h5py

        kind = h5py.h5o.get_info(group.id, part.encode()).type
        if kind == h5py.h5o.TYPE_GROUP:
            return group[part]
        if kind != h5py.h5o.TYPE_DATASET:
            return None
        opened = h5py.h5d.open(group.id, part.encode())
        stored = opened.get_create_plist()
        if stored.get_layout() == h5py.h5d.VIRTUAL:
            raise self._refused(name, "a virtual dataset")
        if stored.get_external_count():
            raise self._refused(name, "stored in external files")
        if stored.get_layout() != h5py.h5d.CHUNKED:
            return h5py.Dataset(opened)
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        access.set_chunk_cache(_CACHE_SLOTS, _CACHE_BYTES, 1.0)
        return h5py.Dataset(h5py.h5d.open(group.id, part.encode(), access))

    def _refused(self, name: str, what: str) -> FileReadError:
        return FileReadError(
            f"{self.shown}: {printable(name)} is {what}, which can pull in other files and is "
            "refused; get the file from its source again"
        )


def open_hdf(path: Path, keep: object = None) -> HdfFile:
    """Open an HDF5 file.

    Raises
    ------
    FileReadError
        If it is no existing regular HDF5 file, or truncated.
    """
    shown = printable(path.name)
    path = path.absolute()
    check_regular(path, shown)
    if not is_hdf(path):
        raise FileReadError(
            f"{shown}: is not an HDF5 file, whatever its suffix says; download or copy it again"
        )
    found = HdfFile(path, shown, keep)
    found.names("/")
    return found


def is_hdf(path: Path) -> bool:
    """Whether a file starts as HDF5 files do, at one of the places where they may start."""
    try:
        with path.open("rb") as file:
            head = file.read(_USER_BLOCKS[-1] + len(_SIGNATURE))
    except OSError:
        return False
    return any(head[at:].startswith(_SIGNATURE) for at in _USER_BLOCKS)
