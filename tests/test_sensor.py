from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pansharpkit.errors import InputError, SensorError
from pansharpkit.sensor import (
    COMMON_NAMES,
    DEFAULT_MTF,
    DEFAULT_PAN_MTF,
    Band,
    Sensor,
    SpectralResponse,
    generic_sensor,
    list_sensors,
    load_sensor,
)
from pansharpkit.sensor.catalogue import preset_files, presets
from pansharpkit.sensor.spectral import read_response

DATA = Path(__file__).parent / "data"
REFERENCE = os.environ.get("PANSHARPKIT_REFERENCE")
CONVERTER = Path(__file__).parents[1] / "tools" / "convert_sensors.py"

PRESET = """
id = "mine"
name = "My camera"
aliases = ["Mine-1"]
[srf]
file = "mine.csv"
source = "data sheet"
[pan]
name = "PAN"
[[bands]]
name = "Blue"
common_name = "blue"
[[bands]]
name = "NIR"
common_name = "nir"
center_nm = 845
mtf = 0.25
"""
TABLE = """wavelength_nm,Blue,NIR,PAN
440,0,0,0
450,1,0,0.5
500,1,0,0.5
510,0,0,1
700,0,0,1
710,0,0,0
800,0,0,0
810,0,2,0
890,0,2,0
900,0,0,0
"""


@pytest.fixture(autouse=True)
def empty_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("PANSHARPKIT_SENSORS", str(folder))
    return folder


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(TABLE, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(PRESET, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def every_sensor(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANSHARPKIT_SENSORS", str(tmp_path_factory.mktemp("none")))
        return {name: load_sensor(name) for name in list_sensors()}


def all_bands(sensor: Sensor) -> tuple[Band, ...]:
    return (*sensor.bands, *([sensor.pan] if sensor.pan else []))


# --- the built-in presets ---------------------------------------------------------------------


def test_every_sensor_loads_under_its_own_id(every_sensor: dict[str, Sensor]) -> None:
    assert len(every_sensor) == 47
    assert sum(sensor.srf is not None for sensor in every_sensor.values()) == 37
    assert all(sensor.id == name for name, sensor in every_sensor.items())


def test_every_figure_group_names_its_source(every_sensor: dict[str, Sensor]) -> None:
    for name, path in preset_files().items():
        groups = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = {k: v for k, v in groups.items() if isinstance(v, dict) and k != "pan"}
        assert tables.keys() <= every_sensor[name].sources.keys()
        assert all(table["source"] for table in tables.values()), name


def test_bands_have_plausible_figures(every_sensor: dict[str, Sensor]) -> None:
    for sensor in every_sensor.values():
        for band in all_bands(sensor):
            assert band.center_nm is not None
            assert 350 < band.center_nm < 2600
            assert band.fwhm_nm is None or 1 < band.fwhm_nm < 500
            assert 0 < band.mtf < 1
            assert band.pan_coverage is None or 0 <= band.pan_coverage <= 1


def test_colours_lie_where_they_should(every_sensor: dict[str, Sensor]) -> None:
    ranges = {
        "coastal": (420, 450),
        "blue": (455, 495),
        "green": (530, 570),
        "yellow": (590, 620),
        "red": (605, 680),
        "rededge": (700, 785),
        "nir": (785, 870),
        "nir2": (860, 930),
        "cirrus": (1370, 1380),
        "swir1": (1600, 1680),
        "swir2": (2180, 2240),
        "pan": (540, 740),
    }
    assert ranges.keys() == set(COMMON_NAMES)
    for sensor in every_sensor.values():
        for band in all_bands(sensor):
            if band.common_name:
                low, high = ranges[band.common_name]
                assert band.center_nm is not None
                assert low <= band.center_nm <= high, (sensor.id, band)


def test_responses_agree_with_the_figures_beside_them(every_sensor: dict[str, Sensor]) -> None:
    """Columns that were mixed up, or a wrong table, would show here."""
    truncated = {"gaofen1_pms1", "gaofen1_pms2"}  # tables cut at the nominal limits
    for sensor in every_sensor.values():
        srf = sensor.srf
        for band in all_bands(sensor) if srf else ():
            if srf is None or band.name not in srf.names:
                continue
            low, high = srf.half_power_nm(band.name)
            tolerance = 1.3 if sensor.id in truncated else 0.11
            assert (low + high) / 2 == pytest.approx(band.center_nm, abs=tolerance)
            assert high - low == pytest.approx(band.fwhm_nm, abs=tolerance)
            if sensor.pan and band.pan_coverage is not None:
                coverage = srf.pan_coverage(band.name, sensor.pan.name)
                assert coverage == pytest.approx(band.pan_coverage, abs=0.0025)


@pytest.mark.parametrize(
    ("name", "widths_um"),
    [
        (
            "worldview2",
            {
                **{"PAN": 0.2846, "Coastal": 0.0473, "Blue": 0.0543, "Green": 0.0630},
                **{"Yellow": 0.0374, "Red": 0.0574, "RedEdge": 0.0393},
                **{"NIR1": 0.0989, "NIR2": 0.0996},
            },
        ),
        ("quickbird2", {"PAN": 0.398, "Blue": 0.068, "Green": 0.099, "Red": 0.071, "NIR": 0.114}),
    ],
)
def test_effective_bandwidths_are_those_of_the_image_metadata(
    name: str, widths_um: dict[str, float]
) -> None:
    srf = load_sensor(name).srf
    assert srf is not None
    last_digit = 1e-4 if name == "worldview2" else 1e-3  # tails below 1e-3 are not in the tables
    for band, printed in widths_um.items():
        width = srf.equivalent_width_nm(band) / 1000
        assert width == pytest.approx(printed, abs=last_digit)


@pytest.fixture(scope="module")
def sun() -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(DATA / "solar_thuillier2003.csv", delimiter=",")
    return table[:, 0], table[:, 1]


def inside(srf: SpectralResponse, bands: Iterable[Band], reach: np.ndarray) -> list[Band]:
    """Return the bands with all but 1 % of their peak within the wavelengths of the spectrum."""
    outside = (srf.wavelength_nm < reach[0]) | (srf.wavelength_nm > reach[-1])
    named = [band for band in bands if band.name in srf.names and band.esun is not None]
    return [
        band
        for band in named
        if srf.band(band.name)[outside].max(initial=0) <= 0.01 * srf.band(band.name).max()
    ]


@pytest.mark.parametrize(
    ("name", "limits_percent"),
    [
        ("worldview2", (-0.06, 0.06)),
        ("worldview3", (-0.07, 0.07)),
        ("worldview4", (-0.1, 0.4)),
        ("geoeye1", (-0.05, 0.05)),
        ("quickbird2", (-0.40, 0.40)),
        ("ikonos", (-0.34, 0.34)),
        ("pleiades1a", (-2.0, 0.8)),  # published for another sun
        ("pleiades1b", (-0.12, 0.12)),
    ],
)
def test_published_irradiances_follow_from_response_and_sun(
    name: str, limits_percent: tuple[float, float], sun: tuple[np.ndarray, np.ndarray]
) -> None:
    sensor = load_sensor(name)
    assert sensor.srf is not None
    bands = inside(sensor.srf, all_bands(sensor), sun[0])
    assert len(bands) >= 5
    low, high = (limit + np.sign(limit) * 0.04 for limit in limits_percent)  # of the integration
    for band in bands:
        assert band.esun is not None
        computed = sensor.srf.mean_over(band.name, *sun)
        assert low <= 100 * (computed / band.esun - 1) <= high, band


def test_computed_irradiances_are_reproduced(
    every_sensor: dict[str, Sensor], sun: tuple[np.ndarray, np.ndarray]
) -> None:
    errors: dict[bool, list[float]] = {True: [], False: []}
    for sensor in every_sensor.values():
        srf = sensor.srf
        for band in inside(srf, all_bands(sensor), sun[0]) if srf else ():
            assert srf is not None
            expected = band.esun_computed or band.esun
            assert expected is not None
            fine = bool(np.min(np.diff(srf.wavelength_nm)) <= 1)
            errors[fine].append(abs(srf.mean_over(band.name, *sun) / expected - 1))
    assert len(errors[True]) + len(errors[False]) > 190
    assert max(errors[True]) < 1.5e-3
    assert np.median(errors[True]) < 1e-4
    assert max(errors[False]) < 4.1e-3  # tables of 2.5 nm, where the rule of integration counts


def test_contradicting_irradiance_is_not_used() -> None:
    (nir,) = load_sensor("WV4").match(["NIR"])
    assert nir.esun == pytest.approx(1023.14)


@pytest.mark.parametrize(
    ("name", "gains", "pan"),
    [
        ("QB", (0.34, 0.32, 0.30, 0.22), 0.15),
        ("IKONOS", (0.26, 0.28, 0.29, 0.28), 0.17),
        ("GE1", (0.23, 0.23, 0.23, 0.23), 0.16),
        ("WV2", (0.35,) * 7 + (0.27,), 0.11),
        ("WV4", (0.23, 0.23, 0.23, 0.23), 0.16),
        ("Pleiades 1B", (0.30,) * 4, 0.15),
        ("eo1_ali", (0.29, 0.30, 0.28, 0.29, 0.28, 0.29, 0.25, 0.25, 0.25), 0.11),
    ],
)
def test_gains_of_the_literature(name: str, gains: tuple[float, ...], pan: float) -> None:
    sensor = load_sensor(name)
    assert sensor.mtf == gains
    assert sensor.pan_mtf == pan
    assert not any(band.mtf_is_default for band in all_bands(sensor))


def test_gains_go_to_the_bands_they_were_measured_for() -> None:
    landsat = load_sensor("LC08").subset(["B2", "B3", "B4", "B5"])
    assert landsat.mtf == (0.55, 0.55, 0.55, 0.53)
    assert landsat.pan_mtf == 0.40
    (first,) = load_sensor("LC08").match(["B1"])
    assert first.mtf_is_default
    assert first.mtf == DEFAULT_MTF
    vnir = load_sensor("WV3").bands[:8]
    assert [b.mtf for b in vnir] == [0.325, 0.355, 0.36, 0.35, 0.365, 0.36, 0.335, 0.315]
    assert load_sensor("S2A").match(["B8A"])[0].mtf == 0.33


def test_default_gains_are_flagged_and_sourced() -> None:
    spot = load_sensor("SPOT 6")
    assert spot.mtf == (0.30,) * 4
    assert spot.pan_mtf == 0.15
    assert all(band.mtf_is_default for band in all_bands(spot))
    assert "mtf_default" in spot.unverified
    assert "0.29" in spot.sources["mtf_default"]


@pytest.mark.parametrize(
    ("name", "coverage"),
    [
        ("landsat8_oli", {"B2": 0.14, "B3": 0.91, "B4": 0.97, "B5": 0.0}),
        ("landsat7_etm", {"B1": 0.02, "B4": 0.93}),
        ("worldview2", {"Coastal": 0.03, "NIR1": 0.27, "NIR2": 0.0}),
        ("geoeye1", {"NIR": 0.16}),
        ("worldview4", {"NIR": 0.14}),
        ("pleiades_neo3", {"Coastal": 0.22, "NIR": 0.39}),
    ],
)
def test_pan_coverage(name: str, coverage: dict[str, float]) -> None:
    sensor = load_sensor(name)
    for band, expected in zip(sensor.match(list(coverage)), coverage.values(), strict=True):
        assert band.pan_coverage == pytest.approx(expected, abs=0.006)
        assert sensor.in_pan(band) is (expected > 0.1)


def test_single_sources_are_marked() -> None:
    alone = {name for name in list_sensors() if "srf" in load_sensor(name).unverified}
    assert {"pleiades_neo3", "landsat9_oli2", "sentinel2c_msi", "planetscope_sd8"} <= alone
    assert not alone & {"worldview2", "landsat8_oli", "quickbird2", "sentinel2a_msi", "spot7"}
    assert "gsd" in load_sensor("quickbird2").unverified
    assert "gsd" not in load_sensor("worldview2").unverified
    assert "mtf" in load_sensor("landsat8_oli").unverified


def test_landsat5_has_neither_the_other_table_nor_the_bump() -> None:
    srf = load_sensor("LT05").srf
    assert srf is not None
    low, high = srf.half_power_nm("B3")
    assert (low, high) == pytest.approx((626.4, 693.2), abs=0.1)
    red = srf.band("B3")
    assert red[(srf.wavelength_nm >= 581) & (srf.wavelength_nm <= 589)].max() < 0.01


def test_hyperspectral_lists_keep_the_order_of_the_product(every_sensor: dict[str, Sensor]) -> None:
    counts = {"hyperion": 242, "enmap": 224, "prisma": 233, "desis": 235, "chikusei": 128}
    for name, count in counts.items():
        assert len(every_sensor[name].bands) == count
    centres = [band.center_nm or 0 for band in every_sensor["hyperion"].bands]
    assert centres[69:71] == [1058.05, 852.0]  # the SWIR detector starts below the VNIR's end
    assert every_sensor["prisma"].ratio == 6
    assert every_sensor["prisma"].bands[0].fwhm_nm == 11.427
    assert every_sensor["chikusei"].bands[0].fwhm_nm is None


def test_names_and_aliases_are_unique() -> None:
    def plain(name: str) -> str:
        return "".join(c for c in name.casefold() if c.isalnum())

    seen: dict[str, str] = {}
    for entry in presets():
        for name in (entry.id, entry.name, *entry.aliases):
            assert seen.setdefault(plain(name), entry.id) == entry.id, name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LC08", "landsat8_oli"),
        ("l8", "landsat8_oli"),
        ("Landsat_8", "landsat8_oli"),
        ("LANDSAT_9", "landsat9_oli2"),
        ("LE07", "landsat7_etm"),
        ("wv-2", "worldview2"),
        ("WV02", "worldview2"),
        ("pléiades 1a", "pleiades1a"),
        ("SENTINEL-2A", "sentinel2a_msi"),
        ("WORLDVIEW2", "worldview2"),
    ],
)
def test_load_by_any_name(name: str, expected: str) -> None:
    assert load_sensor(name).id == expected


def test_presets_are_small() -> None:
    folder = next(iter(preset_files().values())).parent
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


# --- the model --------------------------------------------------------------------------------


def test_match_takes_names_and_colours_in_the_order_of_the_file() -> None:
    sensor = load_sensor("landsat8_oli")
    assert [b.name for b in sensor.match(["red", "b3", "BLUE", "Nir"])] == ["B4", "B3", "B2", "B5"]
    assert [b.name for b in load_sensor("WV2").match(["NIR", "nir2"])] == ["NIR1", "NIR2"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["B2", "B8"], "'B8' is not a band"),
        (["B2", "thermal"], "expected names among B1, B2"),
        (["B2", "blue"], "one band twice"),
    ],
)
def test_match_refuses(names: list[str], problem: str) -> None:
    with pytest.raises(SensorError, match=problem):
        load_sensor("landsat8_oli").match(names)


def test_match_refuses_a_colour_of_several_bands() -> None:
    with pytest.raises(SensorError, match="'rededge' means several bands"):
        load_sensor("S2A").match(["rededge"])


def test_subset_keeps_the_rest() -> None:
    sensor = load_sensor("WV2").subset(["Red", "Green", "Blue"])
    assert sensor.names == ("Red", "Green", "Blue")
    assert sensor.pan is not None
    assert sensor.srf is not None


def test_generic_sensor() -> None:
    sensor = generic_sensor(3, ["Blue", "green", "X"])
    assert sensor.mtf == (0.30, 0.30, 0.30)
    assert sensor.pan_mtf == DEFAULT_PAN_MTF == 0.15
    assert [band.common_name for band in sensor.bands] == ["blue", "green", None]
    assert generic_sensor(2).names == ("B1", "B2")
    assert sensor.in_pan(sensor.bands[0]) is None
    assert sensor.unverified == ("mtf_default",)


@pytest.mark.parametrize(("count", "names"), [(0, None), (2, ["a"]), (2, ["a", "a"])])
def test_generic_sensor_refuses(count: int, names: list[str] | None) -> None:
    with pytest.raises(SensorError, match="distinct band names"):
        generic_sensor(count, names)


def test_a_sensor_travels_between_processes() -> None:
    sensor = load_sensor("WV2")
    copy = pickle.loads(pickle.dumps(sensor))
    assert copy.bands == sensor.bands
    assert copy.srf.equivalent_width_nm("PAN") == pytest.approx(284.6, abs=0.05)


def test_response_figures() -> None:
    grid = np.array([0.0, 10.0, 20.0, 30.0])
    srf = SpectralResponse(grid, np.array([[0, 2.0, 2.0, 0], [1.0, 1.0, 1.0, 1.0]]), ("a", "p"))
    assert srf.equivalent_width_nm("a") == pytest.approx(20)
    assert srf.half_power_nm("a") == pytest.approx((5, 25))
    assert srf.half_power_nm("p") == (0, 30)
    assert srf.mean_over("a", grid, 3 * grid) == pytest.approx(45)
    assert srf.pan_coverage("a", "p") == pytest.approx(1)
    with pytest.raises(SensorError, match="no spectral response for band b: there are a, p"):
        srf.band("b")
    with pytest.raises(ValueError, match="read-only"):
        srf.response[0, 0] = 5


# --- presets of the user ----------------------------------------------------------------------


def test_a_user_preset_by_path(preset: Path) -> None:
    sensor = load_sensor(str(preset))
    blue, nir = sensor.bands
    assert (blue.center_nm, blue.fwhm_nm) == pytest.approx((475, 60))
    assert (nir.center_nm, nir.fwhm_nm) == pytest.approx((845, 90))
    assert blue.pan_coverage == pytest.approx(0.5 + 0.25 / 6 / 6, abs=0.01)
    assert nir.pan_coverage == pytest.approx(0)
    assert (blue.mtf, blue.mtf_is_default) == (0.30, True)
    assert (nir.mtf, nir.mtf_is_default) == (0.25, False)
    assert sensor.pan == Band("PAN", "pan", pytest.approx(577.5), pytest.approx(255), mtf=0.15)


def test_a_user_preset_by_name_hides_the_built_in_one(
    preset: Path, empty_user_folder: Path
) -> None:
    (empty_user_folder / "mine.csv").write_text(TABLE, encoding="utf-8")
    (empty_user_folder / "mine.toml").write_text(PRESET, encoding="utf-8")
    assert "mine" in list_sensors()
    assert load_sensor("mine").name == load_sensor("MINE 1").name == "My camera"
    own = PRESET.replace('id = "mine"', 'id = "worldview2"').replace("Mine-1", "L8")
    (empty_user_folder / "worldview2.toml").write_text(own, encoding="utf-8")
    assert load_sensor("worldview2").name == "My camera"
    assert load_sensor("L8").name == "My camera"


def test_two_user_presets_of_one_name(preset: Path, empty_user_folder: Path) -> None:
    for name in ("one", "two"):
        (empty_user_folder / f"{name}.toml").write_text(PRESET, encoding="utf-8")
    with pytest.raises(SensorError, match=r"one\.toml.*two\.toml"):
        load_sensor("Mine-1")


def test_a_broken_user_preset_does_not_hide_the_others(
    empty_user_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (empty_user_folder / "broken.toml").write_text("id = ", encoding="utf-8")
    assert load_sensor("WV-2").id == "worldview2"
    assert "broken.toml" in caplog.text
    with pytest.raises(SensorError, match=r"broken\.toml: cannot be read as TOML"):
        load_sensor("broken")


def test_an_unknown_sensor_says_what_to_do() -> None:
    with pytest.raises(
        SensorError, match=r"unknown sensor 'worldview5': did you mean worldview"
    ) as e:
        load_sensor("worldview5")
    assert "sensors list" in str(e.value)
    assert e.value.exit_code == 4
    assert isinstance(e.value, (InputError, LookupError))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "My camera"', 'name = "My camera"\ncolour = 1', "unknown key colour"),
        ('name = "My camera"\n', "", "key name is missing"),
        ("mtf = 0.25", "mtf = 1.25", r"bands\.1\.mtf = 1\.25: .*less than 1"),
        ("mtf = 0.25", "mtf = nan", r"bands\.1\.mtf"),
        ("mtf = 0.25", 'mtf = "0.25"', r"bands\.1\.mtf = '0\.25'"),
        ("mtf = 0.25", "mtf = true", r"bands\.1\.mtf"),
        ("center_nm = 845", "center_nm = -845", r"bands\.1\.center_nm"),
        ('common_name = "nir"', 'common_name = "infrared"', r"bands\.1\.common_name"),
        ('id = "mine"', 'id = "../mine"', "id = "),
        ('file = "mine.csv"', 'file = "../mine.csv"', "must lie beside it"),
        ('file = "mine.csv"', 'file = "/etc/passwd"', "must lie beside it"),
        ('file = "mine.csv"', 'file = "sub\\\\mine.csv"', "must lie beside it"),
        ('file = "mine.csv"', 'file = ".."', "must lie beside it"),
        ('file = "mine.csv"', 'file = "other.csv"', r"other\.csv: cannot be read"),
        ('name = "Blue"', 'name = "NIR"', "same name"),
        ('name = "Blue"', 'name = "Bleu"', "columns that are no bands: Blue"),
        ("[[bands]]", "[[band]]", "unknown key band"),
        (PRESET[PRESET.index("[[bands]]") :], "", "no bands"),
        ("[pan]", "[gsd]\nratio = 0.25\n[pan]", r"gsd\.ratio = 0\.25"),
        ("[pan]", '[band_list]\nfile = "mine.csv"\n[pan]', "either band_list or bands"),
        ('id = "mine"', f"id = {'[' * 3000}", "cannot be read as TOML"),
        ('id = "mine"', f"id = {'9' * 5000}", "cannot be read as TOML"),
    ],
)
def test_a_malformed_preset_names_file_and_key(
    preset: Path, old: str, new: str, problem: str
) -> None:
    preset.write_text(PRESET.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SensorError, match=problem) as error:
        load_sensor(str(preset))
    assert str(preset.parent) in str(error.value)


def test_a_table_behind_a_link_is_refused(preset: Path) -> None:
    table = preset.with_suffix(".csv")
    elsewhere = preset.parent / "user" / "table.csv"
    table.rename(elsewhere)
    table.symlink_to(elsewhere)
    with pytest.raises(SensorError, match="must lie beside it"):
        load_sensor(str(preset))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("wavelength_nm,Blue\n", "empty"),
        ("nm,Blue\n1,1\n2,1\n", "header"),
        ("wavelength_nm,Blue,Blue\n1,1,1\n2,1,1\n", "header"),
        ("wavelength_nm\n1\n2\n", "header"),
        ("wavelength_nm,Blue\n1,1\n", "two or more"),
        ("wavelength_nm,Blue\n2,1\n1,1\n", "increase"),
        ("wavelength_nm,Blue\n1,1\n2\n", "line 3: 1 values, expected 2"),
        ("wavelength_nm,Blue\n1,1\n2,x\n", "line 3: could not convert"),
        ("wavelength_nm,Blue\n1,1\n2,nan\n", "line 3: .*not finite"),
        ("wavelength_nm,Blue\n1,1\n2,1e999\n", "line 3: .*not finite"),
        ("wavelength_nm,Blue\n1,1\n2,-1\n", "negative"),
        ("wavelength_nm,Blue\n1,0\n2,0\n", "Blue is zero everywhere"),
        ("wavelength_nm,Blue\n1,\n2,1\n", "line 2: could not convert"),
        ("\xff\x00", "cannot be read"),
        (f"wavelength_nm,{'x' * 200_000}\n", "cannot be read"),
        ("wavelength_nm,Blue\n" + "1,1\n" * 1_100_000, "at most"),
    ],
)
def test_a_malformed_table_names_file_and_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SensorError, match=problem) as error:
        read_response(path)
    assert "bad.csv" in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("band,center_nm\n1,400\n", "header"), ("band,center_nm,fwhm_nm\n1,,5\n", "positive")],
)
def test_a_malformed_band_list(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "hs.csv").write_text(text, encoding="utf-8")
    path = tmp_path / "hs.toml"
    path.write_text('id = "hs"\nname = "HS"\n[band_list]\nfile = "hs.csv"\n', encoding="utf-8")
    with pytest.raises(SensorError, match=problem):
        load_sensor(str(path))


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_a_path_that_is_no_file(tmp_path: Path, make: object) -> None:
    path = tmp_path / "x.toml"
    make(path)  # type: ignore[operator]
    with pytest.raises(SensorError, match=r"x\.toml"):
        load_sensor(str(path))


# --- laziness and the conversion --------------------------------------------------------------


def test_listing_opens_no_file_and_loading_needs_no_torch() -> None:
    code = (
        "import sys, builtins, pansharpkit.sensor as s\n"
        "assert 'pydantic' not in sys.modules\n"
        "import io, pathlib\n"
        "def refuse(*a, **k): raise AssertionError('opened a file')\n"
        "keep = io.open; io.open = refuse\n"
        "assert len(s.list_sensors()) >= 47\n"
        "io.open = keep\n"
        "s.load_sensor('WV-2')\n"
        "assert not {'torch', 'rasterio', 'matplotlib'} & set(sys.modules)\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": paths}
    )


@pytest.fixture
def converter() -> ModuleType:
    if not CONVERTER.is_file():
        pytest.skip("the conversion script is not here")
    spec = importlib.util.spec_from_file_location("convert_sensors", CONVERTER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(REFERENCE is None, reason="PANSHARPKIT_REFERENCE is not set")
def test_the_conversion_gives_the_files_of_the_checkout(
    converter: ModuleType, tmp_path: Path
) -> None:
    assert REFERENCE is not None
    ids = converter.convert_all(Path(REFERENCE), tmp_path / "out")
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    checkout = CONVERTER.parents[1] / "sensors"
    kept = {p.name: p.read_bytes() for p in checkout.iterdir() if p.suffix in {".toml", ".csv"}}
    assert made == kept
    assert len(ids) == 47


def test_the_conversion_closes_gaps(converter: ModuleType) -> None:
    rows = [["1", "0.5"], ["2", "9e-4"], ["8", "9e-4"], ["9", "1"]]
    assert converter.close_gaps(rows, 1.0) == [
        *rows[:2],
        ["3", "0"],
        ["7", "0"],
        *rows[2:],
    ]
    assert converter.close_gaps(rows[:2], 1.0) == rows[:2]


def test_the_conversion_writes_toml_that_reads_back(converter: ModuleType) -> None:
    document = {
        "id": "x",
        "aliases": [],
        "notes": ['a "quoted" and\nbroken line with µm, longer than a line'],
        "gsd": {"ms_m": 30, "ratio": 2.5, "unverified": True},
        "bands": [{"name": "B1", "nominal_nm": [430, 450.5]}, {"name": "B2"}],
    }
    assert tomllib.loads(converter.emit(document)) == document
