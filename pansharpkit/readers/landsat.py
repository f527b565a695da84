"""Landsat 7, 8 and 9 Level-1 products, of all collections and from before them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit.errors import FileReadError, InputError, MetadataError, OptionError
from pansharpkit.readers.archive import BareNames, FolderFiles, ProductFiles
from pansharpkit.readers.derived import MaskedSource, ScaledSource, check_same_grid, stack
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.mtl import Mtl, read_mtl
from pansharpkit.readers.product import Product, ReadOptions, Scaling
from pansharpkit.readers.quality import CloudSource, layout_of
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.readers.zipped import is_packed, unpacker

_MTL_NAME = re.compile(r"_MTL\.(txt|json|xml)$", re.IGNORECASE)
_PAN = "B8"
_CARRIED = (
    "SPACECRAFT_ID",
    "SENSOR_ID",
    "LANDSAT_PRODUCT_ID",
    "LANDSAT_SCENE_ID",
    "COLLECTION_NUMBER",
    "COLLECTION_CATEGORY",
    "WRS_PATH",
    "WRS_ROW",
    "DATE_ACQUIRED",
    "SCENE_CENTER_TIME",
    "CLOUD_COVER",
    "SUN_AZIMUTH",
    "SUN_ELEVATION",
    "EARTH_SUN_DISTANCE",
)


@dataclass(frozen=True)
class Instrument:
    """What the reader must know of an instrument that the metadata do not say."""

    sensor_id: str
    colours: Mapping[str, str]
    """Name of each 30 m band in words; PAN and thermal bands are not among them."""
    default: tuple[str, ...]
    """Bands that PAN can sharpen, or nearly (blue), and the near infrared."""
    thermal: tuple[str, ...]


_OLI = {
    "coastal": "B1",
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B5",
    "swir1": "B6",
    "swir2": "B7",
    "cirrus": "B9",
}
_ETM = {"blue": "B1", "green": "B2", "red": "B3", "nir": "B4", "swir1": "B5", "swir2": "B7"}
_INSTRUMENTS = {
    "LANDSAT7": Instrument("landsat7_etm", _ETM, ("B1", "B2", "B3", "B4"), ("B6",)),
    "LANDSAT8": Instrument("landsat8_oli", _OLI, ("B2", "B3", "B4", "B5"), ("B10", "B11")),
    "LANDSAT9": Instrument("landsat9_oli2", _OLI, ("B2", "B3", "B4", "B5"), ("B10", "B11")),
}


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
    return open_landsat_files(_files(path), options, name)


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
        name = mtl or _find_mtl(bare)
        return _open(bare, read_mtl(bare.fetch([name])[name]), options or ReadOptions())
    except BaseException:
        files.close()
        raise


def _files(path: Path) -> ProductFiles:
    if path.is_dir():
        return FolderFiles(path)
    if is_packed(path):
        return unpacker(path)
    shown = printable(str(path))
    check_regular(path, shown)
    if is_mtl(path):
        return FolderFiles(path.parent)
    raise FileReadError(
        f"{shown}: is no Landsat product; give its folder, tar archive or *_MTL.txt, .json or .xml"
    )


def is_mtl(path: Path) -> bool:
    """Whether the name is that of a Landsat metadata file."""
    return _MTL_NAME.search(path.name) is not None


def _find_mtl(files: ProductFiles) -> str:
    """Return the metadata file of the only product, in text form if there are several forms."""
    found = {name: match[1].lower() for name in files.names if (match := _MTL_NAME.search(name))}
    products = {_MTL_NAME.sub("", name) for name in found}
    if not found:
        raise FileReadError(
            f"{files.label}: holds no *_MTL.txt, .json or .xml, so it is no Landsat product; give "
            "its folder or tar archive, or a PAN and an MS raster"
        )
    if len(products) > 1:
        raise FileReadError(
            f"{files.label}: holds {len(products)} Landsat products; give the MTL file of one"
        )
    return min(found, key=lambda name: ("txt", "json", "xml").index(found[name]))


def _open(files: ProductFiles, mtl: Mtl, options: ReadOptions) -> Product:
    instrument = _instrument(mtl)
    bands = _bands(options.bands, instrument)
    names = {band: _file_of_band(files, mtl, band) for band in (_PAN, *bands)}
    quality_name = _file_of_quality(files, mtl)
    paths = files.fetch([*names.values(), *([quality_name] if quality_name else [])])
    zero = replace(options, default_nodata=0.0)
    guide, *parts = (_open_band(paths[name], band, zero, files) for band, name in names.items())
    target = stack(parts, f"{_product_id(mtl)} {','.join(bands)}")
    clouds, notices = None, [n for part in (guide, *parts) for n in part.notices]
    if quality_name is None:
        notices.append(f"{_product_id(mtl)}: has no quality band, clouds are not told apart")
    else:
        quality = _open_band(paths[quality_name], "QA", replace(options, nodata=None), files)
        check_same_grid(parts[0], quality)
        if quality.dtype.kind != "u":
            raise InputError(f"{quality.label}: expected unsigned bit flags, found {quality.dtype}")
        layout = layout_of(mtl.get("COLLECTION_NUMBER"))
        clouds = CloudSource(quality, layout)
        target = MaskedSource(target, quality, layout.fill)
    return _converted(
        Product(
            guide=guide,
            target=target,
            sensor_id=instrument.sensor_id,
            clouds=clouds,
            metadata={key: mtl.values[key] for key in _CARRIED if key in mtl.values},
            notices=tuple(dict.fromkeys(notices)),
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
            guide=ScaledSource(product.guide, (_reflectance(mtl, _PAN),)),
            target=ScaledSource(product.target, tuple(_reflectance(mtl, b) for b in bands)),
        )
    if mtl.get(*(f"REFLECTANCE_MULT_BAND_{band[1:]}" for band in bands)) is None:
        return product  # before 2012 there were radiances only
    return replace(product, scaling=tuple(_reflectance(mtl, band) for band in bands))


def _reflectance(mtl: Mtl, band: str) -> Scaling:
    """Return scale and offset of a band to reflectance at the top of the atmosphere.

    Source: Landsat 8 (L8) Data Users Handbook, USGS LSDS-1574, section 5.2.
    """
    elevation = mtl.number("SUN_ELEVATION")
    if not 0 < elevation <= 90:
        mtl.reject("SUN_ELEVATION", "is not between 0 and 90 degrees: no reflectance at night")
    sine = math.sin(math.radians(elevation))
    number = band[1:]
    scale = mtl.number(f"REFLECTANCE_MULT_BAND_{number}")
    if scale <= 0:
        mtl.reject(f"REFLECTANCE_MULT_BAND_{number}", "is not positive")
    return scale / sine, mtl.number(f"REFLECTANCE_ADD_BAND_{number}") / sine


def _instrument(mtl: Mtl) -> Instrument:
    spacecraft = mtl.require("SPACECRAFT_ID")
    instrument = _INSTRUMENTS.get(re.sub(r"[^A-Z0-9]", "", spacecraft.upper()))
    sensor = mtl.get("SENSOR_ID") or ""
    if instrument is None or sensor.upper() == "TIRS":
        mtl.reject("SPACECRAFT_ID", f"({sensor}) has no PAN band; Landsat 7, 8 and 9 are supported")
    level = mtl.get("PROCESSING_LEVEL", "DATA_TYPE", "PRODUCT_TYPE") or ""
    if level.upper().startswith("L2"):
        raise MetadataError(
            f"{mtl.label}: is a Level-2 product ({level}), which has no PAN band; get the Level-1 "
            "product of the same scene"
        )
    return instrument


def _bands(wanted: Sequence[str] | None, instrument: Instrument) -> tuple[str, ...]:
    """Return the codes of the wanted bands, in the order asked for."""
    if wanted is None:
        return instrument.default
    codes = tuple(_band(text, instrument) for text in wanted)
    if len(set(codes)) < max(2, len(codes)):
        raise OptionError(f"--bands {','.join(wanted)}: give at least 2 different bands")
    return codes


def _band(text: str, instrument: Instrument) -> str:
    code = instrument.colours.get(text.lower())
    if code is None:
        code = f"B{text}" if text.isdecimal() else text.upper()
    if code in instrument.colours.values():
        return code
    if code == _PAN or text.lower() == "pan":
        why = "is the PAN band that sharpens the others"
    elif code in instrument.thermal or text.lower() == "thermal":
        why = "is thermal: PAN sees reflected sunlight and knows nothing of its detail"
    else:
        why = f"is no band of {instrument.sensor_id}"
    known = ", ".join(f"{code} ({name})" for name, code in instrument.colours.items())
    raise OptionError(f"--bands {text}: {why}; choose from {known}")


def _file_of_band(files: ProductFiles, mtl: Mtl, band: str) -> str:
    number = band[1:]
    keys = (f"FILE_NAME_BAND_{number}", f"BAND{number}_FILE_NAME")  # the latter until 2012
    name = _find_file(files, mtl, keys, rf"_B{number}\.tiff?$")
    if name is None:
        kind = "PAN band" if band == _PAN else "band"
        expected = mtl.get(*keys) or f"*_B{number}.TIF"
        raise FileReadError(
            f"{files.label}: {kind} {band} is missing, expected {expected}; get the whole product"
        )
    return name


def _file_of_quality(files: ProductFiles, mtl: Mtl) -> str | None:
    keys = ("FILE_NAME_QUALITY_L1_PIXEL", "FILE_NAME_BAND_QUALITY")
    return _find_file(files, mtl, keys, r"_(BQA|QA_PIXEL)\.tiff?$")


def _find_file(files: ProductFiles, mtl: Mtl, keys: tuple[str, ...], pattern: str) -> str | None:
    """Return the file that the metadata name, or the only one named like it."""
    for key in keys:
        name = mtl.get(key)
        if name is not None and ("/" in name or "\\" in name or name in (".", "..")):
            mtl.reject(key, "is not a bare file name")
        if name in files.names:
            return name
    like = [name for name in files.names if re.search(pattern, name, re.IGNORECASE)]
    if len(like) > 1:
        raise FileReadError(
            f"{files.label}: {', '.join(map(printable, like))}: which one belongs to {mtl.label}? "
            "Keep one product per folder"
        )
    return like[0] if like else None


def _open_band(path: Path, band: str, options: ReadOptions, files: ProductFiles) -> GeoTiffSource:
    return open_geotiff(path, options, band_names=[band], keep=files)


def _product_id(mtl: Mtl) -> str:
    return mtl.get("LANDSAT_PRODUCT_ID", "LANDSAT_SCENE_ID") or mtl.label
