"""Maxar (DigitalGlobe) bundles: QuickBird, GeoEye, WorldView; PAN and MS, tiled or not."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pansharpkit.errors import FileReadError, InputError, MetadataError, SensorError
from pansharpkit.readers.archive import FolderFiles, ProductFiles
from pansharpkit.readers.derived import ScaledSource
from pansharpkit.readers.maxar.isd import Image, find_images
from pansharpkit.readers.maxar.radiometry import (
    UncalibratedError,
    band_reflectance,
    is_native,
    name_of,
)
from pansharpkit.readers.presets import spectra_of
from pansharpkit.readers.product import Cube, Product, ReadOptions, Scaling
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

_CARRIED = (
    "satId",
    "catId",
    "productOrderId",
    "productLevel",
    "imageDescriptor",
    "radiometricLevel",
    "radiometricEnhancement",
    "bitsPerPixel",
    "firstLineTime",
    "earliestAcqTime",
    "cloudCover",
    "meanSunAz",
    "meanSunEl",
    "meanOffNadirViewAngle",
    "meanProductGSD",
)


def open_maxar(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Product:
    """Open a Maxar bundle: its folder, its archive, or the .IMD, .TIL or .XML of one image.

    With the metadata of one image, PAN or MS, the other is looked for beside it and in the folders
    beside its own.

    Raises
    ------
    FileReadError
        If the product is incomplete or a file of it is broken.
    MetadataError
        If its metadata are broken or lack a key.
    GridError
        If it is not on a map, or its tiles do not fit together.
    InputError
        If PAN and MS are of different acquisitions, or there are several of them.
    OptionError
        If a band is asked for that does not exist.
    """
    path = Path(path)
    if path.is_dir():
        return open_maxar_files(FolderFiles(path, DEPTH), options)
    if is_packed(path):
        return open_maxar_files(unpacker(path), options)
    check_regular(path, printable(str(path)))
    return with_the_rest(path, lambda files, name: open_maxar_files(files, options, name))


def open_maxar_files(
    files: ProductFiles, options: ReadOptions | None = None, chosen: str | None = None
) -> Product:
    """Open the Maxar bundle among some files, as `open_maxar` does.

    Parameters
    ----------
    chosen : name of a metadata file of the image that is meant, if there are several.
    """
    options = options or ReadOptions()
    try:
        pan, ms = _pair(files, find_images(files), chosen)
        return _open(files, pan, ms, options)
    except BaseException:
        files.close()
        raise


def open_maxar_ms(files: ProductFiles, options: ReadOptions, chosen: str | None = None) -> Cube:
    """Open the MS image of a delivery, which needs no PAN, as the guide of a cube.

    Raises
    ------
    IncompletePairError
        If there is none.
    """
    try:
        images = find_images(files)
        _, several = _of_one_part(files, images, chosen)
        if not several:
            raise IncompletePairError(_incomplete(files, images, "MS"))
        return _open_ms(files, several, options, guide=True)[0]
    except BaseException:
        files.close()
        raise


def _pair(
    files: ProductFiles, images: Sequence[Image], chosen: str | None
) -> tuple[Image, list[Image]]:
    """Return the PAN image and the MS images that belong to it."""
    pans, several = _of_one_part(files, images, chosen)
    if not pans or not several:
        raise IncompletePairError(_incomplete(files, images, "MS" if pans else "PAN"))
    return pans[0], several


def _of_one_part(
    files: ProductFiles, images: Sequence[Image], chosen: str | None
) -> tuple[list[Image], list[Image]]:
    """Return the PAN image and the MS images of a delivery of one part, as far as it has them."""
    if chosen is not None:
        stem = chosen.rpartition(".")[0]
        images = _of_the_same_order(files, images, stem)
    parts = sorted({image.part for image in images if image.kind in ("pan", "ms")})
    pans = [image for image in images if image.kind == "pan"]
    several = [image for image in images if image.kind == "ms"]
    if len(parts) > 1 or len(pans) > 1:
        found = ", ".join(image.label for image in (*pans, *several))
        raise InputError(
            f"{files.label}: holds several images ({found}); give the .IMD file of the one you mean"
        )
    return pans, several


def _of_the_same_order(files: ProductFiles, images: Sequence[Image], stem: str) -> list[Image]:
    wanted = [image for image in images if image.stem == stem]
    if not wanted:
        raise FileReadError(
            f"{files.label}: {printable(stem)} is no Maxar metadata; give the .IMD or .XML file"
        )
    first = wanted[0]
    return [
        image
        for image in images
        if image is first or (image.kind != first.kind and may_pair(image, first))
    ]


def may_pair(one: Image, other: Image) -> bool:
    """Whether two images may be of one acquisition and one part of an order."""
    return one.part == other.part and _same(one, other)


def _same(one: Image, other: Image) -> bool:
    """Whether two images may be of one acquisition; also true if nothing says so."""
    a, b = one.catalogue_ids, other.catalogue_ids
    return not a or not b or a == b


def _incomplete(files: ProductFiles, images: Sequence[Image], missing: str) -> str:
    if not images:
        return (
            f"{files.label}: holds no .IMD or .XML of a Maxar product; give the folder of the "
            "whole delivery, or a PAN and an MS raster"
        )
    found = ", ".join(f"{image.label} ({image.kind})" for image in images)
    if any(image.kind == "pansharpened" for image in images):
        return f"{files.label}: is sharpened already ({found}); order PAN and MS apart to fuse them"
    return (
        f"{files.label}: the {missing} image is missing, found {found}; give the folder that holds "
        "both, or get the whole bundle"
    )


def _open(
    files: ProductFiles, pan: Image, several: Sequence[Image], options: ReadOptions
) -> Product:
    for image in several:
        if not _same(pan, image):
            raise InputError(
                f"{pan.label} and {image.label} were taken apart: catId "
                f"{', '.join(sorted(pan.catalogue_ids))} and "
                f"{', '.join(sorted(image.catalogue_ids))}; give PAN and MS of one acquisition"
            )
    pan.check_projected()
    zero = with_nodata(options, 0.0)
    guide, said = open_layers(files, [pan.layer(files, ("PAN",))], (0,), zero)
    cube, bands, sensor = _open_ms(files, several, options)
    product = Product(
        guide=guide,
        target=cube.source,
        sensor_id=cube.sensor_id,
        metadata=cube.metadata,
        notices=(*said, *cube.notices),
        scaling=cube.scaling,
        native_depth=cube.native_depth,
    )
    return _reflecting(product, (pan, "P"), bands, sensor) if options.toa else product


def _open_ms(
    files: ProductFiles, several: Sequence[Image], options: ReadOptions, guide: bool = False
) -> tuple[Cube, list[tuple[Image, str]], Sensor | None]:
    """Open the MS image, and return it with its bands and sensor."""
    for image in several:
        image.check_projected()
    sensor, notices = _sensor(several[0])
    every = [(image, code) for image in several for code in image.codes]
    codes = [code for _, code in every]
    names = [name_of(code, sensor) for code in codes]
    if len(set(names)) < len(names):
        raise MetadataError(f"{several[0].label}: a band is described twice; get it again")
    option, least = ("--guide-bands", 1) if guide else ("--bands", 2)
    wanted = options.guide_bands if guide else options.bands
    chosen = choose_bands(wanted, names, codes, sensor, option, least)
    layers = [i.layer(files, [name_of(c, sensor) for c in i.codes]) for i in several]
    source, said = open_layers(files, layers, chosen, with_nodata(options, 0.0))
    bands = [every[i] for i in chosen]
    cube = Cube(
        source=source,
        spectra=spectra_of(sensor.id if sensor else None, source.names),
        sensor_id=sensor.id if sensor else None,
        metadata=_metadata(several[0]),
        notices=(*notices, *said, *_remarks(several[0])),
        scaling=_scaling(bands, sensor),
        native_depth=is_native(several[0]),
    )
    return cube, bands, sensor


def _sensor(image: Image) -> tuple[Sensor | None, tuple[str, ...]]:
    code = (image.satellite or "").upper()
    try:
        if re.fullmatch(r"LG0[2-6]", code):
            return load_sensor("LG01"), (f"{image.label}: {code} is taken to see as LG01 does",)
        return load_sensor(code), ()
    except SensorError:
        return None, (f"{image.label}: satellite {code or 'unnamed'} has no preset; use --sensor",)


def _metadata(image: Image) -> dict[str, str]:
    return {key.upper(): value for key in _CARRIED if (value := image.first(key)) is not None}


def _remarks(image: Image) -> tuple[str, ...]:
    remarks = []
    if "ORSTANDARD" in (image.imd.get("imageDescriptor") or "").upper():
        remarks.append(
            f"{image.label}: is projected, not orthorectified: displacement by relief stays, its "
            "RPCs are not used"
        )
    if not is_native(image):
        remarks.append(
            f"{image.label}: its pixels were enhanced or rescaled to 8 bits, they are no "
            "calibrated counts"
        )
    return tuple(remarks)


def _scaling(
    bands: Sequence[tuple[Image, str]], sensor: Sensor | None
) -> tuple[Scaling, ...] | None:
    """Return scale and offset of each band to reflectance, if the metadata give them."""
    try:
        return tuple(band_reflectance(*band, sensor) for band in bands)
    except UncalibratedError:
        return None


def _reflecting(
    product: Product,
    pan: tuple[Image, str],
    bands: Sequence[tuple[Image, str]],
    sensor: Sensor | None,
) -> Product:
    """Convert PAN and MS to reflectance."""
    return replace(
        product,
        guide=ScaledSource(product.guide, (band_reflectance(*pan, sensor),)),
        target=ScaledSource(product.target, tuple(band_reflectance(*b, sensor) for b in bands)),
        scaling=None,
    )
