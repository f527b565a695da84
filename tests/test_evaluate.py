"""The two protocols on scenes: geometry of the degraded pair, and the indices that come out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import demo_scene, ground, synthetic

from pansharpkit import evaluate
from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import GridError, InputError
from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.scene import ArraySource, Scene


def fused_source(scene: Scene, name: str) -> ArraySource:
    values = np.zeros((len(scene.target.names), scene.extent.height, scene.extent.width), "f4")

    class Keep:
        def write(
            self, window: Window, part: NDArray[np.generic], valid: NDArray[np.bool_]
        ) -> None:
            values[:, *window.slices] = part

    run(scene, create(name), Keep(), RunOptions(dtype="float32"))
    return ArraySource(scene.grid, values, scene.target.names, label="fused")


@pytest.mark.parametrize(
    ("ratio", "phase"),
    [((2.0, 2.0), (0.0, 1.0)), ((2.5, 2.5), (0.75, 0.75)), ((4.0, 4.0), (1.5, 1.5))],
)
def test_the_degraded_guide_lies_on_the_target_and_the_target_keeps_its_place(
    ratio: tuple[float, float], phase: tuple[float, float]
) -> None:
    scene = synthetic(ratio, phase, (240, 250))
    coarse, truth = degraded_scene(scene)
    assert coarse.guide.grid == scene.target.grid.subset(truth)
    assert coarse.sampling.ratio == pytest.approx(ratio)
    # What a degraded sample shows is the smooth ground at its own centre, slightly blurred.
    block = coarse.read(coarse.domain)
    origin = (block.target_window.row, block.target_window.col)
    sampling = coarse.sampling.windowed((0, 0), origin)
    rows, cols = (
        sampling.ratio[axis] * np.arange(block.target.shape[1 + axis]) + sampling.phase[axis]
        for axis in (0, 1)
    )
    at = [
        scene.sampling.ratio[axis] * (index + first) + scene.sampling.phase[axis]
        for axis, (index, first) in enumerate(((rows, truth.row), (cols, truth.col)))
    ]
    sharp = ground(*at)
    inner = (slice(2, -2), slice(2, -2))
    centre = np.corrcoef(block.target[0][inner].ravel(), sharp[inner].ravel())[0, 1]
    assert centre > 0.97
    for shift in (-1, 1):
        moved = np.roll(sharp, shift, axis=0)[inner]
        assert np.corrcoef(block.target[0][inner].ravel(), moved.ravel())[0, 1] < centre


def test_degrading_by_windows_is_degrading_the_whole() -> None:
    coarse, _ = degraded_scene(demo_scene(60, 70))
    whole, valid = coarse.target.read(coarse.target.grid.window)
    part, _ = coarse.target.read(Window(7, 9, 12, 11))
    np.testing.assert_allclose(part, whole[:, 7:19, 9:20], rtol=1e-6)
    assert valid.all()


def test_an_area_of_interest_limits_the_reference() -> None:
    scene = demo_scene(60, 70)
    area = dataclasses.replace(scene, extent=Window(20, 30, 60, 64))
    _, truth = degraded_scene(area)
    assert (truth.height, truth.width) == (30, 32)
    (row,) = evaluate.wald(area, {"exp": create("exp")}, RunOptions())
    assert row.indices.n_pixels <= 30 * 32


def test_gaps_spread_to_what_the_psf_saw() -> None:
    scene = demo_scene(40, 40)
    ms = scene.target
    assert isinstance(ms, ArraySource)
    values = ms.values.copy()
    values[:, 20, 20] = 0
    coarse, _ = degraded_scene(
        dataclasses.replace(scene, target=dataclasses.replace(ms, values=values))
    )
    _, valid = coarse.target.read(coarse.target.grid.window)
    assert 1 <= (~valid).sum() <= 25
    assert not valid[10, 10] or not valid[9, 9]


def test_the_wald_protocol_ranks_pan_methods_above_interpolation() -> None:
    scene = demo_scene(80, 80)
    methods = {name: create(name) for name in ("exp", "gsa", "mtf-glp-fs")}
    rows = list(evaluate.wald(scene, methods, RunOptions(tile=64)))
    assert [row.method for row in rows] == list(methods)
    q2n = {row.method: row.indices.values["q2n"] for row in rows}
    assert all(value is not None for value in q2n.values())
    assert q2n["exp"] < min(q2n["gsa"], q2n["mtf-glp-fs"])  # type: ignore[operator,type-var]
    assert all(row.indices.masked_fraction == 0 for row in rows)


def test_a_target_too_small_for_the_protocol_is_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        degraded_scene(demo_scene(3, 3))


def test_a_raster_against_itself_is_perfect() -> None:
    scene = demo_scene(40, 40)
    found = evaluate.compare(scene.target, scene.target, 2.0)
    assert found.values["q2n"] == pytest.approx(1)
    assert found.values["sam_deg"] == pytest.approx(0, abs=1e-5)
    assert found.values["ergas"] == 0


def test_rasters_of_other_sizes_are_not_compared() -> None:
    with pytest.raises(GridError, match="rows"):
        evaluate.compare(demo_scene(40, 40).target, demo_scene(40, 41).target, 2.0)


@pytest.mark.parametrize(("top", "peak"), [(0.8, 1.0), (255, 255), (256, 511), (2047, 2047)])
def test_the_peak_is_the_smallest_that_holds_the_reference(top: float, peak: float) -> None:
    source = demo_scene(20, 20).target
    assert isinstance(source, ArraySource)
    values = np.zeros(source.values.shape, "f4")
    values[0, 3, 4] = top
    assert evaluate.default_peak(dataclasses.replace(source, values=values, nodata=None)) == peak


def test_a_better_fusion_has_a_better_hqnr() -> None:
    scene = demo_scene(80, 80)
    good = evaluate.assess(scene, fused_source(scene, "mtf-glp-fs")).values
    shuffled = fused_source(scene, "mtf-glp-fs")
    worse = dataclasses.replace(shuffled, values=np.roll(shuffled.values, 5, axis=1))
    bad = evaluate.assess(scene, worse).values
    assert good["hqnr"] > bad["hqnr"] + 0.05  # type: ignore[operator]
    assert good["ndvi_drift"] is not None


def test_a_crop_of_the_scene_can_be_assessed_but_nothing_beside_it() -> None:
    scene = demo_scene(60, 60)
    whole = fused_source(scene, "gsa")
    area = Window(10, 12, 80, 90)
    crop = ArraySource(
        whole.grid.subset(area), whole.values[:, *area.slices], whole.names, label="crop"
    )
    assert evaluate.assess(scene, crop).n_pixels == 80 * 90
    beside = dataclasses.replace(crop, grid=whole.grid.subset(Window(100, 100, 80, 90)))
    with pytest.raises(GridError, match="pixels of"):
        evaluate.assess(scene, beside)
    short = dataclasses.replace(crop, values=crop.values[:3], names=crop.names[:3])
    with pytest.raises(GridError, match="bands"):
        evaluate.assess(scene, short)
