"""Sentinel-2 products, all of them composed (see `sentinel2_products`), and other guides."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform_bounds
from rasters import write_geotiff
from sentinel2_products import COLS, ORIGIN, ROWS, Recipe, band, classes, pack, write_safe
from vendor_products import write_dimap, write_maxar
from watched import never_opened

from pansharpkit.errors import InputError, OptionError, PansharpkitError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import ReadOptions, open_dimap, open_maxar
from pansharpkit.readers.cubes.cloudmap import clouds_on
from pansharpkit.readers.guide import open_guide
from pansharpkit.readers.product import Cube
from pansharpkit.source import ArraySource, Source


def product(folder: Path, **changes: object) -> Path:
    return write_safe(folder, replace(Recipe(), **changes))


@pytest.fixture(scope="module")
def l2a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return product(tmp_path_factory.mktemp("l2a"))


@pytest.fixture(scope="module")
def l1c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return product(tmp_path_factory.mktemp("l1c"), level="L1C")


def opened(path: Path, *bands: str) -> Cube:
    return open_guide(path, ReadOptions(guide_bands=bands or None))


def whole(source: Source) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    return source.read(source.grid.window)


def refusal(path: Path, *bands: str) -> str:
    with pytest.raises(PansharpkitError) as caught:
        opened(path, *bands)
    message = str(caught.value)
    assert caught.value.exit_code in (2, 4)
    assert "\n" not in message
    return message


class TestBands:
    def test_bands_of_10_m_in_reflectance(self, l2a: Path) -> None:
        guide = opened(l2a)
        assert guide.source.names == ("B02", "B03", "B04", "B08")
        assert guide.source.grid.transform == ORIGIN
        assert guide.sensor_id == "sentinel2a_msi"
        assert guide.spectra is not None
        assert [round(c) for c in guide.spectra.centers_nm] == [492, 560, 665, 835]
        values, valid = whole(guide.source)
        stored = band("B03", 10)
        np.testing.assert_array_equal(valid, stored > 0)
        np.testing.assert_allclose(values[1][valid], (stored[valid] - 1000) / 1e4, atol=1e-6)
        assert guide.metadata["PROCESSING_BASELINE"] == "05.00"
        assert guide.metadata["CLOUD_COVERAGE_ASSESSMENT"] == "3.2"

    @pytest.mark.parametrize("form", ["folder", "above", "metadata", "zip"])
    def test_any_way_to_name_it(self, tmp_path: Path, l2a: Path, form: str) -> None:
        names = {
            "folder": lambda: l2a,
            "above": lambda: l2a.parent,
            "metadata": lambda: l2a / "MTD_MSIL2A.xml",
            "zip": lambda: shutil.move(pack(l2a), tmp_path / "S2A_MSIL2A_x.zip"),
        }
        guide = opened(Path(names[form]()))
        np.testing.assert_array_equal(whole(guide.source)[0], whole(opened(l2a).source)[0])

    @pytest.mark.parametrize(
        ("wanted", "names", "size"),
        [
            (("B05", "B02"), ("B05", "B02"), 20),
            (("red", "nir"), ("B04", "B08"), 10),
            (("4", "b8"), ("B04", "B08"), 10),
            (("B8A", "swir1", "12"), ("B8A", "B11", "B12"), 20),
            (("B01",), ("B01",), 60),
        ],
    )
    def test_the_finest_common_pixel_size_counts(
        self, l2a: Path, wanted: tuple[str, ...], names: tuple[str, ...], size: int
    ) -> None:
        guide = opened(l2a, *wanted)
        assert guide.source.names == names
        assert guide.source.grid.gsd == (size, size)

    def test_without_an_offset_numbers_stay(self, tmp_path: Path) -> None:
        guide = opened(product(tmp_path, offset=None))
        assert guide.source.dtype == np.uint16
        assert guide.scaling is not None
        assert guide.scaling[0] == (1e-4, 0)

    def test_level_1c_holds_bands_at_their_own_size_only(self, l1c: Path) -> None:
        assert opened(l1c).source.grid.gsd == (10, 10)
        assert opened(l1c, "B05", "B8A").source.grid.gsd == (20, 20)
        message = refusal(l1c, "B02", "B05", "B10")
        assert "B02 (10 m), B05 (20 m), B10 (60 m)" in message

    def test_bands_that_are_not_there(self, l2a: Path) -> None:
        assert "B10 (not in it)" in refusal(l2a, "B10")
        assert "--guide-bands B13: no such band" in refusal(l2a, "B13")
        assert "a band is given twice" in refusal(l2a, "B02", "blue")

    def test_an_unknown_craft_has_no_preset(self, tmp_path: Path) -> None:
        guide = opened(product(tmp_path, craft="Sentinel-2Z"))
        assert guide.sensor_id is None
        assert guide.spectra is None


class TestClouds:
    @pytest.mark.parametrize(("bands", "times"), [((), 2), (("B05", "B06"), 1)])
    def test_scene_classification(self, l2a: Path, bands: tuple[str, ...], times: int) -> None:
        guide = opened(l2a, *bands)
        assert guide.clouds is not None
        assert guide.clouds.grid == guide.source.grid
        values, valid = whole(guide.clouds)
        expected = np.isin(classes(20), (3, 9)).repeat(times, 0).repeat(times, 1)
        np.testing.assert_array_equal(values[0], expected)
        assert valid.all()
        window = Window(3, 5, 7, 11)
        np.testing.assert_array_equal(guide.clouds.read(window)[0][0], expected[3:10, 5:16])

    def test_level_1c_mask_counts_clouds_and_cirrus_but_not_snow(self, l1c: Path) -> None:
        guide = opened(l1c)
        assert guide.clouds is not None
        values, _ = whole(guide.clouds)
        expected = np.zeros((ROWS, COLS), bool)
        expected[6:12, 6:12] = expected[12:18, 12:18] = True
        np.testing.assert_array_equal(values[0], expected)

    def test_without_a_mask_it_is_said(self, tmp_path: Path) -> None:
        guide = opened(product(tmp_path, clouds=False))
        assert guide.clouds is None
        assert any("clouds" in notice for notice in guide.notices)


ODD = {
    "no scale": ("BOA_QUANTIFICATION_VALUE", "OTHER", "has no BOA_QUANTIFICATION_VALUE"),
    "zero scale": (">10000<", ">0<", "is not positive"),
    "text for a scale": (">10000<", ">many<", "is not a finite number"),
    "offset of others only": ('band_id="1"', 'band_id="99"', "has no BOA_ADD_OFFSET of B02"),
    "no images": ("IMAGE_FILE", "OTHER", "lists no images"),
    "path out": (">GRANULE/L2A", ">../../L2A", "points out of the product"),
    "absolute path": (">GRANULE/L2A", ">/etc/L2A", "points out of the product"),
    "entity": ("<n1:General_Info>", "<!DOCTYPE x []><n1:General_Info>", "is not XML"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_metadata_are_named(tmp_path: Path, case: str) -> None:
    old, new, expected = ODD[case]
    assert expected in refusal(product(tmp_path, replaced={old: new}))


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    bad = f'{head}<!DOCTYPE x [<!ENTITY e SYSTEM "{secret}">]>'
    path = product(tmp_path, replaced={head: bad})
    with never_opened(secret):
        assert "declares a document type" in refusal(path)


class TestBroken:
    def test_a_missing_band_is_named(self, tmp_path: Path) -> None:
        path = product(tmp_path)
        next(path.rglob("*_B03_10m.jp2")).unlink()
        assert "B03_10m.jp2 is missing" in refusal(path)

    def test_two_products_in_one_folder(self, tmp_path: Path) -> None:
        write_safe(tmp_path)
        write_safe(tmp_path, Recipe(level="L1C"))
        assert "holds 2 Sentinel-2 products" in refusal(tmp_path)

    @pytest.mark.parametrize("keep", [0, 10, 300, 0.5])
    def test_truncated_images(self, tmp_path: Path, keep: float) -> None:
        path = product(tmp_path)
        image = next(path.rglob("*_B04_10m.jp2"))
        data = image.read_bytes()
        image.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
        assert "B04_10m.jp2" in refusal(path)

    def test_another_format_behind_the_suffix(self, tmp_path: Path) -> None:
        path = product(tmp_path)
        secret = write_geotiff(tmp_path / "secret.tif", np.ones((3, 3), np.uint16))
        next(path.rglob("*_B04_10m.jp2")).write_text(
            f'<VRTDataset rasterXSize="3" rasterYSize="3"><VRTRasterBand band="1"><SimpleSource>'
            f"<SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        with never_opened(secret):
            assert "virtual raster" in refusal(path)

    def test_bands_that_lie_apart(self, tmp_path: Path) -> None:
        path = product(tmp_path)
        images = {name: next(path.rglob(f"*_{name}_20m.jp2")) for name in ("B05", "SCL")}
        shutil.copy(next(path.rglob("*_B8A_20m.jp2")), next(path.rglob("*_B04_10m.jp2")))
        assert "must share their grid" in refusal(path)
        shutil.copy(next(path.rglob("*_B02_10m.jp2")), images["SCL"])
        with pytest.raises(InputError):
            opened(path, "B05", "B06")

    def test_nothing_known(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        refusal(tmp_path / "empty")
        assert "does not exist" in refusal(tmp_path / "missing")


class TestOtherGuides:
    def test_a_geotiff_with_wavelengths(self, tmp_path: Path) -> None:
        values = np.arange(1, 3 * 20 + 1, dtype=np.uint16).reshape(3, 4, 5)
        names = ("blue 482 nm", "green 561 nm", "red 655 nm")
        path = write_geotiff(tmp_path / "ms.tif", values, names=names)
        guide = opened(path)
        assert guide.spectra is not None
        assert guide.spectra.centers_nm == (482, 561, 655)
        chosen = opened(path, "red", "1")
        np.testing.assert_array_equal(whole(chosen.source)[0], values[[2, 0]])
        assert chosen.spectra is not None
        assert chosen.spectra.centers_nm == (655, 482)
        assert "--guide-bands 4: no such band" in refusal(path, "4")

    def test_a_pan_and_a_pattern(self, tmp_path: Path) -> None:
        values = np.arange(1, 21, dtype=np.uint16).reshape(4, 5)
        for number in (2, 3):
            write_geotiff(tmp_path / f"scene_B{number}.tif", values * number)
        assert opened(tmp_path / "scene_B2.tif").source.names == ("B2",)
        guide = opened(tmp_path / "scene_B{band}.tif", "B3")
        np.testing.assert_array_equal(whole(guide.source)[0][0], values * 3)

    @pytest.mark.parametrize("form", ["folder", "metadata", "zip"])
    def test_ms_of_airbus_needs_no_pan(self, tmp_path: Path, form: str) -> None:
        order = write_dimap(tmp_path / "order")
        pair = open_dimap(order, ReadOptions(bands=("red", "nir"), toa=True))
        expected = whole(pair.target)[0]  # BIAS is not 0, so that a guide is converted
        shutil.rmtree(next(order.rglob("DIM_PHR1A_P_*")).parent)
        names = {
            "folder": lambda: order,
            "metadata": lambda: next(order.rglob("DIM_PHR1A_MS_*")),
            "zip": lambda: shutil.make_archive(str(tmp_path / "a"), "zip", order),
        }
        guide = opened(Path(names[form]()), "red", "nir")
        assert guide.source.names == ("Red", "NIR")
        assert guide.sensor_id == "pleiades1a"
        assert guide.spectra is not None
        values, valid = whole(guide.source)
        np.testing.assert_array_equal(values, expected)
        assert valid.all()

    def test_ms_of_maxar_needs_no_pan(self, tmp_path: Path) -> None:
        order = write_maxar(tmp_path / "order")
        both = open_maxar(order)
        for path in list(order.rglob("*_P001_PAN")):
            shutil.rmtree(path)
        guide = opened(order)
        assert guide.source.names == both.target.names
        assert guide.source.grid == both.target.grid
        assert "--guide-bands X: is no such band" in refusal(order, "X")
        for path in list(order.rglob("*_P001_MUL")):
            shutil.rmtree(path)
        refusal(order)

    def test_pan_alone_is_no_ms(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order")
        shutil.rmtree(next(order.rglob("DIM_PHR1A_MS_*")).parent)
        assert "the MS image is missing" in refusal(order)

    def test_of_no_known_kind(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("1,2")
        assert "cannot guide a cube" in refusal(path)

    def test_bands_of_the_cube_do_not_count(self, tmp_path: Path) -> None:
        values = np.arange(1, 21, dtype=np.uint16).reshape(4, 5)
        path = write_geotiff(tmp_path / "pan.tif", values)
        options = ReadOptions(bands=("400-900nm",))
        assert open_guide(path, options).source.names == ("pan",)

    def test_options_that_do_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(OptionError):
            opened(tmp_path / "{a}{b}.tif")
        assert os.path.lexists(tmp_path)


class TestCloudsOfBoth:
    """Clouds of the guide keep a cube's pixels out of statistics as the cube's own do."""

    COARSE = Grid(ROWS // 3, COLS // 3, ORIGIN @ Affine.scale(3), CRS.from_epsg(32630))

    def test_any_cloud_in_a_pixel_counts(self, l2a: Path) -> None:
        guide = opened(l2a)
        seen = clouds_on(self.COARSE, (guide.clouds, None))
        assert seen is not None
        assert guide.clouds is not None
        fine = whole(guide.clouds)[0][0]
        expected = fine.reshape(ROWS // 3, 3, COLS // 3, 3).max((1, 3))
        np.testing.assert_array_equal(whole(seen)[0][0], expected)
        part = seen.read(Window(1, 2, 5, 4))[0][0]
        np.testing.assert_array_equal(part, expected[1:6, 2:6])

    def test_of_both(self, l2a: Path) -> None:
        guide = opened(l2a)
        own = np.zeros((1, self.COARSE.height, self.COARSE.width), np.uint8)
        own[0, -1, -1] = 1
        alone = ArraySource(self.COARSE, own, ("clouds",))
        assert clouds_on(self.COARSE, (alone, None)) is alone
        assert clouds_on(self.COARSE, (None, None)) is None
        both, guides = (
            whole(found)[0][0]
            for found in (
                clouds_on(self.COARSE, (alone, guide.clouds)),
                clouds_on(self.COARSE, (None, guide.clouds)),
            )
            if found is not None
        )
        np.testing.assert_array_equal(both, guides | own[0])

    def test_in_another_crs_and_elsewhere(self, l2a: Path) -> None:
        guide = opened(l2a)
        west, south, east, north = transform_bounds(32630, 32631, *self.COARSE.bounds)
        size = (north - south) / 24, (east - west) / 30
        place = Affine.translation(west, north) @ Affine.scale(size[1], -size[0])
        grid = Grid(24, 30, place, CRS.from_epsg(32631))
        found = clouds_on(grid, (guide.clouds,))
        assert found is not None
        share = whole(found)[0].mean() * 24 * 30 * size[0] * size[1]
        assert guide.clouds is not None
        area = whole(guide.clouds)[0].sum() * 100
        assert area <= share < 4 * area
        away = clouds_on(replace(grid, transform=Affine(30, 0, 0, 0, -30, 0)), (guide.clouds,))
        assert away is not None
        assert not whole(away)[0].any()
