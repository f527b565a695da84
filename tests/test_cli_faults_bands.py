"""Bands, pixel types and options that make no sense, through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from fault_place import Fault, Place, assert_fails
from rasters import ORIGIN, UTM30


def palette(place: Place) -> Path:
    with rasterio.open(
        place.inputs / "palette.tif", "w", driver="GTiff", count=1, width=128, height=96,
        dtype="uint8", crs=UTM30, transform=ORIGIN,
    ) as out:  # fmt: skip
        out.write((place.ground.pan % 255).astype("u1"))
        out.write_colormap(1, {i: (i, i, i, 255) for i in range(256)})
    return place.inputs / "palette.tif"


BANDS: dict[str, Fault] = {
    "PAN of 3 bands": (
        4, ("rgb.tif", "1 band, found 3"),
        lambda p: (p.pan("rgb.tif", np.repeat(p.ground.pan, 3, 0)), p.ms()),
    ),
    "MS of 1 band": (
        4, ("one.tif", "at least 2 bands, found 1"),
        lambda p: (p.pan(), p.ms("one.tif", p.ground.ms[:1])),
    ),
    "more bands than the sensor": (
        4, ("ms.tif has 5 bands", "has 8", "--band-names"),
        lambda p: (p.pan(), p.ms(values=p.ground.ms[[0, 1, 2, 3, 3]]), "--sensor", "landsat8_oli"),
    ),
    "unknown sensor": (4, ("'abacus'",), lambda p: (p.pan(), p.ms(), "--sensor", "abacus")),
    "band that is not there": (2, ("--bands 9",), lambda p: (p.pan(), p.ms(), "--bands", "1,9")),
    "band twice": (2, ("--bands 1,1", "different"), lambda p: (p.pan(), p.ms(), "--bands", "1,1")),
    "band twice, by other names": (
        2, ("--bands", "different"),
        lambda p: (
            p.pan(), p.ms(names=("B1", "B2", "B3", "B4")), "--bands", "B1,B2,1",
        ),
    ),
    "PAN for both": (
        4, ("pan.tif", "at least 2 bands, found 1"), lambda p: (p.pan(), p.inputs / "pan.tif"),
    ),
    "saturation of floats": (
        2, ("--mask-saturated", "--saturated VALUE"),
        lambda p: (
            p.pan(values=p.ground.pan / 2), p.ms(values=p.ground.ms / 2), "--mask-saturated",
        ),
    ),
    "saturation at no number": (
        2, ("--saturated nan",), lambda p: (p.pan(), p.ms(), "--saturated", "nan"),
    ),
    "too few names": (
        4, ("ms.tif has 4 bands", "gives 2"), lambda p: (p.pan(), p.ms(), "--band-names", "a,b"),
    ),
    "names twice": (2, ("--band-names",), lambda p: (p.pan(), p.ms(), "--band-names", "a,b,c,a")),
    "reflectance without metadata": (2, ("--toa",), lambda p: (p.pan(), p.ms(), "--toa")),
    "complex": (
        4, ("c.tif", "complex64"), lambda p: (p.pan("c.tif", p.ground.pan.astype("c8")), p.ms()),
    ),
    "palette": (4, ("palette.tif", "palette"), lambda p: (palette(p), p.ms())),
    "all nodata": (
        4, ("pan.tif", "no data"),
        lambda p: (p.pan(values=0 * p.ground.pan + 7, nodata=7), p.ms()),
    ),
    "all NaN": (
        4, ("pan.tif", "no data"),
        lambda p: (p.pan(values=np.full((96, 128), np.nan, "f4")), p.ms()),
    ),
    "no pixel valid in both": (
        4, ("pan.tif and ms.tif", "nodata"),
        lambda p: (
            p.pan(values=np.where(np.arange(128) < 64, p.ground.pan, 0), nodata=0),
            p.ms(values=np.where(np.arange(32) > 16, p.ground.ms, 0), nodata=0),
        ),
    ),
    "values beyond all measure": (
        4, ("pan.tif and ms.tif", "nodata"), lambda p: (p.pan(values=p.ground.pan * 1e300), p.ms()),
    ),
    "output type of no numbers": (2, ("--dtype S4",), lambda p: (p.pan(), p.ms(), "--dtype", "S4")),
    "unknown output type": (2, ("--dtype u99",), lambda p: (p.pan(), p.ms(), "--dtype", "u99")),
    "block size that ends GDAL": (
        2, ("BLOCKSIZE=abc",), lambda p: (p.pan(), p.ms(), "--co", "BLOCKSIZE=abc"),
    ),
    "compression that changes pixels": (
        2, ("JPEG",), lambda p: (p.pan(), p.ms(), "--co", "COMPRESS=JPEG"),
    ),
    "toolbox mode off its phase": (
        4, ("toolbox", "phase"), lambda p: (p.pan(), p.ms(), "--compat", "toolbox"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BANDS)
def test_fault(name: str, place: Place) -> None:
    code, said, make = BANDS[name]
    arguments = make(place)
    before = place.listing()
    assert_fails(place.fuse(*arguments), code, *said)
    assert place.listing() == before
