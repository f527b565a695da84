"""Gaps, odd values and tiny images through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import pansharpkit
from fault_place import COARSE, Array, Ground, Place, read, valid
from rasters import ORIGIN, make_pair

FRAMES: dict[str, tuple[str, float, bool]] = {
    "0": ("uint16", 0, True),
    "65535": ("uint16", 65535, True),
    "-9999": ("int16", -9999, True),
    "float -9999": ("float32", -9999, True),
    "NaN": ("float32", np.nan, True),
    "undeclared NaN": ("float32", np.nan, False),
    "undeclared lowest float": ("float32", np.finfo("f4").min, False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frame_of_nodata_changes_no_pixel_inside(name: str, place: Place) -> None:
    dtype, nodata, declared = FRAMES[name]
    options = ("-m", "gsa", "--dtype", "float32")
    pan, ms = (values.astype(dtype) for values in (place.ground.pan, place.ground.ms))
    assert place.fuse(place.pan(values=pan), place.ms(values=ms), options=options).code == 0
    expected = read(place.output)
    framed = [
        np.pad(values, ((0, 0), (k, k), (k, k)), constant_values=dtype_of(values, nodata))
        for values, k in ((pan, 32), (ms, 8))
    ]
    known = nodata if declared else None
    inputs = (
        place.pan("p.tif", framed[0], ORIGIN @ Affine.translation(-32, -32), nodata=known),
        place.ms("m.tif", framed[1], COARSE @ Affine.translation(-8, -8), nodata=known),
    )
    done = place.fuse(*inputs, options=(*options, "--overwrite"))
    assert (done.code, done.stderr) == (0, "")
    mask = valid(place.output)
    inside = np.zeros_like(mask)
    inside[36:-36, 36:-36] = True
    np.testing.assert_array_equal(mask, inside)
    made = read(place.output)[:, 36:-36, 36:-36]
    np.testing.assert_allclose(made, expected[:, 4:-4, 4:-4], rtol=1e-5)


def dtype_of(values: Array, nodata: float) -> Any:
    return np.asarray(nodata).astype(values.dtype)


def test_nodata_of_each_input_counts(place: Place) -> None:
    pan = place.ground.pan.astype("i2")
    pan[:, :10] = -9999
    ms = place.ground.ms.copy()
    ms[2, :, :5] = 0
    done = place.fuse(place.pan(values=pan, nodata=-9999), place.ms(values=ms, nodata=0))
    assert done.code == 0
    expected = np.ones((96, 128), bool)
    expected[:14], expected[:, :24] = False, False
    np.testing.assert_array_equal(valid(place.output), expected)
    with rasterio.open(place.output) as made:
        assert (made.dtypes[0], made.nodata) == ("uint16", 0)


def test_nodata_that_the_output_cannot_hold_becomes_a_mask(place: Place) -> None:
    pan = place.ground.pan.astype("i2")
    pan[:, :10] = -9999
    assert place.fuse(place.pan(values=pan, nodata=-9999), place.ms()).code == 0
    with rasterio.open(place.output) as made:
        assert (made.nodata, made.dtypes[0]) == (None, "uint16")
    assert not valid(place.output)[:10].any()
    assert valid(place.output)[14:].all()


def test_nodata_that_cannot_occur_is_ignored_with_a_notice(place: Place) -> None:
    done = place.fuse(place.pan(), place.ms(), options=("--nodata", "-9999"))
    assert done.code == 0
    assert "nodata -9999 cannot occur in uint16" in done.stderr


def test_nodata_that_cannot_occur_leaves_the_declared_one(place: Place) -> None:
    ms = place.ground.ms.copy()
    ms[:, :, :5] = 0
    done = place.fuse(place.pan(), place.ms(values=ms, nodata=0), options=("--nodata", "-9999"))
    assert done.code == 0
    assert "nodata -9999 cannot occur in uint16" in done.stderr
    assert not valid(place.output)[:, :20].any()
    assert valid(place.output)[:, 24:].all()


def test_saturated_pixels_are_masked_on_request(place: Place) -> None:
    pan, ms = place.ground.pan.copy(), place.ground.ms.copy()
    pan[0, 40:50, 60:70] = 4000
    ms[3, 2, 28] = 4000
    inputs = (place.pan(values=np.minimum(pan, 4000)), place.ms(values=np.minimum(ms, 4000)))
    plain = place.fuse(*inputs, options=("--saturated", "4000", "-m", "gsa", "--json"))
    assert (plain.code, plain.stderr) == (0, "")
    assert valid(place.output).all()
    options = ("--saturated", "4000", "--mask-saturated", "-m", "gsa", "--overwrite", "--json")
    done = place.fuse(*inputs, options=options)
    assert done.code == 0
    assert "4000 and above are masked as saturated" in done.stderr
    mask = valid(place.output)
    assert not mask[40:50, 60:70].any()
    assert not mask[8:12, 112:116].any()
    assert mask[70:].all()
    assert done.json["valid_pixels"] == mask.sum() < plain.json["valid_pixels"]


def spotted(values: Array, *spots: float) -> Array:
    found = values.astype("f4")
    for place, spot in enumerate(spots):
        found[0, 8 + 2 * place, 8 + 2 * place] = spot
    return found


PIXELS: dict[str, tuple[Callable[[Ground], Array], Callable[[Ground], Array]]] = {
    "NaN and infinity in the PAN": (
        lambda g: spotted(g.pan, np.nan, np.inf, -np.inf), lambda g: g.ms,
    ),
    "NaN and infinity in the MS": (
        lambda g: g.pan, lambda g: spotted(g.ms, np.nan, np.inf, -np.inf),
    ),
    "negative integers": (
        lambda g: (g.pan - 3000.0).astype("i2"), lambda g: (g.ms - 3000.0).astype("i2"),
    ),
    "reflectance": (lambda g: (g.pan / 1e4).astype("f4"), lambda g: (g.ms / 1e4).astype("f4")),
    "constant PAN": (lambda g: np.full_like(g.pan, 500), lambda g: g.ms),
    "constant": (lambda g: np.full_like(g.pan, 500), lambda g: np.full_like(g.ms, 500)),
    "stripes of zeros": (
        lambda g: np.where(np.arange(128) % 32 < 2, 0, g.pan), lambda g: g.ms,
    ),
    "saturated": (
        lambda g: np.minimum(g.pan * 20.0, 65535).astype("u2"),
        lambda g: np.minimum(g.ms * 20.0, 65535).astype("u2"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PIXELS)
def test_unusual_pixels_give_finite_results(name: str, place: Place) -> None:
    nodata = 0 if "zeros" in name else None
    pan, ms = (make(place.ground) for make in PIXELS[name])
    inputs = (place.pan(values=pan, nodata=nodata), place.ms(values=ms))
    done = pansharpkit("fuse", *inputs, "-o", place.output, "-m", "gsa", "--json")
    assert done.code == 0, done.stderr
    mask = valid(place.output)
    assert mask.any()
    assert mask.all() == (nodata is None and "NaN" not in name)
    assert np.isfinite(read(place.output)[:, mask]).all()
    json.dumps(done.json, allow_nan=False)
    rows = pansharpkit("evaluate", *inputs, "-m", "exp,brovey,gsa,bdsd-pc,mtf-glp-fs", "--json")
    assert rows.code == 0, rows.stderr
    json.dumps(rows.json, allow_nan=False)


def test_values_are_clipped_and_never_wrapped(place: Place) -> None:
    pan = np.minimum(place.ground.pan * 20.0, 65535).astype("u2")
    ms = np.minimum(place.ground.ms * 20.0, 65535).astype("u2")
    for dtype in ("uint16", "int16", "uint8"):
        options = ("-m", "gsa", "--dtype", dtype, "--overwrite", "--json")
        done = place.fuse(place.pan(values=pan), place.ms(values=ms), options=options)
        top = np.iinfo(dtype).max
        made = read(place.output)
        assert made.min() > top // 2, "a wrapped value would be small"
        counted = [int((band == top).sum()) for band in made]
        assert all(n <= m for n, m in zip(done.json["clipped_high"], counted, strict=True))
        assert sum(done.json["clipped_high"]) > 1000


def test_output_of_zeros_stands_without_a_report(place: Place) -> None:
    pan, ms = (values / 1e5 for values in (place.ground.pan, place.ground.ms))
    done = pansharpkit(
        "fuse", place.pan(values=pan), place.ms(values=ms), "-o", place.output, "-m", "exp",
        "--dtype", "uint8", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert "cannot be assessed" in done.stderr
    assert done.json["report_html"] is None
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]


SIZES = [(1, 1), (2, 2), (3, 3), (1, 40), (40, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("ratio", [2, 4])
def test_tiny_images(size: tuple[int, int], ratio: int, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, size=size, ratio=ratio)
    for method in ("exp", "gsa", "mtf-glp-fs"):
        made = []
        for tile in (16, 4096):
            output = tmp_path / f"{method}{tile}.tif"
            done = pansharpkit(
                "fuse", pair.pan, pair.ms, "-o", output, "-m", method, "--tile", tile,
                "--no-report", "--dtype", "float32",
            )  # fmt: skip
            assert done.code == 0, done.stderr
            made.append(read(output))
        assert made[0].shape == (4, size[0] * ratio, size[1] * ratio)
        np.testing.assert_allclose(*made, rtol=0, atol=0.02)  # DN, as documented
        assert np.abs(made[0] - 2900.0).max() < 2500


def test_tiny_image_has_a_report(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, size=(2, 3))
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", tmp_path / "a.tif", "-m", "gsa", "--json")
    assert done.code == 0
    assert "registration could not be measured" in done.stderr
    json.dumps(done.json, allow_nan=False)
    assert Path(done.json["report_html"]).stat().st_size > 1000


@pytest.mark.parametrize("method", ["exp", "gsa", "bdsd-pc", "mtf-glp-fs"])
def test_one_pixel_more_than_the_tiles(method: str, place: Place) -> None:
    inputs = (place.pan(values=place.ground.pan[:, :65, :97]), place.ms())
    made = []
    for tile in (32, 4096):
        options = ("-m", method, "--tile", tile, "--overwrite", "--dtype", "float32")
        assert place.fuse(*inputs, options=options).code == 0
        made.append(read(place.output))
    assert made[0].shape == (4, 65, 97)
    np.testing.assert_allclose(*made, rtol=2e-6)
