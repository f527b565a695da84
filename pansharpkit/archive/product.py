"""What a fused raster on disk says of itself, without its pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rasterio.io import DatasetReader

from pansharpkit.errors import SensorError
from pansharpkit.grid import Grid
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import gdal_environment, locate, open_georeferenced, printable
from pansharpkit.sensor import Band, Sensor, load_sensor
from pansharpkit.sensor.model import COMMON_NAMES

_OPTIONS = ReadOptions()
_GENERIC = "generic"


@dataclass(frozen=True)
class ProductBand:
    """One band of a fused raster."""

    name: str
    dtype: str
    nodata: float | None
    scale: float
    """Physical value = stored value x scale + offset."""
    offset: float
    center_nm: float | None = None
    fwhm_nm: float | None = None
    common_name: str | None = None


@dataclass(frozen=True)
class Product:
    """A fused raster: grid, bands and how it was made."""

    path: Path
    grid: Grid
    """Its CRS is None if that of the inputs was not known."""
    bands: tuple[ProductBand, ...]
    is_cog: bool
    of_points: bool
    """Whether a value is that of the pixel's centre, not of its area."""
    sensor: str | None
    """Id of the sensor, if it is known."""
    tags: Mapping[str, str]


def read_product(path: Path) -> Product:
    """Read the description of a GeoTIFF that this program wrote.

    Raises
    ------
    FileReadError
        If it is missing or broken.
    """
    with open_product(path) as dataset, gdal_environment(_OPTIONS):
        tags = {printable(key): printable(value) for key, value in dataset.tags().items()}
        sensor = _sensor(tags)
        return Product(
            path=path,
            grid=Grid(dataset.height, dataset.width, dataset.transform, dataset.crs),
            bands=_bands(dataset, sensor),
            is_cog=dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG",
            of_points=tags.get("AREA_OR_POINT") == "Point",
            sensor=None if sensor is None else sensor.id,
            tags=tags,
        )


def open_product(path: Path) -> DatasetReader:
    """Open a GeoTIFF that may be without CRS or geotransform, as its inputs were.

    Raises
    ------
    FileReadError
        If it is missing or broken.
    """
    return open_georeferenced(locate(path, _OPTIONS, placed=True), _OPTIONS)


def _bands(dataset: DatasetReader, sensor: Sensor | None) -> tuple[ProductBand, ...]:
    names = [printable(text or f"band {i}") for i, text in enumerate(dataset.descriptions, 1)]
    known = _matched(sensor, names)
    found = []
    for i, name in enumerate(names):
        tags = dataset.tags(i + 1)
        found.append(
            ProductBand(
                name,
                dataset.dtypes[i],
                dataset.nodatavals[i],
                dataset.scales[i],
                dataset.offsets[i],
                _positive(tags.get("WAVELENGTH")) or known[i].center_nm,
                _positive(tags.get("FWHM")) or known[i].fwhm_nm,
                known[i].common_name or _common_word(name),
            )
        )
    return tuple(found)


def _sensor(tags: Mapping[str, str]) -> Sensor | None:
    """Return the preset that the raster was made with, if this machine has it."""
    try:
        options = json.loads(tags.get("PANSHARPKIT_OPTIONS", "{}"))
        name = options.get("sensor") if isinstance(options, dict) else None
        return None if name in (None, _GENERIC) else load_sensor(str(name))
    except (ValueError, SensorError):
        return None


def _matched(sensor: Sensor | None, names: list[str]) -> tuple[Band, ...]:
    if sensor is not None:
        try:
            return sensor.match(names)
        except SensorError:
            pass
    return tuple(Band(name) for name in names)


def _common_word(name: str) -> str | None:
    """Return the common name among the words of a band's name, if there is just one.

    >>> _common_word("B2 Blue"), _common_word("Red Edge 1")
    ('blue', None)
    """
    words = name.casefold().replace("_", " ").split()
    found = [word for word in words if word in COMMON_NAMES]
    return found[0] if len(found) == 1 and "edge" not in words else None


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
