"""ENVI images: every layout round trip, and headers that lie."""

from __future__ import annotations

import os
import pickle
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import rasterio
from affine import Affine
from hs_products import ENVI_TYPES, PLACE, centers, cube, listed, write_envi
from hypothesis import given
from hypothesis.extra import numpy as npst
from rasterio.crs import CRS

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError, OptionError
from pansharpkit.grid import Window
from pansharpkit.readers import Cube, ReadOptions, open_cube
from pansharpkit.readers.envi.header import read_header
from pansharpkit.spectra import Spectra

WINDOWS = (Window(0, 0, 20, 24), Window(3, 5, 7, 4), Window(19, 23, 1, 1), Window(2, 0, 3, 24),
           Window(0, 2, 20, 20))  # fmt: skip


def pixels(found: Cube, window: Window | None = None) -> np.ndarray:
    return found.source.read(window or found.source.grid.window)[0]


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_every_window_of_every_interleave_is_what_was_written(
    tmp_path: Path, interleave: str, big_endian: bool
) -> None:
    values = cube()
    header = write_envi(tmp_path / "a.img", values, interleave, big_endian=big_endian, offset=13)
    found = open_cube(header)
    assert found.source.dtype == np.int16
    assert found.source.dtype.isnative
    for window in WINDOWS:
        np.testing.assert_array_equal(
            pixels(found, window), values[:, *window.slices], err_msg=str(window)
        )


@given(st.data())
def test_round_trip_of_any_type_and_layout(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ENVI_TYPES)))
    shape = data.draw(npst.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=6))
    dtype = np.dtype(kind)
    limits = {"width": 8 * dtype.itemsize, "allow_nan": False, "allow_infinity": False}
    elements = st.floats(-(2.0**60), 2.0**60, **limits) if dtype.kind == "f" else None
    values = data.draw(npst.arrays(dtype, shape, elements=elements, unique=True))
    interleave = data.draw(st.sampled_from(["bsq", "bil", "bip"]))
    rows, cols = (data.draw(st.integers(0, n - 1)) for n in shape[1:])
    window = Window(
        rows, cols,
        data.draw(st.integers(1, shape[1] - rows)), data.draw(st.integers(1, shape[2] - cols)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        header = write_envi(
            Path(folder) / "a.img", values, interleave,
            big_endian=data.draw(st.booleans()), offset=data.draw(st.integers(0, 9)),
        )  # fmt: skip
        found = open_cube(header)
        assert found.source.dtype == dtype
        np.testing.assert_array_equal(pixels(found, window), values[:, *window.slices])


@pytest.mark.parametrize("interleave", ["BSQ", "BIL", "BIP"])
def test_what_gdal_writes_is_read_and_placed_alike(tmp_path: Path, interleave: str) -> None:
    path = tmp_path / "a.img"
    values = cube()
    with rasterio.open(
        path, "w", driver="ENVI", height=20, width=24, count=12, dtype="int16",
        crs="EPSG:32630", transform=PLACE, nodata=-1, INTERLEAVE=interleave,
    ) as out:  # fmt: skip
        out.write(values)
    header = next(p for p in tmp_path.iterdir() if p.suffix == ".hdr")
    for name in (header, path):
        found = open_cube(name)
        np.testing.assert_array_equal(pixels(found), values)
        assert found.source.grid.transform.almost_equals(PLACE)
        assert found.source.grid.crs == CRS.from_epsg(32630)
        assert found.source.nodata == -1


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ("UTM, 1.5, 3, 605000, 4745000, 30, 30, 30, South, WGS-84, units=Meters", 32730),
        ("UTM, 1, 1, 605000, 4745000, 30, 30, 11, North, North America 1983", None),
        ("Geographic Lat/Lon, 1, 1, -1.7, 42.8, 0.0003, 0.0002, WGS-84, units=Degrees", 4326),
    ],
)
def test_map_info_places_the_image_as_gdal_does(
    tmp_path: Path, info: str, code: int | None
) -> None:
    header = write_envi(tmp_path / "a.img", cube(), entries={"map info": f"{{{info}}}"})
    if code is None:
        with pytest.raises(GridError, match="pass --assume-crs"):
            open_cube(header)
        code = 26911
    grid = open_cube(header, ReadOptions(assume_crs=f"EPSG:{code}")).source.grid
    with rasterio.open(tmp_path / "a.img") as same:
        assert grid.transform.almost_equals(same.transform)
    assert grid.crs == CRS.from_epsg(code)


@pytest.mark.parametrize(
    "info",
    [
        "UTM, 1, 1, 605000, 4745000, 30, 30, 30, North, WGS-84, units=Feet",
        "UTM, 1, 1, 605, 4745, .03, .03, 30, North, WGS-84, units=Kilometers",
        "Geographic Lat/Lon, 1, 1, -6120, 154080, 1.08, 0.72, WGS-84, units=Seconds",
    ],
)
def test_map_info_in_other_units_is_no_place(tmp_path: Path, info: str) -> None:
    header = write_envi(tmp_path / "a.img", cube(), entries={"map info": f"{{{info}}}"})
    with pytest.raises(GridError, match=f"{info.split()[-1]}.*--assume-crs"):
        open_cube(header)


@pytest.mark.parametrize("text", ["-3.4028235e+38", "-3.4028234663852886e+38", "-0.1"])
def test_nodata_is_rounded_as_the_pixels_are(tmp_path: Path, text: str) -> None:
    values = cube().astype(np.float32)
    values[:, 3:5] = np.float32(float(text))
    header = write_envi(tmp_path / "a.img", values, entries={"data ignore value": text})
    found = open_cube(header)
    assert found.source.nodata == np.float32(float(text))
    assert not any("nodata" in said for said in found.notices)
    valid = found.source.read(found.source.grid.window)[1]
    assert (valid == np.isin(np.arange(20), (3, 4), invert=True)[:, None]).all()


def test_a_rotated_image_is_turned_about_its_reference_pixel(tmp_path: Path) -> None:
    info = "{UTM, 1, 1, 605000, 4745000, 30, 30, 30, North, WGS-84, units=Meters, rotation=12.5}"
    grid = open_cube(write_envi(tmp_path / "a.img", cube(), entries={"map info": info})).source.grid
    with rasterio.open(tmp_path / "a.img") as same:
        assert grid.transform.almost_equals(same.transform)
    corner = grid.transform @ (100, 0)
    angle = np.degrees(np.arctan2(corner[1] - 4_745_000, corner[0] - 605_000))
    assert angle == pytest.approx(12.5)


def test_an_image_without_map_info_says_that_it_lies_nowhere(tmp_path: Path) -> None:
    for number, info in enumerate((None, "{Arbitrary, 1, 1, 0, 0, 1, 1, 0, North}")):
        found = open_cube(
            write_envi(tmp_path / f"{number}.img", cube(), entries={"map info": info})
        )
        assert not found.georeferenced
        assert found.source.grid.transform == Affine.identity()


def test_header_entries_reach_the_cube(tmp_path: Path) -> None:
    bbl = [1] * 12
    bbl[4] = bbl[5] = 0
    header = write_envi(
        tmp_path / "a.img", cube(),
        entries={
            "fwhm": listed([0.0055] * 12),
            "wavelength": listed([c / 1000 for c in centers(12)]),
            "wavelength units": "Micrometers",
            "bbl": listed(bbl),
            "data ignore value": "-9999",
            "reflectance scale factor": "10000.0",
            "sensor type": "Hyperion",
            "acquisition time": "2003-05-31T10:00:00Z",
        },
    )  # fmt: skip
    found = open_cube(header)
    live = [i for i in range(12) if i not in (4, 5)]
    nm = centers(12)
    assert found.spectra is not None
    assert found.spectra.centers_nm == pytest.approx([nm[i] for i in live])
    assert found.spectra.fwhm_nm == pytest.approx((5.5,) * 10)
    assert found.source.nodata == -9999
    assert found.scaling == ((1e-4, 0.0),) * 10
    assert found.metadata["SENSOR_TYPE"] == "Hyperion"
    assert found.metadata["DESCRIPTION"] == "a cube, in two lines"
    assert any("bands 5-6 (614-655 nm) left out: marked bad" in n for n in found.notices)
    np.testing.assert_array_equal(pixels(found), cube()[live])
    kept = open_cube(header, ReadOptions(bands=("4-6",)))
    assert len(kept.source.names) == 3


def test_bad_bands_count_without_wavelengths(tmp_path: Path) -> None:
    gone: dict[str, object] = {"wavelength": None, "wavelength units": None}
    header = write_envi(tmp_path / "a.img", cube(4), entries={**gone, "bbl": "{1, 0, 1, 1}"})
    found = open_cube(header)
    assert found.spectra is None
    assert found.source.names == ("band 1", "band 3", "band 4")
    assert found.notices[0] == "a.hdr: names no wavelengths"


def test_gains_and_offsets_of_the_bands(tmp_path: Path) -> None:
    entries = {"data gain values": "{1, 2, 3}", "data offset values": "{0, 0.5, 1}"}
    found = open_cube(write_envi(tmp_path / "a.img", cube(3), entries=entries))
    assert found.scaling == ((1.0, 0.0), (2.0, 0.5), (3.0, 1.0))


def test_unsorted_wavelengths_keep_the_order_of_the_file(tmp_path: Path) -> None:
    header = write_envi(tmp_path / "a.img", cube(3), entries={"wavelength": "{950, 900, 910}"})
    assert open_cube(header).spectra == Spectra((950.0, 900.0, 910.0))


def test_header_and_data_find_each_other(tmp_path: Path) -> None:
    values = cube(3)
    for data in ("a", "b.dat", "c.img"):
        header = write_envi(tmp_path / data, values)
        if data == "c.img":
            header = header.rename(tmp_path / "c.img.HDR")
        assert pixels(open_cube(header)).shape == values.shape
    assert pixels(open_cube(tmp_path / "b.dat")).shape == values.shape
    (tmp_path / "one").mkdir()
    write_envi(tmp_path / "one" / "x.img", values)
    assert pixels(open_cube(tmp_path / "one")).shape == values.shape
    with pytest.raises(InputError, match="holds several cubes"):
        open_cube(tmp_path)


def test_reading_is_safe_from_many_threads_and_survives_pickling(tmp_path: Path) -> None:
    values = cube()
    source = open_cube(write_envi(tmp_path / "a.img", values, "bil")).source
    windows = [Window(i % 15, i % 17, 4, 6) for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda w: source.read(w)[0], windows))
    for window, part in zip(windows, parts, strict=True):
        np.testing.assert_array_equal(part, values[:, *window.slices])
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(windows[0])[0], parts[0])


# --- headers that lie, files that are broken ----------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"samples": None}, "has no 'samples'"),
        ({"lines": "20.5"}, "lines = '20.5' is not a whole number"),
        ({"bands": "0"}, "bands = 0, expected 1 to 1024"),
        ({"samples": "999999999"}, "samples = 999999999, expected"),
        ({"lines": "99999999", "samples": "99999999"}, "raise --max-pixels"),
        ({"lines": "21"}, r"is truncated \(11520 bytes, 12096 expected"),
        ({"lines": "19"}, "has 11520 bytes, a.hdr explains 10944"),
        ({"data type": "6"}, "complex"),
        ({"data type": "14"}, "64-bit"),
        ({"data type": "7"}, "data type = '7', expected one of"),
        ({"data type": None}, "data type = 'missing'"),
        ({"interleave": "bis"}, "interleave = 'bis'"),
        ({"byte order": "2"}, "byte order = 2"),
        ({"header offset": "-4"}, "header offset = '-4'"),
        ({"file compression": "1"}, "compressed"),
        ({"major frame offsets": "{0, 8}"}, "major frame offsets"),
        ({"file type": "ENVI Spectral Library"}, "not an image"),
        ({"wavelength": "{450, 500}"}, "wavelength lists 2 values for 12 bands"),
        ({"wavelength": listed(["x"] * 12)}, "is not a finite number"),
        ({"fwhm": "{1, 2"}, "has no end"),
        ({"bbl": "{1, 1}"}, "bbl lists 2 values"),
        ({"data ignore value": "none"}, "data ignore value = 'none' is not a number"),
        ({"reflectance scale factor": "0"}, "must be > 0"),
        ({"data gain values": listed([0] * 12)}, "data gain values holds 0"),
        ({"header offset": "1000000000"}, "is not a whole number below 10⁹"),
        ({"map info": "{UTM, 1, 1, 5}"}, "map info has 4 values"),
        ({"map info": "{UTM, 1, 1, 6e5, 4e6, -30, 30, 30, North, WGS-84}"}, "must be positive"),
        ({"map info": "{UTM, 1, 1, nan, 4e6, 30, 30, 30, North, WGS-84}"}, "not a finite number"),
        ({"map info": "{UTM, 1, 1, 6e5, 4e6, 30, 30, 61, North, WGS-84}"}, "UTM zone 61"),
        ({"coordinate system string": "{PROJCS[nonsense]}"}, "coordinate system string"),
    ],
)
def test_a_header_that_lies_is_one_clear_line(
    tmp_path: Path, entries: dict[str, object], message: str
) -> None:
    header = write_envi(tmp_path / "a.img", cube(), entries=entries)
    with pytest.raises(InputError, match=message) as caught:
        open_cube(header)
    assert "\n" not in str(caught.value)


def test_a_value_given_twice_is_refused_only_if_it_differs(tmp_path: Path) -> None:
    header = write_envi(tmp_path / "a.img", cube())
    text = header.read_text()
    header.write_text(text + "Lines = 20\n")
    assert len(open_cube(header).source.names) == 12
    header.write_text(text + "lines = 10\n")
    with pytest.raises(MetadataError, match="gives 'lines' twice"):
        open_cube(header)


def test_what_is_no_header_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"1234")
    (tmp_path / "a.hdr").write_text("BYTEORDER I\nNROWS 2\n")
    with pytest.raises(MetadataError, match="first line is not 'ENVI'"):
        open_cube(tmp_path / "a.hdr")
    (tmp_path / "b.hdr").write_text("ENVI\n")
    with pytest.raises(FileReadError, match="has no data file beside it"):
        open_cube(tmp_path / "b.hdr")
    (tmp_path / "c.img").write_bytes(b"1234")
    with pytest.raises(FileReadError, match="has no header"):
        open_cube(tmp_path / "c.img")
    (tmp_path / "d.hdr").write_text("ENVI\n" + "x" * (2**22 + 1))
    (tmp_path / "d").write_bytes(b"1")
    with pytest.raises(MetadataError, match="larger than"):
        open_cube(tmp_path / "d.hdr")
    (tmp_path / "d.hdr").write_text("ENVI\n" + "\n".join(f"k{i} = 1" for i in range(2000)))
    with pytest.raises(MetadataError, match="more than 1000 entries"):
        open_cube(tmp_path / "d.hdr")


def test_several_data_files_are_not_guessed_between(tmp_path: Path) -> None:
    header = write_envi(tmp_path / "a.img", cube(3))
    (tmp_path / "a.dat").write_bytes((tmp_path / "a.img").read_bytes())
    with pytest.raises(FileReadError, match=r"may belong to any of a\.img, a\.dat"):
        open_cube(header)
    assert len(open_cube(tmp_path / "a.img").source.names) == 3


def test_no_name_in_a_header_opens_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    write_envi(secret / "x.img", cube(3))
    (tmp_path / "a.hdr").write_text(
        (secret / "x.hdr").read_text() + "data file = secret/x.img\nfile = ../secret/x.img\n"
    )
    with pytest.raises(FileReadError, match="has no data file beside it"):
        open_cube(tmp_path / "a.hdr")


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    source = open_cube(write_envi(tmp_path / "a.img", cube())).source
    os.truncate(tmp_path / "a.img", 5000)
    with pytest.raises(FileReadError, match="ends before its last pixel"):
        source.read(source.grid.window)
    (tmp_path / "a.img").unlink()
    with pytest.raises(FileReadError, match="cannot be read"):
        source.read(source.grid.window)


@given(st.binary(max_size=400))
def test_no_header_does_worse_than_an_input_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").write_bytes(b"1234")
        header = Path(folder) / "a.hdr"
        header.write_bytes(b"ENVI\n" + data)
        with pytest.raises(InputError):
            open_cube(header)


@given(st.dictionaries(st.sampled_from(["wavelength", "fwhm", "bbl", "map info", "band names",
                                        "data ignore value", "wavelength units"]),
                       st.text(max_size=60)))  # fmt: skip
def test_no_entry_does_worse_than_an_input_error(entries: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        header = write_envi(Path(folder) / "a.img", cube(3), entries=entries)
        try:
            found = open_cube(header)
        except (InputError, OptionError):
            return
        assert pixels(found).shape == cube(3).shape


def test_a_brace_without_end_costs_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    path.write_text("ENVI\n" + "x = {\n" * 300_000)
    with pytest.raises(MetadataError, match="has no end"):
        read_header(path)


def test_reflectance_is_not_made_from_cubes(tmp_path: Path) -> None:
    header = write_envi(tmp_path / "a.img", cube(3))
    with pytest.raises(OptionError, match="--toa"):
        open_cube(header, ReadOptions(toa=True))


def test_a_path_that_does_not_exist_and_one_that_is_no_cube(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="does not exist"):
        open_cube(tmp_path / "none.hdr")
    (tmp_path / "a.txt").write_text("no")
    with pytest.raises(FileReadError, match="is no hyperspectral cube that is known"):
        open_cube(tmp_path / "a.txt")
