"""The files of a product, in a folder or in a tar archive.

An archive comes from somewhere: its members may point out of the folder, be links or devices, or
unpack to a thousand times its size. One such member condemns the whole archive.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pansharpkit.errors import FileReadError, OutputError
from pansharpkit.readers.safe_open import check_regular, printable

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MAX_MEMBERS = 1000  # a product has about 25
_MAX_BYTES = 2**34
_MAX_RATIO = 100
_FREE_BYTES = 2**20  # small archives may compress better than that
_HEADER_BYTES = 2**24
_BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError)


class ProductFiles(Protocol):
    """The files of one product."""

    @property
    def label(self) -> str:
        """What the user called the product, on one line."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Bare names of the files."""
        ...

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return where the files of these names lie on disk."""
        ...

    def close(self) -> None:
        """Remove what was unpacked."""
        ...


class FolderFiles:
    """The files of a folder, read in place."""

    def __init__(self, folder: Path) -> None:
        self.label = printable(str(folder))
        self._folder = folder
        try:
            self.names = tuple(sorted(e.name for e in os.scandir(folder) if e.is_file()))
        except OSError as error:
            raise FileReadError(f"{self.label}: cannot be listed: {error.strerror}") from None

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return the paths of these files."""
        return {name: self._folder / name for name in names}

    def close(self) -> None:
        """Do nothing: a folder stays as it is."""


class ArchiveFiles:
    """The files of a tar archive, unpacked one by one to a scratch folder.

    The scratch folder disappears with this object, at the latest when the program ends. It lies
    where ``CPL_TMPDIR`` says, or in the system's place for such things.
    """

    def __init__(self, archive: Path) -> None:
        self.label = printable(str(archive))
        self._archive = archive
        check_regular(archive, self.label)
        self._members = self._scan()
        self.names = tuple(sorted(self._members))
        folder = tempfile.mkdtemp(prefix="pansharpkit-", dir=os.environ.get("CPL_TMPDIR"))
        self.scratch = Path(folder)
        self.close = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Unpack these files, unless they are unpacked already, and return where they lie.

        Raises
        ------
        OutputError
            If the scratch folder has no room for them.
        FileReadError
            If the archive is broken.
        """
        wanted = [name for name in names if not (self.scratch / name).exists()]
        wanted.sort(key=lambda name: self._members[name].offset)
        needed = sum(self._members[name].size for name in wanted)
        free = shutil.disk_usage(self.scratch).free
        if needed > free:
            raise OutputError(
                f"{self.scratch}: {needed} bytes are needed to unpack {self.label}, {free} are "
                "free; set CPL_TMPDIR to a larger disk"
            )
        with self._opened(needed + _HEADER_BYTES) as tar:
            for name in wanted:
                member = self._members[name].replace(name=name, deep=False)
                tar.extract(member, self.scratch, filter="data")
        return {name: self.scratch / name for name in names}

    def _scan(self) -> dict[str, tarfile.TarInfo]:
        """Look at every member and return the regular files by their bare names."""
        limit = min(_MAX_BYTES, _FREE_BYTES + _MAX_RATIO * self._archive.stat().st_size)
        members: dict[str, tarfile.TarInfo] = {}
        total = 0
        with self._opened(_HEADER_BYTES) as tar:
            for count, member in enumerate(tar, 1):
                total += max(member.size, 0)
                reason = _objection(member)
                name = PurePosixPath(member.name).name
                if name in members:
                    reason = "stands in the archive twice"
                if count > _MAX_MEMBERS or total > limit:
                    reason = "makes the archive far larger than any product"
                if reason:
                    raise FileReadError(
                        f"{self.label}: refused, member {printable(member.name)[:120]!r} {reason}; "
                        "get the archive from its source again"
                    )
                if member.isreg():
                    members[name] = member
        return members

    @contextmanager
    def _opened(self, budget: int) -> Iterator[tarfile.TarFile]:
        """Open the archive so that no more than `budget` bytes can be read from it."""
        try:
            with (
                self._archive.open("rb") as raw,
                _decompressed(raw) as plain,
                tarfile.open(fileobj=_Metered(plain, budget), mode="r:") as tar,
            ):
                yield tar
        except FileReadError:
            raise
        except _BROKEN as error:
            raise FileReadError(
                f"{self.label}: is broken or truncated ({printable(str(error))}); download it again"
            ) from None


def is_archive(path: Path) -> bool:
    """Whether the name is that of a tar archive."""
    return path.name.lower().endswith(_SUFFIXES)


def _objection(member: tarfile.TarInfo) -> str | None:
    """Return why a member has no place in a product, None if it has one."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        return "points out of the archive"
    if member.issym() or member.islnk():
        return "is a link"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "is not a regular file"
    if member.size < 0:
        return "has a negative size"
    return None


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[return-value]


class _Metered(io.RawIOBase):
    """A file that gives at most a number of bytes: headers can be bombs as well."""

    def __init__(self, file: IO[bytes], budget: int) -> None:
        self._file = file
        self._left = budget

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        self._left -= size
        if self._left < 0 or size < 0:
            raise tarfile.ReadError("its headers are too large")
        return self._file.read(size)
