"""Saturated pixels: which they are, that statistics do not see them, that they can be masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasters import ORIGIN, make_pair, write_geotiff

import pansharpkit
from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import OptionError
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import create
from pansharpkit.readers.derived import ScaledSource, StackedSource, saturation_levels
from pansharpkit.sampling import Sampling
from pansharpkit.saturation import Saturation, saturated
from pansharpkit.scene import Scene
from pansharpkit.source import ArraySource, NamedSource


class Kept:
    """A sink in memory."""

    def __init__(self, scene: Scene) -> None:
        self.values = np.zeros((len(scene.target.names), *_size(scene)), np.float32)
        self.valid = np.zeros(_size(scene), bool)

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        self.values[:, *window.slices] = values
        self.valid[window.slices] = valid


def _size(scene: Scene) -> tuple[int, int]:
    return scene.extent.height, scene.extent.width


@pytest.fixture
def blazing(tmp_path: Path) -> SceneRequest:
    """A pair of 16 bits with a bright roof that neither detector could follow."""
    pair = make_pair(tmp_path, size=(40, 40))
    pan, ms = (read(path) for path in (pair.pan, pair.ms))
    pan[:, 40:56, 80:104] = 65535
    ms[2:, 10:14, 20:26] = 65535
    write_geotiff(pair.pan, pan)
    write_geotiff(pair.ms, ms, ORIGIN @ rasterio.Affine.scale(4))
    return SceneRequest((str(pair.pan), str(pair.ms)))


def read(path: Path) -> NDArray[np.uint16]:
    with rasterio.open(path) as dataset:
        values: NDArray[np.uint16] = dataset.read()
    return values


def fit_of(scene: Scene, method: str = "gsa") -> Mapping[str, object]:
    return run(scene, create(method), Kept(scene), RunOptions(dtype="float32")).fit


def with_read(request: SceneRequest, **changes: object) -> SceneRequest:
    return replace(request, read=replace(request.read, **changes))  # type: ignore[arg-type]


def test_statistics_do_not_see_them(blazing: SceneRequest, tmp_path: Path) -> None:
    """GSA's weights are those of the scene without a roof, not those of the scene with it."""
    clean = make_pair(tmp_path / "clean", size=(40, 40))
    expected = fit_of(open_scene(SceneRequest((str(clean.pan), str(clean.ms)))))["weights"]
    scene = open_scene(blazing)
    found = fit_of(scene)["weights"]
    spoilt = fit_of(replace(scene, saturation=None))["weights"]
    np.testing.assert_allclose(found, expected, atol=0.05)  # type: ignore[arg-type]
    assert np.abs(np.subtract(spoilt, expected)).max() > 0.2  # type: ignore[arg-type]


def test_they_are_fused_unless_they_are_to_be_masked(blazing: SceneRequest) -> None:
    for mask in (False, True):
        scene = open_scene(with_read(blazing, mask_saturated=mask))
        kept = Kept(scene)
        run(scene, create("gsa"), kept, RunOptions(dtype="float32"))
        roof = kept.valid[40:56, 80:104]
        assert roof.any() != mask
        assert kept.valid[:30].all()
        assert kept.valid[80:].all()
        assert any("masked as saturated" in text for text in scene.notices) == mask


def test_from_python(blazing: SceneRequest) -> None:
    opened = pansharpkit.open_scene(*blazing.inputs, saturated=60000, mask_saturated=True)
    fused = opened.fuse("exp")
    assert np.isnan(fused.values[:, 40:56, 80:104]).all()
    assert np.isfinite(fused.values[:, :30]).all()


def test_what_hardly_leaves_anything_is_ignored_with_a_warning(blazing: SceneRequest) -> None:
    scene = open_scene(with_read(blazing, saturated=5.0))
    done = run(scene, create("exp"), Kept(scene), RunOptions(dtype="float32"))
    assert any("only 0.0% of the scene is free of saturated" in text for text in done.warnings)


@pytest.mark.parametrize(
    ("top", "sensor", "level"),
    [
        (2047, "worldview2", 2047.0),  # eleven bits, and nothing above
        (2048, "worldview2", 65535.0),  # not the detector's own numbers
        (2047, None, 65535.0),
    ],
)
def test_the_sensor_knows_the_level(
    top: int, sensor: str | None, level: float, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path)
    pan = np.minimum(read(pair.pan), 2000)
    pan[0, 3, 3] = top
    write_geotiff(pair.pan, pan)
    write_geotiff(pair.ms, np.minimum(read(pair.ms), 2000), ORIGIN @ rasterio.Affine.scale(4))
    scene = open_scene(SceneRequest((str(pair.pan), str(pair.ms)), sensor))
    assert scene.saturation == Saturation((level,), (level,) * 4)


def test_floating_point_numbers_have_no_level_but_the_one_given(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, dtype="float32")
    request = SceneRequest((str(pair.pan), str(pair.ms)))
    assert open_scene(request).saturation is None
    scene = open_scene(with_read(request, saturated=3000.5))
    assert scene.saturation == Saturation((3000.5,), (3000.5,) * 4)
    with pytest.raises(OptionError, match="--saturated nan"):
        open_scene(with_read(request, saturated=np.nan))


def test_levels_follow_the_pixels_through_stacks_and_scales(tmp_path: Path) -> None:
    grid = open_scene(SceneRequest(_inputs(tmp_path))).guide.grid
    byte = ArraySource(grid, np.zeros((1, grid.height, grid.width), np.uint8), ("a",))
    real = ArraySource(grid, np.zeros((1, grid.height, grid.width), np.float32), ("b",))
    stack = StackedSource((byte, NamedSource(real, ("c",))), "stack")
    assert saturation_levels(stack) == (255.0, np.inf)
    assert saturation_levels(stack, 9.0) == (9.0, 9.0)
    scaled = ScaledSource(stack, ((0.5, 1.0), (2.0, -1.0)))
    assert saturation_levels(scaled) == (128.5, np.inf)
    assert saturation_levels(scaled, 9.0) == (5.5, 17.0)


def _inputs(folder: Path) -> tuple[str, ...]:
    pair = make_pair(folder)
    return str(pair.pan), str(pair.ms)


def test_a_sample_is_spoilt_by_its_own_pixel_and_by_those_of_the_pan_below() -> None:
    levels = Saturation((100.0,), (np.inf, 50.0))
    guide, target = np.zeros((1, 48, 48)), np.zeros((2, 12, 12))
    sampling = Sampling.edge_aligned(4)
    valid = np.ones((48, 48), bool), np.ones((12, 12), bool)
    assert levels.on_target(guide, valid[0], target, valid[1], sampling) is None
    target[0, 0, 0] = 1e9  # no level is known for this band
    target[1, 1, 8] = 50
    guide[0, 40, 3] = 100
    found = levels.on_target(guide, valid[0], target, valid[1], sampling)
    expected = np.zeros((12, 12), bool)
    expected[:4, 6:11] = True
    expected[8:, :3] = True  # the sample is 10, 0: filters reach two further
    assert found is not None
    np.testing.assert_array_equal(found, expected)
    valid[0][40, 3] = valid[1][1, 8] = False  # the nodata value is as large
    assert levels.on_target(guide, valid[0], target, valid[1], sampling) is None


def test_levels_beyond_the_type_are_never_reached() -> None:
    assert not saturated(np.full((1, 2, 2), 255, np.uint8), (256.0,)).any()
    assert saturated(np.full((1, 2, 2), 255, np.uint8), (254.5,)).all()
