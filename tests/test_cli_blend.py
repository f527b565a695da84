"""`pansharpkit blend`, `denoise` and `assess-blend` from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import Outcome, pansharpkit, subprocess_of
from rasters import ORIGIN, UTM30, write_geotiff
from same_images import pixels, smooth, write_picture

A, B = smooth(seed=1), smooth(seed=2)
RGB = np.stack([smooth(seed=seed) for seed in (3, 4, 5)])


def blend(out: Path, *inputs: object, method: str = "mean", report: bool = False) -> Outcome:
    less = () if report else ("--no-report",)
    return pansharpkit("blend", *inputs, "-m", method, "-o", out, "--json", *less)


def mean(*values: Any) -> Any:
    return np.mean([np.asarray(v, float) for v in values], axis=0)


def test_geotiffs_stay_where_they_lie(tmp_path: Path) -> None:
    bands = (RGB * 7).astype(np.uint16)
    a = write_geotiff(tmp_path / "a.tif", bands, names=("red", "green", "nir"))
    b = write_geotiff(tmp_path / "b.tif", bands[::-1])
    done = blend(tmp_path / "out.tif", a, b)
    assert done.code == 0, done.stderr
    with rasterio.open(tmp_path / "out.tif") as out, rasterio.open(a) as first:
        assert out.transform == first.transform
        assert out.crs == first.crs
        assert out.descriptions == ("red", "green", "nir")
        assert out.dtypes == ("uint16",) * 3
        assert out.tags()["PANSHARPKIT_METHOD"] == "mean"
        assert np.abs(out.read() - mean(bands, bands[::-1])).max() <= 0.5


def test_three_sources(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / f"{i}.png", smooth(seed=i)) for i in range(3)]
    assert blend(tmp_path / "out.tif", *paths).code == 0
    expected = mean(*(smooth(seed=i) for i in range(3)))
    assert np.abs(pixels(tmp_path / "out.tif")[0] - expected).max() <= 0.51


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".img"])
def test_outputs_by_their_names(tmp_path: Path, suffix: str) -> None:
    a, b = write_picture(tmp_path / "a.png", A), write_picture(tmp_path / "b.bmp", B)
    (tmp_path / "out").mkdir()
    done = blend(tmp_path / "out" / f"out{suffix}", a, b)
    assert done.code == 0, done.stderr
    close = 20 if suffix == ".jpg" else 0.5
    assert np.abs(pixels(tmp_path / "out" / f"out{suffix}")[0] - mean(A, B)).max() <= close
    extra = {"out.hdr"} if suffix == ".img" else set()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"out{suffix}"} | extra


def test_sixteen_bit_png(tmp_path: Path) -> None:
    a = write_picture(tmp_path / "a.png", A.astype(np.uint16) * 257)
    b = write_picture(tmp_path / "b.png", B)
    done = blend(tmp_path / "out.png", a, b)
    assert "range of its type" in done.json["warnings"][0]
    assert np.abs(pixels(tmp_path / "out.png")[0] - 257 * mean(A, B)).max() <= 0.5


def test_thermal_beside_reflectance_keeps_the_units_of_the_first(tmp_path: Path) -> None:
    reflectance = A.astype(np.float32) / 500
    kelvin = 280 + B.astype(np.float32) / 10
    a = write_geotiff(tmp_path / "a.tif", reflectance)
    b = write_geotiff(tmp_path / "b.tif", kelvin)
    done = blend(tmp_path / "out.tif", a, b)
    assert any("brought to the scale of a.tif" in text for text in done.json["warnings"])
    made = pixels(tmp_path / "out.tif")
    assert made.dtype == np.float32
    assert abs(made.mean() - reflectance.mean()) < 0.05
    plain = pansharpkit(
        "blend", a, b, "-m", "mean", "--match", "none", "-o", tmp_path / "o2.tif", "--json",
        "--no-report",
    )  # fmt: skip
    assert plain.json["warnings"] == []
    assert np.allclose(pixels(tmp_path / "o2.tif")[0], mean(reflectance, kelvin), atol=1e-3)


@pytest.mark.parametrize("tile", [16, 37, 512])
def test_tiles_do_not_show(tmp_path: Path, tile: int) -> None:
    a, b = write_picture(tmp_path / "a.png", RGB), write_picture(tmp_path / "b.png", B)
    for name, side in (("tiled", tile), ("whole", 512)):
        done = pansharpkit("blend", a, b, "-m", "mean", "-o", tmp_path / f"{name}.tif",
                           "--tile", side, "--no-report", "--quiet")  # fmt: skip
        assert done.code == 0
    assert np.array_equal(pixels(tmp_path / "tiled.tif"), pixels(tmp_path / "whole.tif"))


def luminance(rgb: Any) -> Any:
    return np.tensordot([0.299, 0.587, 0.114], np.asarray(rgb, float), 1)


@pytest.mark.parametrize("first", ["colour", "grey"])
def test_colour_is_put_back(tmp_path: Path, first: str) -> None:
    low = (64 + RGB / 2).astype(np.uint8)  # so that nothing is clipped
    grey = (64 + B / 2).astype(np.uint8)
    colour, other = write_picture(tmp_path / "c.png", low), write_picture(tmp_path / "g.png", grey)
    inputs = (colour, other) if first == "colour" else (other, colour)
    done = blend(tmp_path / "out.png", *inputs)
    assert done.code == 0, done.stderr
    made = pixels(tmp_path / "out.png").astype(float)
    expected = mean(luminance(low), grey)
    assert np.abs(luminance(made) - expected).max() <= 1
    assert np.abs((made - luminance(made)) - (low - luminance(low))).max() <= 1.5
    assert done.json["clipped_high"] == [0, 0, 0]
    assert any("colour of c.png" in text for text in done.json["warnings"])


def test_clipped_colours_are_counted(tmp_path: Path) -> None:
    red = np.stack([np.full((20, 30), 250), np.zeros((20, 30)), np.zeros((20, 30))])
    a = write_picture(tmp_path / "a.png", red.astype(np.uint8))
    b = write_picture(tmp_path / "b.png", np.full((20, 30), 255, np.uint8))
    done = blend(tmp_path / "out.png", a, b)
    assert done.json["clipped_high"] == [600, 0, 0]
    assert pixels(tmp_path / "out.png")[0].min() == 255


def test_colour_on_request(tmp_path: Path) -> None:
    a, b = write_picture(tmp_path / "a.png", RGB), write_picture(tmp_path / "b.png", RGB[::-1])
    for wanted, bands in (("none", 1), ("B", 3)):
        out = tmp_path / f"{wanted}.tif"
        done = pansharpkit("blend", a, b, "-m", "mean", "--colour-from", wanted, "-o", out, "-q")
        assert done.code == 0, done.stderr
        assert len(pixels(out)) == bands
    assert blend(tmp_path / "bands.tif", a, b).code == 0  # band by band
    assert np.abs(pixels(tmp_path / "bands.tif") - mean(RGB, RGB[::-1])).max() <= 0.5


def test_bands_by_name_and_number(tmp_path: Path) -> None:
    a = write_geotiff(tmp_path / "a.tif", np.stack([A, B, A, B]), names=("blue", "green", "x", "y"))
    b = write_geotiff(tmp_path / "b.tif", A)
    done = pansharpkit("blend", a, b, "-m", "mean", "--bands", "green", "-o", tmp_path / "o.tif")
    assert done.code == 0, done.stderr
    assert np.abs(pixels(tmp_path / "o.tif")[0] - mean(A, B)).max() <= 0.5
    each = pansharpkit("blend", a, a, "-m", "mean", "--bands", "1", "--bands", "4",
                       "-o", tmp_path / "p.tif")  # fmt: skip
    assert each.code == 0, each.stderr
    assert np.abs(pixels(tmp_path / "p.tif")[0] - mean(A, B)).max() <= 0.5


def test_gaps_of_either_are_gaps(tmp_path: Path) -> None:
    hole, other = A.astype(np.int16), B.astype(np.int16)
    hole[5:10, 5:10] = -9
    mask = np.ones(B.shape, bool)
    mask[:, 40:] = False
    a = write_geotiff(tmp_path / "a.tif", hole, nodata=-9)
    b = write_geotiff(tmp_path / "b.tif", other, mask=mask)
    assert blend(tmp_path / "out.tif", a, b).code == 0
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.nodata == -9
        found = out.read_masks(1) > 0
    mask[5:10, 5:10] = False
    assert np.array_equal(found, mask)


def test_gaps_of_pngs_are_transparent(tmp_path: Path) -> None:
    alpha = np.where(A > 100, 255, 0).astype(np.uint8)
    a = write_picture(tmp_path / "a.png", np.stack([A, alpha]))
    b = write_picture(tmp_path / "b.png", B)
    assert blend(tmp_path / "out.png", a, b).code == 0
    made = pixels(tmp_path / "out.png")
    assert np.array_equal(made[1] > 0, alpha > 0)


@pytest.mark.parametrize(("factor", "worst"), [(2.0, 2.0), (0.5, 2.0)], ids=["coarser", "finer"])
def test_align_resamples_onto_the_first(tmp_path: Path, factor: float, worst: float) -> None:
    rows, cols = np.mgrid[:60, :80] + 0.5
    a = write_geotiff(tmp_path / "a.tif", (100 + rows + cols).astype(np.float32))
    size = int(60 / factor), int(80 / factor)
    rows, cols = (np.mgrid[: size[0], : size[1]] + 0.5) * factor
    grid = ORIGIN @ Affine.scale(factor)
    b = write_geotiff(tmp_path / "b.tif", (100 + rows + cols).astype(np.float32), grid)
    refused = blend(tmp_path / "out.tif", a, b)
    assert refused.code == 4
    assert "--align" in refused.stderr
    done = pansharpkit("blend", a, b, "--align", "-m", "mean", "-o", tmp_path / "out.tif", "--json",
                       "--no-report", "--tile", 16)  # fmt: skip
    assert done.code == 0, done.stderr
    made, expected = pixels(tmp_path / "out.tif")[0], pixels(a)[0]
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(made[inner] - expected[inner]).max() < 0.02 * worst
    whole = pansharpkit("blend", a, b, "--align", "-m", "mean", "-o", tmp_path / "whole.tif",
                        "--no-report")  # fmt: skip
    assert whole.code == 0
    assert np.allclose(pixels(tmp_path / "whole.tif")[0], made, atol=1e-4, equal_nan=True)


def test_align_across_crs_and_extents(tmp_path: Path) -> None:
    a = write_geotiff(tmp_path / "a.tif", A)
    moved = ORIGIN @ Affine.translation(20, 0)
    b = write_geotiff(tmp_path / "b.tif", B, moved)
    done = pansharpkit("blend", a, b, "--align", "-m", "mean", "-o", tmp_path / "o.tif", "--json",
                       "--no-report")  # fmt: skip
    assert done.code == 0, done.stderr
    assert any("44 x 48" in text for text in done.json["warnings"])
    with rasterio.open(tmp_path / "o.tif") as out:
        assert out.shape == (48, 44)
        assert out.transform.almost_equals(moved)
        inside = out.read(1)[4:-4, 4:-4]
    assert np.abs(inside - mean(A[4:-4, 24:-4], B[4:-4, 4:40])).max() <= 1


def test_bounds(tmp_path: Path) -> None:
    a, b = write_geotiff(tmp_path / "a.tif", A), write_geotiff(tmp_path / "b.tif", B)
    left, top = ORIGIN @ (10, 8)
    right, bottom = ORIGIN @ (30, 20)
    done = pansharpkit("blend", a, b, "-m", "mean", "-o", tmp_path / "o.tif", "--json",
                       "--bounds", f"{left},{bottom},{right},{top}")  # fmt: skip
    assert done.code == 0, done.stderr
    expected = mean(A, B)[8:20, 10:30]
    assert np.abs(pixels(tmp_path / "o.tif")[0] - expected).max() <= 0.5
    assert None not in done.json["indices"].values()


def test_report(tmp_path: Path) -> None:
    a, b = write_geotiff(tmp_path / "a.tif", RGB), write_geotiff(tmp_path / "<b>.tif", B)
    done = blend(tmp_path / "out.tif", a, b, report=True)
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "out.report.json").read_text())
    page = (tmp_path / "out.report.html").read_text()
    assert report["task"] == "blend"
    assert [source["name"] for source in report["sources"]] == ["a.tif", "<b>.tif"]
    assert report["indices"] == done.json["indices"]
    assert all(np.isfinite(value) for value in report["indices"].values())
    assert report["provenance"]["command"].startswith("pansharpkit blend")
    assert "<b>.tif" not in page
    assert page.count("data:image/png") == 9
    judged = pansharpkit("assess-blend", a, b, "--fused", tmp_path / "out.tif", "--json")
    assert judged.json == pytest.approx(done.json["indices"])


@pytest.mark.parametrize("suffix", [".png", ".img"])
def test_reports_of_other_formats(tmp_path: Path, suffix: str) -> None:
    a, b = write_picture(tmp_path / "a.png", RGB), write_picture(tmp_path / "b.png", B)
    done = blend(tmp_path / f"out{suffix}", a, b, report=True)
    assert done.code == 0, done.stderr
    assert done.json["indices"]["q_abf"] > 0.1
    assert (tmp_path / "out.report.html").exists()


def test_constant_images_give_finite_indices(tmp_path: Path) -> None:
    flat = write_picture(tmp_path / "flat.png", np.full_like(A, 90))
    done = blend(tmp_path / "out.tif", write_picture(tmp_path / "a.png", A), flat, report=True)
    assert done.code == 0, done.stderr
    assert any("flat.png seems to be constant" in text for text in done.json["warnings"])
    values = done.json["indices"].values()
    assert all(value is None or np.isfinite(value) for value in values)
    both = blend(tmp_path / "both.tif", flat, flat, report=True)
    assert both.code == 0, both.stderr
    assert (pixels(tmp_path / "both.tif") == 90).all()


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    a, b = write_picture(tmp_path / "a.png", A), write_picture(tmp_path / "b.png", B)
    done = pansharpkit("blend", a, b, "-m", "mean", "-o", tmp_path / "o.tif", "--dry-run", "--json")
    assert done.json["size"] == "64 x 48"
    assert done.json["time"] == "a few seconds"
    assert not (tmp_path / "o.tif").exists()


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    a, b = write_geotiff(tmp_path / "a.tif", A), write_picture(tmp_path / "b.png", B)
    done = subprocess_of("blend", a, b, "-m", "mean", "-o", tmp_path / "o.tif")
    assert done.code == 4
    assert len(done.lines) == 1
    assert "b.png does not say where it lies and a.tif does" in done.stderr


def test_control_points_are_not_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "gcps.tif"
    points = [rasterio.control.GroundControlPoint(r, c, c * 10.0, -r * 10.0)
              for r, c in ((0, 0), (0, 60), (40, 0))]  # fmt: skip
    with rasterio.open(path, "w", driver="GTiff", count=1, height=48, width=64, dtype="uint8",
                       gcps=points, crs=UTM30) as out:  # fmt: skip
        out.write(A, 1)
    done = blend(tmp_path / "o.tif", path, write_picture(tmp_path / "b.png", B))
    assert done.code == 0, done.stderr
    assert any("control points" in text for text in done.json["warnings"])


@pytest.mark.parametrize("size", [(1, 40), (2, 3), (17, 33)])
def test_tiny_images(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = np.arange(1, 1 + size[0] * size[1], dtype=np.uint16).reshape(size)
    a = write_picture(tmp_path / "a.png", ramp)
    b = write_picture(tmp_path / "b.png", ramp[::-1, ::-1])
    done = blend(tmp_path / "out.tif", a, b, report=True)
    assert done.code == 0, done.stderr
    assert np.abs(pixels(tmp_path / "out.tif")[0] - mean(ramp, ramp[::-1, ::-1])).max() <= 0.5
    assert all(value is None or np.isfinite(value) for value in done.json["indices"].values())


@pytest.mark.parametrize(
    "turned", [Affine.rotation(30), Affine.scale(1, -1)], ids=["rotated", "south-up"]
)
def test_other_orientations(tmp_path: Path, turned: Affine) -> None:
    grid = ORIGIN @ turned
    a = write_geotiff(tmp_path / "a.tif", A, grid)
    b = write_geotiff(tmp_path / "b.tif", B, grid)
    assert blend(tmp_path / "out.tif", a, b).code == 0
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.transform.almost_equals(grid)
        assert np.abs(out.read(1) - mean(A, B)).max() <= 0.5


def test_align_turns_what_is_turned(tmp_path: Path) -> None:
    a = write_geotiff(tmp_path / "a.tif", A)
    flipped = ORIGIN @ Affine.translation(0, 48) @ Affine.scale(1, -1)
    b = write_geotiff(tmp_path / "b.tif", B[::-1], flipped)
    done = pansharpkit("blend", a, b, "--align", "-m", "mean", "-o", tmp_path / "o.tif",
                       "--no-report")  # fmt: skip
    assert done.code == 0, done.stderr
    made = pixels(tmp_path / "o.tif")[0, 2:-2, 2:-2]
    assert np.abs(made - mean(A, B)[2:-2, 2:-2]).max() <= 1


def test_pictures_of_rasters_say_what_they_lose(tmp_path: Path) -> None:
    holed = A.astype(np.uint8)
    a = write_geotiff(tmp_path / "a.tif", np.maximum(holed, 60), nodata=60)
    b = write_geotiff(tmp_path / "b.tif", B)
    for suffix, lost in ((".png", "where it lies"), (".jpg", "missing pixels are black")):
        done = blend(tmp_path / f"o{suffix}", a, b)
        assert done.code == 0, done.stderr
        assert any(lost in text for text in done.json["warnings"])
    judged = pansharpkit("assess-blend", a, b, "--fused", tmp_path / "o.png", "--json")
    assert judged.code == 0, judged.stderr


@pytest.mark.parametrize(
    ("fused", "said"), [(A[:9], "64 x 9"), (RGB, "3 bands, expected 1")], ids=["size", "bands"]
)
def test_what_cannot_be_assessed(tmp_path: Path, fused: Any, said: str) -> None:
    a, b = write_picture(tmp_path / "a.png", A), write_picture(tmp_path / "b.png", B)
    done = pansharpkit("assess-blend", a, b, "--fused", write_picture(tmp_path / "f.png", fused))
    assert done.code == 4
    assert said in done.stderr
