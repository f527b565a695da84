"""`fuse --quality-raster`: where a result is good, as a raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import Outcome, pansharpkit

from pansharpkit.showcase import demo_files

BANDS = ("1 - d_lambda_k", "d_lambda", "d_s", "consistency_error_percent", "ndvi_drift")


def fuse(out: Path, *options: str) -> Outcome:
    """Fuse a crop of the demo scene, 129 PAN pixels high and wide."""
    return pansharpkit(
        "fuse", *demo_files(), "--sensor", "landsat8_oli", "-m", "gsa", "-o", out, "--json",
        "--bounds", "608850,4739275,610770,4741195", "--quality-raster", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("made") / "sharp.tif"
    done = fuse(out)
    assert done.code == 0, done.stderr
    return out, done


def test_blocks_lie_on_the_ground_of_the_result(made: tuple[Path, Outcome]) -> None:
    out, done = made
    assert Path(done.json["quality_raster"]) == out.with_name("sharp.quality.tif")
    with rasterio.open(out) as fused, rasterio.open(done.json["quality_raster"]) as maps:
        assert maps.descriptions == BANDS
        assert maps.crs == fused.crs
        assert maps.transform.almost_equals(fused.transform @ fused.transform.scale(32))
        assert maps.shape == tuple(-(-n // 32) for n in fused.shape)
        assert maps.dtypes == ("float32",) * 5
        assert np.isnan(maps.nodata)
        assert maps.tags()["PANSHARPKIT_QUALITY_OF_SHA256"] == done.json["sha256"]


def test_values_are_those_of_the_report(made: tuple[Path, Outcome]) -> None:
    _, done = made
    indices = done.json["indices"]
    with rasterio.open(done.json["quality_raster"]) as maps:
        found = dict(zip(maps.descriptions, maps.read(), strict=True))
    assert np.nanmean(found["1 - d_lambda_k"]) == pytest.approx(1 - indices["d_lambda_k"], rel=1e-5)
    assert np.nanmean(found["d_s"]) >= indices["d_s"]
    assert np.nanmean(found["ndvi_drift"]) == pytest.approx(indices["ndvi_drift"], rel=0.2)


def test_a_map_is_not_replaced_unasked(made: tuple[Path, Outcome], tmp_path: Path) -> None:
    out = tmp_path / "sharp.tif"
    there = tmp_path / "sharp.quality.tif"
    there.write_bytes(b"mine")
    done = fuse(out)
    assert done.code == 2
    assert "sharp.quality.tif exists; pass --overwrite" in done.stderr
    assert there.read_bytes() == b"mine"
    assert not out.exists()


def test_without_a_report_there_is_no_map(tmp_path: Path) -> None:
    done = fuse(tmp_path / "sharp.tif", "--no-report")
    assert done.code == 2
    assert "leave --no-report out" in done.stderr
    assert list(tmp_path.iterdir()) == []
