"""Which family of hyperspectral cubes a file is of, and what opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pansharpkit.errors import FileReadError
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.safe_open import printable

Opener = Callable[[Path, ReadOptions], Cube]

KNOWN: tuple[tuple[str, Callable[[Path], bool], Opener], ...] = ()
"""What is known, the most particular first: its description, whether a path looks like it (by its
name and, in a folder, by the names in it; nothing is opened), and what opens it."""


def open_cube(name: str | os.PathLike[str], options: ReadOptions | None = None) -> Cube:
    """Open a hyperspectral product: its folder, its archive, its header or its raster.

    Raises
    ------
    FileReadError
        If it does not exist, is of no family that is known, or is broken.
    InputError
        If it is bad; see the readers.
    """
    path = Path(name)
    if not os.path.lexists(path):
        raise FileReadError(f"{printable(str(name))}: does not exist; check the path")
    for _, fits, opener in KNOWN:
        if fits(path):
            return opener(path, options or ReadOptions())
    known = "; ".join(description for description, _, _ in KNOWN)
    raise FileReadError(f"{printable(str(name))}: is no hyperspectral cube that is known: {known}")


def is_cube(name: str | os.PathLike[str]) -> bool:
    """Whether a path looks like a hyperspectral product, as opposed to any raster, by its name."""
    path = Path(name)
    return any(fits(path) for _, fits, _ in KNOWN)
