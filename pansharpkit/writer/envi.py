"""ENVI images: a file of bare numbers, and a header beside it that explains them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from pansharpkit.errors import OptionError
from pansharpkit.writer.profile import OutputProfile

INTERLEAVES = {".img": "BSQ", ".dat": "BSQ", ".bsq": "BSQ", ".bil": "BIL", ".bip": "BIP"}
"""Names of data files, and how such a file is laid out unless a creation option says otherwise."""
_AXES = {"BSQ": (0, 1, 2), "BIL": (1, 0, 2), "BIP": (1, 2, 0)}
"""Order of (band, row, col) in the file."""
_TYPES = {"uint8", "int16", "int32", "float32", "float64", "uint16", "uint32"}
_DROPPED = re.compile(r"^description = \{.*?\}\n", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^band names = \{.*?\}\n", re.DOTALL | re.MULTILINE)
_SAID = re.compile(r" \([\d.]+ (nm|Nanometers)\)$")
"""A wavelength in a band's name, which readers put there again."""
_IGNORED = re.compile(r"^data ignore value = .*\n", re.MULTILINE)


def is_envi(path: Path) -> bool:
    """Whether an output of that name is an ENVI image."""
    return path.suffix.lower() in (*INTERLEAVES, ".hdr")


def data_path(path: Path) -> Path:
    """Return the name of the data file; a header stands for ``.img``."""
    return path.with_suffix(".img") if path.suffix.lower() == ".hdr" else path


def header_path(path: Path) -> Path:
    """Return the name of the header of a data file."""
    return path.with_suffix(".hdr")


def checked_options(path: Path, profile: OutputProfile) -> dict[str, str]:
    """Return the interleave, as the creation option says or the name of the file.

    Raises
    ------
    OptionError
        If an option is unknown, or the format cannot hold the pixels or their mask.
    """
    given = {name.upper(): value.upper() for name, value in profile.creation_options.items()}
    if unknown := sorted(set(given) - {"INTERLEAVE"}):
        raise OptionError(
            f"creation option {', '.join(unknown)} is not supported for ENVI; choose INTERLEAVE"
        )
    interleave = given.get("INTERLEAVE", INTERLEAVES.get(path.suffix.lower(), "BSQ"))
    if interleave not in _AXES:
        raise OptionError(f"creation option INTERLEAVE={interleave} must be BSQ, BIL or BIP")
    if profile.dtype not in _TYPES:
        raise OptionError(
            f"{profile.dtype} pixels cannot be stored in an ENVI image; choose one of "
            f"{', '.join(sorted(_TYPES))}"
        )
    if profile.with_mask:
        raise OptionError(f"{path}: an ENVI image has no mask; give it a nodata value")
    return {"INTERLEAVE": interleave}


class EnviFile:
    """A data file that windows are written to in any order, with all of its room reserved.

    Plain writes keep the file out of this program's memory, where a map of it would count.
    """

    def __init__(self, path: Path, profile: OutputProfile, interleave: str) -> None:
        self._axes = _AXES[interleave]
        self._dtype = np.dtype(profile.dtype).newbyteorder("<")
        self._shape = tuple(profile.shape[axis] for axis in self._axes)
        _reserve(path, profile.raw_bytes)  # a full disk is told now, not hours later
        self._file = path.open("r+b", buffering=0)

    def write(self, values: NDArray[np.generic], window: RasterWindow) -> None:
        """Put [C, h, w] pixels in their place."""
        first = [(0, window.row_off, window.col_off)[axis] for axis in self._axes]
        stored = np.ascontiguousarray(values.transpose(self._axes), self._dtype)
        sizes = np.cumprod([1, *self._shape[:0:-1]])[::-1]  # numbers between neighbours by axis
        runs = stored.ndim - 1  # axes before the part that lies in one piece
        while runs and stored.shape[runs] == self._shape[runs]:
            runs -= 1
        lead = [np.arange(n) + first[axis] for axis, n in enumerate(stored.shape[:runs])]
        starts = np.full((1,) * runs, sum(first[axis] * sizes[axis] for axis in range(runs, 3)))
        for axis, index in enumerate(lead):
            shape = [1] * runs
            shape[axis] = len(index)
            starts = starts + index.reshape(shape) * sizes[axis]
        pieces = stored.reshape(starts.size, -1).view(np.uint8)
        for start, piece in zip((starts * self._dtype.itemsize).ravel(), pieces, strict=True):
            self._put(piece.data, int(start))

    def _put(self, piece: memoryview, start: int) -> None:
        self._file.seek(start)
        while len(piece):
            piece = piece[self._file.write(piece) :]

    def write_mask(self, mask: NDArray[np.uint8], window: RasterWindow) -> None:
        """Refuse a mask: profiles that have one were refused before."""
        raise OptionError("an ENVI image has no mask")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _reserve(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(size)


def create_envi(path: Path, profile: OutputProfile, options: Mapping[str, str]) -> EnviFile:
    """Create the data file, and the header ``NAME.hdr`` beside it, which is complete at once."""
    with rasterio.Env(GDAL_PAM_ENABLED="NO"):
        rasterio.open(
            path,
            "w",
            driver="ENVI",
            width=profile.grid.width,
            height=profile.grid.height,
            count=profile.count,
            dtype=profile.dtype,
            crs=profile.grid.crs,
            transform=profile.grid.transform,
            SUFFIX="ADD",
            **options,
        ).close()
    header = Path(f"{path}.hdr")
    plain = header.read_text(encoding="utf-8")  # GDAL knows how to say where it lies
    for pattern in (_DROPPED, _NAMED, _IGNORED):
        plain = pattern.sub("", plain)
    header.write_text(plain.rstrip() + "\n" + "".join(_entries(profile)), encoding="utf-8")
    return EnviFile(path, profile, options["INTERLEAVE"])


def _entries(profile: OutputProfile) -> list[str]:
    """Return what GDAL does not write: wavelengths, names, nodata, scale and lineage."""
    tags = profile.tags
    names = [_plain(_SAID.sub("", name)) for name in profile.band_names]
    lines = [_entry("description", [tags.get("TIFFTAG_SOFTWARE", "pansharpkit")]),
             _entry("band names", names)]  # fmt: skip
    if profile.nodata is not None:
        lines.append(f"data ignore value = {profile.nodata!r}\n")
    if profile.wavelengths_nm and None not in profile.wavelengths_nm:
        lines.append("wavelength units = Nanometers\n")
        lines.append(_entry("wavelength", _numbers(profile.wavelengths_nm)))
        if profile.fwhm_nm and None not in profile.fwhm_nm:
            lines.append(_entry("fwhm", _numbers(profile.fwhm_nm)))
    if any(scale != 1 for scale in profile.scales):
        lines.append(_entry("data gain values", _numbers(profile.scales)))
    if any(offset != 0 for offset in profile.offsets):
        lines.append(_entry("data offset values", _numbers(profile.offsets)))
    lines += [
        f"{_key(name)} = {_plain(value)}\n"
        for name, value in tags.items()
        if not name.startswith(("TIFFTAG_", "AREA_OR_POINT"))
    ]
    return lines


def _numbers(values: Sequence[float | None]) -> list[str]:
    return [f"{value:.8g}" for value in values if value is not None]


def _entry(key: str, items: Sequence[str]) -> str:
    return f"{key} = {{\n {', '.join(items)}}}\n"


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def _plain(text: str) -> str:
    """Return text without what has a meaning in a header."""
    return " ".join(re.sub(r"[{},=]", " ", text).split())
