"""PRISMA products, whole, odd, broken and hostile; all of them composed, see `prisma_products`."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from prisma_products import COLS, NORTH, RATIO, ROWS, SWIR, VNIR, WEST, Made, Recipe, write_prisma
from watched import never_opened

from pansharpkit.errors import BadBlockWarning, FileReadError, InputError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions
from pansharpkit.readers.cubes.cube import is_cube, open_cube
from pansharpkit.readers.hdf import array as hdf_array
from pansharpkit.readers.hdf.file import open_hdf
from pansharpkit.source import Source

VNIR_CUBE = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/VNIR_Cube"
PAN_CUBE = "HDFEOS/SWATHS/PRS_L2D_PCO/Data Fields/Cube"


def product(path: Path, **changes: object) -> tuple[Path, Made]:
    name = path / "PRS_L2D_STD_20210630.he5"
    return name, write_prisma(name, replace(Recipe(), **changes))


def whole(source: Source) -> np.ndarray:
    values, valid = source.read(source.grid.window)
    assert valid.all()
    return values


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    """Return the message with which a file is refused: one line, exit code 4, its name in it."""
    with pytest.raises(InputError) as caught:
        open_cube(path, options)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in message
    assert path.name in message
    return message


class TestCube:
    def test_bands_ascend_without_dead_ones_and_without_what_both_see(self, tmp_path: Path) -> None:
        path, made = product(tmp_path)
        assert is_cube(path)
        cube = open_cube(path)
        assert cube.spectra is not None
        first_swir = SWIR[:-1].min()
        expected = np.sort([*SWIR[:-1], *VNIR[:-2][VNIR[:-2] < first_swir]])
        np.testing.assert_allclose(cube.spectra.centers_nm, expected, rtol=1e-6)
        assert set(cube.spectra.fwhm_nm or ()) == {11.5, 12.5}
        assert cube.sensor_id == "prisma"
        values = whole(cube.source)
        np.testing.assert_allclose(
            values[0], made.vnir[:, 17].astype(np.float32) * 1.2 / 65535, rtol=1e-5
        )
        np.testing.assert_allclose(
            values[-1], made.swir[:, 0].astype(np.float32) * 0.8 / 65535, rtol=1e-5
        )
        said = "\n".join(cube.notices)
        assert "2 of 20 VNIR bands have no wavelength" in said
        assert "SWIR bands count and 2 VNIR bands are left out" in said

    def test_metadata_travel(self, tmp_path: Path) -> None:
        cube = open_cube(product(tmp_path)[0])
        assert cube.metadata["PRODUCT_STARTTIME"] == "2021-06-30T10:45:30.127000"
        assert cube.metadata["SUN_ZENITH_ANGLE"] == "28.5"

    def test_windows_are_parts_of_the_whole(self, tmp_path: Path) -> None:
        cube = open_cube(product(tmp_path)[0])
        everything = whole(cube.source)
        values, _ = cube.source.read(Window(3, 4, 5, 6))
        np.testing.assert_array_equal(values, everything[:, 3:8, 4:10])

    def test_bands_are_chosen_by_wavelength(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        cube = open_cube(path, ReadOptions(bands=("500-700nm", "2000-2100nm")))
        centers = np.array(cube.spectra.centers_nm if cube.spectra else ())
        assert len(centers)
        assert (((centers > 500) & (centers < 700)) | (centers > 2000)).all()
        every = open_cube(path)
        kept = np.isin(every.spectra.centers_nm if every.spectra else (), centers)
        np.testing.assert_array_equal(whole(cube.source), whole(every.source)[kept])

    def test_flagged_bands_are_left_out(self, tmp_path: Path) -> None:
        flags = np.append(np.ones(39), [0]).astype(np.uint8)
        flags[10:13] = 0
        path, _ = product(tmp_path, attributes={"CNM_SWIR_SELECT": flags})
        cube = open_cube(path)
        assert (
            len(cube.source.names) == len(open_cube(product(tmp_path / "..")[0]).source.names) - 3
        )
        assert any("marked bad" in notice for notice in cube.notices)

    def test_pixels_outside_the_strip_are_missing(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        with h5py.File(path, "r+") as file:
            for name in ("VNIR", "SWIR"):
                file[f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name}_Cube"][:3, :, :4] = 0
            file[PAN_CUBE][:18, :24] = 0
        cube = open_cube(path)
        values, valid = cube.source.read(cube.source.grid.window)
        expected = np.ones((ROWS, COLS), bool)
        expected[:3, :4] = False
        np.testing.assert_array_equal(valid, expected)
        assert np.isfinite(values[:, valid]).all()
        assert cube.guide is not None
        _, seen = cube.guide.read(Window(0, 0, 20, 30))
        assert not seen[:18, :24].any()
        assert seen[18:].all()

    def test_a_zero_in_some_bands_is_a_measurement(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        with h5py.File(path, "r+") as file:
            file[VNIR_CUBE][5, 3:9, 5] = 0
        cube = open_cube(path)
        values, valid = cube.source.read(Window(5, 5, 1, 1))
        assert valid.all()
        assert (values == 0).sum() == 6

    def test_level_1_keeps_its_numbers_and_brings_clouds(self, tmp_path: Path) -> None:
        path, made = product(tmp_path, level="1", clouds=True)
        cube = open_cube(path)
        assert cube.source.dtype == np.uint16
        assert cube.scaling is not None
        assert len(set(cube.scaling)) == 1
        assert cube.scaling[0] == pytest.approx((0.01, 0.0))
        np.testing.assert_array_equal(whole(cube.source)[0], made.vnir[:, 17])
        assert cube.clouds is not None
        found = whole(cube.clouds)[0]
        assert found.sum() == 6
        assert found[2:4, 5:8].all()

    def test_offsets_count(self, tmp_path: Path) -> None:
        path, made = product(tmp_path, attributes={"L2ScaleVnirMin": np.float32(-0.1)})
        first = whole(open_cube(path).source)[0]
        np.testing.assert_allclose(
            first, made.vnir[:, 17] * np.float32(1.3 / 65535) - 0.1, atol=1e-6
        )

    def test_one_detector_is_enough(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        with h5py.File(path, "r+") as file:
            del file["HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube"]
        cube = open_cube(path)
        assert len(cube.source.names) == 18
        assert any("holds the VNIR cube only" in notice for notice in cube.notices)

    def test_a_zip_is_opened(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        packed = tmp_path / "PRS_L2D_STD_20210630.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        assert is_cube(packed)
        np.testing.assert_array_equal(
            whole(open_cube(packed).source), whole(open_cube(path).source)
        )

    def test_threads_and_pickles_read_the_same(self, tmp_path: Path) -> None:
        cube = open_cube(product(tmp_path)[0])
        expected = whole(cube.source)
        windows = [Window(row, 0, 1, COLS) for row in range(ROWS)] * 4
        with ThreadPoolExecutor(4) as pool:
            reads = list(pool.map(lambda w: cube.source.read(w)[0], windows))
        np.testing.assert_array_equal(np.concatenate(reads[:ROWS], axis=1), expected)
        copy = pickle.loads(pickle.dumps(cube.source))
        np.testing.assert_array_equal(whole(copy), expected)


class TestPlace:
    @pytest.mark.parametrize("inset", [15.0, 2.5, 0.0])
    def test_positions_tell_where_pan_begins(self, tmp_path: Path, inset: float) -> None:
        cube = open_cube(product(tmp_path, pan_inset=inset)[0])
        assert cube.source.grid.transform[:6] == (30, 0, WEST - 15, 0, -30, NORTH + 15)
        assert cube.source.grid.crs.to_epsg() == 32630
        assert cube.guide is not None
        assert cube.guide.grid.transform[:6] == (5, 0, WEST - inset, 0, -5, NORTH + inset)

    def test_pan_anywhere_else_lies_where_its_positions_say(self, tmp_path: Path) -> None:
        cube = open_cube(product(tmp_path, pan_inset=9.0)[0])
        assert cube.guide is not None
        assert cube.guide.grid.transform.c == pytest.approx(WEST - 9, abs=0.3)
        assert any("PAN lies where its latitudes" in notice for notice in cube.notices)

    def test_without_positions_pan_covers_the_cube(self, tmp_path: Path) -> None:
        cube = open_cube(product(tmp_path, positions=False)[0])
        assert cube.guide is not None
        assert cube.guide.grid.bounds == cube.source.grid.bounds
        assert any("taken to begin where the cube does" in notice for notice in cube.notices)

    def test_corners_may_be_edges(self, tmp_path: Path) -> None:
        edges = {
            "Product_ULcorner_easting": WEST - 15,
            "Product_ULcorner_northing": NORTH + 15,
            "Product_LRcorner_easting": WEST - 15 + 30 * COLS,
            "Product_LRcorner_northing": NORTH + 15 - 30 * ROWS,
        }
        cube = open_cube(product(tmp_path, attributes=edges)[0])
        assert cube.source.grid.transform[:6] == (30, 0, WEST - 15, 0, -30, NORTH + 15)

    @pytest.mark.parametrize("level", ["1", "2B", "2C"])
    def test_other_levels_are_on_no_map(self, tmp_path: Path, level: str) -> None:
        cube = open_cube(product(tmp_path, level=level)[0])
        assert not cube.georeferenced
        assert cube.source.grid.transform.is_identity
        assert cube.guide is not None
        assert cube.source.grid.sampling_on(cube.guide.grid).ratio == (RATIO, RATIO)
        assert any("is not on a map" in notice for notice in cube.notices)

    def test_corners_of_another_size_are_refused(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path, attributes={"Product_LRcorner_easting": WEST + 30 * 30})
        assert "but the cube has 15 x 12" in refusal(path)

    def test_positions_of_another_place_are_refused(self, tmp_path: Path) -> None:
        moved = {
            f"Product_{c}corner_easting": WEST + 300 + (30 * (COLS - 1) if c == "LR" else 0)
            for c in ("UL", "LR")
        }
        path, _ = product(tmp_path, attributes=moved)
        assert "300 m apart" in refusal(path)


def test_a_detector_without_wavelengths_is_said(tmp_path: Path) -> None:
    cube = open_cube(product(tmp_path, attributes={"List_Cw_Vnir": np.zeros(20, np.float32)})[0])
    assert any("20 of 20 VNIR bands have no wavelength" in notice for notice in cube.notices)
    assert cube.spectra is not None
    assert min(cube.spectra.centers_nm) > 900


ODD: dict[str, tuple[dict[str, object], type[InputError], str]] = {
    "no wavelengths": ({"List_Cw_Vnir": None}, MetadataError, "no attribute List_Cw_Vnir"),
    "fewer wavelengths": (
        {"List_Cw_Vnir": np.ones(5)},
        MetadataError,
        "lists 20 bands, expected 5",
    ),
    "wavelengths in um": (
        {"List_Cw_Vnir": np.linspace(1.0, 0.4, 20), "List_Cw_Vnir_Flags": None},
        MetadataError,
        "no wavelength in nm",
    ),
    "NaN wavelength": ({"List_Cw_Swir": np.full(40, np.nan)}, MetadataError, "List_Cw_Swir"),
    "text for numbers": ({"List_Cw_Swir": np.bytes_("a b")}, MetadataError, "List_Cw_Swir"),
    "all dead": (
        {"List_Cw_Vnir": np.zeros(20), "List_Cw_Swir": np.zeros(40)},
        FileReadError,
        "with a wavelength",
    ),
    "no scale": ({"L2ScaleSwirMax": None}, MetadataError, "no attribute L2ScaleSwirMax"),
    "no range": ({"L2ScaleSwirMax": np.float32(0)}, MetadataError, "is not above"),
    "no corner": ({"Product_ULcorner_easting": None}, MetadataError, "Product_ULcorner_easting"),
    "no such CRS": ({"Epsg_Code": np.int64(999999)}, MetadataError, "Epsg_Code = 999999"),
    "corners upside down": (
        {"Product_LRcorner_northing": NORTH + 999},
        MetadataError,
        "no upper left and lower right",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_attributes_are_named(tmp_path: Path, case: str) -> None:
    attributes, kind, expected = ODD[case]
    path, _ = product(tmp_path, attributes=attributes)
    assert expected in refusal(path)
    with pytest.raises(kind):
        open_cube(path)


def test_a_missing_cube_or_pan_array_is_named(tmp_path: Path) -> None:
    path, _ = product(tmp_path)
    with h5py.File(path, "r+") as file:
        del file[PAN_CUBE]
    assert "PRS_L2D_PCO/Data Fields/Cube is missing" in refusal(path)


def test_another_hdf5_file_is_no_prisma(tmp_path: Path) -> None:
    path = tmp_path / "other.he5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    assert "holds no PRISMA cube" in refusal(path)


class TestBroken:
    @pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_truncated(self, tmp_path: Path, keep: float, compressed: bool) -> None:
        path, _ = product(tmp_path, storage=Recipe().storage if compressed else {})
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        refusal(path)

    def test_not_hdf5_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "a.he5"
        path.write_text("<html>log in</html>")
        assert "is not an HDF5 file" in refusal(path)
        path.write_bytes(b"")
        assert "is empty" in refusal(path)

    def test_random_damage_never_crashes(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        data = path.read_bytes()
        random = np.random.default_rng(5)
        said: list[str] = []
        for trial in range(40):
            broken = bytearray(data)
            for at in random.integers(0, len(data) if trial % 2 else 4096, 8):
                broken[at] = int(random.integers(0, 256))
            path = tmp_path / f"{trial}.he5"
            path.write_bytes(broken)
            try:
                cube = open_cube(path)
                cube.source.read(cube.source.grid.window)
            except InputError as error:
                said.append(str(error).removeprefix(str(path.name)))
        assert 0 < len(said) < 40
        assert all(text.startswith(":") and "\n" not in text for text in said)

    def test_a_damaged_chunk_is_named_or_masked(self, tmp_path: Path) -> None:
        path, made = product(tmp_path)

        def make(group: h5py.Group, name: str) -> None:
            group.create_dataset(name, data=made.vnir, chunks=(4, 20, 15), fletcher32=True)

        _replace(path, make)
        with h5py.File(path) as file:
            chunk = file[VNIR_CUBE].id.get_chunk_info(2)
        with path.open("r+b") as raw:
            raw.seek(chunk.byte_offset + 20)
            raw.write(b"\xff" * 8)
        assert "VNIR_Cube, rows 0-11, columns 0-14 cannot be read" in refusal(path)
        with pytest.warns(BadBlockWarning):
            masked = open_cube(path, ReadOptions(on_bad_block="mask"))
        with pytest.warns(BadBlockWarning):
            _, valid = masked.source.read(masked.source.grid.window)
        np.testing.assert_array_equal(valid.all(1), [row < 8 for row in range(ROWS)])

    def test_an_interrupted_writer_left_nothing(self, tmp_path: Path) -> None:
        path, made = product(tmp_path)
        with h5py.File(path, "r+") as file:
            file[VNIR_CUBE][:] = 0
        assert "holds no data" in refusal(path)
        path = tmp_path / "other.he5"
        write_prisma(path)
        with h5py.File(path, "r+") as file:
            del file[VNIR_CUBE]
            file.create_dataset(VNIR_CUBE, made.vnir.shape, np.uint16, chunks=True)
        assert "was never written" in refusal(path)


def _replace(path: Path, make: Callable[[h5py.Group, str], object]) -> None:
    with h5py.File(path, "r+") as file:
        group = file["HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"]
        del group["VNIR_Cube"]
        make(group, "VNIR_Cube")


class TestHostile:
    """Whatever would read another file is refused before that file is opened."""

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        path = tmp_path / "secret.h5"
        with h5py.File(path, "w") as file:
            file["VNIR_Cube"] = np.ones((ROWS, 20, COLS), np.uint16)
        return path

    def test_external_link(self, tmp_path: Path, secret: Path) -> None:
        path, _ = product(tmp_path)
        _replace(path, lambda g, n: g.__setitem__(n, h5py.ExternalLink(str(secret), "/VNIR_Cube")))
        with never_opened(secret):
            assert "is an external or soft link" in refusal(path)

    def test_external_link_to_a_group_on_the_way(self, tmp_path: Path, secret: Path) -> None:
        path, _ = product(tmp_path)
        with h5py.File(path, "r+") as file:
            del file["HDFEOS/SWATHS"]
            file["HDFEOS/SWATHS"] = h5py.ExternalLink(str(secret), "/")
        with never_opened(secret):
            assert "is an external or soft link" in refusal(path)

    def test_soft_link(self, tmp_path: Path, secret: Path) -> None:
        path, _ = product(tmp_path)
        with h5py.File(path, "r+") as file:
            file["way"] = h5py.ExternalLink(str(secret), "/")
        _replace(path, lambda g, n: g.__setitem__(n, h5py.SoftLink("/way/VNIR_Cube")))
        with never_opened(secret):
            assert "is an external or soft link" in refusal(path)

    @pytest.mark.parametrize("unlimited", [False, True])
    def test_virtual_dataset(self, tmp_path: Path, secret: Path, unlimited: bool) -> None:
        path, _ = product(tmp_path)
        shape = (ROWS, 20, COLS)

        def make(group: h5py.Group, name: str) -> None:
            most = (None, *shape[1:]) if unlimited else shape
            layout = h5py.VirtualLayout(shape, np.uint16, maxshape=most)
            layout[:] = h5py.VirtualSource(str(secret), "VNIR_Cube", shape)
            group.create_virtual_dataset(name, layout)

        _replace(path, make)
        with never_opened(secret):
            assert "is a virtual dataset" in refusal(path)

    def test_external_storage(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        raw = tmp_path / "secret.bin"
        raw.write_bytes(b"\1" * (ROWS * 20 * COLS * 2))
        shape = (ROWS, 20, COLS)
        _replace(
            path,
            lambda g, n: g.create_dataset(
                n, shape, np.uint16, external=[(str(raw), 0, h5py.h5f.UNLIMITED)]
            ),
        )
        with never_opened(raw):
            assert "stored in external files" in refusal(path)

    def test_the_watch_sees_an_opened_file(self, tmp_path: Path, secret: Path) -> None:
        with pytest.raises(pytest.fail.Exception), never_opened(secret):
            open_hdf(secret)

    def test_a_huge_chunk(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        _replace(
            path,
            lambda g, n: g.create_dataset(
                n, (2**15, 20, 2**15), np.uint16, chunks=(2**12, 20, 2**12), compression=9
            ).id.write_direct_chunk((0, 0, 0), b"x"),
        )
        message = refusal(path, ReadOptions(max_pixels=2**50))
        assert "chunks of 671088640 bytes, at most 134217728" in message

    def test_a_chunk_larger_than_its_content(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)

        def make(group: h5py.Group, name: str) -> None:
            array = group.create_dataset(
                name, (ROWS, 20, COLS), np.uint16, chunks=(1, 1, 1), compression=9
            )
            array.id.write_direct_chunk((0, 0, 0), b"\0" * 2**20)

        _replace(path, make)
        assert "larger than its content" in refusal(path)

    def test_a_chunk_that_unpacks_to_far_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, _ = product(tmp_path)
        monkeypatch.setattr(hdf_array, "_HARMLESS", 2**16)
        pack = zlib.compressobj(1)
        zeros = bytes(2**24)
        bomb = b"".join(pack.compress(zeros) for _ in range(6)) + pack.flush()
        size = (128, 20, 128)
        assert 2**16 < len(bomb) < 128 * 20 * 128 * 2 < 2**26

        def make(group: h5py.Group, name: str) -> None:
            array = group.create_dataset(name, size, np.uint16, chunks=size, compression=9)
            array.id.write_direct_chunk((0, 0, 0), bomb)

        _replace(path, make)
        assert "unpacks to more than the 655360 bytes" in refusal(path)

    def test_compressed_twice(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)

        def make(group: h5py.Group, name: str) -> None:
            stored = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            stored.set_chunk((ROWS, 20, COLS))
            stored.set_deflate(9)
            stored.set_deflate(9)
            space = h5py.h5s.create_simple((ROWS, 20, COLS))
            made = h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_UINT16, space, stored)
            h5py.Dataset(made)[:] = 1

        _replace(path, make)
        assert "compressed twice" in refusal(path)

    def test_too_many_pixels_and_chunks(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)

        def make(group: h5py.Group, name: str) -> None:
            array = group.create_dataset(name, (2**14, 20, 2**14), np.uint16, chunks=(8, 8, 8))
            array[0, 0, 0] = 1

        _replace(path, make)
        assert "chunks" in refusal(path)
        assert "at most 1000 are allowed" in refusal(path, ReadOptions(max_pixels=1000))

    def test_arrays_of_something_else(self, tmp_path: Path) -> None:
        path, _ = product(tmp_path)
        _replace(path, lambda g, n: g.create_dataset(n, data=np.ones((3, 3), np.uint16)))
        assert "not an array of real numbers" in refusal(path)
        path = tmp_path / "other.he5"
        write_prisma(path)
        _replace(path, lambda g, n: g.create_dataset(n, data=np.array([[["a"]]], "S3")))
        assert "not an array of real numbers" in refusal(path)
