"""The MS image of a Maxar or Airbus delivery as the fine image of a hyperspectral pair."""

from __future__ import annotations

import os
from pathlib import Path

from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.archive import FolderFiles, ProductFiles
from pansharpkit.readers.dimap.image import is_dim
from pansharpkit.readers.dimap.product import open_dimap_ms
from pansharpkit.readers.maxar.isd import is_isd
from pansharpkit.readers.maxar.product import open_maxar_ms
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.readers.tiled import DEPTH, IncompletePairError, with_the_rest


def open_vendor_guide(path: Path, options: ReadOptions) -> Cube:
    """Open the MS image of a delivery: its folder, or a metadata file of it.

    Raises
    ------
    FileReadError
        If there is none, or it is broken.
    OptionError
        If the path is of no kind that is known.
    """
    if path.is_dir():
        return open_vendor_files(FolderFiles(path, DEPTH), options)
    name = path.name
    if not (is_dim(name) or is_isd(name) or path.suffix.lower() == ".xml"):
        raise OptionError(
            f"{printable(os.fspath(path))}: cannot guide a cube; give a raster, a cube, or a "
            "product of Sentinel-2, Landsat, Maxar or Airbus"
        )
    check_regular(path, printable(os.fspath(path)))
    if name.upper().startswith("VOL_"):
        return open_dimap_ms(FolderFiles(path.absolute().parent, DEPTH), options)
    opener = open_dimap_ms if is_dim(name) else open_maxar_ms
    return with_the_rest(path, lambda files, chosen: opener(files, options, chosen))


def open_vendor_files(files: ProductFiles, options: ReadOptions) -> Cube:
    """Open the MS image of the delivery among some files, as `open_vendor_guide` does."""
    if any(is_dim(name) for name in files.names):
        return open_dimap_ms(files, options)
    try:
        return open_maxar_ms(files, options)
    except IncompletePairError:
        if any(is_isd(name) for name in files.names):
            raise
        raise FileReadError(
            f"{files.label}: holds no MTD_MSIL*.xml, no *_MTL.txt, no .IMD, no DIM_*.XML and no "
            "cube, so it is no image that is known; give its folder or archive, or a raster"
        ) from None
