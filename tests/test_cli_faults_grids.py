"""Pairs that do not fit, or fit in an unusual way, through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import pansharpkit
from fault_place import COARSE, Fault, Place, assert_fails, read, valid
from rasters import ORIGIN, UTM30, make_pair

SHIFTED = COARSE @ Affine.translation(31.5, 23.5)
GRIDS: dict[str, Fault] = {
    "PAN without CRS": (
        4, ("pan.tif", "--assume-crs"), lambda p: (p.pan("pan.tif", None, ORIGIN, None), p.ms()),
    ),
    "MS without CRS": (
        4, ("ms.tif", "--assume-crs"), lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, None)),
    ),
    "assumed CRS is none": (
        2, ("--assume-crs moon",),
        lambda p: (p.pan("pan.tif", None, ORIGIN, None), p.ms(), "--assume-crs", "moon"),
    ),
    "NaN transform": (
        4, ("pan.tif", "not finite"),
        lambda p: (p.pan("pan.tif", None, Affine(15, 0, np.nan, 0, -15, 0)), p.ms()),
    ),
    "transform without area": (
        4, ("pan.tif", "no area"),
        lambda p: (p.pan("pan.tif", None, Affine(0, 0, 605000, 0, 0, 4745000)), p.ms()),
    ),
    "another CRS, strictly": (
        4, ("ms.tif", "--strict"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, "EPSG:32631"), "--strict"),
    ),
    "far away in another CRS": (
        4, ("ms.tif", "do not overlap"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, "EPSG:32631")),
    ),
    "a CRS of no place": (
        4, ("ms.tif", "check its CRS"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, 'LOCAL_CS["x",UNIT["metre",1]]')),
    ),
    "degrees beyond the globe": (
        4, ("ms.tif", "check its CRS"),
        lambda p: (p.pan(), p.ms("ms.tif", None, Affine(0.1, 0, 400, 0, -0.1, 99), "EPSG:4326")),
    ),
    "apart": (
        4, ("pan.tif and ms.tif do not overlap",),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE @ Affine.translation(100, 0))),
    ),
    "less than an MS pixel in common": (
        4, ("less than one MS pixel",), lambda p: (p.pan(), p.ms("ms.tif", None, SHIFTED)),
    ),
    "swapped": (4, ("ms.tif", "swapped"), lambda p: (p.ms(), p.pan())),
    "ratio 1": (
        4, ("same.tif", "swapped"),
        lambda p: (p.pan(), p.ms("same.tif", np.repeat(p.ground.pan, 4, 0), ORIGIN)),
    ),
    "ratio 1/2": (
        4, ("fine.tif", "swapped"),
        lambda p: (p.pan(), p.ms("fine.tif", None, ORIGIN @ Affine.scale(0.5))),
    ),
    "bands of different size": (
        4, ("a.tif and b.tif", "32 x 24 and 32 x 23"),
        lambda p: (p.pan(), p.ms("a.tif", p.ground.ms[0]), p.ms("b.tif", p.ground.ms[1, :-1])),
    ),
    "bands of different grids": (
        4, ("a.tif and b.tif", "apart"),
        lambda p: (
            p.pan(), p.ms("a.tif", p.ground.ms[0]),
            p.ms("b.tif", p.ground.ms[1], COARSE @ Affine.translation(0.5, 0)),
        ),
    ),
    "area outside": (
        2, ("--bounds", "do not touch"), lambda p: (p.pan(), p.ms(), "--bounds", "0,0,9,9"),
    ),
    "area without end": (
        2, ("--bounds",), lambda p: (p.pan(), p.ms(), "--bounds", "-inf,-inf,inf,inf"),
    ),
    "area inside out": (2, ("--bounds",), lambda p: (p.pan(), p.ms(), "--bounds", "9,9,0,0")),
    "area beyond the globe": (
        2, ("--bounds",),
        lambda p: (p.pan(), p.ms(), "--bounds", "400,95,500,99", "--bounds-crs", "EPSG:4326"),
    ),
    "area in no CRS": (
        2, ("--bounds-crs moon",),
        lambda p: (p.pan(), p.ms(), "--bounds", "0,0,1,1", "--bounds-crs", "moon"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRIDS)
def test_fault(name: str, place: Place) -> None:
    code, said, make = GRIDS[name]
    arguments = make(place)
    before = place.listing()
    assert_fails(place.fuse(*arguments), code, *said)
    assert place.listing() == before


def test_different_ground_is_refused_unless_forced(place: Place) -> None:
    noise = np.random.default_rng(0).integers(100, 4000, (5, 160, 160)).astype("u2")
    inputs = (place.pan(values=noise[0]), place.ms(values=noise[1:, :40, :40]))
    assert_fails(place.fuse(*inputs), 4, "same ground", "--force")
    assert not any(place.outputs.iterdir())
    done = place.fuse(*inputs, options=("--force",))
    assert done.code == 0
    assert "same ground" in done.stderr


ROTATED = Affine.translation(605000, 4745000) @ Affine.rotation(30) @ Affine.scale(15, -15)
ORIENTATIONS = {
    "rotated": ROTATED,
    "south-up": Affine(15, 0, 605000, 0, 15, 4743560),
    "mirrored": Affine(-15, 0, 606920, 0, -15, 4745000),
    "longer than wide": ORIGIN @ Affine.scale(1, 1.7),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientation_changes_no_pixel(name: str, place: Place) -> None:
    options = ("-m", "mtf-glp-fs")
    assert place.fuse(place.pan(), place.ms(), options=options).code == 0
    expected = read(place.output)
    grid = ORIENTATIONS[name]
    pan = place.pan("other.tif", None, grid)
    ms = place.ms("coarse.tif", None, grid @ Affine.scale(4))
    done = place.fuse(pan, ms, options=(*options, "--overwrite"))
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(read(place.output), expected)
    with rasterio.open(place.output) as made:
        assert made.transform.almost_equals(grid, 1e-9)


@pytest.mark.parametrize("ratio", [1.998, 2.5, 3])
def test_odd_ratios_hit_the_truth(ratio: float, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, ratio=ratio, size=(40, 44))
    output = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", output, "-m", "gsa", "--no-report")
    assert (done.code, done.stderr) == (0, "")
    made = read(output)
    assert made.shape == pair.truth.shape
    inner = (slice(None), slice(16, -16), slice(16, -16))
    spread = pair.truth[inner].std()
    assert np.abs(made[inner] - pair.truth[inner]).mean() < 0.2 * spread


def test_ms_in_another_crs_is_reprojected_with_a_notice(place: Place) -> None:
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    pan = place.pan()
    box = rasterio.transform.array_bounds(24, 32, COARSE)
    transform, width, height = calculate_default_transform(UTM30, "EPSG:4326", 32, 24, *box)
    values = np.zeros((4, height, width), "f4")
    reproject(
        place.ground.ms.astype("f4"), values, src_transform=COARSE, src_crs=UTM30,
        dst_transform=transform, dst_crs="EPSG:4326", dst_nodata=-1, resampling=Resampling.cubic,
    )  # fmt: skip
    ms = place.ms("degrees.tif", values, transform, "EPSG:4326", nodata=-1)
    done = place.fuse(pan, ms)
    assert done.code == 0
    assert "degrees.tif (EPSG:4326) is reprojected" in done.stderr
    assert place.fuse(pan, place.ms(), output=place.outputs / "plain.tif").code == 0
    inner = (slice(None), slice(16, -16), slice(16, -16))
    made, plain = read(place.output)[inner], read(place.outputs / "plain.tif")[inner].astype(float)
    assert valid(place.output)[inner[1:]].all()
    assert np.abs(made - plain).mean() < 0.1 * plain.std()


@pytest.mark.parametrize("shift", [(0.4, 0.3), (4, 2), (-3, 0)])
def test_extents_that_differ_give_the_intersection(
    shift: tuple[float, float], place: Place
) -> None:
    moved = place.ms("ms.tif", None, COARSE @ Affine.translation(*shift))
    done = place.fuse(place.pan(), moved)
    assert done.code == 0
    assert "intersection" in done.stderr
    with rasterio.open(place.output) as made:
        col, row = ~ORIGIN @ (made.transform.c, made.transform.f)
        assert (col, row) == pytest.approx((round(col), round(row)), abs=1e-6)
        assert made.bounds.left >= ORIGIN.c
        assert made.width < 128
    assert valid(place.output).all()
