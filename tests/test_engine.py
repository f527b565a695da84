"""The result depends on the scene and the method, not on how the scene was cut up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scenes import demo_scene, synthetic

from pansharpkit.engine import RunOptions, RunResult, TileFault, resolve_device, run, tile_plan
from pansharpkit.errors import FusionError, InputError, OptionError
from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.observe import FIT_BLOCK, FIT_BLOCKS, fit_windows, lattice
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling
from pansharpkit.scene import ArraySource, Scene

CLASSICAL = ("exp", "brovey", "gsa", "bdsd-pc", "mtf-glp-fs")


class Memory:
    """A sink that keeps what it is given, and refuses to be given anything twice."""

    def __init__(self, scene: Scene, dtype: str) -> None:
        size = (scene.extent.height, scene.extent.width)
        self.values = np.zeros((len(scene.target.names), *size), dtype)
        self.valid = np.zeros(size, bool)
        self.seen = np.zeros(size, int)

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        self.values[:, *window.slices] = values
        self.valid[window.slices] = valid
        self.seen[window.slices] += 1


def fuse(
    scene: Scene, name: str, dtype: str = "float32", **options: object
) -> tuple[Memory, RunResult]:
    sink = Memory(scene, dtype)
    result = run(scene, create(name), sink, RunOptions(dtype=dtype, **options))  # type: ignore[arg-type]
    assert (sink.seen == 1).all()
    return sink, result


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("tile", [48, 65])
def test_the_tile_size_does_not_change_the_result(name: str, tile: int) -> None:
    scene = demo_scene(60, 70)
    whole, _ = fuse(scene, name, tile=1024)
    tiled, result = fuse(scene, name, tile=tile)
    assert result.tiles > 3
    np.testing.assert_allclose(tiled.values, whole.values, atol=0.02)  # DN; rounding of float32


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize(
    ("ratio", "phase", "size"),
    [
        ((2.5, 2.5), (0.75, 0.75), (97, 103)),
        ((4.015, 4.01), (1.3, 0.2), (90, 101)),
        ((2.0, 3.0), (0.0, 1.0), (64, 65)),
        ((2.0, 2.0), (0.5, 0.5), (7, 129)),
    ],
)
def test_any_ratio_phase_and_size_agrees_with_the_untiled_result(
    name: str, ratio: tuple[float, float], phase: tuple[float, float], size: tuple[int, int]
) -> None:
    scene = synthetic(ratio, phase, size)
    whole, _ = fuse(scene, name, tile=1024)
    tiled, _ = fuse(scene, name, tile=32)
    assert np.isfinite(whole.values).all()
    np.testing.assert_allclose(tiled.values, whole.values, atol=0.02)


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_area_of_interest_gets_the_pixels_of_the_whole_scene(name: str) -> None:
    scene = demo_scene(60, 70)
    whole, _ = fuse(scene, name)
    area = Window(31, 17, 50, 61)
    part, _ = fuse(dataclasses.replace(scene, extent=area), name)
    np.testing.assert_allclose(part.values, whole.values[:, *area.slices], atol=0.02)


def framed(scene: Scene, width: int) -> Scene:
    """Return the scene inside a frame of nodata, `width` target pixels wide."""

    def grow(source: object, pixels: int) -> ArraySource:
        assert isinstance(source, ArraySource)
        grid = source.grid.subset(source.grid.window.pad(pixels))
        values = np.pad(source.values, ((0, 0), (pixels, pixels), (pixels, pixels)))
        return dataclasses.replace(source, grid=grid, values=values)

    guide, target = grow(scene.guide, 2 * width), grow(scene.target, width)
    whole = guide.grid.window
    return dataclasses.replace(scene, guide=guide, target=target, domain=whole, extent=whole)


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_frame_of_nodata_changes_no_pixel(name: str) -> None:
    scene = demo_scene(50, 60)
    bare, _ = fuse(scene, name, nodata=-1.0)
    inside, result = fuse(framed(scene, 40), name, nodata=-1.0)
    window = (slice(80, 80 + 100), slice(80, 80 + 120))
    kept = inside.valid[window]
    np.testing.assert_allclose(inside.values[:, *window][:, kept], bare.values[:, kept], atol=0.02)
    assert kept[3:-3, 3:-3].all()  # eroded by one MS pixel, which drifts by .05 PAN pixels here
    outside = np.ones(inside.valid.shape, bool)
    outside[window] = False
    assert not inside.valid[outside].any()
    assert (inside.values[:, outside] == -1).all()
    assert result.valid == kept.sum()


def test_holes_in_either_input_become_nodata_and_nothing_else_does() -> None:
    scene = demo_scene(50, 60)
    pan, ms = scene.guide, scene.target
    assert isinstance(pan, ArraySource)
    assert isinstance(ms, ArraySource)
    pan_values, ms_values = pan.values.copy(), ms.values.copy()
    pan_values[:, 20, 30] = 0
    ms_values[2, 35, 40] = 0  # one band is enough
    holed = dataclasses.replace(
        scene,
        guide=dataclasses.replace(pan, values=pan_values),
        target=dataclasses.replace(ms, values=ms_values),
    )
    out, _ = fuse(holed, "gsa", "uint16", nodata=0.0)
    assert not out.valid[20, 30]
    assert not out.valid[71, 80]
    assert (~out.valid).sum() < 90
    assert (out.values[:, out.valid] > 0).all()


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_scene_of_nodata_ends_in_one_clear_error(name: str) -> None:
    scene = demo_scene(20, 20)
    pan = scene.guide
    assert isinstance(pan, ArraySource)
    empty = dataclasses.replace(pan, values=np.zeros_like(pan.values))
    with pytest.raises(InputError, match="no pixel is valid"):
        fuse(dataclasses.replace(scene, guide=empty), name)


@pytest.mark.parametrize("name", CLASSICAL)
def test_constant_images_stay_constant(name: str) -> None:
    scene = demo_scene(30, 30)
    flat = {
        which: dataclasses.replace(source, values=np.full_like(source.values, level))  # type: ignore[type-var]
        for which, source, level in (
            ("guide", scene.guide, 500),
            ("target", scene.target, 700),
        )
    }
    out, _ = fuse(dataclasses.replace(scene, **flat), name)  # type: ignore[arg-type]
    np.testing.assert_allclose(out.values, 700, atol=0.1)


def test_integers_are_clipped_and_counted() -> None:
    scene = demo_scene(30, 30)
    _, result = fuse(scene, "gsa", "uint8")
    assert min(result.high) > 0
    assert result.valid == 60 * 60


@pytest.mark.parametrize(("share", "heard"), [(0.5, False), (0.99, True), (1.0, True)])
def test_clouds_stay_out_of_the_statistics_unless_they_are_everywhere(
    share: float, heard: bool
) -> None:
    scene = demo_scene(40, 50)
    grid = scene.target.grid
    covered = np.zeros((1, grid.height, grid.width), np.uint8)
    covered[:, : round(share * grid.height)] = 1
    ms = scene.target
    assert isinstance(ms, ArraySource)
    bright = np.where(covered, 60000, ms.values).astype(np.uint16)  # what a cloud does to an MS
    cloudy = dataclasses.replace(
        scene,
        target=dataclasses.replace(ms, values=bright),
        clouds=ArraySource(grid, covered, ("clouds",)),
    )
    out, result = fuse(cloudy, "gsa")
    assert np.isfinite(out.values).all()
    assert any("clouds" in text for text in result.warnings) == heard
    clear = fuse(scene, "gsa")[1].fit["weights"]
    assert np.allclose(result.fit["weights"], clear, atol=0.25) != heard  # type: ignore[arg-type]


class Ramp:
    """A method whose tiles disagree by their index, to see them blended."""

    def halo(self, sampling: Sampling) -> int:
        return 4

    def overlap(self, sampling: Sampling) -> int:
        return 16

    def fit(self, sample: object, context: Context) -> Ramp:
        return self

    def apply(self, batch: list[Observation], context: Context) -> list[torch.Tensor]:
        return [upsample(obs.target, obs.sampling, obs.size) + 0.001 * obs.index for obs in batch]

    def summary(self) -> dict[str, object]:
        return {}


def test_tiles_that_disagree_are_blended_without_a_step() -> None:
    scene = demo_scene(60, 60)
    smooth, _ = fuse(scene, "exp")
    sink = Memory(scene, "float32")
    run(scene, Ramp(), sink, RunOptions(tile=40, dtype="float32"))  # type: ignore[arg-type]
    assert (sink.seen == 1).all()
    extra = sink.values[0] - smooth.values[0]
    unit = extra.max() / 8  # nine tiles
    steps = max(np.abs(np.diff(extra, axis=axis)).max() for axis in (0, 1))
    assert unit > 1
    assert steps < 3 * unit / 16 * 1.1


class Failing(Ramp):
    """A method that cannot do one tile."""

    def apply(self, batch: list[Observation], context: Context) -> list[torch.Tensor]:
        if batch[0].index == 1:
            raise FusionError("the loss is not a number")
        return super().apply(batch, context)


class Plain(Ramp):
    """A method whose tiles agree, so that several are computed at once."""

    def overlap(self, sampling: Sampling) -> int:
        return 0


class NotFinite(Plain):
    """A method that yields one pixel that is no number."""

    def apply(self, batch: list[Observation], context: Context) -> list[torch.Tensor]:
        (fused,) = super().apply(batch, context)
        if batch[0].index == 1:
            fused[0, 20, 20] = float("nan")
        return [fused]


class Singular(Failing, Plain):
    """A method that cannot do one tile, and whose tiles agree."""


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (Failing(), "the loss is not a number"),
        (Singular(), "the loss is not a number"),
        (NotFinite(), "the result is not finite"),
    ],
)
def test_a_tile_that_fails_falls_back_and_is_flagged(method: Ramp, reason: str) -> None:
    scene = demo_scene(40, 40)
    sink = Memory(scene, "float32")
    result = run(scene, method, sink, RunOptions(tile=40, dtype="float32"))  # type: ignore[arg-type]
    assert np.isfinite(sink.values).all()
    said = f"fell back to mtf-glp-fs: {reason}"
    assert result.warnings == (f"tile 1 {said}",)
    assert result.faults == (TileFault(1, (0, 40, 40, 40), said),)


@pytest.mark.parametrize("name", CLASSICAL)
def test_threads_do_not_change_a_single_bit(name: str) -> None:
    scene = demo_scene(60, 70)
    one, _ = fuse(scene, name, tile=48, threads=1)
    many, _ = fuse(scene, name, tile=48, threads=5)
    np.testing.assert_array_equal(one.values, many.values)


def test_little_memory_means_smaller_tiles_unless_their_size_matters() -> None:
    scene = demo_scene(60, 60)
    options = RunOptions(tile=4096, ram_mb=300, threads=2)
    assert tile_plan(scene, create("gsa"), options).tile <= 1024
    assert tile_plan(scene, Ramp(), options).tile == 4096  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_pixels() -> None:
    scene = demo_scene(30, 30)
    first, second = fuse(scene, "gsa")[0], fuse(scene, "gsa")[0]
    np.testing.assert_array_equal(first.values, second.values)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(OptionError, match="device"):
        resolve_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="CUDA"):
            resolve_device("cuda")
        assert resolve_device("auto") == "cpu"


def test_the_fitting_lattice_is_whole_for_small_scenes_and_bounded_for_large_ones() -> None:
    small = lattice(Window(3, 4, 2000, 1500), 1024, 64)
    assert sum(w.height * w.width for w in small) == 2000 * 1500
    large = lattice(Window(0, 0, 100_000, 50_000), 1024, 64)
    assert 40 <= len(large) <= 64
    assert len(set(large)) == len(large)


def test_samples_of_large_scenes_are_read_within_their_blocks() -> None:
    small = fit_windows(Window(0, 0, 2000, 1500), 20)
    assert sum(w.height * w.width for w in small) == 2000 * 1500
    large = fit_windows(Window(0, 0, 10_000, 8192), 20)
    assert 25 <= len(large) <= FIT_BLOCKS
    for window in large:
        read = window.pad(20)
        assert read.row % FIT_BLOCK == read.col % FIT_BLOCK == 0
        assert max(read.height, read.width) <= FIT_BLOCK


def test_toolbox_mode_refuses_another_phase() -> None:
    with pytest.raises(Exception, match="toolbox"):
        fuse(synthetic((2.0, 2.0), (0.5, 0.5)), "gsa", compat="toolbox")


@pytest.mark.parametrize("name", ["brovey", "gsa", "mtf-glp-fs"])
def test_toolbox_mode_takes_images_of_any_size_whole(name: str) -> None:
    scene = synthetic((2.0, 2.0), (1.0, 1.0), (530, 24))
    out, result = fuse(scene, name, compat="toolbox")
    assert result.tiles == 1
    assert np.isfinite(out.values).all()
