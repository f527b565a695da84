"""Hyperspectral products in the layouts of their makers, composed of real Landsat pixels.

Every band is interpolated along the spectrum between the four bands of the demo scene, so that the
cubes look like ground; metadata have the makers' structure and invented numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasters import UTM30, write_geotiff
from scenes import MS, demo_source

from pansharpkit.grid import Window

CENTERS = (482.0, 561.4, 654.6, 864.7)
"""Of Landsat 8's B2 to B5, nm."""
PLACE = Affine(30.0, 0.0, 605_000.0, 0.0, -30.0, 4_745_000.0)


def cube(bands: int = 12, rows: int = 20, cols: int = 24) -> NDArray[np.int16]:
    """Return [bands, rows, cols] of real ground between 450 and 900 nm, all above zero."""
    four = demo_source(MS, Window(100, 120, rows, cols)).values.astype(float)
    at = np.linspace(450, 900, bands)
    mixed = np.stack(
        [[np.interp(at, CENTERS, four[:, i, j]) for j in range(cols)] for i in range(rows)]
    )
    return np.moveaxis(np.rint(mixed), 2, 0).astype(np.int16)


def centers(bands: int) -> tuple[float, ...]:
    """Return the wavelengths of `cube`, nm."""
    return tuple(round(float(c), 3) for c in np.linspace(450, 900, bands))


def listed(values: Sequence[object]) -> str:
    """Return a list as an ENVI header writes it, some on a line."""
    texts = [str(value) for value in values]
    lines = [", ".join(texts[i : i + 5]) for i in range(0, len(texts), 5)]
    return "{\n" + ",\n".join(lines) + "}"


ENVI_TYPES = {"u1": 1, "i2": 2, "i4": 3, "f4": 4, "f8": 5, "u2": 12, "u4": 13}
UTM30_MAP = "{UTM, 1, 1, 605000, 4745000, 30, 30, 30, North, WGS-84, units=Meters}"


def write_envi(
    path: Path,
    values: NDArray[np.generic],
    interleave: str = "bsq",
    *,
    big_endian: bool = False,
    offset: int = 0,
    entries: Mapping[str, object] | None = None,
) -> Path:
    """Write [C, H, W] with its header and return the header; an entry of None leaves it out."""
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    code = values.dtype.kind + str(values.dtype.itemsize)
    stored = values.transpose(axes).astype((">" if big_endian else "<") + code)
    path.write_bytes(b"x" * offset + stored.tobytes())
    head: dict[str, object] = {
        "description": "{a cube, in two\n  lines}",
        "samples": values.shape[2],
        "lines": values.shape[1],
        "bands": values.shape[0],
        "header offset": offset,
        "file type": "ENVI Standard",
        "data type": ENVI_TYPES[code],
        "interleave": interleave.upper(),
        "byte order": int(big_endian),
        "map info": UTM30_MAP,
        "wavelength units": "Nanometers",
        "wavelength": listed(centers(len(values))),
        **(entries or {}),
    }
    header = path.with_suffix(".hdr")
    lines = [f"{key} = {value}" for key, value in head.items() if value is not None]
    header.write_text("\n".join(["ENVI", *lines, ""]))
    return header


ENMAP = "ENMAP01-____{}-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z"


def enmap_xml(level: str, bands: int, nm: Sequence[float] | None = None, **changes: str) -> str:
    """Return the parts of METADATA.XML that are read; `changes` replace texts of elements."""
    entries = "".join(
        f'<bandID number="{i}"><wavelengthCenterOfBand>{c}</wavelengthCenterOfBand>'
        f"<FWHMOfBand>6.5</FWHMOfBand><GainOfBand>0.0001</GainOfBand>"
        f"<OffsetOfBand>0</OffsetOfBand></bandID>"
        for i, c in enumerate(nm or centers(bands), 1)
    )
    texts = {
        "expected": ",".join(str(i) for i in range(1, bands + 1)),
        "startTime": "2022-07-24T10:45:26.123Z",
        **changes,
    }
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<metadata><name>{ENMAP.format(level)}-METADATA.XML</name></metadata>"
        f"<base><level>{level}</level><temporalCoverage><startTime>{texts['startTime']}</startTime>"
        "</temporalCoverage></base>"
        "<specific><sunElevationAngle><upper_left>55</upper_left><center>55.5</center>"
        "</sunElevationAngle><vnirProductQuality><expectedChannelsList>"
        f"{texts['expected']}</expectedChannelsList></vnirProductQuality>"
        f"<bandCharacterisation>{entries}</bandCharacterisation></specific></level_X>"
    )


def write_enmap(
    folder: Path,
    values: NDArray[np.generic],
    level: str = "L2A",
    *,
    quality: Mapping[str, NDArray[np.uint8]] | None = None,
    nodata: float | None = -32768,
    **changes: str,
) -> Path:
    """Write an EnMAP product and return its metadata file; `quality` are layers by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = ENMAP.format(level)
    write_geotiff(folder / f"{stem}-SPECTRAL_IMAGE.TIF", values, PLACE, nodata=nodata)
    for name, layer in (quality or {}).items():
        write_geotiff(folder / f"{stem}-QL_QUALITY_{name}.TIF", layer, PLACE)
    metadata = folder / f"{stem}-METADATA.XML"
    metadata.write_text(enmap_xml(level, len(values), **changes))
    return metadata


DESIS = "DESIS-HSI-{}-DT0865788448_017-20230607T153935-V0220"


def desis_xml(level: str, bands: int) -> str:
    """Return the parts of METADATA.xml that are read, and a list of bands that is another."""
    entries = "".join(
        f"<band><bandNumber>{i}</bandNumber><deadPixels>0</deadPixels>"
        f"<wavelengthCenterOfBand>{c}</wavelengthCenterOfBand>"
        "<wavelengthWidthOfBand>3.5</wavelengthWidthOfBand><response>0.1, 1.0, 0.1</response>"
        f"<wavelengths>{c - 1}, {c}, {c + 1}</wavelengths>"
        "<gainOfBand>0.0001</gainOfBand><offsetOfBand>0</offsetOfBand></band>"
        for i, c in enumerate(centers(bands), 1)
    )
    other = "<interiorOrientation><band><bandNumber>1</bandNumber></band></interiorOrientation>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><hsi_doc>'
        f"<metadata><mission>DESIS</mission></metadata><base><productType>{level}</productType>"
        "<startTime>2023-06-07T15:39:35.1Z</startTime></base>"
        "<specific><backgroundValue>-32768</backgroundValue><sunZenithAngle>25.1</sunZenithAngle>"
        f"{other}<bandCharacterisation>{entries}</bandCharacterisation></specific></hsi_doc>"
    )


def write_desis(
    folder: Path,
    values: NDArray[np.generic],
    level: str = "L2A",
    quality: NDArray[np.uint8] | None = None,
) -> Path:
    """Write a DESIS product with the ENVI header that lies beside its image."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = DESIS.format(level)
    image = write_geotiff(
        folder / f"{stem}-SPECTRAL_IMAGE.tif", values, PLACE, options={"interleave": "pixel"}
    )
    image.with_suffix(".hdr").write_text("ENVI\nsamples = 1\n")
    if quality is not None:
        write_geotiff(folder / f"{stem}-QL_QUALITY-2.tif", quality, PLACE)
    metadata = folder / f"{stem}-METADATA.xml"
    metadata.write_text(desis_xml(level, len(values)))
    return metadata


def write_described(path: Path, values: NDArray[np.generic], names: Sequence[str]) -> Path:
    """Write a GeoTIFF cube whose band descriptions are `names`."""
    return write_geotiff(path, values, PLACE, UTM30, nodata=-32768, names=tuple(names))


def tag_bands(path: Path, tags: Mapping[str, Sequence[object]], ns: str | None = None) -> Path:
    """Give each band of a GeoTIFF an item of each name."""
    with rasterio.open(path, "r+") as out:
        for key, values in tags.items():
            for band, value in enumerate(values, 1):
                out.update_tags(band, ns=ns, **{key: str(value)})
    return path


HYPERION = "EO1H1470392004123110KZ"


def write_hyperion(
    folder: Path, values: NDArray[np.generic], *, without: Sequence[int] = (), **changes: str
) -> Path:
    """Write a Hyperion product whose calibrated bands repeat those of a cube, others being 0."""
    folder.mkdir(parents=True, exist_ok=True)
    dark = {*range(1, 8), *range(58, 77), *range(225, 243)}
    for number in range(1, 243):
        band = np.zeros_like(values[0]) if number in dark else values[number % len(values)]
        if number not in without:
            write_geotiff(folder / f"{HYPERION}_B{number:03d}_L1T.TIF", band, PLACE)
    texts = {"SCALING_FACTOR_VNIR": "40", "SCALING_FACTOR_SWIR": "80", **changes}
    scales = "".join(f"    {key} = {value}\n" for key, value in texts.items())
    metadata = folder / f"{HYPERION}_MTL_L1T.TXT"
    metadata.write_text(
        "GROUP = L1_METADATA_FILE\n  GROUP = PRODUCT_METADATA\n"
        f'    ENTITY_ID = "{HYPERION}_1T"\n    ACQUISITION_DATE = 2004-05-02\n'
        "  END_GROUP = PRODUCT_METADATA\n  GROUP = RADIANCE_SCALING\n"
        f"{scales}  END_GROUP = RADIANCE_SCALING\nEND_GROUP = L1_METADATA_FILE\nEND\n"
    )
    return metadata
