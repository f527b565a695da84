"""The text beside an ENVI file that says how its numbers are laid out.

The header comes with the file and is as trustworthy as it: bounded in size, parsed in one pass,
and no name of another file is ever taken from it. Layout: ENVI header format, L3Harris (NV5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from pansharpkit.errors import InputError, MetadataError
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import finite, read_bounded, whole

Interleave = Literal["bsq", "bil", "bip"]
INTERLEAVES: tuple[Interleave, ...] = get_args(Interleave)

MAX_BYTES = 2**22
"""Lists for a thousand bands take some 100 KB."""
MAX_SIZE = 10**8
"""Most lines or samples; their product is checked against the file."""
MAX_BANDS = 1024
_MAX_KEYS = 1000
_MAX_OFFSET = 2**40
_TYPES = {
    "1": "u1", "2": "i2", "3": "i4", "4": "f4", "5": "f8", "12": "u2", "13": "u4",
}  # fmt: skip
_UNFIT = {
    "6": "complex numbers; give amplitudes",
    "9": "complex numbers; give amplitudes",
    "14": "64-bit integers; convert it to 32 bits",
    "15": "64-bit integers; convert it to 32 bits",
}
_LAYOUT = (
    "samples", "lines", "bands", "header offset", "data type", "interleave", "byte order",
    "map info", "wavelength", "file type", "file compression",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How the numbers of an ENVI file are stored."""

    height: int
    width: int
    count: int
    """Bands."""
    dtype: np.dtype[np.generic]
    """With the byte order of the file."""
    interleave: Interleave
    offset: int
    """Bytes before the first number."""

    @property
    def end(self) -> int:
        """Bytes up to the end of the last number."""
        return self.offset + self.height * self.width * self.count * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """The entries of a header, by their names in lower case."""

    entries: Mapping[str, str]
    label: str
    """Name of the header file."""

    def text(self, key: str) -> str | None:
        """Return an entry without braces, on one line; None if there is none or it is empty."""
        value = self.entries.get(key)
        return None if value is None else printable(" ".join(_bare(value).split())) or None

    def items(self, key: str) -> tuple[str, ...] | None:
        """Return the items of a list; None if there is none."""
        value = self.entries.get(key)
        if value is None:
            return None
        found = tuple(printable(item.strip()) for item in _bare(value).split(","))
        return found[:-1] if found[-1] == "" else found

    def numbers(self, key: str, count: int | None = None) -> tuple[float, ...] | None:
        """Return the numbers of a list; None if there is none.

        Raises
        ------
        MetadataError
            If an item is not a finite number, or there are not `count`.
        """
        items = self.items(key)
        if not items:
            return None
        if count is not None and len(items) != count:
            raise MetadataError(f"{self.label}: {key} lists {len(items)} values for {count} bands")
        return tuple(finite(item, key, self.label) for item in items)

    def number(self, key: str) -> float | None:
        """Return an entry as a finite number; None if there is none."""
        value = self.text(key)
        return None if value is None else finite(value, key, self.label)

    def count(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return an entry as a whole number in a range.

        Raises
        ------
        MetadataError
            If it is missing without a default, or anything else.
        """
        value = self.text(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise MetadataError(f"{self.label}: has no '{key}'; it is no complete ENVI header")
        found = whole(value, key, self.label)
        if not low <= found <= high:
            raise MetadataError(f"{self.label}: {key} = {found}, expected {low} to {high}")
        return found


def read_header(path: Path) -> Header:
    """Read an ENVI header.

    Raises
    ------
    FileReadError
        If it cannot be read.
    MetadataError
        If it is too large, does not begin with ``ENVI``, has an open brace, or gives an entry that
        matters twice with different values.
    """
    label = printable(path.name)
    text = read_bounded(path, MAX_BYTES).decode("utf-8", errors="replace").lstrip("\ufeff")
    first, _, rest = text.partition("\n")
    if first.strip() != "ENVI":
        raise MetadataError(f"{label}: is no ENVI header, its first line is not 'ENVI'")
    return Header(_entries(rest, label), label)


def _entries(text: str, label: str) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or key.lstrip().startswith(";"):
            continue
        name, value = " ".join(key.casefold().split()), value.strip()
        if value.startswith("{"):
            parts = [value]
            while "}" not in parts[-1]:
                following = next(lines, None)
                if following is None:
                    raise MetadataError(
                        f"{label}: the list of '{printable(name)[:40]}' has no end; the header is "
                        "cut off, copy it again"
                    )
                parts.append(following)
            value = "\n".join(parts)
        if name in _LAYOUT and found.get(name, value) != value:
            raise MetadataError(f"{label}: gives '{name}' twice with different values; correct it")
        found[name] = value
        if len(found) > _MAX_KEYS:
            raise MetadataError(f"{label}: has more than {_MAX_KEYS} entries, no header has")
    return found


def _bare(value: str) -> str:
    return value.strip().removeprefix("{").partition("}")[0]


def read_layout(header: Header) -> Layout:
    """Return how the numbers are stored.

    Raises
    ------
    MetadataError
        If an entry is missing or makes no sense.
    InputError
        If the kind of file or of number is not supported.
    """
    label = header.label
    _check_kind(header)
    code = header.text("data type") or "missing"
    if code in _UNFIT:
        raise InputError(f"{label}: data type {code} means {_UNFIT[code]}")
    if code not in _TYPES:
        known = ", ".join(_TYPES)
        raise MetadataError(f"{label}: data type = {code[:40]!r}, expected one of {known}")
    said = (header.text("interleave") or "missing").casefold()
    interleave = next((known for known in INTERLEAVES if known == said), None)
    if interleave is None:
        raise MetadataError(f"{label}: interleave = {said[:40]!r}, expected bsq, bil or bip")
    order = "<>"[header.count("byte order", 0, 1, default=0)]
    return Layout(
        height=header.count("lines", 1, MAX_SIZE),
        width=header.count("samples", 1, MAX_SIZE),
        count=header.count("bands", 1, MAX_BANDS),
        dtype=np.dtype(order + _TYPES[code]),
        interleave=interleave,
        offset=header.count("header offset", 0, _MAX_OFFSET, default=0),
    )


def _check_kind(header: Header) -> None:
    kind = (header.text("file type") or "").casefold()
    if "library" in kind or "classification" in kind:
        raise InputError(f"{header.label}: describes an {kind}, not an image; give a cube")
    if header.text("file compression") not in (None, "0"):
        raise InputError(f"{header.label}: its data are compressed; unpack them (gunzip) and set "
                         "file compression = 0")  # fmt: skip
    for key in ("major frame offsets", "minor frame offsets"):
        if any(header.numbers(key) or ()):
            raise InputError(f"{header.label}: has {key}, which are not supported; convert it with "
                             "gdal_translate")  # fmt: skip


def read_nodata(header: Header) -> float | None:
    """Return the value that marks missing pixels, if the header gives one; it may be NaN.

    Raises
    ------
    MetadataError
        If it is no number.
    """
    text = header.text("data ignore value")
    try:
        return None if text is None else float(text)
    except ValueError:
        shown = (text or "")[:40]
        raise MetadataError(
            f"{header.label}: data ignore value = {shown!r} is not a number"
        ) from None
