"""Landsat 7, 8 and 9 Level-1 products, of all collections and from before them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pansharpkit.errors import MetadataError
from pansharpkit.readers.archive import BareNames, ProductFiles
from pansharpkit.readers.derived import ScaledSource
from pansharpkit.readers.landsat.files import (
    CARRIED,
    LEVEL,
    PAN,
    bands_with_clouds,
    choose_bands,
    fetch_bands,
    find_mtl,
    instrument_of,
    is_mtl,
    is_surface,
    landsat_files,
    open_band,
    product_id,
    reflectance,
)
from pansharpkit.readers.landsat.mtl import Mtl, read_mtl
from pansharpkit.readers.product import Product, ReadOptions

__all__ = ["check_landsat", "is_mtl", "open_landsat", "open_landsat_files"]


def open_landsat(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Product:
    """Open a Landsat Level-1 product: its folder, its tar or zip archive, or its MTL file.

    Georeferencing comes from the GeoTIFFs alone: the MTL of a subset still describes the scene
    it was cut from. Zero marks missing pixels although the files do not say so.

    Raises
    ------
    FileReadError
        If the product is incomplete or a file of it is broken.
    MetadataError
        If the MTL is broken, lacks a key, or describes a product without a PAN band.
    OptionError
        If a band is asked for that does not exist or cannot be sharpened.
    """
    path = Path(path)
    name = path.name if is_mtl(path) and not path.is_dir() else None
    return open_landsat_files(landsat_files(path), options, name)


def open_landsat_files(
    files: ProductFiles, options: ReadOptions | None = None, mtl: str | None = None
) -> Product:
    """Open the Landsat product among some files, as `open_landsat` does.

    Parameters
    ----------
    mtl : bare name of the metadata file; the only one there is by default.
    """
    try:
        bare = BareNames(files)
        name = mtl or find_mtl(bare)
        return _open(bare, read_mtl(bare.fetch([name])[name]), options or ReadOptions())
    except BaseException:
        files.close()
        raise


def check_landsat(files: ProductFiles, name: str) -> Mtl:
    """Return the metadata of a product that has what fusion needs; no raster is opened.

    Parameters
    ----------
    files : with bare names.
    name : that of the metadata file among them.

    Raises
    ------
    MetadataError
        If the metadata are broken, or describe a product without a PAN band.
    FileReadError
        If the file of a band is missing.
    """
    mtl = read_mtl(files.fetch([name])[name])
    instrument = instrument_of(mtl)
    _check_level(mtl)
    fetch_bands(files, mtl, (PAN, *instrument.default))
    return mtl


def _open(files: ProductFiles, mtl: Mtl, options: ReadOptions) -> Product:
    instrument = instrument_of(mtl)
    _check_level(mtl)
    bands = choose_bands(options.bands, instrument)
    paths = fetch_bands(files, mtl, (PAN, *bands))
    zero = replace(options, default_nodata=0.0)
    guide, *parts = (open_band(path, band, zero, files) for band, path in paths.items())
    label = f"{product_id(mtl)} {','.join(bands)}"
    target, clouds, said = bands_with_clouds(parts, label, files, mtl, options)
    notices = dict.fromkeys([n for part in (guide, *parts) for n in part.notices])
    return _converted(
        Product(
            guide=guide,
            target=target,
            sensor_id=instrument.sensor_id,
            clouds=clouds,
            metadata={key: mtl.values[key] for key in CARRIED if key in mtl.values},
            notices=(*notices, *said),
            native_depth=False,  # Landsat 8 and 9 are rescaled to 16 bits
        ),
        mtl,
        bands,
        options,
    )


def _converted(product: Product, mtl: Mtl, bands: Sequence[str], options: ReadOptions) -> Product:
    """Convert to reflectance if that is wanted, else note how the output can be."""
    if options.toa:
        return replace(
            product,
            guide=ScaledSource(product.guide, (reflectance(mtl, PAN),)),
            target=ScaledSource(product.target, tuple(reflectance(mtl, b) for b in bands)),
        )
    if mtl.get(*(f"REFLECTANCE_MULT_BAND_{band[1:]}" for band in bands)) is None:
        return product  # before 2012 there were radiances only
    return replace(product, scaling=tuple(reflectance(mtl, band) for band in bands))


def _check_level(mtl: Mtl) -> None:
    if is_surface(mtl):
        raise MetadataError(
            f"{mtl.label}: is a Level-2 product ({mtl.get(*LEVEL)}), which has no PAN band; get "
            "the Level-1 product of the same scene"
        )
