"""EO-1 Hyperion products of USGS: one GeoTIFF for each of 242 bands and one metadata file.

Bands 1-7, 58-76 and 225-242 were never calibrated and hold zeros. Layout: EO-1 User Guide 2.3,
levels L1T and L1GST.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.cubes.livebands import live_cube
from pansharpkit.readers.cubes.raster import band_names
from pansharpkit.readers.derived import check_same_grid, stack
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.landsat.mtl import Mtl, read_mtl
from pansharpkit.readers.product import Cube, ReadOptions, Scaling
from pansharpkit.readers.safe_open import printable
from pansharpkit.sensor import load_sensor
from pansharpkit.spectra import Spectra

_METADATA = re.compile(r"(EO1H\w+?)_MTL_(L1\w+)\.TXT", re.IGNORECASE)
_BANDS = 242
_VNIR = 70
"""Bands up to this one are of the VNIR detector, with a scale of their own."""
_UNCALIBRATED = (*range(1, 8), *range(58, 77), *range(225, 243))
_CARRIED = ("ENTITY_ID", "ACQUISITION_DATE", "START_TIME", "SUN_AZIMUTH", "SUN_ELEVATION",
            "SENSOR_LOOK_ANGLE", "PRODUCT_TYPE")  # fmt: skip


def is_hyperion(name: str) -> bool:
    """Whether the name is that of Hyperion's metadata."""
    return _METADATA.fullmatch(name) is not None


def open_hyperion(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open a Hyperion product by the name of its metadata file.

    Wavelengths are those of the preset: the products name none. Zero marks missing pixels.

    Raises
    ------
    FileReadError
        If band files are missing or broken.
    MetadataError
        If the metadata are broken or lack the scales.
    GridError
        If the bands do not share their grid.
    """
    match = _METADATA.fullmatch(PurePosixPath(name).name)
    if match is None:
        raise FileReadError(f"{printable(name)}: is no Hyperion metadata file")
    mtl = read_mtl(files.fetch([name])[name])
    folder = name[: -len(match[0])]
    wanted = {
        number: f"{folder}{match[1]}_B{number:03d}_{match[2]}.TIF".lower()
        for number in range(1, _BANDS + 1)
    }
    by_lower = {other.lower(): other for other in files.names}
    found = {n: by_lower[key] for n, key in wanted.items() if key in by_lower}
    missing = [n for n in wanted if n not in found and n not in _UNCALIBRATED]
    if missing:
        raise FileReadError(
            f"{mtl.label}: {len(missing)} band files are missing, the first is band {missing[0]}; "
            "get the whole product"
        )
    numbers = tuple(n for n in found if n not in _UNCALIBRATED)
    spectra = _spectra(numbers)
    parts = _parts(files, [found[n] for n in numbers], band_names(spectra, numbers), options)
    cube = Cube(
        source=stack(parts, printable(match[1])),
        spectra=spectra,
        sensor_id="hyperion",
        metadata={key: value for key in _CARRIED if (value := mtl.get(key)) is not None},
        notices=(f"{mtl.label}: bands 1-7, 58-76 and 225-242 left out: never calibrated",),
        scaling=_scaling(mtl, numbers),
    )
    return live_cube(cube, options)


def _parts(
    files: ProductFiles, names: Sequence[str], called: Sequence[str], options: ReadOptions
) -> list[GeoTiffSource]:
    paths = files.fetch(names)
    read = replace(options, default_nodata=0.0)
    parts: list[GeoTiffSource] = []
    for name, band in zip(names, called, strict=True):
        part = open_geotiff(paths[name], read, band_names=[band], keep=files, tile=True)
        parts.append(replace(part, bandwise=True))
        check_same_grid(parts[0], part)
    return parts


def _spectra(numbers: Sequence[int]) -> Spectra:
    bands = load_sensor("hyperion").bands
    centers = [bands[n - 1].center_nm for n in numbers]
    widths = [bands[n - 1].fwhm_nm for n in numbers]
    return Spectra(
        tuple(c for c in centers if c is not None), tuple(w for w in widths if w is not None)
    )


def _scaling(mtl: Mtl, numbers: Sequence[int]) -> tuple[Scaling, ...]:
    """Return what makes radiance, W m-2 sr-1 um-1, of the numbers stored."""
    scales = {key: mtl.number(f"SCALING_FACTOR_{key}") for key in ("VNIR", "SWIR")}
    for key, value in scales.items():
        if value <= 0:
            raise MetadataError(f"{mtl.label}: SCALING_FACTOR_{key} = {value:g}, must be > 0")
    return tuple((1 / scales["VNIR" if n <= _VNIR else "SWIR"], 0.0) for n in numbers)
