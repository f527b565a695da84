"""The CAVE multispectral image database: a folder for each scene, a 16-bit PNG for each band."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from pansharpkit.errors import FileReadError, InputError
from pansharpkit.readers.safe_open import check_regular, printable

CENTERS_NM = tuple(range(400, 701, 10))
"""Centres of the 31 bands."""
_BAND = re.compile(r"(?P<scene>.+)_ms_(?P<number>\d\d)\.png", re.IGNORECASE)
_DEPTH = 3  # as published, each scene's folder lies within another of the same name
_MOST_PIXELS = 2**24
_EXPECTED = "<scene>_ms/<scene>_ms/<scene>_ms_01.png to _31.png"


def cave_scenes(root: Path) -> dict[str, Path]:
    """Return the folder of each scene below `root`, by name.

    Raises
    ------
    FileReadError
        If there is none.
    """
    found = {
        match["scene"]: path.parent
        for depth in range(_DEPTH)
        for path in sorted(root.glob("*/" * depth + "*_ms_01.png"))
        if (match := _BAND.fullmatch(path.name))
    }
    if not found:
        raise FileReadError(
            f"{printable(str(root))}: no scene of CAVE here; expected {_EXPECTED}, as the "
            "database is published"
        )
    return dict(sorted(found.items()))


def read_cave(folder: Path, scene: str) -> NDArray[np.float32]:
    """Return a scene, [31, H, W] in [0, 1].

    Raises
    ------
    FileReadError
        If bands are missing or cannot be read.
    InputError
        If they differ in size.
    """
    paths = [folder / f"{scene}_ms_{number:02d}.png" for number in range(1, len(CENTERS_NM) + 1)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileReadError(
            f"{printable(str(folder))}: {len(missing)} of {len(paths)} bands are missing, first "
            f"{printable(missing[0])}; expected {_EXPECTED}"
        )
    bands = [_read(path) for path in paths]
    if len({band.shape for band in bands}) > 1:
        raise InputError(f"{printable(str(folder))}: its bands differ in size; get it anew")
    return np.stack(bands)


def _read(path: Path) -> NDArray[np.float32]:
    """Return the first channel of a PNG in [0, 1]; one scene was published with four of them."""
    shown = printable(str(path))
    check_regular(path, shown)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path.absolute(), driver="PNG") as dataset:
                if dataset.width * dataset.height > _MOST_PIXELS:
                    raise InputError(f"{shown}: {dataset.width} x {dataset.height} is no CAVE band")
                values = np.asarray(dataset.read(1))
    except RasterioError:
        raise FileReadError(f"{shown}: is damaged or no PNG; get it anew") from None
    if values.dtype.kind != "u":
        raise InputError(f"{shown}: holds {values.dtype}, expected unsigned integers")
    largest = 2 ** (8 * values.dtype.itemsize) - 1
    return np.asarray(values, np.float32) / np.float32(largest)
