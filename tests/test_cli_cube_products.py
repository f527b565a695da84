"""PRISMA, MATLAB and Sentinel-2 products through the command line, whole and hostile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from fault_place import Place, assert_fails
from prisma_products import COLS, RATIO, ROWS, Recipe, write_prisma
from rasters import write_geotiff
from scipy.io import savemat
from sentinel2_products import ORIGIN, write_safe

HERE = {
    "Product_ULcorner_easting": ORIGIN.c + 15,
    "Product_ULcorner_northing": ORIGIN.f - 15,
    "Product_LRcorner_easting": ORIGIN.c + 30 * COLS - 15,
    "Product_LRcorner_northing": ORIGIN.f - 30 * ROWS + 15,
}
"""Corners of a cube in the Sentinel-2 tile, over the same real pixels."""
GSA = ("-m", "gsa", "--no-report", "--force")


def run(place: Place, *inputs: object, options: Sequence[str] = GSA) -> rasterio.DatasetReader:
    done = place.fuse(*inputs, options=options)
    assert done.code == 0, done.stderr
    return rasterio.open(place.output)


def test_prisma_is_a_pair_by_itself(place: Place) -> None:
    path = place.inputs / "PRS_L2D_STD_20210630.he5"
    made = write_prisma(path)
    with run(place, path) as out:
        values = out.read()
        assert out.crs.to_epsg() == 32630
        assert out.shape == made.pan.shape
        assert out.transform.a == 5
        assert out.dtypes[0] == "float32"
        assert np.isfinite(values).all()
        centers = [float(out.tags(i, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"]) for i in out.indexes]
    assert centers == sorted(centers)
    blocks = values.reshape(len(values), ROWS, RATIO, COLS, RATIO).mean((2, 4))
    first = made.vnir[:, 17] * np.float32(1.2 / 65535)
    assert abs(blocks[0] - first).mean() < 0.05 * first.mean()


def test_prisma_on_no_map_gives_an_output_on_no_map(place: Place) -> None:
    path = place.inputs / "PRS_L1_STD_20210630.he5"
    made = write_prisma(path, Recipe(level="1", clouds=True))
    done = place.fuse(path)
    assert done.code == 0, done.stderr
    assert "level 1 is not on a map" in done.stderr
    with rasterio.open(place.output) as out:
        assert out.crs is None
        assert out.shape == made.pan.shape
        assert out.dtypes[0] == "uint16"
        assert out.scales[0] == pytest.approx(0.01)


def test_sentinel2_guides_prisma(place: Place) -> None:
    safe = write_safe(place.inputs)
    cube = place.inputs / "PRS_L2D_STD_20210630.he5"
    write_prisma(cube, Recipe(positions=False, attributes=HERE))
    with run(place, safe, cube, options=("-m", "gsa-hs", "--no-report", "--force")) as out:
        assert out.transform[:6] == ORIGIN[:6]
        assert np.abs(np.subtract(out.shape, (3 * ROWS, 3 * COLS))).max() <= 1
        assert out.count == 55
        assert np.isfinite(out.read()).all()


def test_cube_and_pan_of_one_matlab_file(place: Place) -> None:
    random = np.random.default_rng(3)
    cube = random.integers(100, 3000, (20, 24, 6)).astype(np.uint16)
    pan = np.kron(cube.mean(2), np.ones((3, 3))).astype(np.uint16)
    path = place.inputs / "a.mat"
    savemat(path, {"HS": cube, "P": pan})
    keys = ("--mat-key", "HS", "--mat-guide-key", "P")
    with run(place, path, path, options=(*GSA, *keys)) as out:
        assert out.shape == pan.shape
        assert out.crs is None


def truncated(place: Place) -> Path:
    path = place.inputs / "PRS_L2D.he5"
    write_prisma(path)
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def linked(place: Place) -> Path:
    path, other = place.inputs / "PRS_L2D.he5", place.inputs / "other.h5"
    write_prisma(path)
    with h5py.File(other, "w") as file:
        file["x"] = np.ones((3, 3, 3))
    with h5py.File(path, "r+") as file:
        group = file["HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"]
        del group["VNIR_Cube"]
        group["VNIR_Cube"] = h5py.ExternalLink(str(other), "/x")
    return path


def dead(place: Place) -> Path:
    path = place.inputs / "PRS_L2D.he5"
    none = {"List_Cw_Vnir": np.zeros(20), "List_Cw_Swir": np.zeros(40)}
    write_prisma(path, Recipe(attributes=none))
    return path


def several(place: Place) -> Path:
    path = place.inputs / "cube.mat"
    savemat(path, {"A": np.ones((3, 4, 5)), "B": np.ones((3, 4, 6))})
    return path


def cut_mat(place: Place) -> Path:
    path = several(place)
    path.write_bytes(path.read_bytes()[:-100])
    return path


FAULTS: dict[str, tuple[int, tuple[str, ...], Callable[[Place], Path]]] = {
    "half an HE5": (4, ("PRS_L2D.he5", "truncated"), truncated),
    "HE5 that links out": (4, ("PRS_L2D.he5", "external or soft link"), linked),
    "HE5 without wavelengths": (4, ("PRS_L2D.he5", "with a wavelength"), dead),
    "several arrays": (2, ("cube.mat", "A 3 x 4 x 5 double", "--mat-key"), several),
    "half a MATLAB file": (4, ("cube.mat", "truncated"), cut_mat),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, place: Place) -> None:
    code, said, write = FAULTS[fault]
    fine = np.arange(1, 60 * 72 + 1, dtype=np.uint16).reshape(60, 72)
    guide = write_geotiff(place.inputs / "pan.tif", fine, ORIGIN @ Affine.scale(0.5))
    assert_fails(place.fuse(guide, write(place)), code, *said)
    assert not place.output.exists()


def test_a_sentinel2_product_without_a_band(place: Place) -> None:
    safe = write_safe(place.inputs)
    next(safe.rglob("*_B08_10m.jp2")).unlink()
    cube = place.inputs / "PRS_L2D.he5"
    write_prisma(cube, Recipe(positions=False, attributes=HERE))
    assert_fails(place.fuse(safe, cube), 4, "B08_10m.jp2 is missing")
