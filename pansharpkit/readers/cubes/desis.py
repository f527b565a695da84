"""DESIS products: METADATA.xml and one image of 235 bands (levels L1C and L2A).

Level L1B is not on a map and is refused. Layout: DESIS product specification DLR-EOC-DESIS, DLR.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pansharpkit.errors import FileReadError, GridError
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.cubes.bandlist import (
    MOST_TAGS,
    BandTags,
    CloudLayers,
    Layer,
    Listed,
    image_of,
    metadata_beside,
    open_listed,
    read_bands,
)
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import read_xml

_METADATA = re.compile(r"DESIS-HSI-(L1B|L1C|L2A)-.*-METADATA\.XML", re.IGNORECASE)
_IMAGE = re.compile(r"(DESIS-HSI-.*)-SPECTRAL_IMAGE\.TIFF?", re.IGNORECASE)
_TAGS = BandTags(
    path="bandCharacterisation/band",
    number="bandNumber",
    center="wavelengthCenterOfBand",
    fwhm="wavelengthWidthOfBand",
    gain="gainOfBand",
    offset="offsetOfBand",
)
_CLOUDS = (Layer("QL_QUALITY-2", bands=(0, 5, 6)),)
"""Shadow, cloud over land, cloud over water; haze is left in."""
_CARRIED = ("startTime", "endTime", "productType", "tileID", "sunZenithAngle", "sunAzimuthAngle")
_NODATA = -32768.0


def is_desis(name: str) -> bool:
    """Whether the name is that of DESIS' metadata."""
    return _METADATA.fullmatch(name) is not None


def is_desis_image(name: str) -> bool:
    """Whether the name is that of DESIS' image."""
    return _IMAGE.fullmatch(name) is not None


def open_desis_image(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open a DESIS product by its image, with the metadata that lie beside it.

    Raises
    ------
    FileReadError
        If there are none.
    InputError
        As `open_desis` does.
    """
    match = _IMAGE.fullmatch(PurePosixPath(name).name)
    found = None if match is None else metadata_beside(files, name, match[1])
    if found is None:
        raise FileReadError(f"{printable(name)}: its METADATA.xml is missing, without which its "
                            "wavelengths are not known; put it beside the image")  # fmt: skip
    return open_desis(files, found, options)


def open_desis(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open a DESIS product by the name of its metadata file.

    Raises
    ------
    GridError
        If it is of level L1B.
    FileReadError
        If its image is missing or broken.
    MetadataError
        If its metadata are broken or lack a value.
    InputError
        If its image has not as many bands as the metadata list, or none holds an image.
    """
    root = read_xml(files.fetch([name])[name], MOST_TAGS)
    match = _METADATA.fullmatch(PurePosixPath(name).name)
    if match is not None and match[1].upper() == "L1B":
        raise GridError(f"{root.label}: is DESIS level L1B, which is not on a map; order level L1C "
                        "or L2A")  # fmt: skip
    prefix = name[: -len("-METADATA.XML")]
    given = root.number("backgroundValue") if root.text("backgroundValue") else _NODATA
    listed = Listed(
        image=image_of(files, prefix),
        label=root.label,
        bands=read_bands(root, _TAGS),
        sensor_id="desis",
        metadata={key: value for key in _CARRIED if (value := root.text(key))},
        nodata=given,
    )
    return open_listed(files, listed, options, CloudLayers(prefix, _CLOUDS))
