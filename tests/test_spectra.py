"""Wavelengths as files give them, and bands that hold nothing."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hs_products import PLACE, centers, cube, tag_bands, write_described
from hypothesis import given
from rasterio.crs import CRS
from rasters import write_geotiff

from pansharpkit.errors import InputError, OptionError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import Cube, ReadOptions, open_cube
from pansharpkit.readers.cubes.bandchoice import in_words, positions
from pansharpkit.readers.cubes.livebands import BareArray, fill_spectra, live_cube
from pansharpkit.readers.cubes.recognise import recognise
from pansharpkit.readers.cubes.spectra import described, in_nm, list_of_numbers
from pansharpkit.sensor import load_sensor
from pansharpkit.spectra import Spectra


def test_centers_keep_the_order_of_the_file_and_can_be_sorted() -> None:
    spectra = Spectra((952.4, 902.3, 911.9), (8.0, 9.0, 10.0), (True, False, True))
    assert spectra.centers_nm[0] == 952.4
    assert spectra.order == (1, 2, 0)
    assert not spectra.ascending
    assert spectra.sorted() == Spectra((902.3, 911.9, 952.4), (9.0, 10.0, 8.0), (False, True, True))
    assert spectra.extent_nm == (902.3, 952.4)


@pytest.mark.parametrize(
    ("centers_nm", "fwhm_nm", "good"),
    [
        ((), None, ()),
        ((0.45, 0.5), None, ()),
        ((450.0, float("nan")), None, ()),
        ((450.0, 500.0), (1.0,), ()),
        ((450.0, 500.0), (1.0, -1.0), ()),
        ((450.0, 500.0), None, (True,)),
    ],
)
def test_spectra_that_make_no_sense_are_refused(
    centers_nm: tuple[float, ...], fwhm_nm: tuple[float, ...] | None, good: tuple[bool, ...]
) -> None:
    with pytest.raises(InputError):
        Spectra(centers_nm, fwhm_nm, good)


@pytest.mark.parametrize(
    ("unit", "factor", "said"),
    [
        ("Nanometers", 1, 0),
        ("nm", 1, 0),
        ("Micrometers", 1e-3, 0),
        ("µm", 1e-3, 0),
        (None, 1, 1),
        ("Unknown", 1e-3, 1),
    ],
)
def test_units_are_understood_or_told_from_the_numbers(
    unit: str | None, factor: float, said: int
) -> None:
    given_centers = [c * factor for c in (418.24, 2445.53)]
    found, notices = in_nm(given_centers, unit, "a.hdr", fwhm=[6.5 * factor, 9.25 * factor])
    assert found == Spectra((418.24, 2445.53), (6.5, 9.25))
    assert len(notices) == said


def test_what_cannot_be_understood_is_left_out_and_said() -> None:
    assert in_nm([20.0, 30.0], "GHz", "a.hdr") == (
        None,
        ("a.hdr: wavelengths in 'GHz' are ignored; nm and µm are understood",),
    )
    found, notices = in_nm([450.0, 500.0], "nm", "a.hdr", fwhm=[0.0, 1.0])
    assert found == Spectra((450.0, 500.0))
    assert "FWHM" in notices[0]
    for unit, widths, said in (
        ("nm", (0.0065, 0.0093), "0.0065 nm is no width"),
        ("um", (6.5, 9.3), "6500 nm is no width"),
    ):
        factor = 1 if unit == "nm" else 1e-3
        found, notices = in_nm([450 * factor, 900 * factor], unit, "a.hdr", fwhm=widths)
        assert found == Spectra((450.0, 900.0))
        assert said in notices[0]
    found, notices = in_nm([450.0, 5e6], "nm", "a.hdr")
    assert found is None
    assert "band centres must lie in" in notices[0]


@given(st.lists(st.floats(101, 19_000), min_size=1, max_size=30))
def test_descriptions_give_back_the_centers_written_into_them(values: list[float]) -> None:
    rounded = [round(value, 3) for value in values]
    names = [f"band {i} ({c} Nanometers)" for i, c in enumerate(rounded, 1)]
    found, notices = described(names, "a.tif")
    assert found is not None
    assert found.centers_nm == pytest.approx(rounded, rel=1e-9)
    assert notices == ()


def test_descriptions_without_wavelengths_say_nothing_and_mixed_ones_are_ignored() -> None:
    assert described(["B1", "Coastal 1 m"], "a.tif") == (None, ())
    found, notices = described(["B1 450 nm", "B2"], "a.tif")
    assert found is None
    assert "1 of 2 bands have none, the first is 'B2'" in notices[0]


@given(st.text(max_size=40))
def test_any_text_is_a_list_of_finite_numbers_or_none(text: str) -> None:
    found = list_of_numbers(text)
    assert found is None or all(np.isfinite(found))


@pytest.mark.parametrize("how", ["descriptions", "band tags", "imagery", "um"])
def test_a_geotiff_tells_its_wavelengths(tmp_path: Path, how: str) -> None:
    values, nm = cube(6), centers(6)
    names = [f"{c} nm" for c in nm] if how == "descriptions" else [f"n{i}" for i in range(6)]
    path = write_described(tmp_path / "a.tif", values, names)
    if how == "band tags":
        tag_bands(path, {"wavelength": nm, "fwhm": [5.5] * 6, "wavelength_units": ["nm"] * 6})
    if how == "um":
        tag_bands(path, {"wavelength": [c / 1000 for c in nm]})
    if how == "imagery":
        micrometers = [c / 1000 for c in nm]
        tag_bands(path, {"CENTRAL_WAVELENGTH_UM": micrometers, "FWHM_UM": [0.0055] * 6}, "IMAGERY")
    found = open_cube(path)
    assert found.spectra is not None
    assert found.spectra.centers_nm == pytest.approx(nm)
    widths = found.spectra.fwhm_nm
    assert widths == (pytest.approx((5.5,) * 6) if how in ("band tags", "imagery") else None)
    assert found.source.names == tuple(names)
    assert found.georeferenced


def test_dead_bands_are_named_and_cost_no_other_band_anything(tmp_path: Path) -> None:
    values = cube(8)
    values[[2, 3, 6]] = -32768
    values[:, :9] = -32768  # and a hole
    path = write_described(tmp_path / "a.tif", values, [f"band {c} nm" for c in centers(8)])
    found = open_cube(path)
    live = [0, 1, 4, 5, 7]
    assert found.source.names == tuple(f"band {centers(8)[i]} nm" for i in live)
    assert found.spectra == Spectra(tuple(centers(8)[i] for i in live))
    assert found.notices == ("a.tif: bands 3-4 (579-643 nm), 7 (836 nm) left out: no data",)
    got, valid = found.source.read(found.source.grid.window)
    np.testing.assert_array_equal(got[:, 9:], values[live, 9:])
    assert valid[9:].all()
    assert not valid[:9].any()


def test_a_switched_off_band_is_dead_without_any_nodata(tmp_path: Path) -> None:
    values = cube(5)
    values[0] = 0
    path = write_geotiff(tmp_path / "a.tif", values, PLACE)
    assert len(open_cube(path).source.names) == 4


def test_a_pixel_that_lacks_few_bands_is_filled_along_its_spectrum(tmp_path: Path) -> None:
    values = cube(8)
    before = values.copy()
    values[3, 5:9, 5:9] = -32768
    values[:6, 0, 0] = -32768  # lacks most
    found = open_cube(write_described(tmp_path / "a.tif", values, [f"{c} nm" for c in centers(8)]))
    got, valid = found.source.read(Window(0, 0, 12, 12))
    assert not valid[0, 0]
    assert valid.sum() == 143
    between = np.rint((before[2, 5:9, 5:9].astype(float) + before[4, 5:9, 5:9]) / 2)
    np.testing.assert_allclose(got[3, 5:9, 5:9], between, atol=1)
    untouched = np.ones((8, 12, 12), bool)
    untouched[3, 5:9, 5:9] = False
    untouched[:6, 0, 0] = False
    np.testing.assert_array_equal(got[untouched], before[:, :12, :12][untouched])
    assert "lack some bands" in found.notices[0]


def test_a_band_that_lacks_most_of_the_ground_is_left_out() -> None:
    values = cube(6)
    values[2, :, 10:] = -1
    values[4, :, 14:] = -1
    grid = Grid(20, 24, PLACE, CRS.from_epsg(32630))
    found = live_cube(Cube(BareArray(grid, values, tuple("abcdef"), -1, "x")), ReadOptions())
    assert found.source.names == ("a", "b", "d", "e", "f")
    assert found.notices[0] == "x: band 3 left out: data in less than half of the pixels"
    assert "about 41.7% of the pixels lack some bands" in found.notices[1]


def test_reading_by_windows_is_reading_the_whole(tmp_path: Path) -> None:
    values = cube(8)
    rng = np.random.default_rng(3)
    values[rng.random(values.shape) < 0.3] = -32768
    found = open_cube(write_described(tmp_path / "a.tif", values, [f"{c} nm" for c in centers(8)]))
    whole, valid = found.source.read(found.source.grid.window)
    assert (whole[:, valid] != -32768).all()
    assert 0.5 < valid.mean() < 1
    for window in (Window(0, 0, 7, 9), Window(7, 3, 13, 21), Window(19, 23, 1, 1)):
        part, part_valid = found.source.read(window)
        np.testing.assert_array_equal(part, whole[:, *window.slices])
        np.testing.assert_array_equal(part_valid, valid[window.slices])


@given(st.data())
def test_filling_keeps_what_is_known_and_stays_between_neighbours(data: st.DataObject) -> None:
    bands, count = data.draw(st.integers(2, 9)), data.draw(st.integers(1, 5))
    seed = data.draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    at = rng.permutation(np.arange(bands) * 10.0 + rng.uniform(0, 5, bands))
    slope, level = rng.uniform(-3, 3, count), rng.uniform(-50, 50, count)
    truth = level + np.outer(at, slope)
    known = rng.random((bands, count)) < 0.6
    known[0] = True
    filled = fill_spectra(np.where(known, truth, np.nan), known, tuple(at))
    np.testing.assert_array_equal(filled[known], truth[known])
    assert np.isfinite(filled).all()
    for j in range(count):  # a straight spectrum is found again between known bands
        low, high = at[known[:, j]].min(), at[known[:, j]].max()
        inside = (at >= low) & (at <= high)
        np.testing.assert_allclose(filled[inside, j], truth[inside, j], rtol=1e-9, atol=1e-9)


def test_a_float_cube_with_nan_in_a_dead_band_and_in_single_bands() -> None:
    values = cube(5).astype(np.float32)
    values[1] = np.nan
    values[3, 2, 2] = np.nan
    values[:, 4, 4] = np.nan
    grid = Grid(20, 24, PLACE, CRS.from_epsg(32630))
    found = live_cube(Cube(BareArray(grid, values, tuple("abcde"))), ReadOptions())
    assert found.source.names == ("a", "c", "d", "e")
    got, valid = found.source.read(grid.window)
    assert not valid[4, 4]
    assert valid.sum() == 20 * 24 - 1
    assert np.isfinite(got[:, valid]).all()


def test_an_all_dead_cube_is_refused(tmp_path: Path) -> None:
    values = np.full((5, 20, 24), -32768, np.int16)
    values[2] = cube(1)[0]
    path = write_described(tmp_path / "a.tif", values, [f"{c} nm" for c in centers(5)])
    with pytest.raises(InputError, match=r"a\.tif: 1 of 5 bands hold an image"):
        open_cube(path)
    grid = Grid(20, 24, PLACE, CRS.from_epsg(32630))
    empty = BareArray(grid, np.full((3, 20, 24), np.nan, np.float32), ("a", "b", "c"), label="x")
    with pytest.raises(InputError, match="x: none of 3 bands hold an image"):
        live_cube(Cube(empty), ReadOptions())


def test_undeclared_gaps_are_pointed_out(tmp_path: Path) -> None:
    values = cube(5)
    values[:, :5] = 0
    path = write_geotiff(tmp_path / "a.tif", values, PLACE)
    assert any("pass --nodata 0" in text for text in open_cube(path).notices)
    found = open_cube(path, ReadOptions(nodata=0))
    assert not any("--nodata" in text for text in found.notices)
    assert not found.source.read(Window(0, 0, 5, 24))[1].any()


@pytest.mark.parametrize("fill", [-9999, -32768])
def test_a_fill_value_that_nobody_declares_is_pointed_out(tmp_path: Path, fill: int) -> None:
    values = cube(5)
    values[:, :5] = fill
    path = write_geotiff(tmp_path / "a.tif", values, PLACE)
    said = f"a.tif: about 25% of the pixels are {fill} in every band; pass --nodata {fill} if"
    assert any(text.startswith(said) for text in open_cube(path).notices)


def test_a_large_cube_is_looked_at_in_spots_and_wholly_if_they_are_empty() -> None:
    values = np.full((40, 700, 700), -1, np.int16)
    values[:, 3:9] = np.arange(6 * 700).reshape(6, 700)
    values[7] = -1
    grid = Grid(700, 700, PLACE, CRS.from_epsg(32630))
    names = tuple(str(i) for i in range(40))
    found = live_cube(Cube(BareArray(grid, values, names, nodata=-1)), ReadOptions())
    assert "7" not in found.source.names
    assert len(found.source.names) == 39


def test_no_band_is_given_up_for_a_few_spots() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 900, (40, 700, 700), dtype=np.int16)
    values[5] = 3
    values[5, 200:300] = rng.integers(1, 900, (100, 700))  # land in a sea without light
    values[6] = 3
    grid = Grid(700, 700, PLACE, CRS.from_epsg(32630))
    names = tuple(str(i) for i in range(40))
    found = live_cube(Cube(BareArray(grid, values, names)), ReadOptions())
    assert set(names) - set(found.source.names) == {"6"}


def test_a_constant_band_is_found_beside_missing_values() -> None:
    values = cube(5).astype(np.float32)
    values[1] = 4.5
    values[:, :3, :3] = np.nan
    grid = Grid(20, 24, PLACE, CRS.from_epsg(32630))
    found = live_cube(Cube(BareArray(grid, values, tuple("abcde"))), ReadOptions())
    assert found.source.names == ("a", "c", "d", "e")


def test_bands_without_common_ground_are_no_cube() -> None:
    values = np.full((4, 20, 24), np.nan, np.float32)
    for band in range(4):
        values[band, 5 * band : 5 * band + 5] = cube(1, 5, 24)[0]
    grid = Grid(20, 24, PLACE, CRS.from_epsg(32630))
    with pytest.raises(InputError, match="none of 4 bands hold an image"):
        live_cube(Cube(BareArray(grid, values, tuple("abcd"))), ReadOptions())


def test_bands_are_chosen_by_number_range_wavelength_or_name(tmp_path: Path) -> None:
    path = write_described(tmp_path / "a.tif", cube(6), [f"b{i} {c} nm" for i, c in
                                                        enumerate(centers(6))])  # fmt: skip
    found = open_cube(path, ReadOptions(bands=("6", "450-600nm", "b3")))
    assert [name.split()[0] for name in found.source.names] == ["b5", "b0", "b1", "b3"]


@pytest.mark.parametrize(
    "wanted", [("9", "1"), ("2-9",), ("1",), ("950-990nm",), ("x", "1"), ("9" * 5000, "1")]
)
def test_bands_that_do_not_exist_are_refused(wanted: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="--bands"):
        positions(wanted, ["a", "b", "c"], Spectra((450.0, 500.0, 550.0)))


def test_wavelengths_cannot_choose_where_none_are_known() -> None:
    with pytest.raises(OptionError, match="names no wavelengths"):
        positions(["400-500nm"], ["a", "b"], None)


def test_bands_go_by_the_numbers_in_their_names() -> None:
    names = [f"band {n} ({c:g} nm)" for n, c in zip((8, 9, 77, 78), centers(4), strict=True)]
    assert positions(["77-78", "8"], names, None) == (2, 3, 0)
    assert in_words({0, 1, 2}, names, Spectra(centers(4))) == "bands 8-9 (450-600 nm), 77 (750 nm)"
    with pytest.raises(OptionError, match="--bands 3: no such band"):
        positions(["3", "8"], names, None)


def test_bands_in_words() -> None:
    assert in_words([4], ["x"] * 5, Spectra((450.0,) * 4 + (501.5,))) == "band 5 (502 nm)"
    assert in_words({0, 1, 2, 5, 7, 8}, ["x"] * 9, None) == "bands 1-3, 6, 8-9"


def test_instruments_are_told_by_their_wavelengths() -> None:
    for sensor in ("enmap", "hyperion"):
        bands = load_sensor(sensor).bands
        nm = tuple(band.center_nm for band in bands if band.center_nm is not None)
        assert recognise(Spectra(nm)) == sensor
        assert recognise(Spectra(nm[30:90])) == sensor
    assert recognise(Spectra(tuple(np.arange(400.0, 1000.0, 3.1)))) is None
    assert recognise(Spectra((450.0, 500.0))) is None
    assert recognise(None) is None
