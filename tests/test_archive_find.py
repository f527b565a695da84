"""Scenes found in folders: products of every family, and pairs that nobody named."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from archive_files import MINI, found_in, inputs, left, opens, pack, write_ms, write_pan
from hs_products import cube, write_desis, write_enmap, write_hyperion
from hypothesis import given
from hypothesis import strategies as st
from prisma_products import write_prisma
from rasters import ORIGIN, write_geotiff
from sentinel2_products import write_safe
from vendor_products import write_dimap, write_maxar, write_pneo

from pansharpkit.archive.find import FindRequest, find
from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers import files_of

NAME = "LC80200392015216LGN00"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


class TestLandsat:
    def test_folder(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "any name")
        found = found_in(archive)
        (entry,) = found.entries
        assert (entry.id, entry.family, found.unpaired) == (NAME, "landsat", ())
        assert entry.inputs == (str(archive / "any name"),)
        assert entry.acquired is not None
        assert entry.acquired.replace(microsecond=0) == datetime(2015, 8, 4, 16, 19, 21, tzinfo=UTC)
        assert opens(entry)

    @pytest.mark.parametrize("name", [f"{NAME}.tar", f"{NAME}.tar.gz", f"{NAME}.tgz"])
    def test_tar(self, archive: Path, name: str) -> None:
        (archive / "year").mkdir()
        pack(archive / "year" / name, sorted(MINI.iterdir()))
        (entry,) = found_in(archive).entries
        assert (entry.id, entry.family) == (NAME, "landsat")
        assert entry.acquired == datetime(2015, 8, 4, tzinfo=UTC)
        assert opens(entry)

    def test_tar_that_begins_with_large_bands(self, archive: Path) -> None:
        bands = [MINI / f"{NAME}_B{n}.TIF" for n in (1, 2)]
        pack(archive / "x.tar", bands)
        (entry,) = found_in(archive).entries
        assert (entry.id, entry.family) == ("x", "landsat")

    def test_zip(self, archive: Path) -> None:
        with zipfile.ZipFile(archive / "p.zip", "w") as packed:
            for file in MINI.iterdir():
                packed.write(file, file.name)
        (entry,) = found_in(archive).entries
        assert (entry.id, entry.family) == ("p", "landsat")
        assert opens(entry)

    def test_archive_beside_what_was_unpacked(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / NAME)
        pack(archive / f"{NAME}.tar", sorted(MINI.iterdir()))
        found = found_in(archive)
        assert inputs(found, archive) == {NAME: [NAME]}
        assert f"{NAME} is taken instead" in left(found)[f"{NAME}.tar"]

    def test_several_in_one_folder(self, archive: Path) -> None:
        for scene in ("LC08_A", "LC08_B"):
            for file in MINI.iterdir():
                shutil.copy(file, archive / file.name.replace(NAME, scene))
        for scene in ("LC08_A", "LC08_B"):
            path = archive / f"{scene}_MTL.txt"
            path.write_text(path.read_text().replace(NAME, scene))
        found = found_in(archive)
        assert inputs(found, archive) == {s: [f"{s}_MTL.txt"] for s in ("LC08_A", "LC08_B")}
        assert found.unpaired == ()
        assert all(opens(entry) for entry in found.entries)
        own = {path.name for path in files_of(found.entries[0].inputs)}
        assert {path.name.replace(NAME, "LC08_A") for path in MINI.iterdir()} <= own
        assert "LC08_B_MTL.txt" not in own

    def test_without_pan(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "p")
        (archive / "p" / f"{NAME}_B8.TIF").unlink()
        found = found_in(archive)
        assert found.entries == ()
        assert "PAN band B8 is missing" in left(found)["p"]
        assert len(found.unpaired) == 1  # its bands are no pair of anything

    def test_without_one_ms_band(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "p")
        (archive / "p" / f"{NAME}_B4.TIF").unlink()
        assert "band B4 is missing" in left(found_in(archive))["p"]

    def test_broken_metadata(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "p")
        (archive / "p" / f"{NAME}_MTL.txt").write_text("GROUP = X\nA = \x00\n")
        found = found_in(archive)
        assert found.entries == ()
        assert "MTL.txt" in left(found)["p"]

    def test_metadata_alone(self) -> None:
        """Level 2, TM, MSS and missing bands are each named; nothing is a scene."""
        found = found_in(MINI.parent / "landsat_mtl")
        assert found.entries == ()
        reasons = " ".join(one.why for one in found.unpaired)
        for part in ("Level-2 product", "(TM) has no PAN", "(MSS) has no PAN", "B8 is missing"):
            assert part in reasons
        assert len(found.unpaired) == 9  # of 12 files; two products come in two and three forms


class TestVendors:
    @pytest.mark.parametrize("form", ["imd", "single", "xml"])
    def test_maxar(self, archive: Path, form: str) -> None:
        write_maxar(archive / "order", form=form)
        found = found_in(archive)
        (entry,) = found.entries
        assert (entry.family, found.unpaired) == ("maxar", ())
        assert entry.id == "15JUN30104914-P2AS-000000000000_01_P001"
        assert entry.acquired == datetime(2015, 6, 30, 10, 49, 14, tzinfo=UTC)
        assert opens(entry)

    def test_several_orders_side_by_side(self, archive: Path) -> None:
        for cat in ("1030010000000000", "1030010000000001"):
            write_maxar(archive / cat, catId=f'"{cat}"')
        found = found_in(archive)
        assert len(found.entries) == 2
        assert found.unpaired == ()
        assert {entry.id for entry in found.entries} == {
            f"{cat}_000000000000_01_P001_PAN_15JUN30104914-P2AS-000000000000_01_P001"
            for cat in ("1030010000000000", "1030010000000001")
        }
        assert all(opens(entry) for entry in found.entries)

    def test_maxar_without_ms(self, archive: Path) -> None:
        write_maxar(archive)
        shutil.rmtree(archive / "000000000000_01_P001_MUL")
        found = found_in(archive)
        assert found.entries == ()
        assert [one.why for one in found.unpaired] == [
            "is PAN without its MS, which should lie beside it or one folder over"
        ]

    def test_maxar_sharpened_already(self, archive: Path) -> None:
        write_maxar(archive, panSharpenAlgorithm='"UNB"')
        found = found_in(archive)
        assert found.entries == ()
        assert all("sharpened already" in one.why for one in found.unpaired)

    def test_one_broken_image_spoils_no_other(self, archive: Path) -> None:
        write_maxar(archive / "a")
        write_maxar(archive / "b")
        next((archive / "b").rglob("*P2AS*.IMD")).write_text("BEGIN_GROUP = BAND_P\n")
        found = found_in(archive)
        assert len(found.entries) == 1
        assert "/a/" in found.entries[0].inputs[0]
        assert len(found.unpaired) == 2  # the broken PAN, and the MS that is alone now

    @pytest.mark.parametrize("write", [write_dimap, write_pneo])
    def test_dimap(self, archive: Path, write: object) -> None:
        assert callable(write)
        write(archive / "delivery")
        found = found_in(archive)
        (entry,) = found.entries
        assert (entry.family, found.unpaired) == ("dimap", ())
        assert entry.acquired == datetime(2015, 6, 30, 10, 49, 14, tzinfo=UTC)
        assert opens(entry)

    def test_dimap_of_two_days(self, archive: Path) -> None:
        write_dimap(archive / "a")
        shutil.rmtree(archive / "a" / "IMG_PHR1A_MS_002")
        write_dimap(archive / "b", date="2015-07-01")
        shutil.rmtree(archive / "b" / "IMG_PHR1A_P_001")
        (archive / "b" / "IMG_PHR1A_MS_002").rename(archive / "a" / "IMG_PHR1A_MS_002")
        found = found_in(archive)
        assert found.entries == ()
        assert sorted(one.why[:14] for one in found.unpaired) == [
            "is MS without ",
            "is PAN without",
        ]

    def test_dimap_in_two_products(self, archive: Path) -> None:
        """PAN and MS ordered apart: what holds both is given, unless it holds more."""
        write_dimap(archive / "SDP" / "PROD_1")
        (archive / "SDP" / "PROD_2").mkdir()
        ms = archive / "SDP" / "PROD_1" / "IMG_PHR1A_MS_002"
        ms.rename(archive / "SDP" / "PROD_2" / ms.name)
        (entry,) = found_in(archive).entries
        assert entry.inputs == (str(archive / "SDP"),)
        assert opens(entry)
        write_dimap(archive / "SDP" / "PROD_3", date="2016-01-01")
        found = found_in(archive)
        assert [Path(one.inputs[0]).name[:5] for one in found.entries] == ["DIM_P"]
        assert len(found.unpaired) == 2

    def test_packed(self, archive: Path, tmp_path: Path) -> None:
        for family, write in (("maxar", write_maxar), ("dimap", write_dimap)):
            folder = tmp_path / family
            write(folder)
            pack(archive / f"{family}.tar", sorted(folder.iterdir()))
        found = found_in(archive)
        assert [(e.id, e.family) for e in found.entries] == [("dimap", "dimap"), ("maxar", "maxar")]
        assert all(opens(entry) for entry in found.entries)


class TestCubes:
    def test_prisma_brings_its_pan(self, archive: Path) -> None:
        write_prisma(archive / "PRS_L2D_STD_20210630105031_20210630105035_0001.he5")
        (entry,) = found_in(archive).entries
        assert entry.family == "prisma"
        assert entry.acquired == datetime(2021, 6, 30, 10, 50, 31, tzinfo=UTC)
        assert opens(entry)

    def test_others_need_a_guide(self, archive: Path) -> None:
        write_enmap(archive / "enmap", cube())
        write_desis(archive / "desis", cube())
        write_hyperion(archive / "hyperion", cube(rows=4, cols=4))
        write_safe(archive / "s2")
        found = found_in(archive)
        assert found.entries == ()
        assert sorted(one.why.partition(",")[0] for one in found.unpaired) == [
            "is Sentinel-2",
            *["is a cube without a finer image; name a guide for it in a CSV manifest"] * 3,
        ]


class TestPairsByThemselves:
    @pytest.mark.parametrize(
        ("pan", "ms", "id"),
        [
            ("tile1_pan_0.5m.tif", "tile1_ms_2m.tif", "tile1"),
            ("S1_P_0001.tif", "S1_M_0001.tif", "S1_0001"),
            ("GF2_E1_N2_20150212_L1A-PAN1.tiff", "GF2_E1_N2_20150212_L1A-MSS1.tiff", "GF2"),
            ("15JUN30104914-P2AS-000_01_P001.TIF", "15JUN30104914-M2AS-000_01_P001.TIF", "15JUN"),
            ("PAN/17.tif", "MUL/17.tif", "17"),
            ("s/pan.tif", "s/ms.tif", "s"),
            ("Panchromatic img.tif", "Multispectral img.tif", "img"),
        ],
    )
    def test_by_names(self, archive: Path, pan: str, ms: str, id: str) -> None:
        write_pan(archive / pan)
        write_ms(archive / ms)
        found = found_in(archive)
        assert list(inputs(found, archive).values()) == [[pan, ms]]
        assert found.entries[0].id.startswith(id)
        assert found.unpaired == ()
        assert opens(found.entries[0])

    def test_names_are_enough(self, archive: Path) -> None:
        """No file is opened: these are no rasters at all."""
        for name in ("a_pan.tif", "a_ms.tif"):
            (archive / name).write_bytes(b"")
        assert inputs(found_in(archive), archive) == {"a": ["a_pan.tif", "a_ms.tif"]}

    def test_by_ground(self, archive: Path) -> None:
        """Names say nothing: three PANs and MSs side by side, in shuffled order."""
        for place, pan, ms in ((0, "x1", "y2"), (1, "x2", "y3"), (2, "x3", "y1")):
            write_pan(archive / f"{pan}.tif", (0, place))
            write_ms(archive / f"{ms}.tif", (0, place))
        found = found_in(archive)
        assert inputs(found, archive) == {
            "x1": ["x1.tif", "y2.tif"],
            "x2": ["x2.tif", "y3.tif"],
            "x3": ["x3.tif", "y1.tif"],
        }
        ring = found.entries[0].footprint
        assert ring is not None
        assert ring[0] == ring[-1]
        assert [round(v) for v in ring[0]] == [-2, 43]

    def test_by_date(self, archive: Path) -> None:
        """The same ground on two days."""
        for day in ("20200105", "20200221"):
            write_pan(archive / f"one_{day}.tif")
            write_ms(archive / f"four_{day}.tif")
        found = found_in(archive)
        assert inputs(found, archive) == {
            f"one_{day}": [f"one_{day}.tif", f"four_{day}.tif"] for day in ("20200105", "20200221")
        }
        assert found.entries[0].acquired == datetime(2020, 1, 5, tzinfo=UTC)

    def test_by_folder(self, archive: Path) -> None:
        for folder in ("a", "b"):
            write_pan(archive / folder / "fine.tif")
            write_ms(archive / folder / "coarse.tif")
        found = found_in(archive)
        assert inputs(found, archive) == {
            f"{f}_fine": [f"{f}/fine.tif", f"{f}/coarse.tif"] for f in ("a", "b")
        }

    def test_the_one_with_most_ground(self, archive: Path) -> None:
        write_pan(archive / "fine.tif")
        write_ms(archive / "mosaic.tif", (-1, -1), size=16)
        write_ms(archive / "own.tif")
        found = found_in(archive)
        assert inputs(found, archive) == {"fine": ["fine.tif", "own.tif"]}
        assert left(found) == {"mosaic.tif": "fits fine.tif, which is not paired with it"}

    def test_one_ms_for_several_pans(self, archive: Path) -> None:
        write_ms(archive / "mosaic.tif", size=16)
        for place in range(3):
            write_pan(archive / f"t{place}.tif", (0, place))
        assert len(found_in(archive).entries) == 3

    def test_two_pans_of_one_place(self, archive: Path) -> None:
        for name in ("a", "b"):
            write_pan(archive / f"{name}.tif")
        write_ms(archive / "c.tif")
        found = found_in(archive)
        assert found.entries == ()
        assert set(left(found)) == {"a.tif", "b.tif", "c.tif"}
        assert "fits 2 PAN images of one place" in left(found)["a.tif"]

    def test_two_ms_for_one_pan(self, archive: Path) -> None:
        write_pan(archive / "a.tif")
        for name in ("b", "c"):
            write_ms(archive / f"{name}.tif")
        found = found_in(archive)
        assert found.entries == ()
        assert left(found)["a.tif"].startswith("2 MS images fit: b.tif, c.tif; name the right one")

    def test_missing_halves(self, archive: Path) -> None:
        write_pan(archive / "a_pan.tif")
        write_ms(archive / "b_ms.tif", (0, 5))
        reasons = left(found_in(archive))
        assert reasons["a_pan.tif"].startswith("has one band, and no image of several bands shows")
        assert reasons["b_ms.tif"].startswith("has several bands, and no finer image of one band")

    def test_a_coarser_band_is_no_pan(self, archive: Path) -> None:
        write_geotiff(archive / "dem.tif", np.ones((4, 4), np.float32), ORIGIN @ ORIGIN.scale(4))
        write_ms(archive / "x.tif")
        assert found_in(archive).entries == ()

    def test_bad_rasters_are_named(self, archive: Path) -> None:
        (archive / "page.tif").write_text("<html></html>")
        (archive / "zero.tif").write_bytes(b"")
        write_geotiff(archive / "nowhere.tif", np.ones((4, 8, 8), np.uint16), ORIGIN, None)
        reasons = left(found_in(archive))
        assert "HTML page" in reasons["page.tif"]
        assert "is empty" in reasons["zero.tif"]
        assert "does not say where it lies" in reasons["nowhere.tif"]

    def test_across_the_date_line(self, archive: Path) -> None:
        fine = Affine(0.0001, 0, 179.9992, 0, -0.0001, 10)
        write_geotiff(archive / "a.tif", np.ones((16, 16), np.uint16), fine, "EPSG:4326")
        coarse = Affine(0.0004, 0, 179.9992 - 360, 0, -0.0004, 10)
        write_geotiff(archive / "b.tif", np.ones((3, 4, 4), np.uint16), coarse, "EPSG:4326")
        assert len(found_in(archive).entries) == 1


_PLACES = st.builds(
    "{}{}{}{}.tif".format,
    st.sampled_from(["", "a/", "b/", "pan/", "ms/"]),
    st.sampled_from(["s", "t_", "20200101_"]),
    st.sampled_from(["pan", "ms", "P", "M_", "x"]),
    st.sampled_from(["", "_1", "_2m"]),
)


def _meant(place: str) -> bool:
    name = place.rpartition("/")[2]
    return any(fnmatchcase(name, pattern) for pattern in ("*pan*.tif", "*ms*.tif"))


class TestWhatIsLookedAt:
    def test_products_and_pairs_together(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "l8")
        write_dimap(archive / "phr")
        write_pan(archive / "x" / "s_pan.tif")
        write_ms(archive / "x" / "s_ms.tif")
        found = found_in(archive)
        assert [entry.family for entry in found.entries] == ["landsat", "dimap", "pair"]
        assert found.unpaired == ()

    def test_own_outputs_are_left_out(self, archive: Path) -> None:
        write_pan(archive / "s_pan.tif")
        write_ms(archive / "s_ms.tif")
        write_ms(archive / "s.tif")
        (archive / "s.report.json").write_text("{}")
        write_ms(archive / ".s.tif.partial-17")
        write_ms(archive / ".hidden" / "t_ms.tif")
        write_ms(archive / "older" / "u_ms.tif")
        (archive / "older" / "ledger.sqlite").write_bytes(b"")
        write_ms(archive / "out" / "v_ms.tif")
        found = find(FindRequest(archive, skip=(archive / "out",)))
        assert list(inputs(found, archive)) == ["s"]
        assert found.unpaired == ()

    def test_output_without_a_report(self, archive: Path) -> None:
        path = write_ms(archive / "fused.tif")
        with rasterio.open(path, "r+") as out:
            out.update_tags(TIFFTAG_SOFTWARE="pansharpkit 0.1.0")
        assert found_in(archive).unpaired == ()

    def test_the_same_in_every_run(self, archive: Path, tmp_path: Path) -> None:
        for place in range(4):
            write_pan(archive / "d" / f"{place}_pan.tif", (0, place))
            write_ms(archive / "d" / f"{place}_ms.tif", (0, place))
        write_ms(archive / "d" / "loose.tif", (9, 9))
        first = found_in(archive)
        assert first == found_in(archive)
        moved = archive.rename(tmp_path / "elsewhere")
        assert [e.id for e in found_in(moved).entries] == [e.id for e in first.entries]

    def test_relative_archive(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_pan(archive / "-x" / "s_pan.tif")
        write_ms(archive / "-x" / "s_ms.tif")
        monkeypatch.chdir(archive)
        (entry,) = found_in(Path("-x")).entries
        assert entry.inputs[0] == str(archive / "-x" / "s_pan.tif")

    @pytest.mark.parametrize("folder", ["ünï côdé 東京", "a b", "-o", "new\nline", "'\"$(x)"])
    def test_odd_folders(self, archive: Path, folder: str) -> None:
        write_pan(archive / folder / f"{folder}_pan.tif")
        write_ms(archive / folder / f"{folder}_ms.tif")
        (entry,) = found_in(archive).entries
        assert not set(entry.id) & set("/\n '\"$().")
        assert not entry.id.startswith("-")
        assert "\n" not in entry.source
        assert opens(entry)

    @given(st.sets(_PLACES, max_size=14))
    def test_no_raster_is_lost(
        self, tmp_path_factory: pytest.TempPathFactory, places: set[str]
    ) -> None:
        """Each is part of one scene, or listed with a reason."""
        archive = tmp_path_factory.mktemp("any")
        for place in places:
            (archive / place).parent.mkdir(parents=True, exist_ok=True)
            (archive / place).touch()
        for pair in ((), ("PAN=*pan*.tif", "MS=*ms*.tif")):
            found = found_in(archive, *pair)
            used = [text for entry in found.entries for text in entry.inputs]
            alone = [one.path for one in found.unpaired]
            assert len({*used, *alone}) == len(used) + len(alone)
            meant = {str(archive / p) for p in places if not pair or _meant(p)}
            assert {*used, *alone} == meant

    def test_needs_no_tensors(self) -> None:
        """Searching an archive starts as fast as it can."""
        code = "import sys, pansharpkit.archive.find; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_empty_and_absent(self, archive: Path) -> None:
        assert found_in(archive).entries == ()
        with pytest.raises(FileReadError, match="gone: does not exist"):
            found_in(archive / "gone")
        (archive / "x.tif").write_bytes(b"II*\0")
        with pytest.raises(FileReadError, match=r"x\.tif: is no archive; give a folder"):
            found_in(archive / "x.tif")
        with pytest.raises(OptionError, match="--root is for a manifest"):
            find(FindRequest(archive, root=archive))
