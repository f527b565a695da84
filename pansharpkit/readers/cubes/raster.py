"""A cube in one GeoTIFF or JPEG 2000 file, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.cubes.livebands import live_cube
from pansharpkit.readers.cubes.recognise import recognise
from pansharpkit.readers.cubes.spectra import spectra_of_raster
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.product import UNNAMED, Cube, ReadOptions
from pansharpkit.spectra import Spectra

SUFFIXES = (".tif", ".tiff", ".jp2")


def is_raster(name: str) -> bool:
    """Whether the name is that of a raster file."""
    return name.lower().endswith(SUFFIXES)


def open_raster_cube(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open all bands of a raster file as a cube; wavelengths come from its tags or descriptions.

    Raises
    ------
    InputError
        As `open_geotiff` does, and if fewer than two bands hold an image.
    """
    return raster_cube(open_bands(files, name, options), options)


def raster_cube(source: GeoTiffSource, options: ReadOptions) -> Cube:
    """Return all bands of a raster, opened as `open_bands` does it, as a cube.

    Raises
    ------
    InputError
        If fewer than two bands hold an image.
    """
    spectra, notices = spectra_of_raster(source)
    scaled = any(pair != (1.0, 0.0) for pair in source.scaling)
    cube = Cube(
        source=source,
        spectra=spectra,
        sensor_id=recognise(spectra),
        metadata=source.tags,
        notices=(*source.notices, *notices),
        scaling=source.scaling if scaled else None,
    )
    return live_cube(cube, options)


def open_bands(
    files: ProductFiles,
    name: str,
    options: ReadOptions,
    names: Sequence[str] | None = None,
) -> GeoTiffSource:
    """Open a raster of a product so that bands may be missing one by one, see `live_cube`."""
    path = files.fetch([name])[name]
    source = open_geotiff(path, options, band_names=names, keep=files)
    return replace(source, bandwise=True)


def band_names(spectra: Spectra, numbers: Sequence[int] | None = None) -> tuple[str, ...]:
    """Return what bands are called that have a centre and no name.

    Parameters
    ----------
    numbers : the numbers of the bands, 1, 2, 3, ... by default.

    >>> band_names(Spectra((418.24, 423.9)))
    ('band 1 (418.24 nm)', 'band 2 (423.9 nm)')
    """
    numbers = range(1, len(spectra) + 1) if numbers is None else numbers
    pairs = zip(numbers, spectra.centers_nm, strict=True)
    return tuple(f"{UNNAMED} {number} ({center:g} nm)" for number, center in pairs)
