"""Sentinel-2 products (SAFE), level 1C and 2A, as the fine image of a hyperspectral pair."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, OptionError
from pansharpkit.grid import Grid
from pansharpkit.readers.archive import FolderFiles, ProductFiles, points_outside
from pansharpkit.readers.classes import ClassSource, RepeatedSource
from pansharpkit.readers.derived import stack
from pansharpkit.readers.geotiff import open_geotiff
from pansharpkit.readers.presets import spectra_of
from pansharpkit.readers.product import Cube, ReadOptions, Scaling
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import Node, finite, read_xml
from pansharpkit.source import Source

DEPTH = 6
"""Levels of folders in which the images lie below the one that holds the .SAFE folder."""
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""In the order of the numbers by which the metadata count them."""
_NATIVE_M = dict(zip(BANDS, (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 60, 20, 20), strict=True))
_DEFAULT = ("B02", "B03", "B04", "B08")
_NAME = re.compile(r"MTD_MSI(L1C|L2A)\.xml", re.IGNORECASE)
_IMAGE = re.compile(r"_(B\d\d|B8A|SCL)(?:_(10|20|60)m)?$")
_CLOUD_CLASSES = (3, 8, 9, 10)
"""Of the scene classification: shadow, cloud of medium and of high probability, thin cirrus."""
_SATURATED = 65535.0
_CARRIED = (
    "PRODUCT_URI",
    "SPACECRAFT_NAME",
    "PROCESSING_LEVEL",
    "PROCESSING_BASELINE",
    "PRODUCT_START_TIME",
    "SENSING_ORBIT_NUMBER",
    "Cloud_Coverage_Assessment",
)

Images = Mapping[tuple[str, int], str]
"""Files by band (or SCL) and pixel size in metres."""


@dataclass(frozen=True)
class _Opened:
    files: ProductFiles
    folder: str
    """Where the metadata lie among the files, with a slash at the end, or empty."""
    metadata: Node
    level: str
    images: Images


def is_sentinel2(path: Path) -> bool:
    """Whether a path is a Sentinel-2 product: its folder, the one above, or its metadata."""
    if path.is_dir():
        return holds_sentinel2(FolderFiles(path, 1).names)
    return _NAME.fullmatch(path.name) is not None


def holds_sentinel2(names: Sequence[str]) -> bool:
    """Whether files of these names are a Sentinel-2 product."""
    return bool(_metadata_of(names))


def open_sentinel2(path: Path, options: ReadOptions) -> Cube:
    """Open the product in a folder, or beside its metadata, as `open_sentinel2_files` does."""
    folder = path if path.is_dir() else path.absolute().parent
    return open_sentinel2_files(FolderFiles(folder, DEPTH), options)


def open_sentinel2_files(files: ProductFiles, options: ReadOptions) -> Cube:
    """Open bands of a Sentinel-2 product on one grid: blue, green, red and infrared at 10 m.

    Others are chosen by `ReadOptions.guide_bands`, by name, colour or number from 1; the finest
    pixel size at which the product holds all of them counts, so that level 2A gives B02 beside B05
    at 20 m, while level 1C holds each at its own size only.

    Raises
    ------
    FileReadError
        If the product is incomplete or a file of it is broken.
    MetadataError
        If the metadata are broken or lack a value.
    OptionError
        If a band does not exist, or the product holds them at no common size.
    """
    try:
        return _open(_read(files), options)
    except BaseException:
        files.close()
        raise


def _metadata_of(names: Sequence[str]) -> list[str]:
    return [name for name in names if _NAME.fullmatch(PurePosixPath(name).name)]


def _read(files: ProductFiles) -> _Opened:
    names = _metadata_of(files.names)
    if len(names) != 1:
        what = f"holds {len(names)} Sentinel-2 products" if names else "holds no MTD_MSIL*.xml"
        raise FileReadError(f"{files.label}: {what}; give the .SAFE folder or zip of one product")
    match = _NAME.fullmatch(PurePosixPath(names[0]).name)
    assert match is not None
    folder = names[0][: -len(match[0])]
    metadata = read_xml(files.fetch(names)[names[0]])
    return _Opened(files, folder, metadata, match[1].upper(), _images(metadata, files, folder))


def _images(metadata: Node, files: ProductFiles, folder: str) -> Images:
    """Return the files of all bands that the metadata list."""
    if metadata.find("IMAGE_FILE") is None:
        raise MetadataError(f"{metadata.label}: lists no images; products since 2016 are supported")
    granules = {PurePosixPath(node.own_text).parts[:2] for node in metadata.all("IMAGE_FILE")}
    if len(granules) != 1:
        raise InputError(
            f"{metadata.label}: lists images of {len(granules)} granules, expected 1; get the "
            "product again, or split one of before December 2016"
        )
    found: dict[tuple[str, int], str] = {}
    for node in metadata.all("IMAGE_FILE"):
        name = node.own_text.removeprefix("./")
        if points_outside(name) or ":" in name:
            raise FileReadError(
                f"{metadata.label}: names the file {name[:80]!r}, which points out of the product"
            )
        if match := _IMAGE.search(name):
            size = int(match[2]) if match[2] else _NATIVE_M.get(match[1], 0)
            found[match[1], size] = f"{folder}{name}.jp2"
    return found


def _open(opened: _Opened, options: ReadOptions) -> Cube:
    label = printable(opened.metadata.text("PRODUCT_URI") or opened.files.label)
    bands = _bands(options.guide_bands)
    size = _common_size(bands, opened, label)
    chosen = [opened.images[band, size] for band in bands]
    missing = [name for name in chosen if name not in opened.files.names]
    if missing:
        raise FileReadError(
            f"{opened.files.label}: {printable(missing[0])} is missing; get the whole product"
        )
    paths = opened.files.fetch(chosen)
    zero = replace(options, default_nodata=0.0)
    parts = [
        open_geotiff(paths[name], zero, band_names=[band], keep=opened.files)
        for band, name in zip(bands, chosen, strict=True)
    ]
    source = stack(parts, f"{label} {','.join(bands)}")
    clouds, said = _clouds(opened, size, source.grid, options)
    sensor_id = _sensor(opened.metadata)
    return Cube(
        source=source,
        spectra=spectra_of(sensor_id, bands),
        sensor_id=sensor_id,
        metadata=_metadata(opened.metadata),
        notices=tuple(dict.fromkeys(n for part in parts for n in part.notices)) + said,
        scaling=tuple(_scaling(opened, band) for band in bands),
        clouds=clouds,
        saturated=_SATURATED,
    )


def _bands(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the wanted bands, in the order asked for."""
    if wanted is None:
        return _DEFAULT
    found = tuple(_band(text) for text in wanted)
    if len(set(found)) < len(found):
        raise OptionError(f"--guide-bands {','.join(wanted)}: a band is given twice")
    return found


def _band(text: str) -> str:
    key = text.strip().upper()
    if key.isdecimal() and 1 <= int(key) <= 12:
        key = f"B{int(key):02d}"
    if match := re.fullmatch(r"B(\d)", key):
        key = f"B0{match[1]}"
    colours = {"COASTAL": "B01", "BLUE": "B02", "GREEN": "B03", "RED": "B04", "NIR": "B08",
               "CIRRUS": "B10", "SWIR1": "B11", "SWIR2": "B12"}  # fmt: skip
    key = colours.get(key, key)
    if key not in BANDS:
        raise OptionError(
            f"--guide-bands {text}: no such band; choose from {', '.join(BANDS)} or "
            f"{', '.join(colours).lower()}"
        )
    return key


def _common_size(bands: Sequence[str], opened: _Opened, label: str) -> int:
    for size in (10, 20, 60):
        if all((band, size) in opened.images for band in bands):
            return size
    sizes = {band: [s for s in (10, 20, 60) if (band, s) in opened.images] for band in bands}
    found = ", ".join(
        f"{band} ({'/'.join(map(str, known)) + ' m' if known else 'not in it'})"
        for band, known in sizes.items()
    )
    raise OptionError(
        f"{label}: holds these bands at no common pixel size: {found}; choose others with "
        "--guide-bands, or level 2A, which holds most at 20 m"
    )


def _scaling(opened: _Opened, band: str) -> Scaling:
    """Return scale and offset to reflectance, at the top of the atmosphere for level 1C.

    Source: Sentinel-2 Products Specification Document, from processing baseline 04.00 on:
    reflectance = (DN + offset) / quantification.
    """
    prefix, offsets = (
        ("BOA_", "BOA_ADD_OFFSET") if opened.level == "L2A" else ("", "RADIO_ADD_OFFSET")
    )
    quantification = opened.metadata.number(f"{prefix}QUANTIFICATION_VALUE")
    if quantification <= 0:
        raise MetadataError(
            f"{opened.metadata.label}: {prefix}QUANTIFICATION_VALUE = {quantification:g} is not "
            "positive"
        )
    for node in opened.metadata.all(offsets):
        if node.attributes.get("band_id") == str(BANDS.index(band)):
            offset = finite(node.own_text, offsets, opened.metadata.label)
            return 1 / quantification, offset / quantification
    if opened.metadata.find(offsets) is not None:
        raise MetadataError(f"{opened.metadata.label}: has no {offsets} of {band}")
    return 1 / quantification, 0.0  # before processing baseline 04.00 there were none


def _clouds(
    opened: _Opened, size: int, grid: Grid, options: ReadOptions
) -> tuple[Source | None, tuple[str, ...]]:
    """Return the clouds that the product knows of, on the grid of the bands."""
    name, bands, classes = _class_map(opened, size)
    if name is None or name not in opened.files.names:
        return None, (f"{opened.files.label}: has no raster of clouds, they are not told apart",)
    path = opened.files.fetch([name])[name]
    found = open_geotiff(path, replace(options, nodata=None), keep=opened.files, tile=True)
    if found.dtype.kind not in "iu" or len(found.names) < bands:
        raise InputError(
            f"{found.label}: expected {bands} bands of classes, found {len(found.names)} of "
            f"{found.dtype}"
        )
    _check_shared(found.grid, grid, found.label)
    clouds = ClassSource(found.select(range(bands)), classes)
    return RepeatedSource(clouds, grid, grid.height // found.grid.height), ()


def _class_map(opened: _Opened, size: int) -> tuple[str | None, int, tuple[int, ...]]:
    """Return the raster that tells clouds, how many of its bands do, and by which values.

    That is the scene classification of level 2A, no finer than the bands, or else the mask of
    level 1C, whose bands are opaque clouds, cirrus, and snow.
    """
    for pixel in (20, 60):
        if pixel >= size and ("SCL", pixel) in opened.images:
            return opened.images["SCL", pixel], 1, _CLOUD_CLASSES
    masks = [name for name in opened.files.names if name.endswith("/QI_DATA/MSK_CLASSI_B00.jp2")]
    return (masks[0] if len(masks) == 1 else None), 2, (1,)


def _check_shared(own: Grid, grid: Grid, label: str) -> None:
    away = max(abs(a - b) for a, b in zip(own.bounds, grid.bounds, strict=True))
    whole = grid.height % own.height == 0 and grid.width * own.height == own.width * grid.height
    if own.crs != grid.crs or away > 0.01 * grid.gsd[0] or not whole:
        raise GridError(f"{label}: does not cover the ground of the bands; get the product again")


def _sensor(metadata: Node) -> str | None:
    craft = (metadata.text("SPACECRAFT_NAME") or "").upper().replace(" ", "")
    match = re.fullmatch(r"SENTINEL-2([ABC])", craft)
    return f"sentinel2{match[1].lower()}_msi" if match else None


def _metadata(metadata: Node) -> dict[str, str]:
    return {key.upper(): text for key in _CARRIED if (text := metadata.text(key)) is not None}
