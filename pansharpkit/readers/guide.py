"""The fine image that sharpens a hyperspectral cube: an MS image, or a PAN, of any reader."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.archive import FolderFiles
from pansharpkit.readers.cubes.cube import is_cube, open_cube
from pansharpkit.readers.cubes.spectra import spectra_of_raster
from pansharpkit.readers.derived import ScaledSource, stack, unique_names
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.landsat.guide import (
    holds_landsat,
    is_landsat,
    open_landsat_guide,
    open_landsat_guide_files,
)
from pansharpkit.readers.matlab.cube import is_matlab, open_matlab_guide
from pansharpkit.readers.pattern import expand, is_pattern
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.sentinel2 import (
    holds_sentinel2,
    is_sentinel2,
    open_sentinel2,
    open_sentinel2_files,
)
from pansharpkit.readers.vendor_guide import open_vendor_files, open_vendor_guide
from pansharpkit.readers.zipped import is_packed, unpacker
from pansharpkit.source import BandsOf

_RASTERS = (".tif", ".tiff", ".jp2")


def open_guide(name: str | os.PathLike[str], options: ReadOptions | None = None) -> Cube:
    """Open the fine image of a pair, whose target is a hyperspectral cube.

    Where the product gives an offset from its numbers to a physical value, the guide is converted
    (float32, NaN where nothing is measured): a mixture of a cube's bands is proportional to
    radiance or reflectance, not to a number with an offset.

    Parameters
    ----------
    name : a GeoTIFF or JPEG 2000 file, a pattern of file names such as ``scene_B{band}.tif``, a
        cube of any kind, or a product of Sentinel-2, Landsat, Maxar or Airbus, whose MS bands are
        taken.
    options : `ReadOptions.guide_bands` chooses among the bands; `ReadOptions.bands` is for the
        cube and does not count here.

    Raises
    ------
    FileReadError
        If it does not exist, is of no kind that is known, or is broken.
    OptionError
        If a band is asked for that does not exist.
    InputError
        If it is bad; see the readers.
    """
    options = replace(options or ReadOptions(), bands=None)
    text = os.fspath(name)
    if is_pattern(text):
        named = expand(text)
        return _rasters([open_geotiff(p, options, band_names=[b]) for p, b in named], options)
    path = Path(name)
    if not os.path.lexists(path) and "://" not in text and not text.startswith("/vsi"):
        raise FileReadError(f"{printable(text)}: does not exist; check the path")
    if is_matlab(path.name):
        files = FolderFiles(path.absolute().parent)
        return _chosen(open_matlab_guide(files, path.name, options), options.guide_bands)
    if is_cube(path):
        return _chosen(open_cube(path, options), options.guide_bands)
    if not path.is_dir() and path.suffix.lower() in _RASTERS:
        return _rasters([open_geotiff(text, options)], options)
    return converted(_product(path, options))


def _product(path: Path, options: ReadOptions) -> Cube:
    """Open a product by its folder, its archive or its metadata."""
    if is_packed(path):
        files = unpacker(path)  # once: that of a large archive takes its time
        if holds_sentinel2(files.names):
            return open_sentinel2_files(files, options)
        if holds_landsat(files.names):
            return open_landsat_guide_files(files, options)
        return open_vendor_files(files, options)
    if is_sentinel2(path):
        return open_sentinel2(path, options)
    if is_landsat(path):
        return open_landsat_guide(path, options)
    return open_vendor_guide(path, options)


def _rasters(parts: Sequence[GeoTiffSource], options: ReadOptions) -> Cube:
    source = stack(parts, parts[0].label)
    scaling = tuple(pair for part in parts for pair in part.scaling)
    spectra, said = spectra_of_raster(parts[0]) if len(parts) == 1 else (None, ())
    cube = Cube(
        source,
        spectra,
        metadata=parts[0].tags,
        notices=(*dict.fromkeys(n for part in parts for n in part.notices), *said),
        scaling=scaling if any(pair != (1.0, 0.0) for pair in scaling) else None,
    )
    return converted(_chosen(cube, options.guide_bands))


def converted(cube: Cube) -> Cube:
    """Return the cube in physical values, if its numbers have an offset to them."""
    if cube.scaling is None or all(offset == 0 for _, offset in cube.scaling):
        return cube
    return replace(cube, source=ScaledSource(cube.source, cube.scaling), scaling=None)


def _chosen(cube: Cube, wanted: Sequence[str] | None) -> Cube:
    """Return the wanted bands of a cube, by name or number from 1."""
    if wanted is None:
        return cube
    names = unique_names([cube.source])
    positions = tuple(_position(text, names) for text in wanted)
    if len(set(positions)) < len(positions):
        raise OptionError(f"--guide-bands {','.join(wanted)}: a band is given twice")
    return replace(
        cube,
        source=BandsOf(cube.source, positions),
        spectra=cube.spectra and cube.spectra.select(positions),
        scaling=cube.scaling and tuple(cube.scaling[i] for i in positions),
    )


def _position(wanted: str, names: Sequence[str]) -> int:
    key = wanted.casefold()
    exact = [i for i, name in enumerate(names) if name.casefold() == key]
    by_word = [i for i, name in enumerate(names) if key in name.casefold().split()]
    for hits in (exact, by_word):
        if len(hits) == 1:
            return hits[0]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise OptionError(
        f"--guide-bands {wanted}: no such band, or more than one, in {', '.join(names)}"
    )
