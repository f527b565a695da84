"""`pansharpkit denoise` from end to end, with the joint bilateral filter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import Outcome, pansharpkit
from rasters import ORIGIN, write_geotiff
from same_images import pixels, write_picture

RNG = np.random.default_rng(0)
CLEAN = np.kron(RNG.uniform(60, 200, (6, 8)), np.ones((8, 8)))
NOISY = np.clip(np.rint(CLEAN + RNG.normal(0, 15, CLEAN.shape)), 0, 255).astype(np.uint8)
GUIDE = np.stack([CLEAN, 255 - CLEAN]).astype(np.uint8)


def denoise(out: Path, noisy: Path, *more: object) -> Outcome:
    return pansharpkit("denoise", noisy, "-m", "joint-bilateral", "-o", out, "--json", *more)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_noise_goes_and_edges_stay(tmp_path: Path) -> None:
    noisy = write_geotiff(tmp_path / "noisy.tif", NOISY, names=("red",))
    guide = write_geotiff(tmp_path / "guide.tif", GUIDE)
    done = denoise(tmp_path / "out.tif", noisy, "--guide", guide)
    assert done.code == 0, done.stderr
    made = pixels(tmp_path / "out.tif")[0].astype(float)
    assert rms(made - CLEAN) < 0.4 * rms(NOISY - CLEAN)
    with rasterio.open(tmp_path / "out.tif") as out:
        assert out.transform == ORIGIN
        assert out.descriptions == ("red",)
    found = done.json["indices"]
    assert found["noise_after"] < 0.5 * found["noise_before"]
    assert abs(found["residual_edges"]) < 0.3


def test_report(tmp_path: Path) -> None:
    noisy, guide = (
        write_picture(tmp_path / "n.png", NOISY),
        write_picture(tmp_path / "g.png", GUIDE[0]),
    )
    done = denoise(tmp_path / "out.png", noisy, "--guide", guide)
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report["task"] == "denoise"
    assert [source["name"] for source in report["sources"]] == ["n.png", "g.png"]
    page = (tmp_path / "out.report.html").read_text()
    assert "Taken off" in page
    assert page.count("data:image/png") == 12


def test_several_bands_keep_theirs(tmp_path: Path) -> None:
    bands = np.stack([NOISY, NOISY[::-1], NOISY[:, ::-1]])
    noisy = write_geotiff(tmp_path / "n.tif", bands, names=("red", "green", "nir"))
    guide = write_geotiff(tmp_path / "g.tif", GUIDE)
    done = denoise(tmp_path / "o.tif", noisy, "--guide", guide, "--bands", "nir,red",
                   "--guide-bands", "1", "--no-report")  # fmt: skip
    assert done.code == 0, done.stderr
    with rasterio.open(tmp_path / "o.tif") as out:
        assert out.descriptions == ("nir", "red")


def test_without_a_guide(tmp_path: Path) -> None:
    done = denoise(tmp_path / "o.tif", write_picture(tmp_path / "n.png", NOISY))
    assert done.code == 0, done.stderr
    assert any("guides itself" in text for text in done.json["warnings"])
    assert done.json["indices"]["residual_rms"] > 0


def test_tiles_do_not_show(tmp_path: Path) -> None:
    noisy, guide = (
        write_picture(tmp_path / "n.png", NOISY),
        write_picture(tmp_path / "g.png", GUIDE[0]),
    )
    for name, tile in (("tiled", 16), ("whole", 512)):
        done = denoise(tmp_path / f"{name}.tif", noisy, "--guide", guide, "--tile", tile,
                       "--no-report")  # fmt: skip
        assert done.code == 0, done.stderr
    apart = pixels(tmp_path / "tiled.tif").astype(int) - pixels(tmp_path / "whole.tif")
    assert np.abs(apart).max() <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-m", "mean"), "pansharpkit blend"),
        (("--guide-bands", "7"), "--bands 7"),
        (("--guide", "missing.png"), "missing.png"),
    ],
)
def test_what_is_refused(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    noisy, guide = (
        write_picture(tmp_path / "n.png", NOISY),
        write_picture(tmp_path / "g.png", GUIDE[0]),
    )
    done = denoise(tmp_path / "o.tif", noisy, "--guide", guide, *options)
    assert done.code in (2, 4)
    assert said in done.stderr
    assert not (tmp_path / "o.tif").exists()
