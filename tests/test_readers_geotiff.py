"""Pixels, validity, names and bands of GeoTIFFs and of pairs of them."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasters import ORIGIN, make_pair, write_geotiff

from pansharpkit.errors import (
    BadBlockWarning,
    FileReadError,
    GridError,
    InputError,
    OptionError,
    PansharpkitWarning,
)
from pansharpkit.grid import Window
from pansharpkit.readers import GeoTiffSource, ReadOptions, open_geotiff, open_pair
from pansharpkit.readers.derived import ScaledSource, stack

TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
NOISE = np.random.default_rng(0).integers(1, 4000, (3, 50, 70), np.uint16)


def all_of(source: GeoTiffSource) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    return source.read(source.grid.window)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> GeoTiffSource:
    path = tmp_path_factory.mktemp("in") / "a.tif"
    return open_geotiff(write_geotiff(path, NOISE, nodata=7, options=TILED))


class TestReading:
    @settings(deadline=None, max_examples=30)
    @given(data=st.data())
    def test_a_window_is_a_part_of_the_whole(
        self, source: GeoTiffSource, data: st.DataObject
    ) -> None:
        row, col = data.draw(st.integers(0, 49)), data.draw(st.integers(0, 69))
        window = Window(
            row, col, data.draw(st.integers(1, 50 - row)), data.draw(st.integers(1, 70 - col))
        )
        values, valid = source.read(window)
        expected = NOISE[(slice(None), *window.slices)]
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(valid, (expected != 7).all(axis=0))

    def test_threads_agree(self, source: GeoTiffSource) -> None:
        windows = [Window(r, c, 10, 10) for r in range(0, 40, 4) for c in range(0, 60, 4)]
        with ThreadPoolExecutor(8) as pool:
            reads = list(pool.map(source.read, windows))
        for window, (values, _) in zip(windows, reads, strict=True):
            np.testing.assert_array_equal(values, NOISE[(slice(None), *window.slices)])

    def test_each_thread_has_its_own_dataset(self, source: GeoTiffSource) -> None:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(lambda: source.file.dataset).result()
        assert other is not source.file.dataset
        assert source.file.dataset is source.file.dataset

    def test_travels_to_other_processes(self, source: GeoTiffSource) -> None:
        copy = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(all_of(copy)[0], NOISE)

    def test_survives_a_fork(self, source: GeoTiffSource) -> None:
        """A child that shared the open file would move the parent's place in it."""
        here = source.file.dataset
        context = multiprocessing.get_context("fork")
        answer = context.Queue()

        def look() -> None:
            answer.put((source.file.dataset is here, int(all_of(source)[0].sum())))

        child = context.Process(target=look)
        child.start()
        assert answer.get(timeout=20) == (False, int(NOISE.sum()))
        child.join()
        assert source.file.dataset is here

    def test_opening_reads_next_to_nothing(self, tmp_path: Path) -> None:
        """A damaged block goes unnoticed until a window touches it: reading is lazy."""
        path = write_geotiff(tmp_path / "a.tif", NOISE[:1], options=TILED)
        _damage_block(path, row=1, col=1)
        source = open_geotiff(path)
        values, _ = source.read(Window(32, 32, 18, 38))
        np.testing.assert_array_equal(values[0], NOISE[0, 32:, 32:])

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (16, 17)])
    def test_tiny_images(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        values = np.arange(1, shape[0] * shape[1] + 1, dtype=np.int32).reshape(shape)
        source = open_geotiff(write_geotiff(tmp_path / "a.tif", values))
        np.testing.assert_array_equal(all_of(source)[0][0], values)


class TestValidity:
    @pytest.mark.parametrize(
        ("dtype", "nodata", "holes"),
        [
            ("uint16", None, []),
            ("uint16", 0, [0]),
            ("int16", -9999, [-9999]),
            ("float32", float("nan"), [float("nan")]),
            ("float32", None, [float("nan"), float("inf"), float("-inf")]),
            ("float32", -3.4e38, [-3.4e38]),
            ("float32", -9999, [-9999, float("nan")]),
            ("float64", 1e-9, [1e-9]),
        ],
    )
    def test_nodata_kinds(
        self, tmp_path: Path, dtype: str, nodata: float | None, holes: list[float]
    ) -> None:
        values = np.full((6, 7), 12, dtype)
        for i, hole in enumerate(holes):
            values[i, 2] = hole
        source = open_geotiff(write_geotiff(tmp_path / "a.tif", values, nodata=nodata))
        expected = np.ones((6, 7), bool)
        expected[: len(holes), 2] = False
        np.testing.assert_array_equal(all_of(source)[1], expected)

    def test_a_gap_in_one_band_is_a_gap(self, tmp_path: Path) -> None:
        values = NOISE.copy()
        values[1, 4, 5] = 0
        _, valid = all_of(open_geotiff(write_geotiff(tmp_path / "a.tif", values, nodata=0)))
        assert not valid[4, 5]
        assert valid.sum() == valid.size - 1

    def test_option_replaces_what_the_file_says(self, tmp_path: Path) -> None:
        values = np.array([[1, 2, 3, 4]], np.int16)
        path = write_geotiff(tmp_path / "a.tif", values, nodata=1)
        source = open_geotiff(path, ReadOptions(nodata=3))
        assert source.nodata == 3
        assert all_of(source)[1].tolist() == [[True, True, False, True]]

    @pytest.mark.parametrize("text", [b"-9999", b"99999", b"  nan", b"0.125"])
    def test_declared_value_that_cannot_occur(self, tmp_path: Path, text: bytes) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE, nodata=12345)
        data = path.read_bytes()
        assert data.count(b"12345\0") == 1
        path.write_bytes(data.replace(b"12345\0", text + b"\0"))
        source = open_geotiff(path)
        assert source.nodata is None
        assert all_of(source)[1].all()
        (notice,) = source.notices
        assert notice.startswith("a.tif: nodata")
        assert "uint16" in notice

    @pytest.mark.parametrize("value", [-1, 65536, 0.5, float("nan"), float("inf")])
    def test_given_value_that_cannot_occur(self, tmp_path: Path, value: float) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE)
        source = open_geotiff(path, ReadOptions(nodata=value))
        assert source.nodata is None
        assert "cannot occur in uint16" in source.notices[0]

    @pytest.mark.parametrize(
        ("declared", "default", "counts"), [(5, None, 5.0), (5, 0.0, 0.0), (None, None, None)]
    )
    def test_given_value_that_cannot_occur_leaves_the_others(
        self, tmp_path: Path, declared: float | None, default: float | None, counts: float | None
    ) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE, nodata=declared)
        source = open_geotiff(path, ReadOptions(nodata=-9999, default_nodata=default))
        assert source.nodata == counts
        assert ["nodata -9999 cannot occur" in text for text in source.notices] == [True]

    def test_negative_values_are_kept(self, tmp_path: Path) -> None:
        values = np.array([[-300, -1, 0, 7]], np.int16)
        source = open_geotiff(write_geotiff(tmp_path / "a.tif", values))
        np.testing.assert_array_equal(all_of(source)[0][0], values)
        assert all_of(source)[1].all()

    def test_mask_band_inside_the_file(self, tmp_path: Path) -> None:
        mask = np.ones((50, 70), bool)
        mask[10:20, 30:40] = False
        source = open_geotiff(write_geotiff(tmp_path / "a.tif", NOISE, mask=mask))
        np.testing.assert_array_equal(all_of(source)[1], mask)
        assert source.read(Window(12, 25, 4, 10))[1].sum() == 4 * 5
        assert not (tmp_path / "a.tif.msk").exists()

    def test_a_band_labelled_alpha_is_a_band(self, tmp_path: Path) -> None:
        """GDAL labels the fourth of four byte bands so, which is the near infrared."""
        values = np.random.default_rng(0).integers(0, 255, (4, 9, 9), np.uint8)
        values[3, 0, 0] = 0
        source = open_geotiff(write_geotiff(tmp_path / "a.tif", values))
        np.testing.assert_array_equal(all_of(source)[0], values)
        assert all_of(source)[1].all()
        assert "band 4 is labelled alpha" in source.notices[0]


class TestDamage:
    @pytest.fixture
    def damaged(self, tmp_path: Path) -> Path:
        path = write_geotiff(tmp_path / "hurt.tif", NOISE, options=TILED)
        _damage_block(path, row=1, col=2)
        return path

    def test_fails_naming_file_and_window(self, damaged: Path) -> None:
        source = open_geotiff(damaged)
        with pytest.raises(FileReadError, match=r"hurt\.tif: rows 10-29, columns 20-49 cannot"):
            source.read(Window(10, 20, 20, 30))
        source.read(Window(0, 0, 16, 70))

    def test_in_the_last_block_is_found_at_once(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "hurt.tif", NOISE, options=TILED)
        _damage_block(path, row=3, col=4)
        with pytest.raises(FileReadError, match=r"hurt\.tif: the last block cannot be read"):
            open_geotiff(path)

    def test_masks_just_the_block(self, damaged: Path) -> None:
        source = open_geotiff(damaged, ReadOptions(on_bad_block="mask"))
        with pytest.warns(PansharpkitWarning, match=r"rows 16-31, columns 32-47 .*masked"):
            values, valid = all_of(source)
        expected = np.ones((50, 70), bool)
        expected[16:32, 32:48] = False
        np.testing.assert_array_equal(valid, expected)
        np.testing.assert_array_equal(values[:, valid], NOISE[:, valid])

    def test_warns_of_the_whole_block_whatever_the_window(self, damaged: Path) -> None:
        source = open_geotiff(damaged, ReadOptions(on_bad_block="mask"))
        for row in range(16, 32, 4):
            with pytest.warns(BadBlockWarning, match=r"rows 16-31, columns 32-47 cannot"):
                source.read(Window(row, 40, 4, 4))

    def test_masking_does_not_depend_on_the_window(self, damaged: Path) -> None:
        source = open_geotiff(damaged, ReadOptions(on_bad_block="mask"))
        with pytest.warns(PansharpkitWarning):
            whole = all_of(source)[1]
        with pytest.warns(PansharpkitWarning):
            part = source.read(Window(20, 40, 20, 20))[1]
        np.testing.assert_array_equal(part, whole[20:40, 40:60])

    def test_truncated_file_can_be_rescued(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "cut.tif", NOISE, options={"blockysize": 1})
        path.write_bytes(path.read_bytes()[:-6000])
        with pytest.raises(FileReadError, match="truncated"):
            open_geotiff(path)
        source = open_geotiff(path, ReadOptions(on_bad_block="mask"))
        with pytest.warns(PansharpkitWarning):
            values, valid = all_of(source)
        assert 0.5 < valid.mean() < 1
        np.testing.assert_array_equal(values[:, valid], NOISE[:, valid])


def _damage_block(path: Path, row: int, col: int) -> None:
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))


class TestNames:
    def test_descriptions(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE, names=("Blue", "Green", "Red"))
        assert open_geotiff(path).names == ("Blue", "Green", "Red")

    @pytest.mark.parametrize("names", [("Blue",), ("Blue", "Blue", "Red"), ()])
    def test_incomplete_or_double_descriptions(
        self, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE, names=names)
        assert open_geotiff(path).names == ("band 1", "band 2", "band 3")

    @pytest.mark.parametrize(
        ("file", "name"),
        [("LC08_X_B5.TIF", "B5"), ("b12.tif", "B12"), ("s2-B8a.tif", "B8A"), ("nir.tif", "nir")],
    )
    def test_single_band_files(self, tmp_path: Path, file: str, name: str) -> None:
        assert open_geotiff(write_geotiff(tmp_path / file, NOISE[0])).names == (name,)

    def test_description_on_one_line(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", NOISE[0], names=("a\nb",))
        assert open_geotiff(path).names == (r"a\nb",)


class TestPairs:
    @pytest.mark.parametrize("ratio", [2, 4, 2.5])
    def test_one_file(self, tmp_path: Path, ratio: float) -> None:
        pair = make_pair(tmp_path, ratio=ratio)
        product = open_pair(pair.pan, [pair.ms])
        sampling = product.target.grid.sampling_on(product.guide.grid)
        assert sampling.ratio == pytest.approx((ratio, ratio))
        assert sampling.phase == pytest.approx(((ratio - 1) / 2,) * 2, abs=1e-6)
        assert product.guide.names == ("PAN",)
        assert product.target.names == ("B1", "B2", "B3", "B4")
        assert product.sensor_id is None
        assert product.clouds is None
        assert product.scaling is None

    def test_the_pair_shows_one_ground(self, tmp_path: Path) -> None:
        """PAN is the stated mixture of the truth; the MS is the truth blurred and sampled."""
        pair = make_pair(tmp_path, ratio=2, phase=(0, 1), dtype="float64")
        product = open_pair(pair.pan, [pair.ms])
        assert product.target.grid.sampling_on(product.guide.grid).phase == pytest.approx((0, 1))
        pan, _ = product.guide.read(product.guide.grid.window)
        np.testing.assert_allclose(pan[0], np.tensordot(pair.weights, pair.truth, 1))
        ms, _ = product.target.read(product.target.grid.window)
        for band in range(4):
            seen = pair.truth[band, 0 : 2 * 24 : 2, 1 : 2 * 32 : 2]
            assert np.corrcoef(ms[band, :, : seen.shape[1]].ravel(), seen.ravel())[0, 1] > 0.9

    def test_one_file_per_band_each_with_its_nodata(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path, bands=3)
        bands, _ = open_geotiff(pair.ms).read(Window(0, 0, 24, 32))
        coarse = open_geotiff(pair.ms).grid.transform
        files = []
        for i, nodata in enumerate((None, 0, -9999)):
            band = bands[i].astype(np.int16)
            if nodata is not None:
                band[i, 0] = nodata
            path = tmp_path / f"x_B{i + 2}.tif"
            files.append(write_geotiff(path, band, coarse, nodata=nodata))
        target = open_pair(pair.pan, files).target
        assert target.names == ("B2", "B3", "B4")
        assert target.nodata is None
        assert target.label == "x_B2.tif and 2 more"
        _, valid = target.read(Window(0, 0, 24, 32))
        assert np.argwhere(~valid).tolist() == [[1, 0], [2, 0]]

    def test_bands_of_several_files_must_share_the_grid(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path)
        coarse = ORIGIN @ Affine.scale(4)
        first = write_geotiff(tmp_path / "one.tif", NOISE[0], coarse)
        others = {
            "pixels apart": (NOISE[1], coarse @ Affine.translation(0.5, 0), "EPSG:32630"),
            "70 x 50 and 70 x 49": (NOISE[1, :-1], coarse, "EPSG:32630"),
            "different CRS": (NOISE[1], coarse, "EPSG:32631"),
        }
        for cause, (values, transform, crs) in others.items():
            other = write_geotiff(tmp_path / "two.tif", values, transform, crs)
            with pytest.raises(GridError, match=rf"one\.tif and two\.tif.*{cause}"):
                open_pair(pair.pan, [first, other])

    def test_counts(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path)
        with pytest.raises(InputError, match=r"ms\.tif: expected a PAN with 1 band, found 4.*swap"):
            open_pair(pair.ms, [pair.pan])
        three = write_geotiff(tmp_path / "rgb.tif", NOISE)
        with pytest.raises(InputError, match=r"rgb\.tif: expected a PAN with 1 band, found 3"):
            open_pair(three, [pair.ms])
        with pytest.raises(InputError, match=r"pan\.tif: expected an MS with at least 2.*found 1"):
            open_pair(pair.pan, [pair.pan])
        with pytest.raises(OptionError):
            open_pair(pair.pan, [])

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            (("B4", "B1"), ("B4", "B1")),
            (("1", "3"), ("B1", "B3")),
            (("b2", "4", "b3"), ("B2", "B4", "B3")),
        ],
    )
    def test_choice_of_bands(
        self, tmp_path: Path, wanted: tuple[str, ...], names: tuple[str, ...]
    ) -> None:
        pair = make_pair(tmp_path)
        whole, _ = open_pair(pair.pan, [pair.ms]).target.read(Window(0, 0, 9, 9))
        target = open_pair(pair.pan, [pair.ms], ReadOptions(bands=wanted)).target
        assert target.names == names
        values, _ = target.read(Window(0, 0, 9, 9))
        np.testing.assert_array_equal(values, whole[[int(n[1]) - 1 for n in names]])

    def test_choice_among_files_by_a_word_of_the_name(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path)
        coarse = ORIGIN @ Affine.scale(4)
        one = write_geotiff(tmp_path / "1.tif", NOISE[:2], coarse, names=("B2 Blue", "B3 Green"))
        two = write_geotiff(tmp_path / "2.tif", NOISE[2], coarse, names=("B4 Red",))
        options = ReadOptions(bands=("red", "green", "BLUE"))
        target = open_pair(pair.pan, [one, two], options).target
        assert target.names == ("B4 Red", "B3 Green", "B2 Blue")
        values, _ = target.read(Window(0, 0, 50, 70))
        np.testing.assert_array_equal(values, NOISE[[2, 1, 0]])

    @pytest.mark.parametrize(
        "wanted", [("B9", "B1"), ("0", "1"), ("5", "1"), ("B1",), ("B1", "B1"), ("B1", "B2", "1")]
    )
    def test_bands_that_are_not_there_or_twice(
        self, tmp_path: Path, wanted: tuple[str, ...]
    ) -> None:
        pair = make_pair(tmp_path)
        with pytest.raises(OptionError, match=wanted[0]):
            open_pair(pair.pan, [pair.ms], ReadOptions(bands=wanted))

    def test_reflectance_needs_metadata(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path)
        with pytest.raises(OptionError, match="--toa"):
            open_pair(pair.pan, [pair.ms], ReadOptions(toa=True))

    def test_tags_and_scaling_are_carried(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path)
        with rasterio.open(pair.ms, "r+") as dataset:
            dataset.update_tags(DATE_ACQUIRED="2015-06-30", EVIL="a\nb", LONG="x" * 1001)
            dataset.scales, dataset.offsets = (2e-5,) * 4, (-0.1,) * 4
        product = open_pair(pair.pan, [pair.ms])
        assert product.metadata == {"DATE_ACQUIRED": "2015-06-30", "EVIL": r"a\nb"}
        assert product.scaling == ((2e-5, -0.1),) * 4


def test_mixed_types_are_promoted(tmp_path: Path) -> None:
    a = open_geotiff(write_geotiff(tmp_path / "a.tif", NOISE[0]))
    b = open_geotiff(write_geotiff(tmp_path / "b.tif", NOISE[1].astype(np.float32)))
    both = stack([a, b], "both")
    assert both.dtype == np.float32
    assert both.names == ("a", "b")
    values, _ = both.read(Window(0, 0, 50, 70))
    np.testing.assert_array_equal(values, NOISE[:2].astype(np.float32))


def test_scaled_source(tmp_path: Path) -> None:
    source = open_geotiff(write_geotiff(tmp_path / "a.tif", NOISE, nodata=7))
    scaled = ScaledSource(source, ((2.0, 1.0), (0.5, 0.0), (1.0, -3.0)))
    values, valid = scaled.read(Window(0, 0, 50, 70))
    assert values.dtype == np.float32
    expected = NOISE * np.array([2, 0.5, 1])[:, None, None] + np.array([1, 0, -3])[:, None, None]
    np.testing.assert_allclose(values[:, valid], expected[:, valid])
    assert np.isnan(values[:, ~valid]).all()
    assert (~valid).any()
