"""DIMAP deliveries of Pléiades, Pléiades Neo and SPOT, and what is wrong with some."""

from __future__ import annotations

import math
import re
import shutil
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import pansharpkit
from numpy.typing import NDArray
from rasters import write_geotiff
from vendor_products import Files, Raster, ground, write_dimap, write_dimap_image, write_pneo

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, OptionError
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.readers import ReadOptions, open_dimap, open_product
from pansharpkit.readers.toa import sun_distance

ANOTHER = '<Data_File tile_R="5" tile_C="5"><DATA_FILE_PATH href="x.TIF"/></Data_File>'
PAN_FOLDER, MS_FOLDER = "IMG_PHR1A_P_001", "IMG_PHR1A_MS_002"


def whole(source: object) -> NDArray[np.generic]:
    return source.read(source.grid.window)[0]  # type: ignore[attr-defined]


def dim(folder: Path, kind: str = "MS") -> Path:
    return next(folder.glob(f"IMG_*_{kind}*/DIM_*.XML"))


def edit(path: Path, pattern: str, text: str) -> Path:
    before = path.read_text()
    after = re.sub(pattern, text, before)
    assert after != before
    path.write_text(after)
    return path


@pytest.fixture
def order(tmp_path: Path) -> Path:
    return write_dimap(tmp_path / "order")


class TestLayouts:
    @pytest.mark.parametrize("suffix", ["TIF", "JP2"])
    def test_tiles_of_both_formats(self, tmp_path: Path, suffix: str) -> None:
        product = open_product([str(write_dimap(tmp_path / "order", suffix=suffix))])
        pan, ms = ground()
        np.testing.assert_array_equal(whole(product.guide), pan.values)
        np.testing.assert_array_equal(whole(product.target), ms.values[[2, 1, 0, 3]])
        assert product.target.names == ("Red", "Green", "Blue", "NIR")
        assert product.guide.grid.transform == pan.transform
        assert product.target.grid.transform == ms.transform
        assert product.sensor_id == "pleiades1a"
        assert product.target.nodata == 0
        assert product.notices == ()
        assert product.native_depth

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize("suffix", ["TIF", "JP2"])
    def test_files_without_georeferencing_lie_where_the_metadata_say(
        self, tmp_path: Path, suffix: str, recwarn: pytest.WarningsRecorder
    ) -> None:
        order = write_dimap(tmp_path / "order", suffix=suffix, georeferenced=False)
        recwarn.clear()
        product = open_product([str(order)])
        pan, _ = ground()
        np.testing.assert_array_equal(whole(product.guide), pan.values)
        t = pan.transform
        assert product.guide.grid.transform == Affine(t.a, 0, t.c, 0, -t.a, t.f)
        assert product.guide.grid.crs is not None
        assert product.guide.grid.crs.to_epsg() == 32630
        assert [str(w.message) for w in recwarn if "geotransform" in str(w.message)] == []

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    @pytest.mark.parametrize("code", ["", "urn:ogc:def:crs:EPSG::999999", "32630 or so"])
    def test_files_and_metadata_without_crs(self, tmp_path: Path, code: str) -> None:
        order = write_dimap(tmp_path / "order", georeferenced=False)
        for kind in ("P", "MS"):
            geodetic = "<GEODETIC_CRS_CODE>urn:ogc:def:crs:EPSG::4326</GEODETIC_CRS_CODE>"
            edit(dim(order, kind), "urn:ogc:def:crs:EPSG::32630", code)
            edit(dim(order, kind), "</Projected_CRS>", f"</Projected_CRS>{geodetic}")
        with pytest.raises(GridError, match="declares no CRS; pass --assume-crs"):
            open_product([str(order)])
        assert open_product([str(order)], ReadOptions(assume_crs="EPSG:32630")).target.grid.crs

    @pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
    def test_pixel_centres_in_the_metadata(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", georeferenced=False)
        edges = open_product([str(order)]).guide.grid.transform
        edit(dim(order, "P"), "CELL", "POINT")
        assert open_product([str(order)]).guide.grid.transform == edges @ Affine.translation(
            -0.5, -0.5
        )

    @pytest.mark.parametrize("kind", ["P", "MS"])
    def test_by_one_of_its_metadata_files(self, order: Path, kind: str) -> None:
        assert open_product([str(dim(order, kind))]).target.grid.width == 72

    def test_by_its_volume(self, order: Path) -> None:
        assert open_product([str(order / "VOL_PHR.XML")]).target.grid.width == 72

    def test_zip(self, order: Path, tmp_path: Path) -> None:
        path = tmp_path / "order.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(order.rglob("*")):
                archive.write(file, file.relative_to(tmp_path))
        np.testing.assert_array_equal(
            whole(open_product([str(path)]).guide), whole(open_product([str(order)]).guide)
        )

    def test_images_without_tiles(self, tmp_path: Path) -> None:
        pan, ms = ground()
        for kind, raster, codes, indices in (
            ("P", pan, ("P",), [0]),
            ("MS", ms, ("B0", "B1", "B2", "B3"), [2, 1, 0, 3]),
        ):
            files = [Files(f"IMG_SPOT6_{kind}", indices)]
            write_dimap_image(
                tmp_path / f"IMG_SPOT6_{kind}_001", f"SPOT6_{kind}", raster, codes, files,
                tiles=(1, 1), tiling="", mission="SPOT", index="6",
            )  # fmt: skip
        product = open_product([str(tmp_path)])
        assert product.sensor_id == "spot6"
        np.testing.assert_array_equal(whole(product.guide), pan.values)
        np.testing.assert_array_equal(whole(product.target), ms.values[[2, 1, 0, 3]])

    def test_pleiades_neo_has_two_sets_of_files(self, tmp_path: Path) -> None:
        product = open_product([str(write_pneo(tmp_path / "order"))])
        _, ms = ground()
        assert product.sensor_id == "pleiades_neo3"
        assert product.target.names == ("Red", "Green", "Blue", "NIR", "RedEdge", "Coastal")
        values = whole(product.target)
        np.testing.assert_array_equal(values[:4], ms.values[[2, 1, 0, 3]])
        np.testing.assert_array_equal(values[4:], ms.values[[2, 0]] + np.array([[[7]], [[9]]]))

    def test_bands_across_the_sets(self, tmp_path: Path) -> None:
        order = write_pneo(tmp_path / "order")
        target = open_dimap(order, ReadOptions(bands=("coastal", "B", "nir", "RE"))).target
        assert target.names == ("Coastal", "Blue", "NIR", "RedEdge")
        everything = whole(open_dimap(order).target)
        np.testing.assert_array_equal(whole(target), everything[[5, 2, 3, 4]])

    def test_indices_decide_the_order(self, tmp_path: Path) -> None:
        order = write_pneo(tmp_path / "order")
        path = dim(order)
        text = path.read_text()
        for old, new in (("R<", 2), ("G<", 1)):
            text = re.sub(
                rf"(<BAND_ID>{old}/BAND_ID><BAND_INDEX>)\d", rf"\g<1>{new}", text, count=1
            )
        path.write_text(text)
        assert open_product([str(order)]).target.names[:3] == ("Green", "Red", "Blue")

    def test_indices_that_are_no_places_do_not(self, tmp_path: Path) -> None:
        """Pléiades Neo counts on from the first set of files, or so."""
        order = write_pneo(tmp_path / "order")
        edit(dim(order), "(NIR</BAND_ID><BAND_INDEX>)1", r"\g<1>4")
        assert open_product([str(order)]).target.names[3:] == ("NIR", "RedEdge", "Coastal")

    @pytest.mark.parametrize(
        ("mission", "index", "sensor"),
        [
            ("PHR", "1A", "pleiades1a"),
            ("PHR", "1B", "pleiades1b"),
            ("SPOT", "6", "spot6"),
            ("SPOT", "7", "spot7"),
        ],
    )
    def test_satellites(self, tmp_path: Path, mission: str, index: str, sensor: str) -> None:
        order = write_dimap(tmp_path / "order", mission=mission, index=index)
        assert open_product([str(order)]).sensor_id == sensor

    def test_unknown_satellite(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", mission="XX", index="9")
        product = open_product([str(order)])
        assert product.sensor_id is None
        assert "satellite XX9 has no preset" in product.notices[0]

    def test_metadata_to_carry(self, order: Path) -> None:
        carried = open_product([str(order)]).metadata
        assert carried["MISSION"] == "PHR"
        assert carried["IMAGING_DATE"] == "2015-06-30"
        assert carried["SATURATED"] == "4095"

    def test_saturated_pixels_are_those_that_the_product_declares(self, order: Path) -> None:
        scene = open_scene(SceneRequest((str(order),)))
        assert scene.saturation is not None
        assert scene.saturation.guide == (4095,)
        assert scene.saturation.target == (4095,) * 4
        edit(dim(order), "<SPECIAL_VALUE_COUNT>4095<", "<SPECIAL_VALUE_COUNT>3000<")
        assert open_product([str(order)]).saturated is None

    def test_namespaces(self, order: Path) -> None:
        for kind in ("P", "MS"):
            edit(dim(order, kind), "<Dimap_Document>", '<Dimap_Document xmlns="http://a.example">')
        assert open_product([str(order)]).target.grid.width == 72

    def test_other_nodata(self, order: Path) -> None:
        edit(dim(order), "<SPECIAL_VALUE_COUNT>0<", "<SPECIAL_VALUE_COUNT>1<")
        assert open_product([str(order)]).target.nodata == 1
        assert open_product([str(order)], ReadOptions(nodata=7)).target.nodata == 7

    def test_a_few_centimetres_are_kept_and_said(self, order: Path) -> None:
        path = dim(order)
        left = re.search(r"ULXMAP unit=\"m\">([\d.]+)", path.read_text())
        assert left
        edit(path, left[1], str(float(left[1]) + 6.0))
        product = open_product([str(order)])
        assert "lies 0.20 pixels from where DIM_PHR1A_MS" in product.notices[0]
        assert product.target.grid.transform == ground()[1].transform


class TestReflectance:
    def test_basic_counts(self, order: Path) -> None:
        product = open_product([str(order)], ReadOptions(toa=True))
        when = datetime(2015, 6, 30, 10, 49, 14, tzinfo=UTC)
        factor = math.pi * sun_distance(when) ** 2 / (1500 * math.sin(math.radians(64.7)))
        pan, ms = ground()
        np.testing.assert_allclose(
            whole(product.guide), (pan.values / 10 + 0.5) * factor, rtol=1e-5
        )
        np.testing.assert_allclose(
            whole(product.target), (ms.values[[2, 1, 0, 3]] / 10 + 0.5) * factor, rtol=1e-5
        )

    def test_reflectance_products(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", radiometric="REFLECTANCE")
        product = open_product([str(order)])
        assert product.scaling == ((1e-4, 0.0),) * 4
        assert not product.native_depth
        toa = open_product([str(order)], ReadOptions(toa=True))
        np.testing.assert_allclose(whole(toa.guide), ground()[0].values / 1e4, rtol=1e-6)

    def test_products_for_display(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", radiometric="LINEAR_STRETCH")
        product = open_product([str(order)])
        assert product.scaling is None
        assert "processed for display (LINEAR_STRETCH)" in product.notices[0]
        with pytest.raises(MetadataError, match=r"no way .* \(LINEAR_STRETCH\) to reflectance"):
            open_product([str(order)], ReadOptions(toa=True))

    def test_unmeasured_irradiance_comes_from_the_preset(self, order: Path) -> None:
        for kind in ("P", "MS"):
            edit(dim(order, kind), "<VALUE>1500</VALUE>", "<VALUE>999</VALUE>")
        known = open_product([str(order)]).scaling
        assert known is not None
        assert known[2][0] / known[0][0] == pytest.approx(1594.06 / 1915.01, rel=1e-6)  # blue, red

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "GAIN"])
    def test_gains_that_make_no_sense(self, order: Path, text: str) -> None:
        edit(dim(order), "<GAIN>10.0</GAIN>", f"<GAIN>{text}</GAIN>")
        with pytest.raises(MetadataError, match=r"DIM_PHR1A_MS\S*XML: GAIN"):
            open_product([str(order)])

    @pytest.mark.parametrize("element", ["Band_Radiance", "SUN_ELEVATION"])
    def test_what_it_takes(self, order: Path, element: str) -> None:
        edit(dim(order), rf"(?s)<{element}.*?</{element}>", "")
        assert open_product([str(order)]).scaling is None
        with pytest.raises(MetadataError, match="gives no way from its pixels"):
            open_product([str(order)], ReadOptions(toa=True))


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "tile", "suffix"), [("P", "R2C1", "TIF"), ("MS", "R1C2", "JP2")]
    )
    def test_missing_tile(self, tmp_path: Path, kind: str, tile: str, suffix: str) -> None:
        order = write_dimap(tmp_path / "order", suffix=suffix)
        next(dim(order, kind).parent.glob(f"*_{tile}.*")).unlink()
        outcome = pansharpkit("fuse", order, "-o", tmp_path / "out.tif")
        assert outcome.code == 4
        assert re.search(rf"tile \S*_{tile}\.{suffix} of DIM_\S*XML is missing", outcome.stderr)
        assert not (tmp_path / "out.tif").exists()

    @pytest.mark.parametrize(
        ("pattern", "text", "cause"),
        [
            ('<Data_File tile_R="1" tile_C="2">.*?</Data_File>', "", "tile R1C2 is not listed"),
            ('tile_R="1" tile_C="2"', 'tile_R="1" tile_C="1"', "tile R1C1 is listed twice"),
            ('tile_R="1" tile_C="2"', 'tile_R="1" tile_C="x"', "tile_C = 'x' is not a whole"),
            ('ntiles_C="2"', 'ntiles_C="3"', "1 x 3 tiles of 36 x 60 pixels do not make"),
            ('ntiles_C="2"', 'ntiles_C="1"', "1 x 1 tiles of 36 x 60 pixels do not make"),
            ("<Data_Files>", f"<Data_Files>{ANOTHER}", "tile R5C5 lies outside the image"),
            ('ntiles_C="2"', 'ntiles_C="99999"', "1 x 99999 tiles"),
            ('ncols="36"', 'ncols="0"', "tiles of"),
            ('ncols="36"', 'ncols="40"', r"is 36 x 60 pixels, DIM_\S+ gives it 40 x 60"),
            (
                "<NROWS>60",
                "<NROWS>61",
                "1 x 2 tiles of 36 x 60 pixels do not make an image of 72 x 61",
            ),
            ("<NROWS>60", "<NROWS>0", "NROWS and NCOLS must be positive"),
            ("<NROWS>60", "<NROWS>6e1", "NROWS = '6e1' is not a whole number"),
            ("<NBANDS>4", "<NBANDS>5", "NBANDS = 5, but 4 bands are described"),
            ('href="', 'href="../IMG_PHR1A_P_001/', "points out of the product"),
            ('href="', 'href="/etc/', "points out of the product"),
            ('href="', 'href="vrt://', "points out of the product"),
            ('href="', 'href="..\\\\\\\\', "points out of the product"),
            ("(?s)<Regular_Tiling>.*</Regular_Tiling>", "", "without a Regular_Tiling"),
            ("(?s)<Data_Files>.*</Data_Files>", "", "has no Data_Files"),
            ("(?s)<Data_File .*</Data_File>", "", "lists no file"),
            ('version="2.15"', 'version="1.1"', "is DIMAP version 1"),
            ('<XDIM unit="m">[^<]*', "<XDIM>-1", "XDIM and YDIM must be positive"),
            ("10:49:14.0", "25:99", "IMAGING_TIME = .* is not a time"),
        ],
    )
    def test_metadata(self, order: Path, pattern: str, text: str, cause: str) -> None:
        edit(dim(order), pattern, text)
        with pytest.raises(InputError, match=cause):
            open_product([str(order)])

    def test_overlap_that_the_files_do_not_have(self, order: Path) -> None:
        edit(dim(order), "<OVERLAP_COL>0", "<OVERLAP_COL>4")
        with pytest.raises(MetadataError, match="do not make an image"):
            open_product([str(order)])
        edit(dim(order), 'ncols="36"', 'ncols="38"')
        with pytest.raises(InputError, match=r"R1C1\.TIF: is 36 x 60 pixels"):
            open_product([str(order)])

    def test_real_overlap(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order")
        _, ms = ground()
        folder = order / MS_FOLDER
        left, right = sorted(folder.glob("*_R1C?.TIF"))
        for path, cols in ((left, (0, 40)), (right, (36, 72))):
            part = ms.part((0, 60), cols).bands([2, 1, 0, 3])
            write_geotiff(path, part.values, part.transform)
        edit(dim(order), 'ncols="36"', 'ncols="40"')
        edit(dim(order), "<OVERLAP_COL>0", "<OVERLAP_COL>4")
        target = open_product([str(order)]).target
        np.testing.assert_array_equal(whole(target), ms.values[[2, 1, 0, 3]])

    def test_swapped_tiles(self, order: Path) -> None:
        edit(dim(order), r"_R1C1\.TIF", "_X.TIF")
        edit(dim(order), r"_R1C2\.TIF", "_R1C1.TIF")
        edit(dim(order), r"_X\.TIF", "_R1C2.TIF")
        with pytest.raises(GridError, match=r"pixels from where DIM_PHR1A_MS\S+ (places it|says)"):
            open_product([str(order)])

    def test_far_from_where_the_metadata_say(self, order: Path) -> None:
        edit(dim(order), r"(<ULXMAP unit=\"m\">)\d\d\d", r"\g<1>111")
        with pytest.raises(GridError, match=r"from where DIM_PHR1A_MS\S+ says \(Geoposition"):
            open_product([str(order)])

    def test_tile_in_another_crs(self, order: Path) -> None:
        path = next((order / MS_FOLDER).glob("*_R1C2.TIF"))
        with rasterio.open(path) as dataset:
            values, transform = dataset.read(), dataset.transform
        write_geotiff(path, values, transform, "EPSG:32631")
        with pytest.raises(GridError, match="have different CRS"):
            open_product([str(order)])

    @pytest.mark.parametrize(
        ("keep", "missing"), [(PAN_FOLDER, "MS"), (MS_FOLDER, "PAN")], ids=["PAN", "MS"]
    )
    def test_half_a_delivery(self, order: Path, keep: str, missing: str) -> None:
        for folder in (PAN_FOLDER, MS_FOLDER):
            if folder != keep:
                shutil.rmtree(order / folder)
        for given in (order, next((order / keep).glob("DIM_*.XML"))):
            with pytest.raises(FileReadError, match=f"the {missing} image is missing, found"):
                open_product([str(given)])

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [("10:49:14.0", "10:59:14.0"), ("2015-06-30<", "2015-07-01<"), (">1A<", ">1B<")],
    )
    def test_mixed_acquisitions(self, order: Path, pattern: str, text: str) -> None:
        edit(dim(order, "P"), pattern, text)
        with pytest.raises(InputError, match="were taken apart"):
            open_product([str(order)])

    def test_two_acquisitions_in_one_folder(self, order: Path) -> None:
        pan, _ = ground()
        write_dimap_image(
            order / "IMG_PHR1A_P_003", "PHR1A_P_201507011049140_ORT_3", pan, ("P",),
            [Files("IMG_3", [0])], date="2015-07-01",
        )  # fmt: skip
        with pytest.raises(InputError, match="holds several images"):
            open_product([str(order)])
        assert open_product([str(dim(order, "MS"))]).guide.label.startswith("DIM_PHR1A_P_20150630")

    def test_sharpened_already(self, order: Path) -> None:
        shutil.rmtree(order / PAN_FOLDER)
        edit(dim(order), "SPECTRAL_PROCESSING>MS<", "SPECTRAL_PROCESSING>PMS<")
        with pytest.raises(FileReadError, match="is sharpened already"):
            open_product([str(order)])

    def test_sensor_geometry(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", level="SENSOR")
        with pytest.raises(GridError, match=r"is a primary \(SENSOR\) image.*RPC_\*\.XML"):
            open_product([str(order)])

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            ("<Dimap_Document><Raster_Data>", "line 1: is not XML or cut off"),
            (
                '<!DOCTYPE x [<!ENTITY a "aaaa">]><Dimap_Document>&a;</Dimap_Document>',
                "document type",
            ),
            ('<!DOCTYPE x SYSTEM "http://example.com/x.dtd"><Dimap_Document/>', "document type"),
            (
                "<Dimap_Document>" + "<a>" * 50 + "</a>" * 50 + "</Dimap_Document>",
                "nested too deep",
            ),
            ("<html/>", "is no DIMAP document"),
            ("", "not XML"),
            ("<a>" * 260_000, "not XML or cut off"),
            ("x" * (2**24 + 1), "is larger than"),
        ],
        ids=range(8),
    )
    def test_broken_xml(self, order: Path, content: str, cause: str) -> None:
        path = dim(order)
        path.write_text(content)
        started = time.process_time()
        with pytest.raises(MetadataError, match=rf"DIM_PHR1A_MS\S+XML.*{cause}"):
            open_product([str(order)])
        assert time.process_time() - started < 1

    def test_truncated_jpeg_2000(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", suffix="JP2")
        path = next((order / PAN_FOLDER).glob("*_R2C2.JP2"))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(FileReadError, match=r"R2C2\.JP2: .*(cannot be read|truncated|broken)"):
            open_product([str(order)])

    def test_a_tiff_called_jpeg_2000(self, tmp_path: Path) -> None:
        order = write_dimap(tmp_path / "order", suffix="JP2")
        path = next((order / PAN_FOLDER).glob("*_R1C1.JP2"))
        path.write_bytes(b"II*\0" + bytes(100))
        with pytest.raises(FileReadError, match="is not a JPEG 2000 file"):
            open_product([str(order)])

    def test_unknown_band(self, order: Path) -> None:
        with pytest.raises(OptionError, match="swir1: is no such band; choose from Red, Green"):
            open_dimap(order, ReadOptions(bands=("red", "swir1")))

    def test_old_dimap(self, tmp_path: Path) -> None:
        (tmp_path / "METADATA.DIM").write_text("<Dimap_Document/>")
        with pytest.raises(FileReadError, match="is DIMAP version 1, only 2 is supported"):
            open_product([str(tmp_path / "METADATA.DIM")])


@pytest.mark.parametrize("method", ["gsa", "brovey"])
def test_fuse(tmp_path: Path, method: str) -> None:
    order, out = write_pneo(tmp_path / "order"), tmp_path / "out.tif"
    outcome = pansharpkit(
        "fuse", order, "-o", out, "-m", method, "--bands", "blue,green,red", "--json"
    )
    assert outcome.code == 0
    with rasterio.open(out) as dataset:
        assert dataset.descriptions == ("Blue", "Green", "Red")
        assert (dataset.height, dataset.width) == (120, 144)
        assert dataset.transform == ground()[0].transform
        assert dataset.tags()["MISSION"] == "PNEO"


def test_info(tmp_path: Path) -> None:
    outcome = pansharpkit("info", write_pneo(tmp_path / "order"), "--json")
    assert outcome.code == 0
    assert outcome.json["sensor"] == "pleiades_neo3"
    assert outcome.json["bands"] == ["Red", "Green", "Blue", "NIR", "RedEdge", "Coastal"]
    assert outcome.json["ms_size"] == [72, 60]


def test_image_without_a_signal_in_jpeg_2000(tmp_path: Path) -> None:
    pan, ms = ground()
    write_dimap_image(
        tmp_path / "P", "P", Raster(pan.values * 0, pan.transform), ("P",), [Files("IMG_P", [0])],
        suffix="JP2",
    )  # fmt: skip
    write_dimap_image(
        tmp_path / "MS", "MS", ms, ("B0", "B1", "B2", "B3"), [Files("IMG_MS", [2, 1, 0, 3])]
    )
    with pytest.raises(FileReadError, match=r"no tile of DIM_P\.XML holds data"):
        open_product([str(tmp_path)])
