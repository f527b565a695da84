"""Cubes that are bad, and cubes with gaps, through the command line from end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from fault_place import Place, assert_fails
from hs_products import PLACE, centers, cube, listed, write_described, write_enmap, write_envi
from rasters import write_geotiff

BANDS = 10


def fine() -> np.ndarray:
    """Return a PAN twice as fine as `cube`, from its own bands."""
    pan = cube(BANDS)[2:7].mean(0)
    return np.kron(pan, np.ones((2, 2))).astype(np.uint16)


def pan(place: Place) -> Path:
    return write_geotiff(place.inputs / "pan.tif", fine(), PLACE @ Affine.scale(0.5))


def envi(**entries: object) -> Callable[[Place], Path]:
    def write(place: Place) -> Path:
        named = {key.replace("_", " "): value for key, value in entries.items()}
        return write_envi(place.inputs / "cube.img", cube(BANDS), "bil", entries=named)

    return write


def cut(place: Place) -> Path:
    header = envi()(place)
    data = (place.inputs / "cube.img").read_bytes()
    (place.inputs / "cube.img").write_bytes(data[: len(data) // 2])
    return header


def dead(place: Place) -> Path:
    values = np.full((BANDS, 20, 24), -32768, np.int16)
    return write_described(place.inputs / "cube.tif", values, [f"{c} nm" for c in centers(BANDS)])


def hollow(place: Place) -> Path:
    values = cube(BANDS)
    values[1:] = 7
    return write_envi(place.inputs / "cube.img", values)


def level_1b(place: Place) -> Path:
    return write_enmap(place.inputs / "scene", cube(BANDS), "L1B").parent


def same_size(place: Place) -> Path:
    values = np.kron(cube(BANDS), np.ones((1, 2, 2))).astype(np.int16)
    place_of = "{UTM, 1, 1, 605000, 4745000, 15, 15, 30, North, WGS-84, units=Meters}"
    return write_envi(place.inputs / "cube.img", values, entries={"map info": place_of})


FAULTS: dict[str, tuple[tuple[str, ...], Callable[[Place], Path]]] = {
    "half a cube": (("cube.img", "truncated", "9600 expected"), cut),
    "header of another": (("cube.img", "cube.hdr explains"), envi(lines=10)),
    "bands beyond the file": (("cube.img", "truncated"), envi(bands=200, wavelength=None)),
    "claims of pixels": (("cube.hdr", "samples"), envi(samples=999_999_999)),
    "complex cube": (("cube.hdr", "complex"), envi(data_type=6)),
    "too few wavelengths": (("cube.hdr", "wavelength lists 2"), envi(wavelength="{450, 500}")),
    "all-dead cube": (("cube.tif", "no data"), dead),
    "one live band": (("cube.img", "1 of 10 bands hold an image"), hollow),
    "sensor geometry": (("L1B", "order level L1C or L2A"), level_1b),
    "ratio 1": (("pan.tif", "swapped"), same_size),
    "apart": (
        ("do not overlap",),
        envi(map_info="{UTM, 1, 1, 705000, 4745000, 30, 30, 30, North, WGS-84}"),
    ),
    "placed nowhere": (("cube.img: does not say where it lies",), envi(map_info=None)),
    "CRS unknown": (("cube.hdr", "--assume-crs"), envi(map_info="{Mollweide, 1, 1, 0, 0, 30, 30}")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, place: Place) -> None:
    said, write = FAULTS[fault]
    assert_fails(place.fuse(pan(place), write(place)), 4, *said)
    assert not place.output.exists()


@pytest.mark.parametrize("given", ["cube.hdr", "cube.img"])
@pytest.mark.parametrize("output", ["cube.hdr", "cube.img", "cube.dat", "cube.bil"])
def test_no_part_of_an_envi_cube_is_replaced(place: Place, given: str, output: str) -> None:
    envi()(place)
    fine_image, before = pan(place), place.listing()
    done = place.fuse(
        fine_image, place.inputs / given, output=place.inputs / output, options=("--overwrite",)
    )
    assert_fails(done, 2, "is the input", "choose another output")
    assert place.listing() == before


def test_pan_may_be_an_envi_image(place: Place) -> None:
    entries = {"wavelength": None, "data ignore value": 0,
               "map info": "{UTM, 1, 1, 605000, 4745000, 15, 15, 30, North, WGS-84}"}  # fmt: skip
    values = fine()[None]
    values[:, :8] = 0
    header = write_envi(place.inputs / "pan.img", values, entries=entries)
    done = place.fuse(header, envi()(place))
    assert done.code == 0, done.stderr
    with rasterio.open(place.output) as out:
        got = out.read()
        assert out.count == BANDS
    assert (got[:, :8] == got[0, 0, 0]).all()
    assert (got[:, 12:] != got[0, 0, 0]).all()


def test_gaps_of_any_kind_leave_whole_numbers_elsewhere(place: Place) -> None:
    values = cube(BANDS)
    values[4] = -32768  # a dead band
    values[7, 5:8, 5:8] = -32768  # a band's own gap
    values[:, 14:, 16:] = -32768  # a hole
    values[2, 3, 3] = -40
    header = write_envi(
        place.inputs / "cube.img", values, "bip",
        entries={"data ignore value": -32768, "wavelength": listed(centers(BANDS)),
                 "fwhm": listed([6.5] * BANDS), "reflectance scale factor": 10000},
    )  # fmt: skip
    done = place.fuse(pan(place), header)
    assert done.code == 0, done.stderr
    assert "warning cube.img: band 5 (650 nm) left out: no data" in done.lines
    with rasterio.open(place.output) as out:
        got = out.read()
        assert out.count == BANDS - 1
        assert out.nodata == -32768
        assert set(out.scales) == {1e-4}
        tags = [out.tags(i, ns="IMAGERY") for i in out.indexes]
    live = [i for i in range(BANDS) if i != 4]
    nm = [float(t["CENTRAL_WAVELENGTH_UM"]) * 1000 for t in tags]
    assert nm == pytest.approx([centers(BANDS)[i] for i in live])
    assert [float(t["FWHM_UM"]) for t in tags] == pytest.approx([0.0065] * 9)
    missing = got == -32768
    assert (missing.any(0) == missing.all(0)).all()
    assert missing[:, 30:, 34:].all()
    assert not missing[:, :26].any()
    assert missing[0].mean() < 0.16
