"""What Landsat products are made of: their files, instruments, bands and scales."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.readers.archive import MOST_BESIDE, FolderFiles, ProductFiles
from pansharpkit.readers.derived import MaskedSource, check_same_grid, stack
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.landsat.mtl import Mtl
from pansharpkit.readers.landsat.quality import CloudSource, layout_of
from pansharpkit.readers.product import ReadOptions, Scaling
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.readers.zipped import is_packed, unpacker
from pansharpkit.source import Source

_MTL_NAME = re.compile(r"_MTL\.(txt|json|xml)$", re.IGNORECASE)
PAN = "B8"
CARRIED = (
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
_MAPPERS = {
    "LANDSAT4": Instrument("landsat4_tm", _ETM, (), ("B6",)),
    "LANDSAT5": Instrument("landsat5_tm", _ETM, (), ("B6",)),
}
"""Instruments without PAN, which can guide a cube."""


def landsat_files(path: Path) -> ProductFiles:
    """Return the files among which a product lies: its folder, its archive, beside its MTL."""
    if path.is_dir():
        return FolderFiles(path)
    if is_packed(path):
        return unpacker(path)
    shown = printable(str(path))
    check_regular(path, shown)
    if is_mtl(path):
        return FolderFiles(path.parent, most=MOST_BESIDE)
    raise FileReadError(
        f"{shown}: is no Landsat product; give its folder, tar archive or *_MTL.txt, .json or .xml"
    )


def is_mtl(path: Path) -> bool:
    """Whether the name is that of a Landsat metadata file."""
    return _MTL_NAME.search(path.name) is not None


def find_mtl(files: ProductFiles) -> str:
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


def instrument_of(mtl: Mtl, pan: bool = True) -> Instrument:
    """Return the instrument of a product, which must have a PAN band if `pan`.

    Raises
    ------
    MetadataError
        If it is not supported.
    """
    spacecraft = mtl.require("SPACECRAFT_ID")
    known = _INSTRUMENTS if pan else {**_MAPPERS, **_INSTRUMENTS}
    instrument = known.get(re.sub(r"[^A-Z0-9]", "", spacecraft.upper()))
    sensor = (mtl.get("SENSOR_ID") or "").upper()
    if instrument is None or sensor in ("TIRS", "MSS"):
        need = (
            "has no PAN band; Landsat 7, 8 and 9 are" if pan else "is no TM, ETM+ or OLI, which are"
        )
        mtl.reject("SPACECRAFT_ID", f"({sensor}) {need} supported")
    return instrument


LEVEL = ("PROCESSING_LEVEL", "DATA_TYPE", "PRODUCT_TYPE")
"""Keys under which the metadata of some collection say the level."""


def is_surface(mtl: Mtl) -> bool:
    """Whether a product is of Level 2: surface reflectance, without PAN."""
    return (mtl.get(*LEVEL) or "").upper().startswith("L2")


def choose_bands(
    wanted: Sequence[str] | None, instrument: Instrument, option: str = "--bands", least: int = 2
) -> tuple[str, ...]:
    """Return the codes of the wanted bands, in the order asked for.

    Raises
    ------
    OptionError
        If one does not exist, is PAN or thermal, or is given twice, or there are too few.
    """
    if wanted is None:
        return instrument.default
    codes = tuple(_band(text, instrument, option) for text in wanted)
    if len(set(codes)) < max(least, len(codes)):
        raise OptionError(f"{option} {','.join(wanted)}: give at least {least} different bands")
    return codes


def _band(text: str, instrument: Instrument, option: str) -> str:
    code = instrument.colours.get(text.lower())
    if code is None:
        code = f"B{text}" if text.isdecimal() else text.upper()
    if code in instrument.colours.values():
        return code
    if code == PAN or text.lower() == "pan":
        why = "is the PAN band that sharpens the others"
    elif code in instrument.thermal or text.lower() == "thermal":
        why = "is thermal: PAN sees reflected sunlight and knows nothing of its detail"
    else:
        why = f"is no band of {instrument.sensor_id}"
    known = ", ".join(f"{code} ({name})" for name, code in instrument.colours.items())
    raise OptionError(f"{option} {text}: {why}; choose from {known}")


def reflectance(mtl: Mtl, band: str) -> Scaling:
    """Return scale and offset of a band to reflectance.

    It is that of the surface for Level 2, else that at the top of the atmosphere.

    Source: Landsat 8 (L8) Data Users Handbook, USGS LSDS-1574, section 5.2; LSDS-1619 for Level 2.
    """
    number = band[1:]
    scale = mtl.number(f"REFLECTANCE_MULT_BAND_{number}")
    if scale <= 0:
        mtl.reject(f"REFLECTANCE_MULT_BAND_{number}", "is not positive")
    offset = mtl.number(f"REFLECTANCE_ADD_BAND_{number}")
    if is_surface(mtl):
        return scale, offset
    elevation = mtl.number("SUN_ELEVATION")
    if not 0 < elevation <= 90:
        mtl.reject("SUN_ELEVATION", "is not between 0 and 90 degrees: no reflectance at night")
    sine = math.sin(math.radians(elevation))
    return scale / sine, offset / sine


def fetch_bands(files: ProductFiles, mtl: Mtl, bands: Sequence[str]) -> dict[str, Path]:
    """Return where the files of bands lie; the quality band is unpacked along with them.

    Raises
    ------
    FileReadError
        If the file of a band is missing, or the archive is broken.
    """
    names = {band: _file_of_band(files, mtl, band) for band in bands}
    quality = _file_of_quality(files, mtl)
    paths = files.fetch([*names.values(), *([quality] if quality else [])])
    return {band: paths[name] for band, name in names.items()}


def _file_of_band(files: ProductFiles, mtl: Mtl, band: str) -> str:
    number = band[1:]
    keys = (f"FILE_NAME_BAND_{number}", f"BAND{number}_FILE_NAME")  # the latter until 2012
    name = _find_file(files, mtl, keys, rf"_B{number}\.tiff?$")
    if name is None:
        kind = "PAN band" if band == PAN else "band"
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


def open_band(path: Path, band: str, options: ReadOptions, files: ProductFiles) -> GeoTiffSource:
    """Open the file of one band."""
    return open_geotiff(path, options, band_names=[band], keep=files)


def product_id(mtl: Mtl) -> str:
    """Return what the product is called."""
    return mtl.get("LANDSAT_PRODUCT_ID", "LANDSAT_SCENE_ID") or mtl.label


def bands_with_clouds(
    parts: Sequence[Source], label: str, files: ProductFiles, mtl: Mtl, options: ReadOptions
) -> tuple[Source, Source | None, tuple[str, ...]]:
    """Return bands as one image without what was not imaged, its clouds, and what to say.

    Raises
    ------
    GridError
        If the bands or the quality band do not share a grid.
    InputError
        If the quality band is no raster of bit flags.
    """
    source = stack(parts, label)
    name = _file_of_quality(files, mtl)
    if name is None:
        return source, None, (f"{product_id(mtl)}: has no quality band, clouds are not told apart",)
    path = files.fetch([name])[name]
    quality = open_band(path, "QA", replace(options, nodata=None), files)
    check_same_grid(parts[0], quality)
    if quality.dtype.kind != "u":
        raise InputError(f"{quality.label}: expected unsigned bit flags, found {quality.dtype}")
    layout = layout_of(mtl.get("COLLECTION_NUMBER"))
    return MaskedSource(source, quality, layout.fill), CloudSource(quality, layout), ()
