"""What a path holds, told by names alone and without unpacking much."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from pansharpkit.errors import InputError
from pansharpkit.readers.archive import (
    BROKEN,
    HEADER_BYTES,
    MAX_MEMBERS,
    FolderFiles,
    Metered,
    decompressed,
    is_archive,
)
from pansharpkit.readers.tiled import DEPTH
from pansharpkit.readers.zipped import is_packed, unpacker

_FIRST_BYTES = 2**25  # unpacked in a fraction of a second


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names of the files in a folder or an archive, or that of a file itself.

    There are none if it does not exist or is broken; of a tar archive come the first members only.
    """
    if not os.path.lexists(path):
        return ()
    if path.is_dir():
        return _listed(path)
    if is_archive(path):
        return first_names(path)
    if not is_packed(path):
        return (path.name,)
    try:
        files = unpacker(path)
    except InputError:  # opening it says so
        return ()
    files.close()
    return files.names


def _listed(folder: Path) -> tuple[str, ...]:
    try:
        return FolderFiles(folder, DEPTH).names
    except InputError:  # opening it says so
        return ()


def first_names(archive: Path) -> tuple[str, ...]:
    """Return the paths of the first members of a tar archive, without unpacking much of it.

    They tell whose product it is; whether the archive is fit to be opened is not looked at here.
    A broken archive has none.
    """
    try:
        return tuple(_names(archive))
    except BROKEN:
        return ()


def names_of_first(archive: Path) -> Iterator[str]:
    """Yield what `first_names` returns, as it is unpacked, up to where the archive is broken."""
    with suppress(*BROKEN):
        yield from _names(archive)


def _names(archive: Path) -> Iterator[str]:
    with (
        archive.open("rb") as raw,
        decompressed(raw) as plain,
        tarfile.open(fileobj=Metered(plain, HEADER_BYTES), mode="r:") as tar,
    ):
        for member in islice(tar, MAX_MEMBERS):
            yield member.name
            if member.offset_data + member.size > _FIRST_BYTES:
                break
