"""Archives for tests: tiny rasters at chosen places, with chosen names."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from rasters import ORIGIN, write_geotiff

from pansharpkit.archive.entry import Found, SceneEntry
from pansharpkit.archive.find import FindRequest, find
from pansharpkit.readers import open_product

MINI = Path(__file__).parent / "data" / "landsat8_alabama_mini"
SIZE = 16
"""Rows and columns of a PAN; its pixels measure 15 m."""


def write_pan(path: Path, at: tuple[float, float] = (0, 0), size: int = SIZE) -> Path:
    """Write a PAN `at` so many of its own widths (down, right) from the origin."""
    return _write(path, 1, at, size, 1)


def write_ms(
    path: Path, at: tuple[float, float] = (0, 0), size: int = SIZE // 4, bands: int = 4
) -> Path:
    """Write an MS of the same ground, with pixels of 60 m."""
    return _write(path, bands, at, size, 4)


def _write(path: Path, bands: int, at: tuple[float, float], size: int, step: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(bands)
    shift = Affine.translation(at[1] * SIZE, at[0] * SIZE) @ Affine.scale(step)
    values = rng.integers(100, 4000, (bands, size, size)).astype(np.uint16)
    return write_geotiff(path, values, ORIGIN @ shift)


def found_in(archive: Path, *pair: str) -> Found:
    return find(FindRequest(archive, pair=pair))


def inputs(found: Found, root: Path) -> dict[str, list[str]]:
    """Return what each scene is made of, below the archive, by its id."""
    return {
        entry.id: [Path(text).relative_to(root).as_posix() for text in entry.inputs]
        for entry in found.entries
    }


def left(found: Found) -> dict[str, str]:
    """Return why files make no scene, by their bare names."""
    return {Path(one.path).name: one.why for one in found.unpaired}


def opens(entry: SceneEntry) -> bool:
    """Whether fusion would open the inputs of a scene: a PAN, and more than one band."""
    product = open_product(entry.inputs)
    return len(product.guide.names) == 1 and len(product.target.names) > 1


def pack(path: Path, files: Sequence[Path], prefix: str = "") -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for file in files:
            tar.add(file, prefix + file.name)
    return path


def pack_members(path: Path, members: Mapping[str, tarfile.TarInfo | bytes]) -> Path:
    """Write a tar with members as they are given: contents, or headers of links and devices."""
    with tarfile.open(path, "w") as tar:
        for name, what in members.items():
            info = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(what, tarfile.TarInfo) else what
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
