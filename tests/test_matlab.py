"""Cubes in MATLAB files: which variable, which axes, and files that are broken or hostile."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import MS, demo_source
from scipy.io import loadmat, savemat
from watched import never_opened

from pansharpkit.errors import FileReadError, InputError, OptionError, PansharpkitError
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions, open_product
from pansharpkit.readers.cubes.cube import is_cube, open_cube
from pansharpkit.readers.guide import open_guide
from pansharpkit.readers.matlab.mat5 import open_mat5

ROWS, COLS, BANDS = 9, 11, 4


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint16]:
    """[bands, rows, cols] of real ground."""
    return np.asarray(demo_source(MS, Window(100, 120, ROWS, COLS)).values, np.uint16)


def write_73(path: Path, **variables: NDArray[np.generic]) -> Path:
    """Write arrays as MATLAB 7.3 does: HDF5 behind a header, the axes in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            array = file.create_dataset(name, data=values.T, chunks=True, compression=4)
            kind = {"float64": "double", "float32": "single"}.get(values.dtype.name)
            array.attrs["MATLAB_class"] = np.bytes_(kind or values.dtype.name)
        file.create_group("#refs#")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return path


def write_5(path: Path, **variables: NDArray[np.generic]) -> Path:
    savemat(path, variables, do_compression=True)
    return path


WRITERS = pytest.mark.parametrize("write", [write_5, write_73])


def whole(path: Path, **options: object) -> NDArray[np.generic]:
    source = open_cube(path, ReadOptions(**options)).source
    values, valid = source.read(source.grid.window)
    assert valid.all()
    return values


def refusal(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(PansharpkitError) as caught:
        open_cube(path, options)
    message = str(caught.value)
    assert caught.value.exit_code in (2, 4)
    assert "\n" not in message
    assert path.name in message
    return message


class TestAxes:
    @WRITERS
    @pytest.mark.parametrize("axes", [None, "rcb", "rbc", "crb", "cbr", "brc", "bcr"])
    def test_any_order(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object, axes: str | None
    ) -> None:
        stored = image.transpose(["brc".index(axis) for axis in axes or "rcb"])
        path = write(tmp_path / "a.mat", cube=np.ascontiguousarray(stored))
        np.testing.assert_array_equal(whole(path, mat_axes=axes), image)

    @WRITERS
    @pytest.mark.parametrize("axes", [None, "bp", "pb", "bP", "Pb"])
    def test_a_matrix_of_pixels(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object, axes: str | None
    ) -> None:
        down = image if axes and "P" in axes else image.transpose(0, 2, 1)
        stored = down.reshape(BANDS, -1)
        stored = stored.T if axes and axes[1] == "b" else stored
        path = write(tmp_path / "a.mat", Y=np.ascontiguousarray(stored))
        found = whole(path, mat_axes=axes, mat_size=(ROWS, COLS))
        np.testing.assert_array_equal(found, image)

    @WRITERS
    def test_variables_give_the_size(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        path = write(
            tmp_path / "a.mat",
            Y=image.transpose(0, 2, 1).reshape(BANDS, -1),
            A=np.ones((2, ROWS * COLS)),
            nRow=np.array([[float(ROWS)]]),
            nCol=np.array([[float(COLS)]]),
            nBand=np.array([[float(BANDS)]]),
        )
        np.testing.assert_array_equal(whole(path), image)

    def test_what_was_taken_is_said(self, tmp_path: Path, image: NDArray[np.uint16]) -> None:
        cube = open_cube(write_5(tmp_path / "a.mat", cube=image.transpose(1, 2, 0)))
        assert cube.notices[0] == (
            "a.mat: cube 9 x 11 x 4 uint16 is taken for rows x columns x bands; --mat-key and "
            "--mat-axes say otherwise"
        )
        assert not cube.georeferenced
        assert cube.source.grid.transform.is_identity

    @WRITERS
    def test_wavelengths_in_the_file_are_used(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        centers = np.array([[0.482, 0.561, 0.655, 0.865]])
        path = write(tmp_path / "a.mat", cube=image.transpose(1, 2, 0), Wavelength=centers)
        cube = open_cube(path)
        assert cube.spectra is not None
        assert cube.spectra.centers_nm == (482, 561, 655, 865)

    @WRITERS
    def test_holes_and_dead_bands(self, tmp_path: Path, write: object) -> None:
        values = np.random.default_rng(0).random((ROWS, COLS, 6))
        values[2:4, 3:5] = np.nan
        values[:, :, 1] = np.nan
        values[7, 7, 2] = np.nan
        cube = open_cube(write(tmp_path / "a.mat", cube=values))
        found, valid = cube.source.read(cube.source.grid.window)
        assert len(cube.source.names) == 5
        expected = np.ones((ROWS, COLS), bool)
        expected[2:4, 3:5] = False
        np.testing.assert_array_equal(valid, expected)
        assert np.isfinite(found[:, valid]).all()


class TestChoice:
    @WRITERS
    def test_several_arrays_are_listed(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        cube = image.transpose(1, 2, 0)
        path = write(tmp_path / "a.mat", HS=cube, MS=cube[..., :3].copy(), note=np.ones((1, 3)))
        message = refusal(path)
        assert "several arrays may be the image; choose with --mat-key" in message
        for listed in ("HS 9 x 11 x 4 uint16", "MS 9 x 11 x 3 uint16", "note 1 x 3 double"):
            assert listed in message
        np.testing.assert_array_equal(whole(path, mat_key="MS"), image[:3])
        assert "has no array XX" in refusal(path, ReadOptions(mat_key="XX"))

    @WRITERS
    def test_cube_and_guide_may_share_a_file(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        pan = np.kron(image[1], np.ones((3, 3), np.uint16))
        path = write(tmp_path / "a.mat", HS=image.transpose(1, 2, 0), PAN=pan)
        guide = open_guide(path, ReadOptions(mat_guide_key="PAN")).source
        values, valid = guide.read(guide.grid.window)
        np.testing.assert_array_equal(values, pan[None])
        assert valid.all()
        assert guide.names == ("PAN",)
        with pytest.raises(OptionError, match="choose with --mat-guide-key"):
            open_guide(path)

    @WRITERS
    def test_axes_of_a_guide(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        """As those of the cube unless said otherwise, also where it has no bands."""
        path = write(tmp_path / "a.mat", HS=image.transpose(2, 1, 0), PAN=image[1].T.copy())
        of_cube = ReadOptions(mat_key="HS", mat_guide_key="PAN", mat_axes="crb")
        own = ReadOptions(mat_guide_key="HS", mat_guide_axes="crb", mat_axes="brc")
        of_matrix = ReadOptions(mat_guide_key="PAN", mat_axes="bp", mat_size=(9, 9))
        for options, expected in (
            (of_cube, image[1:2]), (own, image), (of_matrix, image[1:2].transpose(0, 2, 1)),
        ):  # fmt: skip
            guide = open_guide(path, options).source
            np.testing.assert_array_equal(guide.read(guide.grid.window)[0], expected)
        for options, flag in (
            (ReadOptions(mat_guide_key="HS", mat_axes="x"), "--mat-axes x"),
            (ReadOptions(mat_guide_key="HS", mat_guide_axes="x"), "--mat-guide-axes x"),
            (ReadOptions(mat_guide_key="PAN", mat_guide_axes="rcb"), "--mat-guide-axes rcb"),
        ):
            with pytest.raises(OptionError, match=flag):
                open_guide(path, options)

    @WRITERS
    def test_the_name_of_the_cube_is_not_looked_for_in_another_guide(
        self, tmp_path: Path, image: NDArray[np.uint16], write: object
    ) -> None:
        path = write(tmp_path / "ms.mat", ms=image.transpose(1, 2, 0))
        guide = open_guide(path, ReadOptions(mat_key="hs")).source
        np.testing.assert_array_equal(guide.read(guide.grid.window)[0], image)

    def test_the_cube_is_no_guide_of_itself(
        self, tmp_path: Path, image: NDArray[np.uint16]
    ) -> None:
        path = write_5(tmp_path / "a.mat", HS=image.transpose(1, 2, 0), MS=np.ones((18, 22, 2)))
        with pytest.raises(InputError, match="--mat-guide-key and --mat-guide-axes say"):
            open_product([str(path), str(path)], ReadOptions(mat_key="HS"))

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"mat_axes": "xyz"}, "give the order of r"),
            ({"mat_axes": "bp", "mat_key": "cube"}, "has other axes"),
            ({"mat_axes": "bp", "mat_key": "flat"}, "--mat-size HEIGHTxWIDTH"),
            ({"mat_size": (3, 3), "mat_key": "flat"}, "has 99 pixels, an image of 3 x 3 has 9"),
            ({"mat_key": "text"}, "has no array text"),
            ({"mat_key": "many"}, "has neither two nor three axes"),
            ({"mat_key": "z"}, "has no array z"),
        ],
    )
    def test_options_that_do_not_fit(
        self, tmp_path: Path, image: NDArray[np.uint16], options: dict, expected: str
    ) -> None:
        path = tmp_path / "a.mat"
        variables = {
            "cube": image.transpose(1, 2, 0),
            "flat": image.reshape(BANDS, -1),
            "text": "words",
            "many": np.zeros((2, 2, 2, 2)),
            "z": np.ones((3, 3, 3)) * 1j,
        }
        savemat(path, variables)
        with pytest.raises(PansharpkitError, match=expected):
            open_cube(path, ReadOptions(**options))

    def test_wavelengths_of_another_axis_are_pointed_out(
        self, tmp_path: Path, image: NDArray[np.uint16]
    ) -> None:
        path = write_5(tmp_path / "a.mat", cube=image, wl=np.linspace(450, 900, BANDS))
        cube = open_cube(path)
        assert cube.spectra is None
        assert cube.notices[1] == (
            "a.mat: wl 1 x 4 double is ignored, the cube is taken to have 11 bands; is --mat-axes "
            "right?"
        )
        assert open_cube(path, ReadOptions(mat_axes="brc")).spectra is not None

    def test_a_matrix_of_another_size_is_said(
        self, tmp_path: Path, image: NDArray[np.uint16]
    ) -> None:
        path = write_5(tmp_path / "a.mat", Y=image.reshape(BANDS, -1), wl=np.ones((1, BANDS)))
        assert "or --mat-size for a matrix of pixels" in refusal(path)
        assert "Y 4 x 99 uint16 has 99 pixels, an image of 9 x 9 has 81" in refusal(
            path, ReadOptions(mat_size=(9, 9))
        )

    def test_nothing_that_can_be_a_cube(self, tmp_path: Path) -> None:
        path = write_5(tmp_path / "a.mat", x=np.ones((1, 3)))
        assert "no array is surely the image" in refusal(path)

    @WRITERS
    def test_the_name_gives_a_cube_away(self, tmp_path: Path, write: object) -> None:
        assert is_cube(write(tmp_path / "a.MAT", x=np.ones((2, 2, 2))))


class TestVersion5:
    @pytest.mark.parametrize("compressed", [True, False])
    @pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
    def test_every_type_as_scipy_reads_it(
        self, tmp_path: Path, kind: str, compressed: bool
    ) -> None:
        path = tmp_path / "a.mat"
        values = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(kind)
        others = {"text": "abc", "s": {"a": 1}, "c": np.array([[1, "x"]], object), "n": 3.0}
        savemat(path, {"cube": values, **others}, do_compression=compressed)
        file = open_mat5(path, path.name)
        known = {v.name: v for v in file.variables}
        assert set(known) == {"cube", "text", "s", "c", "n"}
        found = file.read(known["cube"])
        np.testing.assert_array_equal(found, loadmat(path)["cube"])
        assert found.dtype == values.dtype
        assert [known[n].numeric for n in ("text", "s", "c", "n")] == [False] * 3 + [True]

    def test_big_endian(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mat"
        values = np.arange(24, dtype=">u2").reshape(2, 3, 4)
        body = struct.pack(">IIII", 6, 8, 11, 0) + struct.pack(">IIiii4x", 5, 12, 2, 3, 4)
        body += struct.pack(">HH4s", 4, 1, b"cube") + struct.pack(">II", 4, 48)
        body += values.tobytes(order="F")
        path.write_bytes(b"x".ljust(124) + b"\1\0MI" + struct.pack(">II", 14, len(body)) + body)
        np.testing.assert_array_equal(whole(path), values.transpose(2, 0, 1))

    def test_floats_that_hold_integers_come_as_these(self, tmp_path: Path) -> None:
        """MATLAB stores a double array of whole numbers in fewer bytes."""
        path = tmp_path / "a.mat"
        values = np.arange(24, dtype="<u2")
        body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIiii4x", 5, 12, 2, 3, 4)
        body += struct.pack("<HH4s", 1, 4, b"cube") + struct.pack("<II", 4, 48) + values.tobytes()
        path.write_bytes(b"x".ljust(124) + b"\0\1IM" + struct.pack("<II", 14, len(body)) + body)
        found = whole(path)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, loadmat(path)["cube"].transpose(2, 0, 1))

    @pytest.mark.parametrize("compressed", [True, False])
    def test_truncated_anywhere(
        self, tmp_path: Path, image: NDArray[np.uint16], compressed: bool
    ) -> None:
        path = tmp_path / "a.mat"
        savemat(path, {"cube": image.transpose(1, 2, 0)}, do_compression=compressed)
        data = path.read_bytes()
        for keep in range(0, len(data), 7):
            path.write_bytes(data[:keep])
            refusal(path)

    def test_random_damage_is_one_line_or_read(
        self, tmp_path: Path, image: NDArray[np.uint16]
    ) -> None:
        path = tmp_path / "a.mat"
        random = np.random.default_rng(1)
        said: list[str] = []
        for compressed in (True, False):
            savemat(path, {"cube": image.transpose(1, 2, 0)}, do_compression=compressed)
            data = path.read_bytes()
            for _ in range(150):
                broken = bytearray(data)
                for at in random.integers(120, len(data), 4):
                    broken[at] = int(random.integers(0, 256))
                path.write_bytes(broken)
                try:
                    whole(path)
                except (InputError, OptionError) as error:
                    said.append(str(error).removeprefix(str(path.name)))
        assert 50 < len(said) < 300
        assert all(text.startswith(":") and "\n" not in text for text in said)

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mat"
        shape = (2000, 2000, 200)
        body = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<IIiii4x", 5, 12, *shape)
        body += struct.pack("<HH4s", 1, 4, b"cube") + struct.pack("<II", 2, 800_000_000)
        packed = zlib.compress(
            struct.pack("<II", 14, len(body) + 800_000_000) + body + bytes(2**22), 9
        )
        path.write_bytes(b"x".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed)
        assert "unpacks to a hundred times the size of the file" in refusal(path)

    @pytest.mark.parametrize(
        ("shape", "count"), [((2**30, 2**30, 2), 8), ((3, 3, 3), 26), ((-1, 3, 3), 9)]
    )
    def test_shapes_that_lie(self, tmp_path: Path, shape: tuple[int, int, int], count: int) -> None:
        path = tmp_path / "a.mat"
        body = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<IIiii4x", 5, 12, *shape)
        body += struct.pack("<HH4s", 1, 4, b"cube") + struct.pack("<II", 2, count) + bytes(64)
        path.write_bytes(b"x".ljust(124) + b"\0\1IM" + struct.pack("<II", 14, len(body)) + body)
        refusal(path)

    def test_other_versions_and_files(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mat"
        savemat(path, {"x": np.ones((3, 3))}, format="4")
        assert "save it with -v7 or -v7.3" in refusal(path)
        path.write_text("<html>" * 50)
        assert "no MATLAB file of version 5 or later" in refusal(path)
        path.write_bytes(b"")
        assert "is empty" in refusal(path)


class TestVersion73:
    def test_windows_are_read_from_disk(self, tmp_path: Path, image: NDArray[np.uint16]) -> None:
        path = write_73(tmp_path / "a.mat", cube=image.transpose(1, 2, 0))
        values, _ = open_cube(path).source.read(Window(2, 3, 4, 5))
        np.testing.assert_array_equal(values, image[:, 2:6, 3:8])

    def test_links_out_are_listed_and_never_followed(
        self, tmp_path: Path, image: NDArray[np.uint16]
    ) -> None:
        secret = write_73(tmp_path / "secret.mat", cube=image.transpose(1, 2, 0))
        path = write_73(tmp_path / "a.mat", x=np.ones((1, 3)))
        with h5py.File(path, "r+") as file:
            file["cube"] = h5py.ExternalLink(str(secret), "/cube")
        with never_opened(secret):
            assert "cube  link" in refusal(path)
            assert "is an external or soft link" in refusal(path, ReadOptions(mat_key="cube"))

    def test_truncated(self, tmp_path: Path, image: NDArray[np.uint16]) -> None:
        path = write_73(tmp_path / "a.mat", cube=image.transpose(1, 2, 0))
        data = path.read_bytes()
        for keep in (0.2, 0.6, 0.95):
            path.write_bytes(data[: int(len(data) * keep)])
            assert "truncated" in refusal(path)

    def test_too_many_values(self, tmp_path: Path, image: NDArray[np.uint16]) -> None:
        for write in (write_5, write_73):
            path = write(tmp_path / f"{write.__name__}.mat", cube=image.transpose(1, 2, 0))
            assert "at most 100 " in refusal(path, ReadOptions(max_pixels=100))


DATA = os.environ.get("PANSHARPKIT_DATA")


@pytest.mark.skipif(not DATA, reason="PANSHARPKIT_DATA names no folder")
class TestPublicFiles:
    def test_jasper_ridge_needs_no_options(self) -> None:
        path = Path(str(DATA)) / "hs_jasper" / "jasperRidge2_R198.mat"
        values = whole(path)
        assert values.shape == (198, 100, 100)
        expected = loadmat(path)["Y"].reshape(198, 100, 100).transpose(0, 2, 1)
        np.testing.assert_array_equal(values, expected)

    def test_paris_pair(self) -> None:
        path = Path(str(DATA)) / "hs_paris_eo1" / "paris_data_hs_ms.mat"
        stored = loadmat(path)
        options = ReadOptions(mat_key="HSim", mat_guide_key="MSim")
        np.testing.assert_array_equal(
            whole(path, mat_key="HSim"), stored["HSim"].transpose(2, 0, 1)
        )
        guide = open_guide(path, options).source
        np.testing.assert_array_equal(
            guide.read(guide.grid.window)[0], stored["MSim"].transpose(2, 0, 1)
        )


def test_a_file_error_is_no_option_error(tmp_path: Path) -> None:
    with pytest.raises(FileReadError):
        open_cube(tmp_path / "missing.mat")


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (ReadOptions(mat_guide_key="MSim"), "--mat-guide-key"),
        (ReadOptions(mat_size=(4, 4)), "--mat-size"),
    ],
)
def test_options_for_matlab_need_a_matlab_file(
    tmp_path: Path, options: ReadOptions, flag: str
) -> None:
    inputs = [str(tmp_path / name) for name in ("pan.tif", "cube.tif")]
    with pytest.raises(OptionError, match=f"^{flag} goes with a MATLAB file"):
        open_product(inputs, options)
    with pytest.raises(InputError):  # as such, it is only missing
        open_product([inputs[0], str(tmp_path / "cube.mat")], options)
