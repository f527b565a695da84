"""Values survive the way in and out; nothing wraps, nothing valid becomes nodata."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.errors import OptionError
from pansharpkit.radiometry import WorkingRange, cast, check_nodata, erode, fill_gaps

ALL = np.ones((2, 3), bool)


@given(top=st.floats(1e-3, 1e6), value=st.integers(0, 65535))
def test_working_range_is_exactly_invertible(top: float, value: int) -> None:
    working = WorkingRange.of(top)
    there = working.to_working(np.array([value], np.uint16))
    assert working.to_stored(there)[0] == value
    assert 0.5 < top / working.scale <= 1


def test_values_beyond_the_type_are_clipped_and_counted() -> None:
    values = np.array([[[70000, -5, 12.5], [1.4, 65535.4, 0]]])
    done = cast(values, ALL, np.dtype("uint16"), None)
    np.testing.assert_array_equal(done.values, [[[65535, 0, 12], [1, 65535, 0]]])
    assert (done.low.tolist(), done.high.tolist()) == ([1], [1])


def test_bit_depth_clips_lower() -> None:
    done = cast(np.full((1, 2, 3), 3000.0), ALL, np.dtype("uint16"), None, bit_depth=11)
    assert done.values.max() == 2047
    assert done.high.tolist() == [6]


@pytest.mark.parametrize(("nodata", "expected"), [(0, 1), (65535, 65534), (7, 8)])
def test_a_valid_pixel_never_becomes_nodata(nodata: float, expected: int) -> None:
    done = cast(np.full((1, 2, 3), float(nodata)), ALL, np.dtype("uint16"), nodata)
    assert np.unique(done.values).tolist() == [expected]


def test_invalid_pixels_become_nodata_whatever_they_held() -> None:
    valid = np.array([[True, False, True], [True, True, False]])
    values = np.where(valid, 5.0, np.nan)[None]
    done = cast(values, valid, np.dtype("int16"), -9999)
    assert done.values[0, 0, 1] == done.values[0, 1, 2] == -9999
    assert (done.low.sum(), done.high.sum()) == (0, 0)


@pytest.mark.parametrize("nodata", [-1, 70000, 0.5, float("nan")])
def test_impossible_nodata_is_refused(nodata: float) -> None:
    with pytest.raises(OptionError, match="nodata"):
        check_nodata(nodata, np.dtype("uint16"))


@given(frame=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_frame_of_nodata_is_filled_like_a_replicated_edge(frame: int, seed: int) -> None:
    inside = np.random.default_rng(seed).normal(size=(2, 6, 7))
    framed = np.pad(inside, ((0, 0), (frame, frame), (frame, frame)), constant_values=-1)
    valid = np.zeros(framed.shape[1:], bool)
    valid[frame:-frame, frame:-frame] = True
    expected = np.pad(inside, ((0, 0), (frame, frame), (frame, frame)), mode="edge")
    np.testing.assert_array_equal(fill_gaps(framed, valid), expected)


def test_a_block_without_valid_pixels_is_filled_with_zero() -> None:
    filled = fill_gaps(np.full((1, 2, 3), np.nan), ~ALL)
    assert (filled == 0).all()


@pytest.mark.parametrize(("border", "left"), [(True, 30 - 4), (False, 3 * 4 - 1)])
def test_erosion_counts_the_border_as_told(border: bool, left: int) -> None:
    valid = np.ones((5, 6), bool)
    valid[0, 0] = False
    assert erode(valid, 1, border=border).sum() == left


def test_erosion_by_nothing_changes_nothing() -> None:
    assert erode(ALL, 0, border=False) is ALL


@pytest.mark.parametrize("nodata", [None, 0.0, 100.0])
@pytest.mark.parametrize("spoil", [None, -3.0, 70000.0])
def test_whole_pixels_are_cast_as_those_with_gaps(
    nodata: float | None, spoil: float | None
) -> None:
    """Without gaps and exceptions there is a short cut; one gap beside them leads around it."""
    values = np.random.default_rng(2).uniform(50, 2000, (2, 9, 11)).astype(np.float32)
    if spoil is not None:
        values[1, 4, 4] = spoil
    wide = np.pad(values, ((0, 0), (0, 1), (0, 0)), mode="edge")
    valid = np.ones(wide.shape[1:], bool)
    valid[-1] = False
    short = cast(values, valid[:-1], np.dtype("uint16"), nodata)
    around = cast(wide, valid, np.dtype("uint16"), nodata)
    np.testing.assert_array_equal(short.values, around.values[:, :-1])
    np.testing.assert_array_equal(short.low, around.low)
    np.testing.assert_array_equal(short.high, around.high)


@pytest.mark.parametrize("nodata", [float(np.finfo(np.float32).min), -0.25, 0.0, 4.5])
@pytest.mark.filterwarnings("error")
def test_a_valid_float_never_becomes_nodata(nodata: float) -> None:
    done = cast(np.full((1, 1, 2), nodata), np.ones((1, 2), bool), np.dtype("f4"), nodata).values
    assert (done != np.float32(nodata)).all()
    assert done == pytest.approx(np.full((1, 1, 2), nodata))
