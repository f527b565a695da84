"""The files of a product in a zip archive, under the same suspicion as a tar archive."""

from __future__ import annotations

import io
import os
import shutil
import stat
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pansharpkit.errors import FileReadError
from pansharpkit.readers.archive import (
    MAX_MEMBERS,
    TOO_LARGE,
    ArchiveFiles,
    ProductFiles,
    check_room,
    is_archive,
    points_outside,
    refused,
    scratch_folder,
    unpacked_limit,
    unreadable,
)
from pansharpkit.readers.safe_open import check_regular, printable

_CHUNK = 2**20
_LONGEST_READ = 2**22  # a list of 1000 files has about 100 KB
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


class ZipFiles:
    """The files of a zip archive, unpacked one by one to a scratch folder.

    The scratch folder disappears with this object, at the latest when the program ends.
    """

    def __init__(self, archive: Path) -> None:
        self.label = printable(str(archive))
        self._archive = archive
        check_regular(archive, self.label)
        self._members = self._scan()
        self.names = tuple(sorted(self._members))
        self.scratch = scratch_folder()
        self.close = weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Unpack these files, unless they are unpacked already, and return where they lie.

        Raises
        ------
        OutputError
            If the scratch folder has no room for them.
        FileReadError
            If the archive is broken, or a member is longer than it says.
        """
        wanted = [name for name in names if not (self.scratch / name).exists()]
        needed = sum(self._members[name].file_size for name in wanted)
        check_room(self.scratch, needed, self.label)
        with self._opened() as archive:
            for name in wanted:
                self._unpack(archive, name)
        return {name: self.scratch / name for name in names}

    def _unpack(self, archive: zipfile.ZipFile, name: str) -> None:
        """Write one member, no more bytes than it declares; zipfile checks its CRC."""
        member = self._members[name]
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        left = member.file_size
        with archive.open(member) as packed, partial.open("wb") as out:
            while chunk := packed.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise refused(self.label, member.filename, "is longer than it declares")
                out.write(chunk)
        partial.rename(path)

    def _scan(self) -> dict[str, zipfile.ZipInfo]:
        """Look at every member and return the regular files by their paths in the archive."""
        limit = unpacked_limit(self._archive)
        members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        with self._opened() as archive:
            for count, member in enumerate(archive.infolist(), 1):
                total += member.file_size
                reason = _objection(member)
                name = str(PurePosixPath(member.filename))
                if name in members:
                    reason = "stands in the archive twice"
                if count > MAX_MEMBERS or total > limit:
                    reason = TOO_LARGE
                if reason:
                    raise refused(self.label, member.filename, reason)
                if not member.is_dir():
                    members[name] = member
        return members

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with (
                self._archive.open("rb") as raw,
                zipfile.ZipFile(_ShortReads(raw)) as archive,
            ):
                yield archive
        except FileReadError:
            raise
        except _BROKEN as error:
            raise unreadable(self.label, error) from None


class _ShortReads(io.RawIOBase):
    """A file that is read in small pieces only: the list of members comes in one read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_LONGEST_READ + 1 if size < 0 else min(size, _LONGEST_READ + 1))
        if len(data) > _LONGEST_READ:
            raise zipfile.BadZipFile("its list of files is too long")
        return data


def _objection(member: zipfile.ZipInfo) -> str | None:
    """Return why a member has no place in a product, None if it has one."""
    mode = member.external_attr >> 16
    if points_outside(member.filename) or points_outside(member.orig_filename):
        return "points out of the archive"
    if stat.S_ISLNK(mode):
        return "is a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is not a regular file"
    if member.flag_bits & 0x1:
        return "is encrypted"
    return None


def is_packed(path: Path) -> bool:
    """Whether the name is that of an archive that `unpacker` knows."""
    return is_archive(path) or path.name.lower().endswith(".zip")


def unpacker(path: Path) -> ProductFiles:
    """Return the files of a tar or zip archive.

    Raises
    ------
    FileReadError
        If it is broken, or a member has no place in a product.
    """
    return ArchiveFiles(path) if is_archive(path) else ZipFiles(path)
