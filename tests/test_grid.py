"""Grids, windows and the way between two geotransforms."""

from __future__ import annotations

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window
from pansharpkit.sampling import Sampling

UTM = CRS.from_epsg(32630)


def grid(height: int, width: int, gsd: float, west: float = 0.0, north: float = 0.0) -> Grid:
    return Grid(height, width, Affine(gsd, 0, west, 0, -gsd, north), UTM)


def test_landsat_pixel_centres_coincide() -> None:
    # USGS: PAN has 2N - 1 pixels and its edge lies 7.5 m inside the MS edge.
    pan, ms = grid(199, 199, 15, -7.5 + 15, 7.5 - 15), grid(100, 100, 30)
    sampling = ms.sampling_on(pan)
    assert sampling == Sampling((2.0, 2.0), (0.0, 0.0))


def test_edge_aligned_grids_have_the_centred_phase() -> None:
    assert grid(50, 50, 2).sampling_on(grid(200, 200, 0.5)) == Sampling.edge_aligned(4)


def test_non_square_non_integer_ratio() -> None:
    ms = Grid(100, 100, Affine(2.0, 0, 10, 0, -2.01, 20), UTM)
    pan = Grid(400, 400, Affine(0.498, 0, 10, 0, -0.5006, 20), UTM)
    sampling = ms.sampling_on(pan)
    assert sampling.ratio == pytest.approx((2.01 / 0.5006, 2.0 / 0.498))
    assert sampling.phase == pytest.approx(tuple((r - 1) / 2 for r in sampling.ratio))


def test_swapped_inputs_are_named_as_such() -> None:
    with pytest.raises(GridError, match="swapped"):
        grid(100, 100, 15).sampling_on(grid(50, 50, 30))


@pytest.mark.parametrize(
    "transform",
    [
        Affine(30, 0, 0, 0, 30, 0),  # south-up against north-up
        Affine.rotation(10) @ Affine.scale(30, -30),
    ],
)
def test_other_orientations_are_not_aligned(transform: Affine) -> None:
    other = Grid(10, 10, transform, UTM)
    assert not other.aligned_with(grid(20, 20, 15))
    with pytest.raises(GridError, match="orientation"):
        other.sampling_on(grid(20, 20, 15))


def test_equally_rotated_grids_are_aligned() -> None:
    turn = Affine.rotation(10)
    pan = Grid(20, 20, turn @ Affine.scale(15, -15), UTM)
    ms = Grid(10, 10, turn @ Affine.scale(30, -30), UTM)
    assert ms.aligned_with(pan)
    assert ms.sampling_on(pan).ratio == pytest.approx((2, 2))


def test_bounds_window_holds_whole_pixels() -> None:
    assert grid(100, 100, 10).window_of_bounds((11, -39, 29, -21)) == Window(2, 1, 2, 2)
    assert grid(100, 100, 10).window_of_bounds((10, -40, 30, -20)) == Window(2, 1, 2, 2)


@given(
    row=st.integers(0, 80), col=st.integers(0, 80), size=st.integers(1, 20), pad=st.integers(0, 30)
)
def test_padding_then_shrinking_is_the_identity(row: int, col: int, size: int, pad: int) -> None:
    window = Window(row, col, size, size)
    assert window.pad(pad).pad(-pad) == window
    clipped = window.pad(pad).clip(Window(0, 0, 100, 100))
    assert clipped.clip(window) == window


@given(
    ratio=st.floats(1.1, 8),
    phase=st.floats(-5, 5),
    fine=st.integers(0, 50),
    coarse=st.integers(0, 50),
    k=st.integers(0, 40),
)
def test_windowed_sampling_keeps_every_sample_in_place(
    ratio: float, phase: float, fine: int, coarse: int, k: int
) -> None:
    whole = Sampling((ratio, ratio), (phase, phase))
    part = whole.windowed((fine, fine), (coarse, coarse))
    there = ratio * (coarse + k) + phase
    assert part.ratio[0] * k + part.phase[0] + fine == pytest.approx(there, abs=1e-9)


def test_subset_moves_the_origin() -> None:
    part = grid(100, 100, 10).subset(Window(3, 4, 5, 6))
    assert (part.height, part.width) == (5, 6)
    assert part.transform @ (0, 0) == (40.0, -30.0)
