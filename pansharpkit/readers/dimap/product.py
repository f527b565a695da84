"""Airbus products in DIMAP version 2: Pléiades, Pléiades Neo, SPOT 6 and 7."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, SensorError
from pansharpkit.readers.archive import FolderFiles, ProductFiles
from pansharpkit.readers.derived import ScaledSource
from pansharpkit.readers.dimap.image import Image, find_images
from pansharpkit.readers.dimap.radiometry import NAMES, band_reflectance
from pansharpkit.readers.presets import spectra_of
from pansharpkit.readers.product import Cube, Product, ReadOptions
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.readers.tiled import (
    DEPTH,
    IncompletePairError,
    choose_bands,
    open_layers,
    with_nodata,
    with_the_rest,
)
from pansharpkit.readers.zipped import is_packed, unpacker
from pansharpkit.sensor import Sensor, load_sensor
from pansharpkit.source import Source

_CARRIED = (
    "MISSION",
    "MISSION_INDEX",
    "INSTRUMENT",
    "IMAGING_DATE",
    "IMAGING_TIME",
    "DATASET_NAME",
    "PROCESSING_LEVEL",
    "RADIOMETRIC_PROCESSING",
    "CLOUD_COVERAGE",
)
_APART_S = 60.0  # PAN and MS of one acquisition start less than this apart
_FAR, _NEAR = 1.0, 0.01  # pixels between metadata and files: refused, and not worth a word


def open_dimap(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Product:
    """Open a DIMAP delivery: its folder, its archive, or the DIM_*.XML of one image.

    With the metadata of one image, PAN or MS, the other is looked for beside it and in the folders
    beside its own. Georeferencing comes from the image files, or from the metadata if they have
    none.

    Raises
    ------
    FileReadError
        If the product is incomplete or a file of it is broken.
    MetadataError
        If its metadata are broken or lack a value.
    GridError
        If it is not on a map, or its tiles do not fit together.
    InputError
        If PAN and MS are of different acquisitions, or there are several of them.
    OptionError
        If a band is asked for that does not exist.
    """
    path = Path(path)
    if path.is_dir():
        return open_dimap_files(FolderFiles(path, DEPTH), options)
    if is_packed(path):
        return open_dimap_files(unpacker(path), options)
    check_regular(path, printable(str(path)))
    if path.name.upper().startswith("VOL_"):
        return open_dimap_files(FolderFiles(path.absolute().parent, DEPTH), options)
    return with_the_rest(path, lambda files, name: open_dimap_files(files, options, name))


def open_dimap_files(
    files: ProductFiles, options: ReadOptions | None = None, chosen: str | None = None
) -> Product:
    """Open the DIMAP delivery among some files, as `open_dimap` does.

    Parameters
    ----------
    chosen : name of the DIMAP file of the image that is meant, if there are several.
    """
    try:
        pan, ms = _pair(files, find_images(files), chosen)
        return _open(files, pan, ms, options or ReadOptions())
    except BaseException:
        files.close()
        raise


def open_dimap_ms(files: ProductFiles, options: ReadOptions, chosen: str | None = None) -> Cube:
    """Open the MS image of a delivery, which needs no PAN, as the guide of a cube.

    Raises
    ------
    IncompletePairError
        If there is none.
    """
    try:
        images = find_images(files)
        _, several = _of_one_order(files, images, chosen)
        if not several:
            raise IncompletePairError(_incomplete(files, images, "MS"))
        return _open_ms(files, several[0], options, guide=True)[0]
    except BaseException:
        files.close()
        raise


def _pair(files: ProductFiles, images: Sequence[Image], chosen: str | None) -> tuple[Image, Image]:
    """Return the PAN image and the MS image that belongs to it."""
    pans, several = _of_one_order(files, images, chosen)
    if not pans or not several:
        raise IncompletePairError(_incomplete(files, images, "MS" if pans else "PAN"))
    return pans[0], several[0]


def _of_one_order(
    files: ProductFiles, images: Sequence[Image], chosen: str | None
) -> tuple[list[Image], list[Image]]:
    """Return the PAN and the MS image of a delivery, at most one each."""
    if chosen is not None:
        first = next((image for image in images if image.name == chosen), None)
        if first is None:
            raise FileReadError(
                f"{files.label}: {printable(chosen)} is no DIMAP file of an image; give DIM_*.XML"
            )
        images = [i for i in images if i is first or (i.kind != first.kind and may_pair(i, first))]
    pans = [image for image in images if image.kind == "pan"]
    several = [image for image in images if image.kind == "ms"]
    if len(pans) > 1 or len(several) > 1:
        found = ", ".join(image.label for image in (*pans, *several))
        raise InputError(
            f"{files.label}: holds several images ({found}); give the DIM_*.XML of the one you mean"
        )
    return pans, several


def may_pair(one: Image, other: Image) -> bool:
    """Whether two images are of one satellite and moment, as far as they say."""
    if one.mission != other.mission:
        return False
    if one.time is None or other.time is None:
        return True
    return abs((one.time - other.time).total_seconds()) <= _APART_S


def _incomplete(files: ProductFiles, images: Sequence[Image], missing: str) -> str:
    if not images:
        return (
            f"{files.label}: holds no DIM_*.XML, so it is no DIMAP product; give the folder of the "
            "whole delivery, or a PAN and an MS raster"
        )
    found = ", ".join(f"{image.label} ({image.kind})" for image in images)
    if any(image.kind == "pansharpened" for image in images):
        return f"{files.label}: is sharpened already ({found}); order PAN and MS apart to fuse them"
    return (
        f"{files.label}: the {missing} image is missing, found {found}; give the folder that holds "
        "both, or get the whole delivery"
    )


def _open(files: ProductFiles, pan: Image, ms: Image, options: ReadOptions) -> Product:
    if not may_pair(pan, ms):
        raise InputError(
            f"{pan.label} ({pan.mission}, {pan.time}) and {ms.label} ({ms.mission}, {ms.time}) "
            "were taken apart; give PAN and MS of one acquisition"
        )
    pan.check_projected()
    guide, said = _raster(files, pan, (0,), options)
    cube, codes, sensor = _open_ms(files, ms, options)
    product = Product(
        guide=guide,
        target=cube.source,
        sensor_id=cube.sensor_id,
        metadata=cube.metadata,
        notices=(*said, *cube.notices),
        scaling=cube.scaling,
        saturated=_saturated(pan, ms),
        native_depth=cube.native_depth,
    )
    return _reflecting(product, pan, ms, codes, sensor) if options.toa else product


def _open_ms(
    files: ProductFiles, ms: Image, options: ReadOptions, guide: bool = False
) -> tuple[Cube, list[str], Sensor | None]:
    """Open the MS image, and return it with the codes of its bands and its sensor."""
    ms.check_projected()
    sensor, notices = _sensor(ms)
    names = [NAMES.get(code, code) for code in ms.codes]
    if len(set(names)) < len(names):
        raise MetadataError(f"{ms.label}: a band is described twice; get it again")
    option, least = ("--guide-bands", 1) if guide else ("--bands", 2)
    wanted = options.guide_bands if guide else options.bands
    chosen = choose_bands(wanted, names, ms.codes, sensor, option, least)
    source, said = _raster(files, ms, chosen, options)
    codes = [ms.codes[i] for i in chosen]
    known = [band_reflectance(ms, code, sensor) for code in codes]
    scaling = tuple(pair for pair in known if pair is not None)
    cube = Cube(
        source=source,
        spectra=spectra_of(sensor.id if sensor else None, source.names),
        sensor_id=sensor.id if sensor else None,
        metadata=_metadata(ms),
        notices=(*notices, *said, *_remarks(ms)),
        scaling=scaling if len(scaling) == len(codes) else None,
        saturated=ms.special_value("SATURATED"),
        native_depth=ms.processing in ("BASIC", "RADIANCE"),
    )
    return cube, codes, sensor


def _raster(
    files: ProductFiles, image: Image, chosen: Sequence[int], options: ReadOptions
) -> tuple[Source, tuple[str, ...]]:
    """Open bands of an image, and compare where it lies with what the metadata say."""
    read = with_nodata(options, image.special_value("NODATA"))
    if read.assume_crs is None:
        read = replace(read, assume_crs=image.crs)
    source, notices = open_layers(files, image.layers(files, NAMES), chosen, read)
    if image.transform is None:
        return source, notices
    grid = source.grid
    way = ~image.transform @ grid.transform
    corners = [(col, row) for col in (0, grid.width) for row in (0, grid.height)]
    distance = max(float(np.hypot(*np.subtract(way @ c, c))) for c in corners)
    if distance > _FAR:
        raise GridError(
            f"{source.label}: lies {distance:.3g} pixels from where {image.label} says "
            "(Geoposition_Insert); get the product again"
        )
    if distance > _NEAR:
        said = f"{source.label}: lies {distance:.2f} pixels from where {image.label} says; kept"
        return source, (*notices, said)
    return source, notices


def _sensor(image: Image) -> tuple[Sensor | None, tuple[str, ...]]:
    try:
        return load_sensor(image.mission), ()
    except SensorError:
        name = image.mission or "unnamed"
        return None, (f"{image.label}: satellite {name} has no preset; use --sensor",)


def _metadata(image: Image) -> dict[str, str]:
    found = {key: value for key in _CARRIED if (value := image.root.text(key)) is not None}
    saturated = image.special_value("SATURATED")
    return found if saturated is None else {**found, "SATURATED": f"{saturated:g}"}


def _saturated(pan: Image, ms: Image) -> float | None:
    first, second = (image.special_value("SATURATED") for image in (pan, ms))
    return first if first == second else None


def _remarks(image: Image) -> tuple[str, ...]:
    if image.processing in ("BASIC", "RADIANCE", "REFLECTANCE"):
        return ()
    return (
        f"{image.label}: its pixels were processed for display ({image.processing}); the result "
        "is for looking at, not for measuring",
    )


def _reflecting(
    product: Product, pan: Image, ms: Image, codes: Sequence[str], sensor: Sensor | None
) -> Product:
    """Convert PAN and MS to reflectance."""
    target = [band_reflectance(ms, code, sensor) for code in codes]
    known = tuple(pair for pair in target if pair is not None)
    guide = band_reflectance(pan, pan.codes[0], sensor)
    if guide is None or len(known) < len(target):
        lacking = (pan if guide is None else ms).label
        raise MetadataError(
            f"{lacking}: gives no way from its pixels ({ms.processing}) to reflectance, so no "
            "--toa; it takes Band_Radiance, Band_Solar_Irradiance and SUN_ELEVATION, or "
            "Band_Reflectance"
        )
    return replace(
        product,
        guide=ScaledSource(product.guide, (guide,)),
        target=ScaledSource(product.target, known),
        scaling=None,
    )
