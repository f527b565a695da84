"""Landsat products: files, bands, quality bits, reflectance, metadata."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RioWindow
from rasters import write_geotiff

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, OptionError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import Product, ReadOptions, open_landsat, open_product
from pansharpkit.readers.guide import open_guide
from pansharpkit.readers.landsat.quality import (
    COLLECTION_1,
    COLLECTION_2,
    PRE_COLLECTION,
    CloudSource,
    QualityLayout,
    layout_of,
)
from pansharpkit.source import ArraySource

DATA = Path(__file__).parent / "data"
MINI = DATA / "landsat8_alabama_mini"
SCENE = "LC80200392015216LGN00"
COARSE = Affine(30, 0, 600_000, 0, -30, 4_700_000)
FINE = Affine(15, 0, 600_007.5, 0, -15, 4_699_992.5)
"""PAN as USGS delivers it: its edge lies half a PAN pixel inside that of the MS."""


def whole(source: object) -> NDArray[np.generic]:
    return source.read(source.grid.window)[0]  # type: ignore[attr-defined]


def mini(folder: Path, *, without: str = "", **edits: str) -> Path:
    """Copy the small product, leaving files out and changing values of its metadata."""
    for file in MINI.iterdir():
        if not without or not re.search(without, file.name):
            shutil.copy(file, folder / file.name)
    mtl = folder / f"{SCENE}_MTL.txt"
    if edits:
        text = mtl.read_text()
        for key, value in edits.items():
            text = re.sub(rf"\b{key} = .*", f"{key} = {value}", text)
        mtl.write_text(text)
    return folder


def product_of(
    folder: Path, sample: str, prefix: str, dtype: str = "uint16", quality: str = "QA_PIXEL"
) -> Path:
    """Make a product of tiny rasters around one of the metadata samples."""
    rng = np.random.default_rng(0)
    for band in range(1, 8):
        values = rng.integers(1, 255, (8, 9)).astype(dtype)
        write_geotiff(folder / f"{prefix}_B{band}.TIF", values, COARSE)
    pan = rng.integers(1, 255, (15, 17)).astype(dtype)
    write_geotiff(folder / f"{prefix}_B8.TIF", pan, FINE)
    bits = np.full((8, 9), 21824, np.uint16)
    write_geotiff(folder / f"{prefix}_{quality}.TIF", bits, COARSE)
    form = sample.rpartition(".")[2]
    shutil.copy(DATA / "landsat_mtl" / sample, folder / f"{prefix}_MTL.{form}")
    return folder


class TestAlabama:
    @pytest.fixture
    def product(self) -> Product:
        return open_product([str(MINI)])

    def test_what_it_is(self, product: Product) -> None:
        assert product.sensor_id == "landsat8_oli"
        assert product.guide.names == ("B8",)
        assert product.target.names == ("B2", "B3", "B4", "B5")
        assert product.target.label == f"{SCENE} B2,B3,B4,B5"
        assert product.target.dtype == np.uint16
        assert product.notices == ()

    def test_pixels_are_those_of_the_files(self, product: Product) -> None:
        for i, band in enumerate("2345"):
            with rasterio.open(MINI / f"{SCENE}_B{band}.TIF") as dataset:
                np.testing.assert_array_equal(whole(product.target)[i], dataset.read(1))

    def test_grids_are_those_of_the_files(self, product: Product) -> None:
        """The metadata describe the whole scene, of which this is a strip."""
        assert product.target.grid.transform == Affine(30, 0, 459975, 0, -30, 3394995)
        assert (product.guide.grid.height, product.guide.grid.width) == (297, 754)
        sampling = product.target.grid.sampling_on(product.guide.grid)
        assert sampling.ratio == (2, 2)
        assert sampling.phase == (1, 1)  # centres coincide, one PAN pixel more at the top left

    def test_zero_is_nodata_without_being_declared(self, product: Product) -> None:
        assert product.target.nodata == 0
        assert product.guide.nodata == 0

    def test_metadata_to_carry(self, product: Product) -> None:
        assert product.metadata["SPACECRAFT_ID"] == "LANDSAT_8"
        assert product.metadata["DATE_ACQUIRED"] == "2015-08-04"
        assert product.metadata["LANDSAT_SCENE_ID"] == SCENE
        assert product.metadata["SUN_ELEVATION"] == "64.74360932"

    def test_clouds(self, product: Product) -> None:
        assert product.clouds is not None
        assert product.clouds.dtype == np.uint8
        assert product.clouds.grid == product.target.grid
        with rasterio.open(MINI / f"{SCENE}_BQA.TIF") as dataset:
            bits = dataset.read(1)
        likely = ((bits >> 14) >= 2) | ((bits >> 12 & 3) >= 2)
        np.testing.assert_array_equal(whole(product.clouds)[0] != 0, likely)
        assert 0.02 < likely.mean() < 0.06

    def test_clouds_stay_valid(self, product: Product) -> None:
        assert product.target.read(product.target.grid.window)[1].all()

    def test_scaling_leads_to_reflectance(self, product: Product) -> None:
        sine = math.sin(math.radians(64.74360932))
        assert product.scaling == ((2e-5 / sine, -0.1 / sine),) * 4

    def test_reflectance(self, product: Product) -> None:
        toa = open_landsat(MINI, ReadOptions(toa=True))
        sine = math.sin(math.radians(64.74360932))
        for theirs, ours in ((product.target, toa.target), (product.guide, toa.guide)):
            expected = (2e-5 * whole(theirs) - 0.1) / sine
            assert ours.dtype == np.float32
            np.testing.assert_allclose(whole(ours), expected, rtol=1e-5, atol=1e-7)
        assert toa.scaling is None
        red = whole(toa.target)[2]
        assert 0.02 < np.median(red) < 0.2

    def test_by_its_metadata_file(self, product: Product) -> None:
        other = open_product([str(MINI / f"{SCENE}_MTL.txt")])
        np.testing.assert_array_equal(whole(other.target), whole(product.target))


class TestBands:
    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            (("blue", "Green", "RED"), ("B2", "B3", "B4")),
            (("B5", "b4"), ("B5", "B4")),
            (("1", "7"), ("B1", "B7")),
            (("coastal", "swir1", "swir2", "cirrus"), ("B1", "B6", "B7", "B9")),
        ],
    )
    def test_names(self, wanted: tuple[str, ...], names: tuple[str, ...]) -> None:
        target = open_landsat(MINI, ReadOptions(bands=wanted)).target
        assert target.names == names
        with rasterio.open(MINI / f"{SCENE}_{names[-1]}.TIF") as dataset:
            np.testing.assert_array_equal(whole(target)[-1], dataset.read(1))

    @pytest.mark.parametrize(
        ("wanted", "cause"),
        [
            (("B4", "B10"), "B10: is thermal"),
            (("11", "B4"), "11: is thermal"),
            (("pan", "B4"), "is the PAN"),
            (("B8", "B4"), "is the PAN"),
            (("B4", "mauve"), "mauve: is no band of landsat8_oli"),
            (("B4",), "at least 2"),
            (("B4", "red"), "2 different"),
        ],
    )
    def test_refused(self, wanted: tuple[str, ...], cause: str) -> None:
        with pytest.raises(OptionError, match=cause):
            open_landsat(MINI, ReadOptions(bands=wanted))


class TestOtherProducts:
    def test_collection_2_in_xml_landsat_7(self, tmp_path: Path) -> None:
        sample = "stactools-packages__landsat__LE07_L2SP_021030_20100109_20200911_02_T1_MTL.xml"
        folder = product_of(tmp_path, sample, "LE07_L1TP_021030", "uint8")
        mtl = folder / "LE07_L1TP_021030_MTL.xml"
        mtl.write_text(mtl.read_text().replace("L2SP</PROC", "L1TP</PROC"))
        product = open_landsat(folder, ReadOptions(toa=True))
        assert product.sensor_id == "landsat7_etm"
        assert product.target.names == ("B1", "B2", "B3", "B4")
        assert product.target.grid.sampling_on(product.guide.grid).phase == pytest.approx((0, 0))
        assert product.metadata["COLLECTION_NUMBER"] == "02"
        with pytest.raises(OptionError, match="B6: is thermal"):
            open_landsat(folder, ReadOptions(bands=("B6", "B1")))

    def test_collection_1(self, tmp_path: Path) -> None:
        sample = "bleutner__RStoolbox__LC08_L1TP_195025_20130707_20170503_01_T1_MTL.txt"
        prefix = "LC08_L1TP_195025_20130707_20170503_01_T1"
        product = open_landsat(product_of(tmp_path, sample, prefix, quality="BQA"))
        assert isinstance(product.clouds, CloudSource)
        assert product.clouds.layout is COLLECTION_1
        assert product.metadata["LANDSAT_PRODUCT_ID"] == prefix

    def test_json_and_landsat_9(self, tmp_path: Path) -> None:
        sample = "mapbox__rio-toa__LC80460282016177LGN00_MTL.json"
        folder = product_of(tmp_path, sample, "LC80460282016177LGN00")
        mtl = folder / "LC80460282016177LGN00_MTL.json"
        mtl.write_text(mtl.read_text().replace("LANDSAT_8", "LANDSAT_9"))
        assert open_landsat(folder).sensor_id == "landsat9_oli2"

    def test_files_not_named_as_the_metadata_say(self, tmp_path: Path) -> None:
        for file in MINI.iterdir():
            name = file.name.replace(SCENE, "l8").replace(".TIF", ".tif")
            shutil.copy(file, tmp_path / name)
        product = open_landsat(tmp_path)
        np.testing.assert_array_equal(whole(product.target), whole(open_landsat(MINI).target))

    def test_names_of_before_2012(self, tmp_path: Path) -> None:
        product_of(tmp_path, "mapbox__rio-toa__LC80100202015018LGN00_MTL.txt", "x")
        for band in (1, 2, 3, 4, 8):
            (tmp_path / f"x_B{band}.TIF").rename(tmp_path / f"L71001_B{band}0.TIF")
        names = "\n".join(f'BAND{b}_FILE_NAME = "L71001_B{b}0.TIF"' for b in (1, 2, 3, 4, 8))
        (tmp_path / "x_MTL.txt").write_text(
            f'GROUP = M\nSPACECRAFT_ID = "Landsat7"\nSENSOR_ID = "ETM+"\n{names}\n'
            "PRODUCT_TYPE = L1T\nSUN_ELEVATION = 40\nEND_GROUP = M\nEND\n"
        )
        product = open_landsat(tmp_path)
        assert product.sensor_id == "landsat7_etm"
        assert product.scaling is None
        with pytest.raises(MetadataError, match="REFLECTANCE_MULT_BAND_8"):
            open_landsat(tmp_path, ReadOptions(toa=True))

    @pytest.mark.parametrize("form", ["txt", "json", "xml"])
    def test_level_2_has_no_pan(self, tmp_path: Path, form: str) -> None:
        sample = f"stactools-packages__landsat__LC08_L2SP_005009_20150710_20200908_02_T2_MTL.{form}"
        with pytest.raises(MetadataError, match=r"_MTL.*Level-2.*no PAN.*Level-1"):
            open_landsat(product_of(tmp_path, sample, "LC08_L2SP_005009"))

    @pytest.mark.parametrize(
        "sample",
        [
            "bleutner__RStoolbox__LT05_L1TP_047027_20101006_20160512_01_T1_MTL.txt",
            "bleutner__RStoolbox__mss_MTL.txt",
            "bleutner__RStoolbox__LM50490251987214PAC00_MTL.txt",
        ],
    )
    def test_satellites_without_pan(self, tmp_path: Path, sample: str) -> None:
        with pytest.raises(MetadataError, match=r"line \d+: SPACECRAFT_ID.*no PAN band"):
            open_landsat(product_of(tmp_path, sample, "x"))


class TestFaults:
    def test_no_metadata(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match=r"holds no \*_MTL.txt"):
            open_product([str(mini(tmp_path, without="MTL"))])

    def test_two_products(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        shutil.copy(folder / f"{SCENE}_MTL.txt", folder / "other_MTL.txt")
        with pytest.raises(FileReadError, match="holds 2 Landsat products"):
            open_landsat(folder)
        assert open_landsat(folder / f"{SCENE}_MTL.txt").sensor_id == "landsat8_oli"

    def test_several_forms_of_one(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        (folder / f"{SCENE}_MTL.xml").write_text("never read")
        (folder / f"{SCENE}_MTL.json").write_text("never read")
        assert open_landsat(folder).sensor_id == "landsat8_oli"

    @pytest.mark.parametrize(("band", "kind"), [("B8", "PAN band B8"), ("B4", "band B4")])
    def test_missing_band(self, tmp_path: Path, band: str, kind: str) -> None:
        folder = mini(tmp_path, without=f"_{band}.TIF")
        with pytest.raises(FileReadError, match=rf"{kind} is missing, expected {SCENE}_{band}.TIF"):
            open_landsat(folder)

    def test_band_nobody_asked_for_may_be_missing(self, tmp_path: Path) -> None:
        product = open_landsat(mini(tmp_path, without=r"_B(1|10|11|9|7)\.TIF"))
        assert product.target.names == ("B2", "B3", "B4", "B5")

    def test_broken_band(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        path = folder / f"{SCENE}_B3.TIF"
        path.write_bytes(path.read_bytes()[:40_000])
        with pytest.raises(FileReadError, match=rf"{SCENE}_B3\.TIF: is truncated"):
            open_landsat(folder)

    def test_two_candidates(self, tmp_path: Path) -> None:
        folder = mini(tmp_path, without="_B3.TIF")
        for name in ("a_B3.tif", "b_B3.tif"):
            shutil.copy(MINI / f"{SCENE}_B3.TIF", folder / name)
        with pytest.raises(FileReadError, match=r"a_B3\.tif, b_B3\.tif: which one"):
            open_landsat(folder)

    @pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "..", "a\\\\b.tif"])
    def test_file_name_that_leads_out(self, tmp_path: Path, name: str) -> None:
        folder = mini(tmp_path, FILE_NAME_BAND_3=f'"{name}"')
        with pytest.raises(MetadataError, match=r"line 47: FILE_NAME_BAND_3 = .*bare file name"):
            open_landsat(folder)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("SUN_ELEVATION", "NaN"),
            ("SUN_ELEVATION", "-3.2"),
            ("SUN_ELEVATION", "0"),
            ("REFLECTANCE_MULT_BAND_4", "inf"),
            ("REFLECTANCE_MULT_BAND_4", "0"),
            ("REFLECTANCE_ADD_BAND_8", "none"),
        ],
    )
    def test_useless_numbers(self, tmp_path: Path, key: str, value: str) -> None:
        folder = mini(tmp_path, **{key: value})
        with pytest.raises(MetadataError, match=rf"{SCENE}_MTL\.txt, line \d+: {key} = '{value}'"):
            open_landsat(folder, ReadOptions(toa=True))

    def test_without_quality_band(self, tmp_path: Path) -> None:
        product = open_landsat(mini(tmp_path, without="BQA"))
        assert product.clouds is None
        assert "no quality band" in product.notices[0]

    def test_quality_band_of_another_grid(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        write_geotiff(folder / f"{SCENE}_BQA.TIF", np.ones((148, 377), np.uint16))
        with pytest.raises(GridError, match=rf"{SCENE}_B2\.TIF and {SCENE}_BQA\.TIF"):
            open_landsat(folder)

    def test_quality_band_of_another_type(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        grid = open_landsat(MINI).target.grid
        path = folder / f"{SCENE}_BQA.TIF"
        write_geotiff(path, np.ones((148, 377), np.float32), grid.transform, "EPSG:32616")
        with pytest.raises(InputError, match=r"BQA\.TIF: expected unsigned"):
            open_landsat(folder)

    def test_band_file_with_three_bands(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        grid = open_landsat(MINI).target.grid
        path = folder / f"{SCENE}_B3.TIF"
        write_geotiff(path, np.ones((3, 148, 377), np.uint16), grid.transform, "EPSG:32616")
        with pytest.raises(InputError, match=r"B3\.TIF: expected 1 band .* found 3"):
            open_landsat(folder)

    def test_not_a_product(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match="does not exist"):
            open_product([str(tmp_path / "none")])
        with pytest.raises(OptionError, match="a pair takes two: give the PAN"):
            open_product([str(MINI / f"{SCENE}_B8.TIF")])
        with pytest.raises(OptionError):
            open_product([])
        with pytest.raises(FileReadError, match="is no Landsat product"):
            open_landsat(MINI / f"{SCENE}_B8.TIF")

    def test_metadata_file_alone(self, tmp_path: Path) -> None:
        path = shutil.copy(MINI / f"{SCENE}_MTL.txt", tmp_path)
        with pytest.raises(FileReadError, match="PAN band B8 is missing"):
            open_product([str(path)])


class TestQuality:
    """Values and their meaning as USGS tabulates them."""

    @pytest.mark.parametrize(
        ("layout", "clear", "cloudy"),
        [
            (PRE_COLLECTION, [20480, 20512, 23552], [53248, 61440, 28672, 36864, 45056]),
            (COLLECTION_1, [2720, 2724, 672, 3744], [2800, 756, 2976, 6816, 1008]),
            (COLLECTION_2, [21824, 21952, 5440, 30048], [22280, 21826, 23888, 54596, 55052]),
        ],
    )
    def test_tabulated_values(
        self, layout: QualityLayout, clear: list[int], cloudy: list[int]
    ) -> None:
        bits = np.array([[*clear, *cloudy]], np.uint16)
        grid = Grid(1, bits.size, COARSE, None)
        found, valid = CloudSource(ArraySource(grid, bits[None], ("QA",)), layout).read(grid.window)
        assert found[0, 0].tolist() == [0] * len(clear) + [1] * len(cloudy)
        assert found.dtype == np.uint8
        assert valid.all()

    def test_fill_is_no_cloud_and_not_valid(self, tmp_path: Path) -> None:
        folder = mini(tmp_path)
        path = folder / f"{SCENE}_BQA.TIF"
        with rasterio.open(path, "r+") as dataset:
            bits = dataset.read(1)
            bits[3:5, 7:9] = 0b1101000000000001
            dataset.write(bits, 1)
        product = open_landsat(folder)
        assert product.clouds is not None
        window = Window(2, 6, 4, 4)
        expected = np.ones((4, 4), bool)
        expected[1:3, 1:3] = False
        np.testing.assert_array_equal(product.target.read(window)[1], expected)
        assert not product.clouds.read(Window(3, 7, 2, 2))[0].any()

    def test_zero_in_one_band_is_a_gap(self, tmp_path: Path) -> None:
        """Landsat 7 stripes differ from band to band."""
        folder = mini(tmp_path)
        with rasterio.open(folder / f"{SCENE}_B4.TIF", "r+") as dataset:
            dataset.write(np.zeros((1, 2, 377), np.uint16), window=RioWindow(0, 20, 377, 2))
        for options in (ReadOptions(), ReadOptions(toa=True)):
            target = open_landsat(folder, options).target
            values, valid = target.read(Window(19, 0, 4, 377))
            assert valid.all(axis=1).tolist() == [True, False, False, True]
            assert np.isnan(values[:, 1:3]).all() == options.toa

    def test_layouts(self) -> None:
        assert layout_of(None) is PRE_COLLECTION
        assert layout_of("01") is COLLECTION_1
        assert layout_of("1") is COLLECTION_1
        assert layout_of("02") is COLLECTION_2


class TestGuide:
    """Landsat as the fine image of a hyperspectral pair, which needs no PAN."""

    L2 = "stactools-packages__landsat__LC08_L2SP_005009_20150710_20200908_02_T2_MTL"

    def test_all_bands_that_see_the_ground_in_reflectance(self, tmp_path: Path) -> None:
        guide = open_guide(mini(tmp_path, without="_B8"))
        assert guide.source.names == ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
        assert guide.spectra is not None
        assert len(guide.spectra) == 7
        expected = whole(open_landsat(MINI, ReadOptions(bands=("B2", "B7"), toa=True)).target)
        np.testing.assert_array_equal(whole(guide.source)[[1, 6]], expected)
        assert guide.clouds is not None
        assert guide.metadata["SPACECRAFT_ID"] == "LANDSAT_8"

    def test_any_way_to_name_it(self, tmp_path: Path) -> None:
        archive = shutil.make_archive(str(tmp_path / "a"), "gztar", MINI)
        expected = whole(open_guide(MINI).source)
        for path in (archive, MINI / f"{SCENE}_MTL.txt"):
            np.testing.assert_array_equal(whole(open_guide(path).source), expected)

    def test_bands_are_chosen(self) -> None:
        guide = open_guide(MINI, ReadOptions(guide_bands=("red", "cirrus")))
        assert guide.source.names == ("B4", "B9")
        assert open_guide(MINI, ReadOptions(guide_bands=("5",))).source.names == ("B5",)
        for bad, why in (("B8", "is the PAN band"), ("B10", "is thermal"), ("x", "is no band")):
            with pytest.raises(OptionError, match=f"--guide-bands {bad}: {why}"):
                open_guide(MINI, ReadOptions(guide_bands=(bad,)))

    @pytest.mark.parametrize("form", ["txt", "json", "xml"])
    def test_level_2_is_reflectance_of_the_surface(self, tmp_path: Path, form: str) -> None:
        prefix = "LC08_L2SP_005009_20150710_20200908_02_T2_SR"
        product_of(tmp_path, f"{self.L2}.{form}", prefix)
        for file in tmp_path.glob("*_SR_[MQ]*"):
            file.rename(tmp_path / file.name.replace("_SR", ""))
        guide = open_guide(tmp_path)
        assert guide.source.names == ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
        with rasterio.open(tmp_path / f"{prefix}_B3.TIF") as dataset:
            stored = dataset.read(1)
        np.testing.assert_allclose(
            whole(guide.source)[2], stored * np.float32(2.75e-5) - 0.2, atol=1e-6
        )
        with pytest.raises(MetadataError, match="Level-2 product"):
            open_landsat(tmp_path)

    def test_thematic_mapper(self, tmp_path: Path) -> None:
        sample = "bleutner__RStoolbox__LT05_L1TP_047027_20101006_20160512_01_T1_MTL.txt"
        prefix = "LT05_L1TP_047027_20101006_20160512_01_T1"
        product_of(tmp_path, sample, prefix, "uint8", "BQA")
        (tmp_path / f"{prefix}_B8.TIF").unlink()
        guide = open_guide(tmp_path)
        assert guide.source.names == ("B1", "B2", "B3", "B4", "B5", "B7")
        assert guide.sensor_id == "landsat5_tm"

    def test_multispectral_scanner_is_refused(self, tmp_path: Path) -> None:
        sample = "bleutner__RStoolbox__LM50490251987214PAC00_MTL.txt"
        product_of(tmp_path, sample, "LM50490251987214PAC00")
        with pytest.raises(MetadataError, match="is no TM"):
            open_guide(tmp_path)
