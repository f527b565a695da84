"""The nodata text of a GeoTIFF, also where GDAL's bindings hide it for not fitting the type."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_GDAL_NODATA = 42113
_MOST_CHARACTERS = 64


def declared_nodata(path: Path) -> float | None:
    """Return the nodata value written in the first directory of a TIFF or BigTIFF.

    Returns None if there is none, or if it is no number.
    """
    try:
        with path.open("rb") as file:
            text = _ascii_tag(file, _GDAL_NODATA)
        return None if text is None else float(text)
    except (OSError, struct.error, ValueError):
        return None


def _ascii_tag(file: BinaryIO, wanted: int) -> str | None:
    """Return the text of an ASCII tag of the first directory."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    (version,) = struct.unpack(order + "H", head[2:4])
    big = version == 43
    count_format, entry_format, word = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    (start,) = struct.unpack(order + word, head[8:16] if big else head[4:8])
    file.seek(start)
    (entries,) = struct.unpack(order + count_format, file.read(struct.calcsize(count_format)))
    size = struct.calcsize(order + entry_format)
    for _ in range(min(entries, 4096)):
        tag, _, count, value = struct.unpack(order + entry_format, file.read(size))
        if tag != wanted:
            continue
        length = min(count, _MOST_CHARACTERS)
        if count > len(value):
            file.seek(struct.unpack(order + word, value)[0])
            value = file.read(length)
        return bytes(value[:length]).split(b"\0")[0].decode("ascii").strip()
    return None
