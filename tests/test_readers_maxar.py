"""Maxar bundles: every layout, every tile, reflectance, and what is wrong with some."""

from __future__ import annotations

import gc
import math
import os
import re
import shutil
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import pansharpkit
from numpy.typing import NDArray
from rasters import write_geotiff
from vendor_products import Raster, ground, write_maxar, write_maxar_image

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, OptionError
from pansharpkit.grid import Window
from pansharpkit.readers import Product, ReadOptions, files_of, open_maxar, open_product
from pansharpkit.readers.maxar.pvl import parse_pvl, read_pvl
from pansharpkit.readers.toa import sun_distance

STEM = "15JUN30104914-{}2AS-000000000000_01_P001"
PAN_FOLDER, MUL_FOLDER = "000000000000_01_P001_PAN", "000000000000_01_P001_MUL"
FORMS = ("imd", "single", "xml", "xml-ns")


def whole(source: object) -> NDArray[np.generic]:
    return source.read(source.grid.window)[0]  # type: ignore[attr-defined]


def metadata(folder: Path, kind: str = "M", suffix: str = "IMD") -> Path:
    return folder / (PAN_FOLDER if kind == "P" else MUL_FOLDER) / f"{STEM.format(kind)}.{suffix}"


def edit(path: Path, pattern: str, text: str) -> Path:
    before = path.read_text()
    after = re.sub(pattern, text, before)
    assert after != before
    path.write_text(after)
    return path


@pytest.fixture
def order(tmp_path: Path) -> Path:
    return write_maxar(tmp_path / "order")


class TestLayouts:
    @pytest.mark.parametrize("form", FORMS)
    def test_every_form_gives_the_same_pixels(self, tmp_path: Path, form: str) -> None:
        product = open_product([str(write_maxar(tmp_path / "order", form=form))])
        pan, ms = ground()
        np.testing.assert_array_equal(whole(product.guide), pan.values)
        np.testing.assert_array_equal(whole(product.target), ms.values)
        assert product.guide.grid.transform == pan.transform
        assert product.target.grid.transform == ms.transform
        assert product.guide.names == ("PAN",)
        assert product.target.names == ("Blue", "Green", "Red", "NIR1")
        assert product.sensor_id == "worldview2"
        assert product.target.nodata == 0
        assert product.notices == ()
        assert product.native_depth

    def test_metadata_to_carry(self, order: Path) -> None:
        carried = open_product([str(order)]).metadata
        assert carried["SATID"] == "WV02"
        assert carried["CATID"] == "1030010000000000"
        assert carried["FIRSTLINETIME"] == "2015-06-30T10:49:14.000000Z"
        assert carried["PRODUCTLEVEL"] == "LV2A"
        assert carried["MEANSUNEL"] == "64.7"

    @pytest.mark.parametrize("kind", ["P", "M"])
    @pytest.mark.parametrize("suffix", ["IMD", "TIL"])
    def test_by_one_of_its_metadata_files(self, order: Path, kind: str, suffix: str) -> None:
        product = open_product([str(metadata(order, kind, suffix))])
        np.testing.assert_array_equal(whole(product.target), ground()[1].values)

    def test_by_its_xml(self, tmp_path: Path) -> None:
        order = write_maxar(tmp_path / "order", form="xml-ns")
        product = open_product([str(metadata(order, "M", "XML"))])
        assert product.target.grid.width == 72

    def test_all_files_in_one_folder(self, order: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for file in [*(order / PAN_FOLDER).iterdir(), *(order / MUL_FOLDER).iterdir()]:
            file.rename(order / file.name)
        assert open_product([str(order)]).target.grid.width == 72
        monkeypatch.chdir(order)
        assert open_product([f"{STEM.format('P')}.IMD"]).target.grid.width == 72

    def test_file_names_in_another_case(self, order: Path) -> None:
        for file in (order / MUL_FOLDER).glob("*.TIF"):
            file.rename(file.with_name(file.name.lower()))
        assert open_product([str(order)]).target.grid.width == 72

    def test_text_before_xml(self, order: Path) -> None:
        """Deliveries hold both; the same image is not there twice."""
        metadata(order, "M", "XML").write_text("<isd><IMD/></isd>")
        assert open_product([str(order)]).target.grid.width == 72

    def test_xml_about_something_else(self, order: Path) -> None:
        (order / "GIS_FILES.XML").write_text("<layers><a/></layers>")
        (order / "000000000000_01_README.XML").write_text("not even XML")
        assert open_product([str(order)]).target.grid.width == 72

    @pytest.mark.parametrize("name", ["order.zip", "order.tar", "order.tar.gz"])
    def test_archives(
        self, order: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setenv("CPL_TMPDIR", str(scratch))
        product = open_product([str(pack(order, tmp_path / name))])
        np.testing.assert_array_equal(whole(product.target), ground()[1].values)
        np.testing.assert_array_equal(whole(product.guide), ground()[0].values)
        assert len(list(scratch.rglob("*.TIF"))) == 6 + 4
        del product
        gc.collect()
        assert list(scratch.iterdir()) == []

    def test_an_empty_tile_is_no_fault(self, tmp_path: Path) -> None:
        """Outside the strip, ortho products have tiles of nothing but zeros."""
        pan, _ = ground()
        values = pan.values.copy()
        values[:, :60, :48] = 0
        order = write_maxar(tmp_path / "order", pan=Raster(values, pan.transform))
        product = open_product([str(order)])
        read, valid = product.guide.read(product.guide.grid.window)
        np.testing.assert_array_equal(read, values)
        assert not valid[:60, :48].any()
        assert valid[60:].all()

    def test_a_pair_of_two_orders_side_by_side(self, order: Path) -> None:
        """By a metadata file, the other image is that of the same acquisition."""
        pan, _ = ground()
        other = order / "000000000001_01_P001_PAN"
        write_maxar_image(
            other, "15JUL01104914-P2AS-000000000001_01_P001", pan, ("P",), catId='"9"'
        )
        product = open_product([str(metadata(order, "M"))])
        assert product.guide.label == f"{STEM.format('P')}.TIL"
        with pytest.raises(InputError, match="holds several images"):
            open_product([str(order)])

    def test_an_order_of_two_parts(self, order: Path) -> None:
        pan, ms = ground()
        for kind, raster, codes in (("P", pan, ("P",)), ("M", ms, ("B", "G", "R", "N"))):
            folder = order / f"000000000000_01_P002_{kind}"
            write_maxar_image(folder, STEM.format(kind).replace("P001", "P002"), raster, codes)
        with pytest.raises(InputError, match=r"holds several images .*P001.*P002"):
            open_product([str(order)])
        for part in ("P001", "P002"):
            path = next(order.glob(f"*/*M2AS*_{part}.IMD"))
            product = open_product([str(path)])
            assert product.guide.label == f"{STEM.format('P')}.TIL".replace("P001", part)


def pack(folder: Path, path: Path) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, Path("order") / file.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
            tar.add(folder, "order")
    return path


class TestBands:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (("red", "green", "blue"), ("Red", "Green", "Blue")),
            (("N", "R"), ("NIR1", "Red")),
            (("4", "1"), ("NIR1", "Blue")),
            (("nir", "Green"), ("NIR1", "Green")),
        ],
    )
    def test_chosen(self, order: Path, wanted: tuple[str, ...], found: tuple[str, ...]) -> None:
        target = open_maxar(order, ReadOptions(bands=wanted)).target
        assert target.names == found
        _, ms = ground()
        index = ["Blue", "Green", "Red", "NIR1"].index
        np.testing.assert_array_equal(whole(target), ms.values[[index(name) for name in found]])

    @pytest.mark.parametrize(
        ("wanted", "cause"),
        [
            (("pan", "red"), "pan: is the PAN band that sharpens the others"),
            (("swir1", "red"), "swir1: is no such band; choose from Blue, Green, Red, NIR1"),
            (("red", "Red"), "at least 2 different bands"),
            (("red",), "at least 2 different bands"),
            (("5", "1"), "5: is no such band"),
        ],
    )
    def test_refused(self, order: Path, wanted: tuple[str, ...], cause: str) -> None:
        with pytest.raises(OptionError, match=cause):
            open_maxar(order, ReadOptions(bands=wanted))

    def write(self, folder: Path, codes: tuple[str, ...], **changes: str) -> Path:
        pan, ms = ground()
        eight = Raster(ms.values[[i % 4 for i in range(len(codes))]], ms.transform)
        write_maxar_image(folder / "PAN", STEM.format("P"), pan, ("P",), **changes)
        write_maxar_image(folder / "MUL", STEM.format("M"), eight, codes, **changes)
        return folder

    @pytest.mark.parametrize(
        ("satellite", "codes", "sensor", "last"),
        [
            ("WV02", "C B G Y R RE N N2", "worldview2", "NIR2"),
            ("WV03", "C B G Y R RE N N2", "worldview3", "NIR2"),
            ("WV04", "B G R N", "worldview4", "NIR"),
            ("GE01", "B G R N", "geoeye1", "NIR"),
            ("QB02", "B G R N", "quickbird2", "NIR"),
            ("LG01", "C B G Y R RE1 RE2 N", "worldview_legion1", "NIR1"),
        ],
    )
    def test_satellites(
        self, tmp_path: Path, satellite: str, codes: str, sensor: str, last: str
    ) -> None:
        order = self.write(tmp_path, tuple(codes.split()), satId=f'"{satellite}"')
        product = open_product([str(order)])
        assert product.sensor_id == sensor
        assert product.target.names[-1] == last
        assert product.notices == ()
        outcome = pansharpkit("info", order, "--json")
        assert outcome.code == 0
        assert outcome.json["sensor"] == sensor

    def test_later_legions(self, tmp_path: Path) -> None:
        order = self.write(tmp_path, ("C", "B", "G", "Y", "R", "RE1", "RE2", "N"), satId='"LG03"')
        product = open_product([str(order)])
        assert product.sensor_id == "worldview_legion1"
        assert "LG03 is taken to see as LG01 does" in product.notices[0]

    def test_unknown_satellite(self, tmp_path: Path) -> None:
        order = self.write(tmp_path, ("B", "G", "R", "N"), satId='"XX99"')
        product = open_product([str(order)])
        assert product.sensor_id is None
        assert product.target.names == ("Blue", "Green", "Red", "NIR")
        assert "satellite XX99 has no preset; use --sensor" in product.notices[0]

    def test_band_groups_may_lack(self, order: Path) -> None:
        for kind in "PM":
            edit(metadata(order, kind), r"(?s)BEGIN_GROUP = BAND_.*END_GROUP = BAND_\w+\n", "")
        edit(metadata(order), '"Multi"', '"BGRN"')
        assert open_product([str(order)]).target.names == ("Blue", "Green", "Red", "NIR1")

    def test_two_ms_images_of_four_bands(self, tmp_path: Path) -> None:
        pan, ms = ground()
        write_maxar_image(tmp_path, STEM.format("P"), pan, ("P",))
        one, two = ("N", "R", "G", "B"), ("N2", "RE", "Y", "C")
        write_maxar_image(tmp_path, f"a-{STEM.format('M')}", ms, one, bandId='"MS1"')
        write_maxar_image(tmp_path, f"b-{STEM.format('M')}", ms, two, bandId='"MS2"')
        target = open_product([str(tmp_path)]).target
        assert target.names[:4] == ("NIR1", "Red", "Green", "Blue")
        assert target.names[4:] == ("NIR2", "RedEdge", "Yellow", "Coastal")


class TestReflectance:
    def test_it_is_the_vendors_formula(self, order: Path) -> None:
        toa = open_product([str(order)], ReadOptions(toa=True, bands=("blue", "red")))
        distance = sun_distance(datetime(2015, 6, 30, 10, 49, 14, tzinfo=UTC))
        factor = math.pi * distance**2 / math.sin(math.radians(64.7))
        pan, ms = ground()
        for source, values, (gain, offset, esun) in (
            (toa.guide, pan.values[0], (0.949, -5.523, 1571.36)),
            (toa.target, ms.values[0], (1.002, -9.835, 2007.27)),
        ):
            radiance = gain * values * 1.0e-2 / 5.0e-2 + offset
            np.testing.assert_allclose(whole(source)[0], radiance * factor / esun, rtol=1e-5)
        assert toa.scaling is None

    def test_scaling_leads_there(self, order: Path) -> None:
        product = open_product([str(order)])
        toa = open_product([str(order)], ReadOptions(toa=True))
        assert product.scaling is not None
        scale, offset = np.array(product.scaling).T[:, :, None, None]
        np.testing.assert_allclose(whole(product.target) * scale + offset, whole(toa.target), 1e-5)

    @pytest.mark.parametrize(
        ("key", "text", "cause"),
        [
            ("radiometricEnhancement", '"ACOMP"', "no calibrated counts"),
            ("bitsPerPixel", "8", "no calibrated counts"),
            ("meanSunEl", "-3.0", "not between 0 and 90"),
            ("firstLineTime", "", "has no firstLineTime or earliestAcqTime"),
            ("absCalFactor", "", "no calibration of band P"),
            ("satId", '"XX99"', "no preset tells the solar irradiance"),
        ],
    )
    def test_what_it_takes(self, order: Path, key: str, text: str, cause: str) -> None:
        for kind in "PM":
            edit(metadata(order, kind), rf"{key} = .*", f"{key} = {text};")
        assert open_product([str(order)]).scaling is None
        with pytest.raises(MetadataError, match=cause):
            open_product([str(order)], ReadOptions(toa=True))

    def test_enhanced_pixels_are_said(self, order: Path) -> None:
        for kind in "PM":
            edit(
                metadata(order, kind),
                r"radiometricEnhancement = .*",
                'radiometricEnhancement = "DRA";',
            )
        product = open_product([str(order)])
        assert "enhanced or rescaled to 8 bits" in product.notices[0]
        assert not product.native_depth

    @pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "abc"])
    def test_figures_that_make_no_sense(self, order: Path, text: str) -> None:
        path = edit(metadata(order), r"effectiveBandwidth = .*", f"effectiveBandwidth = {text};")
        line = path.read_text()[: path.read_text().index("effectiveBandwidth")].count("\n") + 1
        with pytest.raises(MetadataError, match=rf"IMD, line {line}: effectiveBandwidth"):
            open_product([str(order)])

    def test_the_distance_of_the_sun_is_that_of_usgs(self) -> None:
        """Dates and distances of Landsat metadata."""
        samples = Path(__file__).parent / "data" / "landsat_mtl"
        checked = 0
        for path in samples.glob("*MTL.txt"):
            text = path.read_text()
            found = re.search(r"EARTH_SUN_DISTANCE = ([\d.]+)", text)
            date = re.search(r"DATE_ACQUIRED = (\S+)", text)
            if found and date:
                when = datetime.fromisoformat(f"{date[1]}T16:00:00+00:00")
                assert sun_distance(when) == pytest.approx(float(found[1]), abs=2e-4)
                checked += 1
        assert checked >= 3


class TestFaults:
    @pytest.mark.parametrize("archive", [None, "order.zip"])
    @pytest.mark.parametrize(("kind", "tile"), [("P", "R2C3"), ("M", "R1C2")])
    def test_missing_tile(
        self, order: Path, tmp_path: Path, kind: str, tile: str, archive: str | None
    ) -> None:
        next((metadata(order, kind).parent).glob(f"*_{tile}-*.TIF")).unlink()
        given = pack(order, tmp_path / archive) if archive else order
        outcome = pansharpkit("fuse", given, "-o", tmp_path / "out.tif")
        assert outcome.code == 4
        assert re.search(rf"tile \S*_{tile}-\S*\.TIF of \S*\.TIL is missing", outcome.stderr)
        assert not (tmp_path / "out.tif").exists()

    @pytest.mark.parametrize(
        ("key", "text", "cause"),
        [
            ("ULRowOffset = 30", "ULRowOffset = 31", "is 36 x 30 pixels, .* gives it 36 x 29"),
            ("numTiles = 4", "numTiles = 5", "numTiles = 5, but 4 tiles are described"),
            ("numTiles = 4", "numTiles = -4", "line 2: numTiles = '-4' is not a whole number"),
            ("LRColOffset = 35", "LRColOffset = -1", "LRColOffset = '-1' is not a whole number"),
            ("ULRowOffset = 30", "ULRowOffset = 1e9", "'1e9' is not a whole number"),
            ('filename = "', 'filename = "../', r"filename = '\.\./\S+' is not a bare file name"),
            ('filename = "', 'filename = "/etc/', "is not a bare file name"),
            ('filename = "', r'filename = "..\\\\', "is not a bare file name"),
            ('filename = "', 'filename = "http:', "points out of the product"),
            (r"END_GROUP = TILE_4", "", r"END_GROUP = .*but .* is open|never closed|not key"),
        ],
    )
    def test_hostile_til(self, order: Path, key: str, text: str, cause: str) -> None:
        edit(metadata(order, "M", "TIL"), key, text)
        with pytest.raises(InputError, match=cause):
            open_product([str(order)])

    def test_absurd_size(self, order: Path) -> None:
        for key in ("numRows", "numColumns"):
            edit(metadata(order, "P"), rf"{key} = \d+", f"{key} = 999999999")
        with pytest.raises(InputError, match=r"999999999 x 999999999 pixels.*--max-pixels"):
            open_product([str(order)])

    def test_wrong_offsets(self, order: Path) -> None:
        """Two tiles of one size that changed places: sizes fit, georeferencing does not."""
        til = metadata(order, "M", "TIL")
        text = til.read_text().replace("R1C1", "X").replace("R2C1", "R1C1").replace("X", "R2C1")
        til.write_text(text)
        with pytest.raises(GridError, match=r"lies \d+ pixels from where \S+TIL places it"):
            open_product([str(order)])

    def test_tile_in_another_crs(self, order: Path) -> None:
        path = next((order / PAN_FOLDER).glob("*_R2C2-*.TIF"))
        with rasterio.open(path) as dataset:
            values, transform = dataset.read(), dataset.transform
        write_geotiff(path, values, transform, "EPSG:32631")
        with pytest.raises(GridError, match=r"R2C2.*have different CRS, but are tiles"):
            open_product([str(order)])

    @pytest.mark.parametrize(
        ("keep", "missing"), [(PAN_FOLDER, "MS"), (MUL_FOLDER, "PAN")], ids=["PAN", "MUL"]
    )
    def test_half_a_bundle(self, order: Path, tmp_path: Path, keep: str, missing: str) -> None:
        for folder in (PAN_FOLDER, MUL_FOLDER):
            if folder != keep:
                shutil.rmtree(order / folder)
        for given in (order, next((order / keep).glob("*.IMD"))):
            with pytest.raises(FileReadError, match=f"the {missing} image is missing, found"):
                open_product([str(given)])

    def test_mixed_acquisitions(self, order: Path) -> None:
        edit(metadata(order, "P"), "1030010000000000", "1030010000000001")
        with pytest.raises(InputError, match=r"were taken apart: catId 1\d+1 and 1\d+0"):
            open_product([str(order)])

    def test_sharpened_already(self, order: Path) -> None:
        shutil.rmtree(order / PAN_FOLDER)
        edit(metadata(order), 'Algorithm = "None"', 'Algorithm = "UNB"')
        with pytest.raises(FileReadError, match="is sharpened already"):
            open_product([str(order)])

    @pytest.mark.parametrize("with_rpb", [True, False])
    def test_basic_images_are_not_on_a_map(self, order: Path, with_rpb: bool) -> None:
        for kind in "PM":
            edit(metadata(order, kind), '"LV2A"', '"LV1B"')
            if with_rpb:
                metadata(order, kind, "RPB").write_text('satId = "WV02";\nEND;\n')
        with pytest.raises(GridError, match=r"is a Basic \(1B\) image.*gdalwarp -rpc") as caught:
            open_product([str(order)])
        assert (f"{STEM.format('P')}.RPB" in str(caught.value)) == with_rpb

    def test_ortho_ready_is_said(self, order: Path) -> None:
        for kind in "PM":
            edit(metadata(order, kind), '"Standard2A"', '"ORStandard2A"')
        assert "is projected, not orthorectified" in open_product([str(order)]).notices[0]

    def test_tiles_without_their_table(self, order: Path) -> None:
        metadata(order, "P", "TIL").unlink()
        with pytest.raises(MetadataError, match=r"the \.TIL file that places them is missing"):
            open_product([str(order)])

    def test_band_count(self, order: Path) -> None:
        edit(metadata(order), r"(?s)BEGIN_GROUP = BAND_N.*END_GROUP = BAND_N\n", "")
        with pytest.raises(InputError, match=r"expected 3 bands \(Blue, Green, Red\), found 4"):
            open_product([str(order)])

    def test_image_without_any_data(self, tmp_path: Path) -> None:
        pan, _ = ground()
        order = write_maxar(tmp_path / "order", pan=Raster(pan.values * 0, pan.transform))
        with pytest.raises(FileReadError, match=r"no tile of \S*P2AS\S* holds data"):
            open_product([str(order)])

    def test_interrupted_tile(self, order: Path) -> None:
        """All zeros because its blocks were never written."""
        path = next((order / PAN_FOLDER).glob("*_R2C2-*.TIF"))
        with rasterio.open(path) as dataset:
            profile = dict(dataset.profile, sparse_ok=True)
        path.unlink()
        rasterio.open(path, "w", **profile).close()
        with pytest.raises(FileReadError, match=r"R2C2.*holds no data"):
            open_product([str(order)])

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\0" * 4000,
            b"numRows = 3;\nBEGIN_GROUP = IMAGE_1\n",
            b"END_GROUP = X\n",
            b"a\nEND;",
            b"x = " + b"9" * 5000,
            b"x = (1,\n2,\n",
            b"BEGIN_GROUP = a\n" * 40,
            b"x = 1;\n" * 200_000,
            b"\xff\xfe\0\0" * 50,
        ],
        ids=range(10),
    )
    def test_broken_imd(self, order: Path, content: bytes) -> None:
        metadata(order).write_bytes(content)
        started = time.process_time()
        with pytest.raises((MetadataError, FileReadError), match=r"M2AS\S*IMD"):
            open_product([str(order)])
        assert time.process_time() - started < 1

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            ("<isd><IMD><BANDID>P</BANDID>", "line 1: is not XML or cut off"),
            (
                '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><isd>&b;</isd>',
                "declares a document type",
            ),
            (
                '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><isd>&a;</isd>',
                "declares a document type",
            ),
            ("<a>" * 500 + "</a>" * 500, "nested too deeply"),
            ("<a/>" * 300_000, "more than 262144 tags"),
            ('<?xml version="1.0" encoding="none"?><isd/>', "is not XML"),
        ],
        ids=range(6),
    )
    def test_broken_xml(self, tmp_path: Path, content: str, cause: str) -> None:
        order = write_maxar(tmp_path / "order", form="xml")
        metadata(order, "M", "XML").write_text(content)
        started = time.process_time()
        with pytest.raises(MetadataError, match=rf"M2AS\S*XML.*{cause}"):
            open_product([str(order)])
        assert time.process_time() - started < 1

    def test_a_folder_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match="is no product that is known"):
            open_product([str(tmp_path)])
        with pytest.raises(FileReadError, match="does not exist"):
            open_product([str(tmp_path / "gone")])


class TestCommandLine:
    def test_fuse(self, order: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.tif"
        outcome = pansharpkit("fuse", order, "-o", out, "-m", "gsa", "--json")
        assert outcome.code == 0
        with rasterio.open(out) as dataset:
            assert (dataset.count, dataset.height, dataset.width) == (4, 120, 144)
            assert dataset.transform == ground()[0].transform
            assert dataset.descriptions == ("Blue", "Green", "Red", "NIR1")
            assert dataset.tags()["CATID"] == "1030010000000000"
            assert dataset.read(1, window=((10, 60), (10, 60))).std() > 0

    def test_tiles_leave_no_trace(self, order: Path, tmp_path: Path) -> None:
        """The same pixels whether the product came in tiles or not."""
        single = write_maxar(tmp_path / "single", form="single")
        results = []
        for folder in (order, single):
            out = tmp_path / f"{folder.name}.tif"
            command = ("fuse", folder, "-o", out, "-m", "gsa", "--no-report", "--tile", 64)
            assert pansharpkit(*command).code == 0
            with rasterio.open(out) as dataset:
                results.append(dataset.read())
        np.testing.assert_array_equal(*results)

    def test_nothing_of_the_product_is_overwritten(self, order: Path) -> None:
        for victim in (
            metadata(order, "P", "TIL"),
            next((order / MUL_FOLDER).glob("*_R1C1-*.TIF")),
        ):
            outcome = pansharpkit("fuse", order, "-o", victim, "--overwrite", "-m", "exp")
            assert outcome.code != 0
            assert victim.stat().st_size > 0
        earlier = order / "earlier.tif"
        shutil.copy(next((order / MUL_FOLDER).glob("*_R1C1-*.TIF")), earlier)
        assert earlier not in files_of([str(order)])
        assert earlier not in files_of([str(metadata(order))])
        assert metadata(order) in files_of([str(order)])

    def test_read_only_folder(self, order: Path, tmp_path: Path) -> None:
        before = sorted(order.rglob("*"))
        for folder in (order, order / PAN_FOLDER, order / MUL_FOLDER):
            folder.chmod(0o555)
        try:
            command = ("fuse", order, "-o", tmp_path / "out.tif", "-m", "exp", "--no-report")
            assert pansharpkit(*command).code == 0
        finally:
            for folder in (order, order / PAN_FOLDER, order / MUL_FOLDER):
                folder.chmod(0o755)
        assert sorted(order.rglob("*")) == before


def test_many_tiles_do_not_stay_open(tmp_path: Path) -> None:
    """A thread keeps 64 tiles open, not all of a product."""
    pan, ms = ground()
    write_maxar_image(tmp_path, STEM.format("P"), pan, ("P",), tiles=(12, 12))
    write_maxar_image(tmp_path, STEM.format("M"), ms, ("B", "G", "R", "N"))
    product: Product = open_product([str(tmp_path)])
    before = descriptors()
    for _ in range(2):
        np.testing.assert_array_equal(whole(product.guide), pan.values)
    assert descriptors() <= before + 64


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_text_metadata_as_they_come() -> None:
    group = parse_pvl(
        b'numRows = 3\nname = "a = (b";\nBEGIN_GROUP = IMAGE_1\n\tX = (\n\t1.0,\n\t2.0);\n'
        b"END_GROUP = IMAGE_1\nEND;\nrubbish",
        "a.IMD",
    )
    assert group.integer("numrows") == 3
    assert group.get("NAME") == "a = (b"
    image = group.child("image_1")
    assert image is not None
    assert image.get("x") == "(1.0,2.0)"
    with pytest.raises(MetadataError, match=r"a\.IMD, line 3: group IMAGE_1 has no key satId"):
        image.require("satId")


@pytest.mark.skipif("PANSHARPKIT_DATA" not in os.environ, reason="needs the folder of samples")
def test_samples_of_others() -> None:
    folder = Path(os.environ["PANSHARPKIT_DATA"]) / "metadata" / "vhr"
    found = {
        path.name: read_pvl(path)
        for path in folder.iterdir()
        if path.suffix[1:].lower() in ("imd", "rpb")
    }
    sample = found["OSGeo__gdal__md_dg.IMD"]
    assert (sample.integer("numRows"), sample.get("bandId")) == (50, "Multi")
    assert sample.groups[0].get("satId") == "WV03"
    assert found["OSGeo__gdal__testtil.imd"].integer("bitsPerPixel") == 8
    rpb = found["corteva__rioxarray__test_rpcs_ext_file.rpb"].child("IMAGE")
    assert rpb is not None
    assert (rpb.get("lineNumCoef") or "").count(",") == 19


def test_windows_of_any_place(order: Path) -> None:
    product = open_product([str(order)])
    pan, _ = ground()
    for window in (Window(0, 0, 1, 1), Window(59, 47, 3, 3), Window(100, 100, 20, 44)):
        values, valid = product.guide.read(window)
        np.testing.assert_array_equal(values, pan.values[:, *window.slices])
        assert valid.all()
