"""Scenes in, xarray out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import xarray

import pansharpkit
import pansharpkit.accessor
from pansharpkit.errors import GridError


@pytest.fixture(scope="module")
def scene() -> pansharpkit.OpenScene:
    pan, ms = pansharpkit.demo_files()
    box = (607000.0, 4739000.0, 609000.0, 4741000.0)
    return pansharpkit.open_scene(pan, ms, sensor="landsat8_oli", bounds=box)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, pansharpkit, pansharpkit.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fusing_gives_a_georeferenced_array(scene: pansharpkit.OpenScene) -> None:
    fused = scene.fuse("gsa")
    assert fused.dims == ("band", "y", "x")
    assert fused.rio.crs.to_epsg() == 32630
    expected = scene.scene.grid
    assert fused.rio.transform().almost_equals(expected.transform, 1e-6)
    assert fused.shape == (4, expected.height, expected.width)
    assert bool(np.isfinite(fused).all())
    values = scene.assess(fused)
    assert values["hqnr"] is not None
    assert 0.8 < values["hqnr"] <= 1


def test_sources_are_lazy(scene: pansharpkit.OpenScene) -> None:
    assert scene.guide.chunks is not None
    part = scene.target.isel(y=slice(5, 9), x=slice(7, 12)).compute()
    whole = scene.target.compute()
    np.testing.assert_array_equal(part, whole[:, 5:9, 7:12])


def test_the_accessor_gives_the_pixels_of_the_scene(scene: pansharpkit.OpenScene) -> None:
    pan, ms = scene.guide.compute(), scene.target.compute()
    fused = ms.pansharp.fuse(pan, "gsa", sensor="landsat8_oli", bands=("B2", "B3", "B4", "B5"))
    assert isinstance(fused, xarray.DataArray)
    here = scene.fuse("gsa")
    there = fused.sel(y=here.y, x=here.x, method="nearest")
    np.testing.assert_allclose(there, here, atol=0.02)


def test_fuse_to_writes_what_the_command_line_writes(
    scene: pansharpkit.OpenScene, tmp_path: Path
) -> None:
    outcome = scene.fuse_to(tmp_path / "out.tif", "brovey", report=False)
    assert outcome.manifest.path.exists()
    assert outcome.run.valid == outcome.run.total


def test_the_measured_shift_can_be_applied(scene: pansharpkit.OpenScene) -> None:
    assert scene.corrected().registration().distance < 0.05


def test_uneven_coordinates_are_refused(scene: pansharpkit.OpenScene) -> None:
    ms = scene.target.compute()
    with pytest.raises(GridError, match="evenly"):
        ms.isel(x=[0, 1, 3, 7]).pansharp.scene(scene.guide)
