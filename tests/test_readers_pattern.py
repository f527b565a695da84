"""MS bands by pattern: which files, in which order, called what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import pansharpkit
from hypothesis import given
from hypothesis import strategies as st
from rasters import ORIGIN, write_geotiff
from vendor_products import ground

from pansharpkit.errors import FileReadError, GridError, InputError, OptionError
from pansharpkit.readers import ReadOptions, files_of, open_product
from pansharpkit.readers.pattern import _natural, expand, is_pattern


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """B1 to B4 and the PAN, B8, as files named alike."""
    pan, ms = ground()
    for number, values in enumerate(ms.values, 1):
        write_geotiff(tmp_path / f"scene_B{number}.tif", values, ms.transform)
    write_geotiff(tmp_path / "scene_B8.tif", pan.values, pan.transform)
    return tmp_path


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def found(pattern: Path | str, *others: str) -> list[tuple[str, str]]:
    return [(path.name, band) for path, band in expand(str(pattern), others)]


class TestExpand:
    def test_all_bands_but_the_pan_in_their_order(self, tmp_path: Path) -> None:
        touch(tmp_path, "s_B10.tif", "s_B2.tif", "s_B9.tif", "s_B8A.tif", "s_B8.tif", "s_B2.txt")
        assert found(tmp_path / "s_B{band}.tif", str(tmp_path / "s_B8.tif")) == [
            ("s_B2.tif", "B2"), ("s_B8A.tif", "B8A"), ("s_B9.tif", "B9"), ("s_B10.tif", "B10"),
        ]  # fmt: skip

    def test_these_bands_in_this_order(self, tmp_path: Path) -> None:
        touch(tmp_path, "s_B2.tif", "s_B3.tif", "s_B4.tif")
        assert found(tmp_path / "s_{B4, B2}.tif") == [("s_B4.tif", "B4"), ("s_B2.tif", "B2")]

    def test_names_in_words(self, tmp_path: Path) -> None:
        touch(tmp_path, "s_nir.tif", "s_blue.tif", "s_red-edge.tif", "s_no_band.tif")
        assert found(tmp_path / "s_{band}.tif") == [
            ("s_blue.tif", "blue"), ("s_nir.tif", "nir"), ("s_red-edge.tif", "red-edge"),
        ]  # fmt: skip

    def test_anything_elsewhere(self, tmp_path: Path) -> None:
        name = "T30TXN_20150630T1049_B{}_10m.tif"
        touch(tmp_path, name.format("02"), name.format("8A"), "B02.tif")
        assert found(tmp_path / "*_B{band}_1?m.tif") == [
            (name.format("02"), "B2"), (name.format("8A"), "B8A"),
        ]  # fmt: skip

    def test_in_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(touch(tmp_path, "a1.tif", "a2.tif"))
        assert found("a{band}.tif") == [("a1.tif", "1"), ("a2.tif", "2")]
        assert found("a{band}.tif", "./a2.tif") == [("a1.tif", "1")]

    def test_points_and_brackets_mean_themselves(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.b+(1).tif", "aXb+(2).tif")
        assert found(tmp_path / "a.b+({band}).tif") == [("a.b+(1).tif", "1")]

    def test_a_folder_is_no_band(self, tmp_path: Path) -> None:
        (touch(tmp_path, "a1.tif") / "a2.tif").mkdir()
        assert found(tmp_path / "a{band}.tif") == [("a1.tif", "1")]

    @pytest.mark.parametrize(
        ("pattern", "cause"),
        [
            ("a{band}_{band}.tif", "exactly once"),
            ("{band}/a.tif", "exactly once"),
            ("{band}/a{band}.tif", "exactly once"),
            ("a{band.tif{1}", "exactly once"),
            ("a{}.tif", "neither"),
            ("a{1,,2}.tif", "neither"),
            ("a{../b,2}.tif", "exactly once"),
            ("a{..,2}.tif", "neither"),
        ],
    )
    def test_no_patterns(self, tmp_path: Path, pattern: str, cause: str) -> None:
        with pytest.raises(OptionError, match=cause):
            expand(str(tmp_path / pattern))

    def test_missing_band(self, tmp_path: Path) -> None:
        touch(tmp_path, "s_B2.tif", "s_B3.tif")
        with pytest.raises(FileReadError, match=r"s_\{B2,B5\}\.tif: band B5 is missing, found B2"):
            expand(str(tmp_path / "s_{B2,B5}.tif"))

    def test_two_files_for_one_band(self, tmp_path: Path) -> None:
        touch(tmp_path, "x_B2.tif", "y_B2.tif")
        with pytest.raises(FileReadError, match=r"2 files fit band 2: x_B2\.tif, y_B2\.tif"):
            expand(str(tmp_path / "*_B{band}.tif"))

    def test_nothing_fits(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match="no file fits this pattern"):
            expand(str(tmp_path / "a{band}.tif"))
        with pytest.raises(FileReadError, match="cannot be listed"):
            expand(str(tmp_path / "gone" / "a{band}.tif"))

    def test_a_file_with_braces_is_a_file(self, tmp_path: Path) -> None:
        path = touch(tmp_path, "a{band}.tif") / "a{band}.tif"
        assert not is_pattern(str(path))
        assert is_pattern(str(tmp_path / "b{band}.tif"))

    @given(st.lists(st.integers(0, 999), unique=True))
    def test_numbers_are_in_the_order_of_numbers(self, numbers: list[int]) -> None:
        tokens = [f"B{number}" for number in numbers]
        assert sorted(tokens, key=_natural) == [f"B{number}" for number in sorted(numbers)]


class TestOpen:
    def test_pixels_and_names(self, scene: Path) -> None:
        product = open_product([str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")])
        assert product.target.names == ("B1", "B2", "B3", "B4")
        values, valid = product.target.read(product.target.grid.window)
        np.testing.assert_array_equal(values, ground()[1].values)
        assert valid.all()

    def test_bands_of_a_pattern(self, scene: Path) -> None:
        inputs = [str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")]
        product = open_product(inputs, ReadOptions(bands=("B3", "B1")))
        assert product.target.names == ("B3", "B1")

    def test_a_pattern_beside_a_file(self, scene: Path) -> None:
        inputs = ["scene_B8.tif", "scene_{B4,B3}.tif", "scene_B1.tif"]
        product = open_product([str(scene / name) for name in inputs])
        assert product.target.names == ("B4", "B3", "B1")

    def test_file_with_several_bands(self, scene: Path) -> None:
        _, ms = ground()
        write_geotiff(scene / "scene_B5.tif", ms.values[:2], ms.transform)
        with pytest.raises(InputError, match=r"B5\.tif: expected 1 band \(B5\), found 2"):
            open_product([str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")])

    def test_bands_on_different_grids(self, scene: Path) -> None:
        write_geotiff(scene / "scene_B5.tif", np.ones((9, 9)), ORIGIN @ Affine.scale(2))
        with pytest.raises(GridError, match=r"scene_B1\.tif and scene_B5\.tif"):
            open_product([str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")])

    def test_no_reflectance_without_metadata(self, scene: Path) -> None:
        inputs = [str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")]
        with pytest.raises(OptionError, match="--toa needs the metadata of a product"):
            open_product(inputs, ReadOptions(toa=True))

    def test_fuse(self, scene: Path) -> None:
        out = scene / "out.tif"
        command = (
            "fuse", scene / "scene_B8.tif", scene / "scene_{B4,B3,B2}.tif", "-o", out,
            "-m", "gsa", "--sensor", "landsat8_oli", "--no-report",
        )  # fmt: skip
        assert pansharpkit(*command).code == 0
        with rasterio.open(out) as dataset:
            assert dataset.descriptions == ("B4", "B3", "B2")

    def test_no_band_is_overwritten(self, scene: Path) -> None:
        inputs = [str(scene / "scene_B8.tif"), str(scene / "scene_B{band}.tif")]
        assert scene / "scene_B3.tif" in files_of(inputs)
        size = (scene / "scene_B3.tif").stat().st_size
        outcome = pansharpkit("fuse", *inputs, "-o", scene / "scene_B3.tif", "--overwrite")
        assert outcome.code != 0
        assert (scene / "scene_B3.tif").stat().st_size == size

    def test_exit_codes(self, scene: Path) -> None:
        pan = scene / "scene_B8.tif"
        assert pansharpkit("info", pan, scene / "scene_{B1,B7}.tif").code == 4
        assert pansharpkit("info", pan, scene / "{band}{band}.tif").code == 2
