"""The files of a product, in a folder or in a tar archive; for zip archives see `zipped`.

An archive comes from somewhere: its members may point out of the folder, be links or devices, or
unpack to a thousand times its size. One such member condemns the whole archive.
"""

from __future__ import annotations

import errno
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
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pansharpkit.errors import FileReadError, OutputError
from pansharpkit.readers.safe_open import check_regular, printable

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
MAX_FILES = 10_000
MOST_BESIDE = 10**6
"""Files in the folder of a product that is given by the name of its own metadata or image."""
MAX_MEMBERS = 1000  # a product has about 25, a tiled one perhaps 300
TOO_LARGE = "makes the archive far larger than any product"
_MAX_BYTES = 2**36
_MAX_RATIO = 100
_FREE_BYTES = 2**20  # small archives may compress better than that
HEADER_BYTES = 2**24
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError)


class ProductFiles(Protocol):
    """The files of one product."""

    @property
    def label(self) -> str:
        """What the user called the product, on one line."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, sorted: bare, or as paths below the product with ``/`` between."""
        ...

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return where the files of these names lie on disk."""
        ...

    def close(self) -> None:
        """Remove what was unpacked."""
        ...


class FolderFiles:
    """The files of a folder, read in place.

    Parameters
    ----------
    depth : how many levels of folders below are looked into; links to folders are not followed.
    most : files that it may hold.
    """

    def __init__(self, folder: Path, depth: int = 0, most: int = MAX_FILES) -> None:
        self.label = printable(str(folder))
        self._folder = folder
        try:
            found = sorted(islice(_walk(folder, "", depth), most + 1))
        except OSError as error:
            raise FileReadError(f"{self.label}: cannot be listed: {error.strerror}") from None
        if len(found) > most:
            raise FileReadError(
                f"{self.label}: holds more than {most} files; give the folder of one product"
            )
        self.names = tuple(found)

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return the paths of these files."""
        return {name: self._folder / name for name in names}

    def close(self) -> None:
        """Do nothing: a folder stays as it is."""


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield prefix + entry.name
            elif depth > 0 and entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)


class BareNames:
    """The files of a product by their bare names, whatever folders they lie in."""

    def __init__(self, files: ProductFiles) -> None:
        self.label = files.label
        self._files = files
        self._paths: dict[str, str] = {}
        for path in files.names:
            if self._paths.setdefault(PurePosixPath(path).name, path) != path:
                raise refused(self.label, path, "stands in the archive twice")
        self.names = tuple(sorted(self._paths))

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return where the files of these names lie on disk."""
        found = self._files.fetch([self._paths[name] for name in names])
        return {name: found[self._paths[name]] for name in names}

    def close(self) -> None:
        """Remove what was unpacked."""
        self._files.close()


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
        self.scratch = scratch_folder()
        self.close = weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)

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
        check_room(self.scratch, needed, self.label)
        with self._opened(needed + HEADER_BYTES) as tar:
            for name in wanted:
                member = self._members[name].replace(name=name, deep=False)
                tar.extract(member, self.scratch, filter="data")
        return {name: self.scratch / name for name in names}

    def _scan(self) -> dict[str, tarfile.TarInfo]:
        """Look at every member and return the regular files by their paths in the archive."""
        limit = unpacked_limit(self._archive)
        members: dict[str, tarfile.TarInfo] = {}
        total = 0
        with self._opened(HEADER_BYTES) as tar:
            for count, member in enumerate(tar, 1):
                total += max(member.size, 0)
                reason = _objection(member)
                name = str(PurePosixPath(member.name))
                if name in members:
                    reason = "stands in the archive twice"
                if count > MAX_MEMBERS or total > limit:
                    reason = TOO_LARGE
                if reason:
                    raise refused(self.label, member.name, reason)
                if member.isreg():
                    members[name] = member
        return members

    @contextmanager
    def _opened(self, budget: int) -> Iterator[tarfile.TarFile]:
        """Open the archive so that no more than `budget` bytes can be read from it."""
        try:
            with (
                self._archive.open("rb") as raw,
                decompressed(raw) as plain,
                tarfile.open(fileobj=Metered(plain, budget), mode="r:") as tar,
            ):
                yield tar
        except FileReadError:
            raise
        except BROKEN as error:
            raise unreadable(self.label, error) from None


def is_archive(path: Path) -> bool:
    """Whether the name is that of a tar archive."""
    return path.name.lower().endswith(_SUFFIXES)


def scratch_folder() -> Path:
    """Make a folder to unpack to, where ``CPL_TMPDIR`` says or where the system keeps such."""
    return Path(tempfile.mkdtemp(prefix="pansharpkit-", dir=os.environ.get("CPL_TMPDIR")))


def check_room(scratch: Path, needed: int, label: str) -> None:
    """Refuse to unpack what does not fit.

    Raises
    ------
    OutputError
        With the bytes needed and free.
    """
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise OutputError(
            f"{scratch}: {needed} bytes are needed to unpack {label}, {free} are free; set "
            "CPL_TMPDIR to a larger disk"
        )


def unpacked_limit(archive: Path) -> int:
    """Return how many bytes an archive of that size may plausibly hold."""
    return min(_MAX_BYTES, _FREE_BYTES + _MAX_RATIO * archive.stat().st_size)


def unreadable(label: str, error: Exception) -> FileReadError | OutputError:
    """Return why an archive cannot be unpacked: it is broken, or the disk is full."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return OutputError(
            f"{label}: cannot be unpacked ({error.strerror}); set CPL_TMPDIR to a larger disk"
        )
    return FileReadError(
        f"{label}: is broken or truncated ({printable(str(error))}); download it again"
    )


def refused(label: str, member: str, reason: str) -> FileReadError:
    """Return the error that one member of an archive makes the whole of it unacceptable."""
    return FileReadError(
        f"{label}: refused, member {printable(member)[:120]!r} {reason}; get the archive from its "
        "source again"
    )


def points_outside(name: str) -> bool:
    """Whether a name inside an archive or a metadata file leads out of its folder."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name


def _objection(member: tarfile.TarInfo) -> str | None:
    """Return why a member has no place in a product, None if it has one."""
    if points_outside(member.name):
        return "points out of the archive"
    if member.issym() or member.islnk():
        return "is a link"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "is not a regular file"
    if member.size < 0:
        return "has a negative size"
    return None


def decompressed(raw: IO[bytes]) -> IO[bytes]:
    """Return what a file holds, unpacked as it is read if it is gzipped."""
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[return-value]


class Metered(io.RawIOBase):
    """A file that gives at most a number of bytes: headers can be bombs as well."""

    def __init__(self, file: IO[bytes], budget: int) -> None:
        self._file = file
        self._left = budget

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, as files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place, as files do."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Return bytes, or raise the error of a broken archive when the budget is used up."""
        self._left -= size
        if self._left < 0 or size < 0:
            raise tarfile.ReadError("its headers are too large")
        return self._file.read(size)
