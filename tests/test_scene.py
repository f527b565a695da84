"""Pairs, intersections, areas of interest, reprojection."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds
from scenes import MS, PAN, UTM, demo_scene, demo_source, ground, landsat, synthetic

from pansharpkit.errors import GridError, OptionError, SensorError
from pansharpkit.grid import Grid, Window
from pansharpkit.scene import ArraySource, PairOptions, make_scene
from pansharpkit.sensor import generic_sensor
from pansharpkit.warp import WarpedSource


def test_the_demo_scene_is_fused_on_the_whole_pan_grid() -> None:
    scene = make_scene(demo_source(PAN), demo_source(MS), landsat())
    assert scene.grid == demo_source(PAN).grid
    assert scene.notices == ()
    assert scene.sampling.phase == pytest.approx((-0.069, 1.054), abs=1e-3)


def test_reading_goes_through_both_geotransforms() -> None:
    scene = synthetic((2.5, 2.5), (0.8, 1.1), (120, 130))
    block = scene.read(Window(30, 41, 20, 20))
    rows = block.sampling.ratio[0] * np.arange(block.target.shape[1]) + block.sampling.phase[0]
    cols = block.sampling.ratio[1] * np.arange(block.target.shape[2]) + block.sampling.phase[1]
    expected = ground(rows + 30, cols + 41)
    np.testing.assert_allclose(block.target[0], expected, atol=0.05)


def test_what_gaps_are_filled_with_does_not_depend_on_the_window() -> None:
    scene = demo_scene()
    values = np.array(scene.guide.read(scene.guide.grid.window)[0])
    values[:, 30:70, 20:32] = 0  # of which columns 26 to 31 are nearer to what is beyond them
    holey = ArraySource(scene.guide.grid, values, scene.guide.names, nodata=0)
    scene = dataclasses.replace(scene, guide=holey)
    whole = scene.read(scene.domain).filled().guide
    for window in (Window(0, 0, 100, 30), Window(40, 24, 20, 30)):
        part = scene.read_filled(window, 12).guide
        np.testing.assert_array_equal(part, whole[:, *window.slices])


def test_partial_overlap_works_on_the_intersection_and_says_so() -> None:
    pan = demo_source(PAN, Window(0, 0, 200, 200))
    ms = demo_source(MS, Window(50, 50, 100, 100))
    scene = make_scene(pan, ms, landsat())
    assert scene.domain == Window(99, 100, 101, 100)
    assert "intersection" in scene.notices[0]


def test_disjoint_rasters_are_refused() -> None:
    with pytest.raises(GridError, match="do not overlap"):
        make_scene(
            demo_source(PAN, Window(0, 0, 50, 50)),
            demo_source(MS, Window(200, 200, 50, 50)),
            landsat(),
        )


def test_less_than_one_target_pixel_of_overlap_is_refused() -> None:
    pan = demo_source(PAN, Window(0, 0, 50, 50))
    grid = dataclasses.replace(
        demo_source(MS).grid, transform=pan.grid.subset(Window(49, 49, 1, 1)).transform
        @ Affine.translation(0.6, 0.6) @ Affine.scale(2)
    )  # fmt: skip
    with pytest.raises(GridError, match="less than one MS pixel"):
        make_scene(pan, dataclasses.replace(demo_source(MS), grid=grid), landsat())


def test_swapped_inputs_are_refused() -> None:
    pan, ms = demo_source(PAN), demo_source(MS)
    with pytest.raises(GridError, match="swapped"):
        make_scene(ms, pan, generic_sensor(1))


def test_a_sensor_with_other_bands_is_refused() -> None:
    with pytest.raises(SensorError, match="4 bands"):
        make_scene(demo_source(PAN), demo_source(MS), generic_sensor(3))


def test_bounds_in_another_crs_pick_an_area_of_interest() -> None:
    pan = demo_source(PAN)
    box = pan.grid.subset(Window(100, 200, 60, 80)).bounds
    lonlat = transform_bounds(pan.grid.crs, "EPSG:4326", *box)
    scene = make_scene(pan, demo_source(MS), landsat(), options=PairOptions(lonlat, "EPSG:4326"))
    assert scene.domain == pan.grid.window
    for got, wanted in zip(
        (scene.extent.row, scene.extent.col, *scene.extent.stop), (100, 200, 160, 280), strict=True
    ):
        assert abs(got - wanted) <= 2


@pytest.mark.parametrize(
    ("bounds", "said"), [((5, 5, 4, 6), "west south"), ((0, 0, 1, 1), "touch")]
)
def test_useless_bounds_are_refused(bounds: tuple[float, ...], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        make_scene(
            demo_source(PAN),
            demo_source(MS),
            landsat(),
            options=PairOptions(bounds),  # type: ignore[arg-type]
        )


def _in_crs(crs: CRS, gsd: float) -> ArraySource:
    """Return the smooth landscape of `synthetic` seen by an MS in another CRS."""
    pan = synthetic((2.0, 2.0), (0.5, 0.5), (300, 300)).guide
    west, south, east, north = transform_bounds(UTM, crs, *pan.grid.bounds)
    width, height = int((east - west) / gsd), int((north - south) / gsd)
    grid = Grid(height, width, Affine(gsd, 0, west, 0, -gsd, north), crs)
    from pyproj import Transformer

    xs, ys = np.meshgrid(
        west + gsd * (np.arange(width) + 0.5), north - gsd * (np.arange(height) + 0.5)
    )
    easting, northing = Transformer.from_crs(crs, UTM, always_xy=True).transform(xs, ys)
    cols, rows = ~pan.grid.transform @ (easting, northing)
    rows, cols = rows - 0.5, cols - 0.5
    values = (
        1000 + 300 * np.sin(rows / 9.0) * np.cos(cols / 7.0)
        + 200 * np.sin((rows + 2 * cols) / 17.0) + 150 * np.cos((3 * rows - cols) / 23.0)
    )  # fmt: skip
    return ArraySource(grid, np.stack([values, values]).astype("f4"), ("red", "nir"), label="ms")


@pytest.mark.parametrize(("epsg", "gsd"), [(32631, 20.0), (4326, 0.0002)])
def test_a_target_in_another_crs_is_warped_to_the_right_place(epsg: int, gsd: float) -> None:
    scene = synthetic((2.0, 2.0), (0.5, 0.5), (300, 300))
    target = _in_crs(CRS.from_epsg(epsg), gsd)
    warped = make_scene(scene.guide, target, scene.sensor)
    assert "reprojected" in warped.notices[0]
    block = warped.read(Window(100, 100, 60, 60))
    rows = block.sampling.ratio[0] * np.arange(block.target.shape[1]) + block.sampling.phase[0]
    cols = block.sampling.ratio[1] * np.arange(block.target.shape[2]) + block.sampling.phase[1]
    assert block.target_valid.all()
    error = np.abs(block.target[0] - ground(rows + 100, cols + 100))
    assert error.max() < 12  # of a range of 1200: a tenth of a pixel
    with pytest.raises(GridError, match="--strict"):
        make_scene(scene.guide, target, scene.sensor, options=PairOptions(strict=True))


def test_a_south_up_target_is_turned_round() -> None:
    scene = synthetic((2.0, 2.0), (0.5, 0.5), (200, 200))
    ms = scene.target
    assert isinstance(ms, ArraySource)
    flipped = ArraySource(
        Grid(
            ms.grid.height, ms.grid.width,
            ms.grid.transform @ Affine.translation(0, ms.grid.height) @ Affine.scale(1, -1), UTM,
        ),
        ms.values[:, ::-1], ms.names, label="ms",
    )  # fmt: skip
    turned = make_scene(scene.guide, flipped, scene.sensor)
    there = turned.read(Window(50, 60, 40, 40))
    assert there.sampling.ratio == pytest.approx((2, 2))
    rows = there.sampling.ratio[0] * np.arange(there.target.shape[1]) + there.sampling.phase[0]
    cols = there.sampling.ratio[1] * np.arange(there.target.shape[2]) + there.sampling.phase[1]
    np.testing.assert_allclose(there.target[0], ground(rows + 50, cols + 60), atol=6)


def test_gaps_filled_at_read_do_not_depend_on_the_window() -> None:
    scene = demo_scene(60, 70)
    pan = scene.guide
    assert isinstance(pan, ArraySource)
    holed = pan.values.copy()
    holed[:, 40:44, 30:90] = 0
    scene = dataclasses.replace(scene, guide=dataclasses.replace(pan, values=holed))
    wide = scene.read_filled(Window(10, 10, 100, 120), 12)
    small = scene.read_filled(Window(36, 36, 20, 20), 12)
    inside = small.window.relative_to(wide.window).slices
    np.testing.assert_array_equal(small.guide[0], wide.guide[0][inside])
    assert not small.guide_valid.all()


def test_a_warped_pixel_that_touches_a_gap_is_none() -> None:
    ms = demo_source(MS, Window(100, 120, 40, 40))
    values = np.full_like(ms.values, 500)
    values[:, 15:25, 15:25] = 0
    holey = ArraySource(ms.grid, values, ms.names, nodata=0)
    grid = dataclasses.replace(ms.grid, transform=ms.grid.transform @ Affine.translation(0.5, 0.5))
    _, valid = WarpedSource(holey, grid).read(Window(5, 5, 30, 30))
    expected = np.ones((30, 30), bool)
    expected[9:20, 9:20] = False  # one more on two sides: its footprint is of four pixels
    np.testing.assert_array_equal(valid, expected)
