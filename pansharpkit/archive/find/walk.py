"""The files of an archive's folders, by names alone: nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pansharpkit.archive import ledger
from pansharpkit.archive.entry import Unpaired
from pansharpkit.errors import FileReadError
from pansharpkit.readers.safe_open import printable

_RASTERS = (".tif", ".tiff", ".jp2")
_OTHERS = (".tar", ".tar.gz", ".tgz", ".zip", ".he5", ".imd", ".til", ".xml", "_mtl.txt")
_OUTSIDE = (
    "is a link that leads out of the archive, which is not followed; pass the folder it is in"
)
_NOWHERE = "is a link that leads nowhere; mend or remove it"
_NO_FILE = "is no regular file"
_NOT_UTF8 = "its name is not UTF-8, which rasters cannot be opened by; rename it"


@dataclass(frozen=True)
class Folder:
    """The files that lie in one folder; readers take it for the files of a product."""

    path: Path
    """Absolute."""
    place: str
    """Path below the archive with ``/`` between; empty for the archive itself."""
    names: tuple[str, ...]
    """Sorted bare names of regular files, and of links to such inside the archive."""
    outward: tuple[str, ...] = ()
    """Names of links that lead out of the archive, but to no folder."""

    @property
    def label(self) -> str:
        """The path on one line."""
        return printable(str(self.path))

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Return the paths of these files."""
        return {name: self.path / name for name in names}

    def close(self) -> None:
        """Do nothing: a folder stays as it is."""

    def below(self, name: str) -> str:
        """Return the path of a file below the archive."""
        return f"{self.place}/{name}" if self.place else name

    @property
    def parent(self) -> str:
        """Place of the folder above; the archive itself has none and is its own."""
        return self.place.rpartition("/")[0]


@dataclass(frozen=True)
class Walk:
    """Everything below a folder."""

    root: Path
    folders: tuple[Folder, ...]
    """Each before those in it, sorted; hidden ones, outputs of batches and links left out."""
    unpaired: tuple[Unpaired, ...]
    """What could not be looked at."""

    @cached_property
    def astray(self) -> tuple[Path, ...]:
        """Links to files outside the archive, which readers of a product would follow."""
        return tuple(folder.path / name for folder in self.folders for name in folder.outward)

    def astray_below(self, folder: Path) -> str | None:
        """Return what is wrong with a product in which such a link lies; None if nothing is."""
        found = next((path for path in self.astray if path.is_relative_to(folder)), None)
        if found is None:
            return None
        return f"holds {printable(found.name)}, a link that leads out of the archive"


def is_raster(name: str) -> bool:
    """Whether a bare file name is that of a raster that is no cube for certain."""
    return name.lower().endswith(_RASTERS)


def walk(root: Path, skip: Sequence[Path] = ()) -> Walk:
    """List the folders below one, without following links out of it.

    Links to folders are not followed at all: what they lead to inside is listed in its place.

    Parameters
    ----------
    root : absolute path of an existing folder.
    skip : folders to leave out, such as the one that outputs go to.

    Raises
    ------
    FileReadError
        If the folder itself cannot be listed.
    """
    left: list[Unpaired] = []
    avoided = {os.path.realpath(path) for path in skip}
    real = Path(os.path.realpath(root))
    folders = tuple(_folders(root, real, avoided, left))
    if not folders and left and left[0].path == printable(str(root)):
        raise FileReadError(f"{left[0].path}: {left[0].why}")
    return Walk(root, folders, tuple(left))


def _folders(root: Path, real: Path, avoided: set[str], left: list[Unpaired]) -> Iterator[Folder]:
    waiting = [(root, "")]
    while waiting:
        path, place = waiting.pop()
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            left.append(Unpaired(printable(str(path)), f"cannot be listed: {error.strerror}"))
            continue
        if any(entry.name == ledger.NAME for entry in found):
            continue  # the output of a batch
        shown = [e for e in found if not e.name.startswith(".") and _readable(e, left)]
        inner = [e for e in shown if e.is_dir(follow_symlinks=False) and _wanted(e, avoided)]
        waiting += [(Path(e.path), f"{place}/{e.name}" if place else e.name) for e in inner[::-1]]
        links = [e for e in shown if e.is_symlink()]
        astray = [e for e in links if not _stays(e, real)]
        left += [_left(e, _OUTSIDE) for e in astray if _matters(e)]
        away = {e.name for e in astray}
        outward = {e.name for e in astray if _kind(e) != "folder"}
        inside = [e for e in shown if e.name not in away]
        left += [_left(e, _empty(e)) for e in inside if _kind(e) == "nothing" and _matters(e)]
        names = [e.name for e in inside if _kind(e) == "file"]
        yield Folder(path, place, tuple(names), tuple(sorted(outward)))


def _wanted(entry: os.DirEntry[str], avoided: set[str]) -> bool:
    return not avoided or os.path.realpath(entry.path) not in avoided


def _readable(entry: os.DirEntry[str], left: list[Unpaired]) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        if _matters(entry):
            left.append(_left(entry, _NOT_UTF8))
        return False
    return True


def _stays(entry: os.DirEntry[str], real: Path) -> bool:
    return Path(os.path.realpath(entry.path)).is_relative_to(real)


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "nothing"]:
    """Return what an entry is, or what it is a link to."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "nothing"
    except OSError:  # links in a circle, or into a folder that is closed to us
        return "nothing"


def _empty(entry: os.DirEntry[str]) -> str:
    return _NOWHERE if entry.is_symlink() else _NO_FILE


def _matters(entry: os.DirEntry[str]) -> bool:
    """Whether a scene may be in a file or folder of that name."""
    return entry.name.lower().endswith((*_RASTERS, *_OTHERS)) or _kind(entry) == "folder"


def _left(entry: os.DirEntry[str], why: str) -> Unpaired:
    return Unpaired(printable(entry.path), why)
