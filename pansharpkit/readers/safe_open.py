"""The only door to a raster file.

A file name is not trusted: GDAL takes URLs, virtual file systems and inline XML for names, and
finds the format by looking inside, so that a text file called ``a.tif`` can make it read any
other file or call a server. Here a name is an existing regular file, opened by the one driver
that its suffix calls for, with the folder around it hidden.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from pansharpkit.errors import FileReadError, GridError
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.rpc import advice, coefficients_beside

_DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
"""Suffixes of pictures, which say nothing of where they lie, and their drivers."""
_REMOTE = re.compile(r"/vsi|[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_FILTERS_LOCK = threading.Lock()  # warning filters belong to the whole process
_MAGIC = {
    "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JP2OpenJPEG": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "BMP": (b"BM",),
}
_FORMATS = {
    "GTiff": "TIFF", "JP2OpenJPEG": "JPEG 2000 file", "PNG": "PNG file", "JPEG": "JPEG file",
    "BMP": "BMP file",
}  # fmt: skip
_MOST_OPEN = 64
"""Rasters that one thread keeps open: a product may have hundreds of tiles."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with control characters escaped.

    >>> printable("a\nb.tif")
    'a\\nb.tif'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True)
class Location:
    """A raster that may be opened."""

    name: str
    """What GDAL is given: an absolute path, or a URL where that is allowed."""
    shown: str
    """What the user called it, on one line."""
    driver: str
    remote: bool = False
    keep: object = field(default=None, repr=False, compare=False)
    """Whatever must outlive the file, such as the scratch folder it lies in."""
    placed: bool = False
    """Whether the metadata of a product say where it lies, so that it need not say so itself."""

    @property
    def label(self) -> str:
        """The bare file name."""
        return self.shown.rsplit("/", maxsplit=1)[-1]


def locate(
    name: str | os.PathLike[str],
    options: ReadOptions,
    keep: object = None,
    placed: bool = False,
    drivers: Mapping[str, str] = _DRIVERS,
) -> Location:
    """Decide whether a name may be opened at all; nothing is opened yet.

    `drivers` has the one driver that may open files of each suffix.

    Raises
    ------
    FileReadError
        If it is not an existing regular file with a supported suffix and the right first bytes.
    """
    text = os.fspath(name)
    shown = printable(text)
    if text.lstrip().startswith("<"):
        raise FileReadError(f"{shown[:60]}: is XML, not the name of a file")
    if _REMOTE.match(text) or os.path.abspath(text).startswith("/vsi"):  # noqa: PTH100 - no symlinks
        if not options.allow_remote:
            raise FileReadError(
                f"{shown}: is not a local file; pass --allow-remote to open URLs and /vsi paths"
            )
        driver = _driver(text.partition("?")[0], shown, drivers)
        return Location(text, shown, driver, True, keep, placed)
    # An absolute path can be neither a scheme nor a driver prefix.
    path = Path(os.path.abspath(text))  # noqa: PTH100 - symlinks stay as the user wrote them
    check_regular(path, shown)
    driver = _driver(path.name, shown, drivers)
    _check_first_bytes(path, shown, driver)
    return Location(str(path), shown, driver, False, keep, placed)


def _driver(name: str, shown: str, drivers: Mapping[str, str]) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in drivers:
        raise FileReadError(
            f"{shown}: unsupported suffix {printable(suffix)!r}, expected one of "
            f"{', '.join(drivers)}; convert it with gdal_translate"
        )
    return drivers[suffix]


def check_regular(path: Path, shown: str) -> None:
    """Refuse what is not an existing regular file with something in it.

    Raises
    ------
    FileReadError
        Saying which of these it is not.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileReadError(f"{shown}: cannot be opened: {reason}; check the path") from None
    if not stat.S_ISREG(status.st_mode):
        raise FileReadError(f"{shown}: is not a regular file; give the file itself")
    if status.st_size == 0:
        raise FileReadError(f"{shown}: is empty (0 bytes); download or copy it again")


def _check_first_bytes(path: Path, shown: str, driver: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise FileReadError(f"{shown}: cannot be read: {error.strerror}") from None
    if head.startswith(_MAGIC[driver]):
        return
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<vrtdataset"):
        found = "is a GDAL virtual raster (VRT), which can point anywhere; give the files it lists"
    elif text.startswith((b"<!doctype html", b"<html", b"<head")):
        found = "is an HTML page, perhaps a login or an error page; download the raster again"
    else:
        found = (
            f"is not a {_FORMATS[driver]}, whatever its suffix says; download or convert it again"
        )
    raise FileReadError(f"{shown}: {found}")


def gdal_environment(options: ReadOptions) -> rasterio.Env:
    """Return the GDAL settings for opening and reading: blind to sidecars, messages to the log.

    GDAL looks for sidecars while it opens a file and never later.
    """
    if options.sidecars:
        return rasterio.Env()
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")


def open_dataset(location: Location, options: ReadOptions) -> DatasetReader:
    """Open a located raster with its own driver, blind to the files beside it.

    Raises
    ------
    FileReadError
        If GDAL cannot open it.
    """
    try:
        with gdal_environment(options):
            dataset = rasterio.open(location.name, driver=location.driver)
    except (RasterioError, UnicodeDecodeError) as error:
        raise FileReadError(
            f"{location.shown}: is broken and cannot be opened ({printable(str(error))}); "
            "download or copy it again"
        ) from error
    if not options.sidecars and not location.remote and set(dataset.files) - {location.name}:
        dataset.close()
        raise FileReadError(f"{location.shown}: pulls in other files, which is refused")
    return dataset


def open_georeferenced(location: Location, options: ReadOptions) -> DatasetReader:
    """Open a located raster as `open_dataset` does, and insist on a geotransform.

    Raises
    ------
    FileReadError
        If GDAL cannot open it.
    GridError
        If it has no geotransform, or half of one: that looks whole but comes with a warning.
    """
    try:
        with _FILTERS_LOCK, warnings.catch_warnings():
            action: Literal["ignore", "error"] = "ignore" if location.placed else "error"
            warnings.simplefilter(action, NotGeoreferencedWarning)
            return open_dataset(location, options)
    except NotGeoreferencedWarning:
        raise GridError(f"{location.shown}: {_not_placed(location)}") from None


def _not_placed(location: Location) -> str:
    found = None if location.remote else coefficients_beside(Path(location.name))
    if found is not None:
        return advice(printable(found))
    return (
        "has no geotransform; georeference it first, or pass --sidecars to read the world file "
        "beside it"
    )


class RasterFile:
    """A located raster that every thread of every process opens for itself.

    GDAL datasets must not be shared between threads, nor survive a fork; with one each, threads
    read and decompress side by side.
    """

    _opened = threading.local()
    """In each thread, the files it has open, the latest last."""

    def __init__(self, location: Location, options: ReadOptions) -> None:
        self.location = location
        self.options = options
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[RasterFile], tuple[Location, ReadOptions]]:
        return RasterFile, (replace(self.location, keep=None), self.options)

    @property
    def dataset(self) -> DatasetReader:
        """The dataset of the calling thread, good until the thread asks 64 other files."""
        opened: tuple[int, DatasetReader] | None = getattr(self._local, "opened", None)
        if opened is None or opened[0] != os.getpid():
            opener = open_georeferenced if self.location.placed else open_dataset
            opened = (os.getpid(), opener(self.location, self.options))
            self._local.opened = opened
            self._remember()
        return opened[1]

    def _remember(self) -> None:
        """Close what this thread opened longest ago, if it is too much by now."""
        files: deque[weakref.ref[RasterFile]] = self._opened.__dict__.setdefault("files", deque())
        files.append(weakref.ref(self))
        if len(files) <= _MOST_OPEN:
            return
        oldest = files.popleft()()
        opened = None if oldest is None else oldest._local.__dict__.pop("opened", None)
        if opened is not None and opened[0] == os.getpid():
            opened[1].close()
