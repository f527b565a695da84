"""Products in, sources out: each reader turns what was delivered into a `Product`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.archive import is_archive
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.landsat import is_mtl, open_landsat
from pansharpkit.readers.pair import open_pair
from pansharpkit.readers.product import Product, ReadOptions
from pansharpkit.readers.safe_open import printable

__all__ = [
    "GeoTiffSource",
    "Product",
    "ReadOptions",
    "open_geotiff",
    "open_landsat",
    "open_pair",
    "open_product",
]


def open_product(inputs: Sequence[str], options: ReadOptions | None = None) -> Product:
    """Open whatever a user names: one product, or a PAN raster and the MS rasters for it.

    Parameters
    ----------
    inputs : a Landsat folder, tar archive or MTL file; or a PAN GeoTIFF followed by one MS
        GeoTIFF, or by one per band.

    Raises
    ------
    OptionError
        If there are too few or too many inputs.
    InputError
        If an input is bad; see the readers.
    """
    if not inputs:
        raise OptionError("give a product, or a PAN and an MS raster")
    if len(inputs) > 1:
        return open_pair(inputs[0], inputs[1:], options)
    path = Path(inputs[0])
    if path.is_dir() or is_archive(path) or is_mtl(path):
        return open_landsat(path, options)
    if not path.exists():
        raise FileReadError(f"{printable(inputs[0])}: does not exist; check the path")
    raise OptionError(
        f"{printable(inputs[0])}: one input must be a Landsat folder, tar archive or MTL file; "
        "give a PAN and an MS raster otherwise"
    )
