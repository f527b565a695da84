"""EnMAP products: METADATA.XML and one image of 224 bands (levels L1C and L2A).

Level L1B is not on a map, and its two detectors do not look at the same ground yet: it is refused
with that reason. Layout: EnMAP product specification EN-PCV-ICD-2009, DLR.
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
from pansharpkit.readers.cubes.raster import open_raster_cube
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.xmltree import Node, read_xml

_METADATA = re.compile(r"(ENMAP.*)-METADATA\.XML", re.IGNORECASE)
_IMAGE = re.compile(r"(ENMAP.*)-SPECTRAL_IMAGE(_VNIR|_SWIR)?(_COG)?\.TIFF?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,4}")
_TAGS = BandTags(
    path="bandCharacterisation/bandID",
    number="number",
    center="wavelengthCenterOfBand",
    fwhm="FWHMOfBand",
    gain="GainOfBand",
    offset="OffsetOfBand",
)
_CLOUDS = (
    Layer("QL_QUALITY_CLOUD"),
    Layer("QL_QUALITY_CLOUDSHADOW"),
    Layer("QL_QUALITY_CIRRUS", least=2),  # 1 thin, 2 medium, 3 thick
)
_NODATA = {"L1C": 0.0, "L2A": -32768.0}
_CARRIED = ("startTime", "stopTime", "level", "cloudCover", "sunElevationAngle/center")


def is_enmap(name: str) -> bool:
    """Whether the name is that of EnMAP's metadata."""
    return _METADATA.fullmatch(name) is not None


def is_enmap_image(name: str) -> bool:
    """Whether the name is that of EnMAP's image."""
    return _IMAGE.fullmatch(name) is not None


def open_enmap_image(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open an EnMAP product by its image: with its metadata if they lie beside it.

    Raises
    ------
    FileReadError
        If they do not and the image itself names no wavelengths.
    InputError
        As `open_enmap` does.
    """
    match = _IMAGE.fullmatch(PurePosixPath(name).name)
    found = None if match is None else metadata_beside(files, name, match[1])
    if found is not None:
        return open_enmap(files, found, options)
    cube = open_raster_cube(files, name, options)
    if cube.spectra is None:
        raise FileReadError(f"{cube.source.label}: its METADATA.XML is missing, without which its "
                            "wavelengths are not known; put it beside the image")  # fmt: skip
    return cube


def open_enmap(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open an EnMAP product by the name of its metadata file.

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
    prefix = name[: -len("-METADATA.XML")]
    said = root.text("base/level") or PurePosixPath(name).name
    level = next((known for known in ("L1B", "L1C", "L2A") if known in said.upper()), "")
    if level == "L1B":
        raise GridError(
            f"{root.label}: is EnMAP level L1B, which is not on a map and whose VNIR and SWIR do "
            "not show the same ground yet; order level L1C or L2A"
        )
    bands = read_bands(root, _TAGS)
    good, notices = _expected(root, len(bands))
    listed = Listed(
        image=image_of(files, prefix),
        label=root.label,
        bands=bands,
        sensor_id="enmap",
        metadata={key.partition("/")[0]: v for key in _CARRIED if (v := root.text(key))},
        nodata=_NODATA.get(level),
        good=good,
        notices=notices,
    )
    return open_listed(files, listed, options, CloudLayers(prefix, _CLOUDS))


def _expected(root: Node, count: int) -> tuple[tuple[bool, ...], tuple[str, ...]]:
    """Return which bands the detectors were expected to deliver, and what to say about it.

    Nothing is said if the lists are not what they should be: numbers of bands of the product, each
    once. The pixels tell dead bands anyway.
    """
    texts = [node.own_text for node in root.all("expectedChannelsList")]
    found = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not found:
        return (), ()
    numbers = {int(part) for part in found if _NUMBER.fullmatch(part)}
    if len(numbers) < len(found) or max(numbers) > count:
        return (), (f"{root.label}: its lists of expected channels are ignored: no band numbers",)
    return tuple(number in numbers for number in range(1, count + 1)), ()
