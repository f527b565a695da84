"""Images of one resolution: scales, grids, colours, judging, arrays, resuming."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from affine import Affine
from command_line import pansharpkit
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasters import ORIGIN, UTM30, write_geotiff
from same_images import pixels, smooth, write_picture

import pansharpkit as package
from pansharpkit.errors import FusionError, GridError, OptionError
from pansharpkit.grid import Grid, Window
from pansharpkit.methods.same.pixelwise import Mean
from pansharpkit.metrics.residual import correlation, noise_sigma, residual_indices
from pansharpkit.same.colour import Colours, ColourSink, luminance
from pansharpkit.same.images import Image, is_placed, open_image
from pansharpkit.same.intake import opened
from pansharpkit.same.judge import judged_window
from pansharpkit.same.request import ImagesRequest
from pansharpkit.same.scale import Match, matched, spread_of
from pansharpkit.source import ArraySource
from pansharpkit.warp import WarpedSource

A, B = smooth(seed=1), smooth(seed=2)
PLAIN = Grid(48, 64, Affine.identity(), None)


def image(values: np.ndarray, label: str = "a", **more: object) -> Image:
    stacked = values[None] if values.ndim == 2 else values
    grid = Grid(*stacked.shape[1:], Affine.identity(), None)
    names = tuple(f"band {i}" for i in range(len(stacked)))
    return Image(ArraySource(grid, stacked, names, None, label), **more)  # type: ignore[arg-type]


def maps(how: Match, *images: Image) -> tuple[tuple[float, float], ...]:
    return matched([i.source for i in images], images, PLAIN.window, how).maps


def test_eight_bits_are_left_alone() -> None:
    assert maps("auto", image(A), image(B // 8)) == ((1, 0), (1, 0))


def test_images_of_one_quantity_are_left_alone() -> None:
    hazy = 300 + A.astype(np.uint16) * 8
    assert maps("auto", image(A.astype(np.uint16) * 10), image(hazy)) == ((1, 0), (1, 0))


def test_pictures_of_other_types_are_mapped_by_range() -> None:
    deep = image(B.astype(np.uint16) * 257, full_range=True)
    found = maps("auto", image(A, full_range=True), deep)
    assert found[1] == pytest.approx((1 / 257, 0))
    assert maps("range", image(A), image(B / 255.0))[1] == pytest.approx((255, 0))


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_robust_maps_undo_any_scale(scale: float, offset: float) -> None:
    other = image(A.astype(np.float64) * scale + offset)
    found, base = maps("robust", image(A), other)[1]
    assert found * scale == pytest.approx(1, rel=1e-6)
    assert base + found * offset == pytest.approx(0, abs=1e-3 * (1 + abs(offset / scale)))


def test_other_units_are_mapped_and_said() -> None:
    kelvin = image(280 + B / 20.0, "t")
    reflectance = image(A / 500.0, "r")
    found = matched(
        [reflectance.source, kelvin.source], [reflectance, kelvin], PLAIN.window, "auto"
    )
    assert found.maps[1] != (1, 0)
    assert "t is brought to the scale of r" in found.notices[0]
    values = found.sources[1].read(PLAIN.window)[0]
    assert np.percentile(values, 98) == pytest.approx(np.percentile(A / 500, 98), rel=1e-3)


def test_constants_go_to_the_middle() -> None:
    flat = image(np.full((48, 64), 300.0))
    scale, offset = maps("robust", image(A), flat)[1]
    assert scale * 300 + offset == pytest.approx(np.median(A))


def test_spread_of_nothing() -> None:
    gone = ArraySource(PLAIN, np.full((1, 48, 64), np.nan), ("a",))
    assert spread_of(gone, PLAIN.window) is None
    assert maps("auto", image(A), Image(gone)) == ((1, 0), (1, 0))


def test_no_georeference_is_no_place(tmp_path: Path) -> None:
    placed = open_image(str(write_geotiff(tmp_path / "a.tif", A))).source.grid
    local = open_image(str(write_geotiff(tmp_path / "b.tif", A, crs=None))).source.grid
    plain = open_image(str(write_picture(tmp_path / "c.tif", A))).source.grid
    assert [is_placed(grid) for grid in (placed, local, plain)] == [True, True, False]
    assert local.crs is None
    assert local.transform == ORIGIN


def test_finer_images_are_smoothed_window_by_window() -> None:
    fine = np.random.default_rng(0).normal(size=(1, 240, 320)).astype(np.float32)
    crs = CRS.from_string(UTM30)
    source = ArraySource(Grid(240, 320, ORIGIN, crs), fine, ("a",))
    warped = WarpedSource(source, Grid(60, 80, ORIGIN @ Affine.scale(4), crs))
    whole, valid = warped.read(warped.grid.window)
    assert valid[4:-4, 4:-4].all()
    assert whole[0, 4:-4, 4:-4].std() < 0.4  # of white noise: .25 after means over 4 x 4
    part, _ = warped.read(Window(17, 23, 11, 13))
    assert np.allclose(part, whole[:, 17:28, 23:36], atol=1e-5)


def test_colours_keep_what_luminance_lacks() -> None:
    rgb = np.stack([A, B, A[::-1]]).astype(np.float32)
    kept: dict[str, np.ndarray] = {}

    class Sink:
        def write(self, window: Window, values: np.ndarray, valid: np.ndarray) -> None:
            kept["values"] = values

    colours = Colours(ArraySource(PLAIN, rgb, ("r", "g", "b")), (0, 1, 2))
    extent = Window(8, 4, 30, 40)
    sink = ColourSink(Sink(), colours, extent, np.dtype(np.float32), float("nan"))
    place = Window(2, 3, 10, 12)
    wanted = np.random.default_rng(0).uniform(0, 255, (1, 10, 12)).astype(np.float32)
    sink.write(place, wanted, np.ones((10, 12), bool))
    under = rgb[:, 10:20, 7:19]
    assert np.allclose(luminance(kept["values"]), wanted[0], atol=1e-3)
    assert np.allclose(kept["values"] - wanted, under - luminance(under), atol=1e-3)


def test_luminance_of_grey_is_grey() -> None:
    assert np.allclose(luminance(np.stack([A, A, A])), A, atol=1e-4)


def test_residual_of_white_noise_looks_like_noise() -> None:
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(np.kron(rng.uniform(0, 200, (10, 10)), np.ones((24, 24))))[None]
    noisy = clean + torch.from_numpy(rng.normal(0, 10, clean.shape))
    mask = torch.ones(240, 240, dtype=torch.bool)
    found = residual_indices(noisy, clean, clean, mask)
    assert found["noise_before"] == pytest.approx(10, rel=0.1)
    assert found["noise_after"] == 0
    assert found["residual_rms"] == pytest.approx(10, rel=0.02)
    assert abs(found["residual_edges"] or 0) < 0.05
    assert abs(found["residual_neighbours"] or 0) < 0.02


def test_residual_of_blur_shows_edges() -> None:
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(np.kron(rng.uniform(0, 200, (10, 10)), np.ones((24, 24))))[None]
    blurred = torch.nn.functional.avg_pool2d(clean, 7, 1, 3)
    found = residual_indices(clean, blurred, clean, torch.ones(240, 240, dtype=torch.bool))
    assert (found["residual_edges"] or 0) > 0.8
    assert (found["residual_neighbours"] or 0) > 0.5


def test_residual_of_nothing_is_nothing() -> None:
    flat = torch.full((2, 8, 8), 3.0)
    mask = torch.ones(8, 8, dtype=torch.bool)
    found = residual_indices(flat, flat, None, mask)
    assert found["residual_edges"] is None
    assert found["noise_before"] == 0
    assert set(residual_indices(flat, flat, None, ~mask).values()) == {None}
    assert noise_sigma(flat[0, :1], mask[:1]) is None
    assert correlation(torch.ones(1), torch.ones(1)) is None


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_judged_windows_lie_inside(height: int, width: int) -> None:
    extent = Window(3, 4, height, width)
    found = judged_window(extent, 10_000)
    assert found.clip(extent) == found
    assert not found.empty
    assert found == extent or found.height * found.width <= 10_000 * 1.5 + height + width


def test_blend_of_arrays() -> None:
    made = package.blend(A, B, method="mean")
    assert made.dtype == np.uint8
    assert np.abs(made.values[0] - (A / 2 + B / 2)).max() <= 0.5
    values = package.assess_blend([A, B], made)
    assert values["q_abf"] is not None


def test_blend_of_files_and_data_arrays(tmp_path: Path) -> None:
    first = write_geotiff(tmp_path / "a.tif", A)
    crs = xarray.DataArray(0, attrs={"crs_wkt": CRS.from_string(UTM30).to_wkt()})
    north, east = 15 * (np.arange(48) + 0.5), 15 * (np.arange(64) + 0.5)
    coords = {"y": 4_745_000 - north, "x": 605_000 + east, "spatial_ref": crs}
    second = xarray.DataArray(B, dims=("y", "x"), coords=coords)
    made = package.blend(first, second, method="mean")
    assert np.abs(made.values[0] - (A / 2 + B / 2)).max() <= 0.5
    assert made.x.values[0] == 605_007.5


def test_gaps_of_arrays_are_nan() -> None:
    holed = A.astype(np.float32)
    holed[:5] = np.nan
    made = package.blend(holed, B.astype(np.float32), method="mean").values
    assert np.isnan(made[0, :5]).all()
    assert np.isfinite(made[0, 5:]).all()


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(OptionError, match="at least two"):
        package.blend(A)
    with pytest.raises(GridError, match="image A and image B"):
        package.blend(A, B[:9])
    with pytest.raises(OptionError, match="expected"):
        package.blend(A, np.zeros((2, 2, 2, 2)))
    with pytest.raises(OptionError, match="pansharpkit blend"):
        package.denoise(A, B, method="mean")


def test_a_noisy_image_alone_guides_itself() -> None:
    found = opened([image(A)], ImagesRequest("denoise", ("a",)))
    assert found.scene.guide.names == found.scene.target.names
    assert any("guides itself" in text for text in found.scene.notices)
    block = found.scene.read(Window(3, 4, 10, 20))
    assert block.target.shape == block.guide.shape == (1, 10, 20)
    assert block.target_window == block.window


def test_resume_goes_on_from_finished_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = write_picture(tmp_path / "a.png", np.stack([A, B, A]))
    b = write_picture(tmp_path / "b.png", B)
    command = ("blend", a, b, "-m", "mean", "--tile", 16, "--threads", 1, "--no-report", "--quiet")
    assert pansharpkit(*command, "-o", tmp_path / "whole.tif").code == 0
    calls: list[int] = []
    plain = Mean.apply

    def failing(self: Mean, batch: object, context: object) -> object:
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return plain(self, batch, context)  # type: ignore[arg-type]

    monkeypatch.setattr(Mean, "apply", failing)
    stopped = pansharpkit(*command, "-o", tmp_path / "o.tif", "--resume")
    assert stopped.code == 130
    assert not (tmp_path / "o.tif").exists()
    assert (tmp_path / ".o.tif.tiles").is_dir()
    calls.clear()
    monkeypatch.setattr(Mean, "apply", lambda s, x, c: (calls.append(1), plain(s, x, c))[1])
    done = pansharpkit(*command, "-o", tmp_path / "o.tif", "--resume")
    assert done.code == 0, done.stderr
    assert 0 < len(calls) < 12
    assert np.array_equal(pixels(tmp_path / "o.tif"), pixels(tmp_path / "whole.tif"))
    assert not (tmp_path / ".o.tif.tiles").exists()


@pytest.mark.parametrize(
    ("task", "method", "failing", "instead"),
    [
        ("blend", "pca-gain", "pansharpkit.methods.same.pixelwise.FittedPcaGain", "mean"),
        (
            "denoise",
            "dip",
            "pansharpkit.methods.same.restoration.FittedRestoration",
            "joint-bilateral",
        ),
    ],
)
def test_tiles_that_fail_are_made_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    method: str,
    failing: str,
    instead: str,
) -> None:
    def fail(*_: object) -> None:
        raise FusionError("diverged")

    monkeypatch.setattr(f"{failing}.apply", fail)
    a, b = write_picture(tmp_path / "a.png", A), write_picture(tmp_path / "b.png", B)
    inputs = (a, b) if task == "blend" else (a, "--guide", b)
    less = () if task == "blend" else ("--option", "iterations=1")
    done = pansharpkit(task, *inputs, "-m", method, *less, "-o", tmp_path / "o.tif", "--json")
    assert done.code == 0, done.stderr
    assert f"fell back to {instead}: diverged" in done.json["warnings"][0]
    report = json.loads((tmp_path / "o.report.json").read_text())
    assert report["failed_tiles"][0]["height"] == 48
    other = pansharpkit(task, *inputs, "-m", instead, "-o", tmp_path / "p.tif", "--no-report", "-q")
    assert other.code == 0
    assert np.array_equal(pixels(tmp_path / "o.tif"), pixels(tmp_path / "p.tif"))
