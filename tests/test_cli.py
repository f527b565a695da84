"""The command line from end to end: files in, files, JSON and exit codes out."""

from __future__ import annotations

import json
import logging
import math
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from command_line import Outcome, environment, pansharpkit, subprocess_of
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasters import ORIGIN, Pair, make_pair, write_geotiff
from rio_cogeo.cogeo import cog_validate
from scenes import BANDS, MS, PAN, demo_source

from pansharpkit.errors import FileReadError
from pansharpkit.grid import Window
from pansharpkit.methods import method_names
from pansharpkit.report import QualityReport
from pansharpkit.showcase import demo_files
from pansharpkit_cli import app

ALABAMA = Path(__file__).parent / "data" / "landsat8_alabama_mini"
AREA = "608000,4738000,609500,4739500"
"""A square of 1500 m within the demo scene, in its CRS."""
FULL = {"d_lambda", "d_lambda_alparone2008", "d_s", "qnr", "d_lambda_k", "hqnr"}
REDUCED = {"q2n", "q", "sam_deg", "ergas", "scc", "psnr_db", "ssim"}


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """PAN and MS files of a part of the demo scene, 100 x 120 and 50 x 60 pixels."""
    folder = tmp_path_factory.mktemp("crop")
    pan = demo_source(PAN, Window(199, 240, 100, 120))
    ms = demo_source(MS, Window(100, 120, 50, 60))
    return (
        write_geotiff(folder / "pan.tif", pan.values, pan.grid.transform, nodata=0),
        write_geotiff(folder / "ms.tif", ms.values, ms.grid.transform, nodata=0, names=BANDS),
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A synthetic pair of ratio 4."""
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def fused(crop: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The crop fused with GSA and a report, and the JSON that the command printed."""
    output = tmp_path_factory.mktemp("fused") / "fused.tif"
    done = pansharpkit("fuse", *crop, "-o", output, "-m", "gsa", "--json")
    assert done.code == 0, done.stderr
    return output, done.json


def read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as dataset:
        values: NDArray[Any] = dataset.read()
    return values


def fuse(crop: tuple[Path, Path], output: Path, *options: object) -> Outcome:
    """Fuse the crop without a report and expect success."""
    done = pansharpkit("fuse", *crop, "-o", output, "-m", "gsa", "--no-report", *options)
    assert done.code == 0, done.stderr
    return done


def finite_or_null(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and math.isfinite(value))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- what is written


def test_fuse_writes_a_valid_cog_on_the_pan_grid(tmp_path: Path) -> None:
    pan, ms = demo_files()
    output = tmp_path / "fused.tif"
    done = pansharpkit(
        "fuse", pan, ms, "-o", output, "-m", "gsa", "--bounds", AREA,
        "--sensor", "landsat8_oli", "--no-report",
    )  # fmt: skip
    assert (done.code, done.stderr) == (0, "")
    assert cog_validate(output, strict=True, quiet=True) == (True, [], [])
    assert names_in(tmp_path) == ["fused.tif"]
    with rasterio.open(pan) as guide, rasterio.open(ms) as target, rasterio.open(output) as made:
        col, row = ~guide.transform @ (made.transform.c, made.transform.f)
        assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-9)
        assert made.transform == guide.transform @ Affine.translation(round(col), round(row))
        assert (made.crs, made.dtypes[0], made.nodata) == (guide.crs, "uint16", target.nodata)
        assert made.descriptions == target.descriptions
        assert made.bounds.left <= 608000 < 609500 <= made.bounds.right


def test_fused_raster_says_what_it_is_and_where_it_comes_from(
    crop: tuple[Path, Path], tmp_path: Path
) -> None:
    fuse(crop, tmp_path / "a.tif", "--sensor", "landsat8_oli", "--seed", "7")
    with rasterio.open(tmp_path / "a.tif") as made:
        tags, blue = made.tags(), made.tags(1)
        assert made.colorinterp == (
            ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined,
        )  # fmt: skip
        imagery = made.tags(1, ns="IMAGERY")
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert tags["AREA_OR_POINT"] == "Area"
    assert tags["TIFFTAG_SOFTWARE"].startswith("pansharpkit ")
    assert tags["PANSHARPKIT_METHOD"] == "gsa"
    assert json.loads(tags["PANSHARPKIT_OPTIONS"])["seed"] == 7
    assert [i["name"] for i in json.loads(tags["PANSHARPKIT_INPUTS"])] == ["pan.tif", "ms.tif"]
    assert 450 < float(blue["WAVELENGTH"]) < 515
    assert float(imagery["CENTRAL_WAVELENGTH_UM"]) == pytest.approx(
        float(blue["WAVELENGTH"]) / 1000
    )


def test_landsat_folder_tar_and_metadata_file_give_the_same_pixels(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "scene.tar", "w") as archive:
        archive.add(ALABAMA, arcname="scene")
    mtl = next(ALABAMA.glob("*_MTL.txt"))
    outputs = []
    for index, product in enumerate((ALABAMA, tmp_path / "scene.tar", mtl)):
        outputs.append(tmp_path / f"{index}.tif")
        done = pansharpkit("fuse", product, "-o", outputs[-1], "-m", "gsa", "--no-report")
        assert (done.code, done.stderr) == (0, "")
    first, *others = (read(path) for path in outputs)
    assert first.shape == (4, 297, 754)
    for other in others:
        np.testing.assert_array_equal(first, other)
    with rasterio.open(outputs[0]) as made:
        assert made.descriptions == ("B2", "B3", "B4", "B5")
        assert made.nodata == 0
        scale, offset = made.scales[0], made.offsets[0]
        assert made.tags()["DATE_ACQUIRED"] == "2015-08-04"
    reflectance = first[0][first[0] > 0] * scale + offset
    assert 0.05 < np.median(reflectance) < 0.3


def test_toa_gives_reflectance_of_the_bands_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "a.tif"
    done = pansharpkit(
        "fuse", ALABAMA, "-o", output, "-m", "exp", "--toa", "--bands", "red,nir", "--no-report"
    )
    assert done.code == 0
    with rasterio.open(output) as made:
        assert (made.count, made.dtypes[0], made.descriptions) == (2, "float32", ("B4", "B5"))
        values = made.read(masked=True)
        assert math.isnan(made.nodata)
    assert 0.03 < float(values.mean()) < 0.5


def test_single_band_files_make_an_ms(crop: tuple[Path, Path], tmp_path: Path) -> None:
    pan, ms = crop
    values = read(ms)
    with rasterio.open(ms) as dataset:
        transform = dataset.transform
    parts = [
        write_geotiff(tmp_path / f"x_{name}.tif", band, transform, nodata=0)
        for name, band in zip(BANDS, values, strict=True)
    ]
    done = pansharpkit("fuse", pan, *parts, "-o", tmp_path / "a.tif", "-m", "gsa", "--no-report")
    assert done.code == 0
    fuse(crop, tmp_path / "b.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), read(tmp_path / "b.tif"))
    with rasterio.open(tmp_path / "a.tif") as made:
        assert made.descriptions == BANDS


# --- JSON contracts


def test_fuse_json_is_all_that_stdout_gets(crop: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "a.tif"
    done = subprocess_of("fuse", *crop, "-o", output, "-m", "gsa", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("{")
    assert done.json["output"] == str(output)


def test_fuse_json_contract(fused: tuple[Path, Any]) -> None:
    output, found = fused
    assert set(found["indices"]) >= FULL
    assert all(finite_or_null(value) for value in found["indices"].values())
    assert found["output"] == str(output)
    assert set(found["registration"]) == {
        "shift_rows",
        "shift_cols",
        "r2",
        "r2_unshifted",
        "reliable",
    }
    assert found["registration"]["reliable"] is True
    assert found["valid_pixels"] == found["total_pixels"] == 100 * 120
    assert found["clipped_low"] == found["clipped_high"] == [0, 0, 0, 0]
    assert set(found["seconds"]) == {"fit", "apply", "finish", "report"}
    assert found["estimated_seconds"] is None  # a scene this small is not worth it
    assert found["warnings"] == []
    assert len(found["sha256"]) == 64
    report = QualityReport.from_json(Path(found["report_json"]).read_bytes())
    assert report.indices == found["indices"]
    page = Path(found["report_html"]).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "HQNR" in page


def test_assess_json_contract(crop: tuple[Path, Path], fused: tuple[Path, Any]) -> None:
    pan, ms = crop
    done = pansharpkit("assess", "--fused", fused[0], "--pan", pan, "--ms", ms, "--json")
    assert (done.code, done.stderr) == (0, "")
    assert set(done.json) >= FULL
    assert all(finite_or_null(value) for value in done.json.values())
    assert done.json == pytest.approx(fused[1]["indices"])


def test_evaluate_against_a_reference_json_contract(fused: tuple[Path, Any]) -> None:
    done = pansharpkit(
        "evaluate", "--reference", fused[0], "--fused", fused[0], "--ratio", 2, "--json"
    )
    assert (done.code, done.stderr) == (0, "")
    assert set(done.json) >= REDUCED
    assert done.json["psnr_db"] is None, "infinite, which JSON does not know"
    assert (done.json["q2n"], done.json["ergas"], done.json["sam_deg"]) == (1, 0, 0)


def test_evaluate_a_pair_json_contract(crop: tuple[Path, Path]) -> None:
    methods = ["exp", "gsa", "mtf-glp-fs"]
    done = pansharpkit("evaluate", *crop, "-m", ",".join(methods), "--json")
    assert (done.code, done.stderr) == (0, "")
    assert [row["method"] for row in done.json] == methods
    for row in done.json:
        assert set(row) >= REDUCED | {"seconds"}
        assert all(finite_or_null(row[key]) for key in REDUCED | {"seconds", "peak"})
    exp, gsa, glp = (row["ergas"] for row in done.json)
    assert max(gsa, glp) < exp


def test_json_of_the_other_commands(crop: tuple[Path, Path]) -> None:
    found = pansharpkit("info", *crop, "--json").json
    assert (found["pan_size"], found["ms_size"]) == ([120, 100], [60, 50])
    assert found["ratio"] == pytest.approx([2, 2], abs=1e-3)
    assert found["registration"]["reliable"] is True
    assert "--sensor names yours" in found["notices"][0]
    assert pansharpkit("info", *crop, "--sensor", "landsat8_oli", "--json").json["notices"] == []
    methods = pansharpkit("methods", "--json").json
    assert [method["name"] for method in methods] == method_names()
    options = pansharpkit("methods", "gdd", "--json").json
    assert {"preset", "iterations"} <= {option["option"] for option in options}
    sensors = pansharpkit("sensors", "list", "--json").json
    assert {"landsat8_oli", "worldview3"} <= {sensor["id"] for sensor in sensors}


def test_tables_tell_people_the_same(crop: tuple[Path, Path], fused: tuple[Path, Any]) -> None:
    pan, ms = crop
    hqnr = f"{fused[1]['indices']['hqnr']:.6g}"
    assert hqnr in pansharpkit("assess", "--fused", fused[0], "--pan", pan, "--ms", ms).stdout
    assert "registration" in pansharpkit("info", pan, ms).stdout
    rows = pansharpkit("evaluate", pan, ms, "-m", "exp,gsa").stdout
    assert "exp" in rows
    assert "gsa" in rows
    for command in (("methods",), ("methods", "brovey"), ("sensors", "list")):
        done = pansharpkit(*command)
        assert (done.code, done.stderr) == (0, "")
        assert done.stdout


# --- options of fuse


def test_dry_run_writes_nothing(crop: tuple[Path, Path], tmp_path: Path) -> None:
    before = names_in(crop[0].parent)
    done = pansharpkit("fuse", *crop, "-o", tmp_path / "a.tif", "--dry-run", "--json")
    assert done.code == 0
    assert (done.json["size"], done.json["dtype"]) == ("120 x 100", "uint16")
    assert "shift" in done.json["registration"]
    assert names_in(tmp_path) == []
    assert names_in(crop[0].parent) == before
    assert "nothing was written" in pansharpkit(
        "fuse", *crop, "-o", tmp_path / "a.tif", "--dry-run"
    ).stdout  # fmt: skip


def test_dry_run_says_how_long_it_would_take(crop: tuple[Path, Path], tmp_path: Path) -> None:
    def planned(*options: str) -> tuple[float | None, str]:
        done = pansharpkit("fuse", *crop, "-o", tmp_path / "a.tif", "--dry-run", "--json", *options)
        return done.json["estimated_seconds"], done.json["time"]

    assert planned() == (None, "a few seconds")
    seconds, said = planned("-m", "gdd", "--option", "preset=reference")
    assert seconds is not None
    assert seconds > 60
    assert said.startswith("about")
    assert names_in(tmp_path) == []


def test_existing_output_stays_unless_overwrite(crop: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "a.tif"
    fuse(crop, output)
    before = output.read_bytes()
    for extra in ((), ("--dry-run",)):
        done = pansharpkit("fuse", *crop, "-o", output, "-m", "exp", *extra)
        assert done.code == 2
        assert "--overwrite" in done.stderr
        assert output.read_bytes() == before
    fuse(crop, output, "-m", "exp", "--overwrite")
    assert output.read_bytes() != before
    assert names_in(tmp_path) == ["a.tif"]


Check = Callable[[rasterio.DatasetReader, Outcome], bool]
OPTIONS: dict[str, tuple[tuple[str, ...], Check]] = {
    "bands by name, in the order asked for": (
        ("--bands", "B4,B2"), lambda made, _: made.descriptions == ("B4", "B2"),
    ),
    "bands by number": (("--bands", "1,4"), lambda made, _: made.descriptions == ("B2", "B5")),
    "names for bands": (
        ("--band-names", "a,b,c,d"), lambda made, _: made.descriptions == ("a", "b", "c", "d"),
    ),
    "bands of a sensor": (
        ("--sensor", "landsat8_oli"), lambda made, _: "WAVELENGTH" in made.tags(4),
    ),
    "type": (("--dtype", "float32"), lambda made, _: made.dtypes[0] == "float32"),
    "wide type": (("--dtype", "float64"), lambda made, _: made.dtypes[0] == "float64"),
    "bit depth": (
        ("--bit-depth", "11"),
        lambda made, done: made.read().max() == 2047
        and min(done.json["clipped_high"]) > 0
        and "11 bits" in done.stderr,
    ),
    "narrow type": (
        ("--dtype", "uint8"),
        lambda made, done: made.read().min() == 255 and "clipped" in done.json["warnings"][0],
    ),
    "creation options": (
        ("--co", "COMPRESS=ZSTD", "--co", "blocksize=128"),
        lambda made, _: made.compression.value == "ZSTD" and made.block_shapes[0] == (128, 128),
    ),
    "plain GeoTIFF": (
        ("--no-cog",), lambda made, _: "LAYOUT" not in made.tags(ns="IMAGE_STRUCTURE"),
    ),
    "back-projection": (
        ("--back-projection", "3", "--damping", "0.5"),
        lambda made, _: options_of(made)["back_projection"] == 3,
    ),
    "option of a method": (
        ("-m", "brovey", "--option", "weights=equal"),
        lambda made, _: options_of(made)["weights"] == "equal",
    ),
    "nodata of the inputs": (("--nodata", "4321"), lambda made, _: made.nodata == 4321),
    "tile, seed, device, threads": (
        ("--tile", "32", "--seed", "3", "--device", "cpu", "--threads", "1"),
        lambda made, done: (options_of(made)["tile"], done.json["device"]) == (32, "cpu"),
    ),
}  # fmt: skip


def options_of(made: rasterio.DatasetReader) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.tags()["PANSHARPKIT_OPTIONS"])
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_option(name: str, crop: tuple[Path, Path], tmp_path: Path) -> None:
    arguments, holds = OPTIONS[name]
    done = fuse(crop, tmp_path / "a.tif", *arguments, "--json")
    with rasterio.open(tmp_path / "a.tif") as made:
        assert holds(made, done)
        assert (made.width, made.height) == (120, 100)


def test_back_projection_brings_the_result_closer_to_the_ms(
    crop: tuple[Path, Path], tmp_path: Path
) -> None:
    errors = []
    for steps in (0, 3):
        output = tmp_path / f"{steps}.tif"
        fuse(crop, output, "--back-projection", steps)
        done = pansharpkit("assess", "--fused", output, "--pan", crop[0], "--ms", crop[1], "--json")
        errors.append(done.json["consistency_error_percent"])
    assert errors[1] < 0.7 * errors[0]


def test_bounds_cut_what_the_whole_scene_would_have(
    crop: tuple[Path, Path], tmp_path: Path
) -> None:
    from rasterio.warp import transform_bounds

    fuse(crop, tmp_path / "whole.tif")
    with rasterio.open(tmp_path / "whole.tif") as whole:
        west, south, east, north = rasterio.windows.bounds(
            rasterio.windows.Window(31, 22, 40, 30), whole.transform
        )
        inside = (west + 1, south + 1, east - 1, north - 1)
        fuse(crop, tmp_path / "a.tif", "--bounds", ",".join(map(str, inside)))
        middle = ((west + east) / 2, (south + north) / 2)
        point = (middle[0] - 1, middle[1] - 1, middle[0] + 1, middle[1] + 1)
        degrees = transform_bounds(whole.crs, "EPSG:4326", *point)
    np.testing.assert_array_equal(
        read(tmp_path / "a.tif"), read(tmp_path / "whole.tif")[:, 22:52, 31:71]
    )
    with rasterio.open(tmp_path / "a.tif") as made:
        assert (made.transform.c, made.transform.f) == pytest.approx((west, north), abs=1e-6)
    fuse(
        crop, tmp_path / "b.tif", "--bounds", " ".join(map(str, degrees)),
        "--bounds-crs", "EPSG:4326",
    )  # fmt: skip
    with rasterio.open(tmp_path / "b.tif") as made:
        assert max(made.shape) <= 3
        assert made.bounds.left <= middle[0] <= made.bounds.right
        assert made.bounds.bottom <= middle[1] <= made.bounds.top


def test_correct_shift_moves_the_ms_back(crop: tuple[Path, Path], tmp_path: Path) -> None:
    pan, ms = crop
    with rasterio.open(ms) as dataset:
        moved = dataset.transform @ Affine.translation(1, -0.5)
    beside = write_geotiff(tmp_path / "moved.tif", read(ms), moved, nodata=0, names=BANDS)
    right = tmp_path / "right.tif"
    fuse(crop, right, "-m", "exp")
    done = fuse((pan, beside), tmp_path / "wrong.tif", "-m", "exp", "--json")
    assert "--correct-shift" in done.stderr
    assert done.json["warnings"]
    found = done.json["registration"]
    assert (found["shift_rows"], found["shift_cols"]) == pytest.approx((1, -2), abs=0.2)
    done = fuse((pan, beside), tmp_path / "corrected.tif", "-m", "exp", "--correct-shift")
    assert "moved by" in done.stderr
    inner = (slice(None), slice(20, 80), slice(20, 100))
    errors = [
        np.abs(place(read(tmp_path / f"{name}.tif"), tmp_path / f"{name}.tif", right)[inner]
               - read(right)[inner].astype(float)).mean()
        for name in ("wrong", "corrected")
    ]  # fmt: skip
    assert errors[1] < 0.2 * errors[0]


def place(values: NDArray[Any], of: Path, on: Path) -> NDArray[np.float64]:
    """Return the values of one raster on the grid of another that shares its pixels."""
    with rasterio.open(of) as small, rasterio.open(on) as large:
        col, row = (round(v) for v in ~large.transform @ (small.transform.c, small.transform.f))
        found = np.zeros(large.read().shape)
    found[:, row : row + values.shape[1], col : col + values.shape[2]] = values
    return found


# --- figures of the field's reference toolbox


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write an array of a golden case as a GeoTIFF; the MS lies where the toolbox puts it."""
    from golden_cases import cases

    folder, found = tmp_path_factory.mktemp("golden"), cases()
    coarse = ORIGIN @ Affine.translation(0.5, 0.5) @ Affine.scale(2)

    def write(case: str, key: str, *, fused: bool = False) -> Path:
        source = found[case].fused(key) if fused else found[case].input(key)
        return write_geotiff(
            folder / f"{case}_{key}.tif",
            source.numpy().astype("f4"),
            coarse if key == "MS_LR" else ORIGIN,
            names=() if key == "PAN" else BANDS,
        )

    return write


def golden_figures(case: str, method: str) -> dict[str, float]:
    from golden_cases import cases

    return {k: v for k, v in cases()[case].figures[method].items() if v is not None}


FULL_GOLDEN = {
    "d_lambda": "D_lambda", "d_lambda_alparone2008": "D_lambda_orig", "d_s": "D_s",
    "qnr": "QNR", "d_lambda_k": "D_lambda_K", "hqnr": "HQNR",
}  # fmt: skip
REDUCED_GOLDEN = {
    "q2n": "Q2n_32", "q": "Q_avg", "sam_deg": "SAM", "ergas": "ERGAS", "scc": "SCC",
    "psnr_db": "PSNR_global", "ssim": "SSIM_bandmean",
}  # fmt: skip
METHODS = {"EXP": "exp", "GSA": "gsa", "MTF_GLP_FS": "mtf-glp-fs", "BDSD_PC": "bdsd-pc"}
STEP = 1 / 16
"""The stored arrays are multiples of it, the EXP that every other array was made from as well."""


def rounded(values: Any, step: float = STEP) -> Any:
    return (values / step + 0.5).floor() * step


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stored_exp", [False, True])
def test_assess_equals_the_toolbox(
    method: str, stored_exp: bool, golden: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pansharpkit.metrics import Raster, operators

    def stored(ms: Raster, geometry: Any) -> Raster:
        exact = operators.upsampled(ms, geometry)

        def read(*area: int) -> Any:
            values, mask = exact.read(*area)
            return rounded(values), mask

        return Raster(read, exact.bands, exact.size)

    if stored_exp:
        monkeypatch.setattr(operators, "expanded_ms", stored)
    case = "l8_FR_r2"
    done = pansharpkit(
        "assess", "--fused", golden(case, method, fused=True), "--pan", golden(case, "PAN"),
        "--ms", golden(case, "MS_LR"), "--sensor", "landsat8_oli", "--compat", "toolbox", "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    figures = golden_figures(case, method)
    for key, theirs in FULL_GOLDEN.items():
        assert done.json[key] == pytest.approx(figures[theirs], abs=1e-9 if stored_exp else 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_evaluate_equals_the_toolbox(method: str, golden: Callable[..., Path]) -> None:
    case = "l8_RR_r2"
    done = pansharpkit(
        "evaluate", "--reference", golden(case, "GT"), "--fused", golden(case, method, fused=True),
        "--ratio", 2, "--compat", "toolbox", "--peak", 10000, "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    figures = golden_figures(case, method)
    for key, theirs in REDUCED_GOLDEN.items():
        assert done.json[key] == pytest.approx(figures[theirs], abs=1e-9)


@pytest.mark.parametrize("case", ["l8_FR_r2", "l8_RR_r2"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stored_exp", [False, True])
def test_fuse_equals_the_toolbox(
    case: str,
    method: str,
    stored_exp: bool,
    golden: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pansharpkit.methods.operators import ToolboxOperators
    from pansharpkit.radiometry import WorkingRange

    plain = ToolboxOperators.upsample

    exp = torch.from_numpy(read(golden(case, "EXP", fused=True)))

    def stored(self: ToolboxOperators, observation: Any, x: Any) -> Any:
        return exp if x is observation.target else plain(self, observation, x)

    if stored_exp:
        monkeypatch.setattr(ToolboxOperators, "upsample", stored)
        monkeypatch.setattr(WorkingRange, "of", lambda largest: WorkingRange(1.0))
    output = tmp_path / "a.tif"
    done = pansharpkit(
        "fuse", golden(case, "PAN"), golden(case, "MS_LR"), "-o", output, "-m", METHODS[method],
        "--sensor", "landsat8_oli", "--compat", "toolbox", "--dtype", "float32", "--no-report",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    deviation = np.abs(read(output) - read(golden(case, method, fused=True)).astype(float)).max()
    exactly_once = stored_exp or method == "EXP"
    assert deviation < (STEP / 2 + 3e-3 if exactly_once else STEP + 0.02)


# --- the commands themselves

COMMANDS = [
    (), ("fuse",), ("evaluate",), ("assess",), ("info",), ("methods",), ("demo",), ("sensors",),
    ("sensors", "list"), ("sensors", "show"), ("sensors", "plot"), ("doctor",),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        done = pansharpkit(*command, flag)
        assert (done.code, done.stderr) == (0, "")
        assert "Usage: pansharpkit" in done.stdout


def test_help_leaves_the_heavy_packages_alone() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from pansharpkit_cli import app\n"
        f"for command in {[*COMMANDS[:3], COMMANDS[-1]]!r}:\n"
        "    sys.argv = ['pansharpkit', *command, '--help']\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        assert app._run(False) == 0\n"
        "heavy = {'torch', 'numpy', 'rasterio', 'scipy', 'xarray', 'matplotlib', 'dask'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.strip() == "[]"


def test_version_and_versions() -> None:
    from importlib.metadata import version

    assert pansharpkit("--version").stdout == f"pansharpkit {version('pansharpkit')}\n"
    shown = dict(line.split(" ", 1) for line in pansharpkit("--show-versions").stdout.splitlines())
    assert {"python", "pansharpkit", "torch", "rasterio", "gdal", "numpy"} <= set(shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fuse",), "Missing argument"),
        (("fuse", "a.tif", "b.tif"), "--output"),
        (("fuse", "--colour"), "--colour"),
        (("sharpen",), "sharpen"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--tile", "many"), "--tile"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--tile", "8"), "--tile"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "-m", "magic"), "magic"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--compat", "envi"), "envi"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--device", "abacus"), "abacus"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--bounds", "1,2,3"), "--bounds"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--co", "ZSTD"), "--co"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--option", "steps"), "--option"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "-m", "exp", "--option", "x=1"), "option x"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--on-bad-block", "hope"), "hope"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--bands", ","), "--bands"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--band-names", ","), "--band-names"),
        (("fuse", "a.tif", "b.tif", "-o", "c.tif", "--back-projection", "1", "--damping", "2"),
         "damping"),
        (("evaluate",), "-m METHOD"),
        (("evaluate", "a.tif", "b.tif"), "-m METHOD"),
        (("evaluate", "a.tif", "b.tif", "-m", "gsa,gsa"), "none twice"),
        (("evaluate", "a.tif", "b.tif", "-m", "gsa,exp", "--option", "x=1"), "single method"),
        (("evaluate", "--reference", "a.tif", "--fused", "b.tif"), "--ratio"),
        (("evaluate", "--fused", "b.tif", "--ratio", "2"), "--reference"),
        (("assess", "--fused", "b.tif"), "--pan"),
        (("methods", "magic"), "magic"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)  # fmt: skip
def test_wrong_usage_is_said_on_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = pansharpkit(*arguments)
    assert done.code == 2
    assert done.stdout == ""
    assert len(done.lines) == 1
    assert done.stderr.startswith("error ")
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [(), ("sensors",)])
def test_bare_command_shows_its_help(arguments: tuple[str, ...]) -> None:
    done = pansharpkit(*arguments)
    assert (done.code, done.stderr) == (2, "")
    assert "Usage:" in done.stdout


def test_options_come_from_the_environment_too(
    crop: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANSHARPKIT_FUSE_TILE", "48")
    monkeypatch.setenv("PANSHARPKIT_FUSE_METHOD", "exp")
    monkeypatch.setenv("PANSHARPKIT_FUSE_CO", "COMPRESS=ZSTD BLOCKSIZE=256")
    monkeypatch.setenv("PANSHARPKIT_FUSE_NO_REPORT", "1")
    monkeypatch.setenv("PANSHARPKIT_FUSE_JSON", "true")
    done = pansharpkit("fuse", *crop, "-o", tmp_path / "a.tif", "--tile", "64")
    assert done.json["report_json"] is None
    with rasterio.open(tmp_path / "a.tif") as made:
        assert options_of(made)["tile"] == 64, "the command line wins"
        assert made.tags()["PANSHARPKIT_METHOD"] == "exp"
        assert made.block_shapes[0] == (256, 256)
        assert made.compression.value == "ZSTD"
    pansharpkit("fuse", *crop, "-o", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as made:
        assert options_of(made)["tile"] == 48
    monkeypatch.setenv("PANSHARPKIT_SENSORS_LIST_JSON", "1")
    assert pansharpkit("sensors", "list").json
    monkeypatch.setenv("PANSHARPKIT_FUSE_TILE", "large")
    assert pansharpkit("fuse", *crop, "-o", tmp_path / "c.tif").code == 2


def test_a_version_in_the_environment_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANSHARPKIT_VERSION", "1")
    assert "GSA" in pansharpkit("methods", "--json").stdout.upper()


def test_environment_and_colours_in_a_process_of_its_own(tmp_path: Path) -> None:
    loud = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "PANSHARPKIT_FUSE_TILE": "8"}
    plain = subprocess_of("fuse", "a", "b", "-o", tmp_path / "c.tif", env={**loud, "NO_COLOR": "1"})
    coloured = subprocess_of("fuse", "a", "b", "-o", tmp_path / "c.tif", env=loud)
    assert plain.code == coloured.code == 2
    assert "--tile" in plain.stderr
    assert "\x1b[1;31m" in coloured.stderr
    assert "31m" not in plain.stderr


def test_quiet_says_nothing(crop: tuple[Path, Path], tmp_path: Path) -> None:
    done = fuse(crop, tmp_path / "a.tif", "--quiet", "--dtype", "uint8")
    assert (done.stdout, done.stderr) == ("", "")


def test_debug_shows_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["pansharpkit", "--debug", "fuse", "no.tif", "b.tif", "-o", str(tmp_path / "a.tif")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(FileReadError):
        app._run(debug=True)


def test_verbose_logs_on_stderr_only(
    crop: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # those of pytest
    monkeypatch.setattr(root, "level", root.level)
    done = pansharpkit(
        "-v", "fuse", *crop, "-o", tmp_path / "a.tif", "-m", "exp", "--no-report", "--json"
    )
    root.setLevel(logging.WARNING)  # also forgets which levels are on
    assert done.code == 0
    assert "INFO pansharpkit" in done.stderr
    assert done.json["output"].endswith("a.tif")


def test_demo_writes_and_compares(
    crop: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pansharpkit import showcase

    monkeypatch.setattr(showcase, "demo_files", lambda: crop)
    done = pansharpkit("demo", "-o", tmp_path / "new" / "demo", "--quick")
    assert done.code == 0
    assert "HQNR" in done.stdout
    assert showcase.SAID["exp"] in done.stderr
    for name in set(showcase.SAID) - set(showcase.LEARNED):
        assert (tmp_path / "new" / "demo" / f"pamplona_{name}.report.html").exists()
        assert cog_validate(tmp_path / "new" / "demo" / f"pamplona_{name}.tif", quiet=True)[0]


def test_inputs_in_a_read_only_folder(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    shutil.copytree(pair.pan.parent, folder)
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = names_in(folder)
    done = pansharpkit("fuse", folder / "pan.tif", folder / "ms.tif", "-o", tmp_path / "a.tif")
    folder.chmod(0o755)
    assert done.code == 0
    assert names_in(folder) == before
    assert names_in(tmp_path) == ["a.report.html", "a.report.json", "a.tif", "inputs"]
