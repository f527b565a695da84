"""Tiles partition the raster, blend weights sum to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.errors import OptionError
from pansharpkit.grid import Window
from pansharpkit.tiles import TilePlan

sizes = st.tuples(st.integers(1, 140), st.integers(1, 140))


@given(size=sizes, tile=st.integers(4, 64), halo=st.integers(0, 20), corner=st.integers(0, 9))
def test_inner_windows_partition_the_extent(
    size: tuple[int, int], tile: int, halo: int, corner: int
) -> None:
    domain = Window(0, 0, size[0] + 10, size[1] + 10)
    extent = Window(corner, corner, *size)
    plan = TilePlan(extent, domain, tile, halo)
    seen = np.zeros((domain.height, domain.width), int)
    for tile_ in plan:
        seen[tile_.inner.slices] += 1
        assert tile_.padded.clip(tile_.blended) == tile_.blended
        assert tile_.padded.clip(domain) == tile_.padded
    assert (seen[extent.slices] == 1).all()
    assert seen.sum() == size[0] * size[1]
    assert [t.index for t in plan] == list(range(len(plan)))


@given(size=sizes, tile=st.integers(8, 64), overlap=st.integers(0, 8))
def test_weights_sum_to_one_everywhere(size: tuple[int, int], tile: int, overlap: int) -> None:
    extent = Window(5, 7, *size)
    plan = TilePlan(extent, Window(0, 0, 200, 200), tile, 4, overlap)
    total = np.zeros((200, 200))
    for tile_ in plan:
        total[tile_.blended.slices] += plan.weights(tile_)
    np.testing.assert_allclose(total[extent.slices], 1, atol=1e-6)


def test_the_halo_is_there_wherever_the_domain_allows() -> None:
    plan = TilePlan(Window(0, 0, 300, 300), Window(0, 0, 300, 300), 100, 12)
    middle = list(plan)[4]
    assert middle.padded == middle.inner.pad(12)


def test_a_small_remainder_joins_the_last_tile() -> None:
    plan = TilePlan(Window(0, 0, 1, 2 * 512 + 1), Window(0, 0, 1, 2 * 512 + 1), 512, 0)
    assert [t.inner.width for t in plan] == [512, 513]


@pytest.mark.parametrize("bad", [{"tile": 0}, {"halo": -1}, {"overlap": 65}])
def test_impossible_plans_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        TilePlan(Window(0, 0, 9, 9), Window(0, 0, 9, 9), **({"tile": 64, "halo": 0} | bad))


@pytest.mark.parametrize("width", [1, 100, 250, 10_000])
def test_strips_hold_every_tile_once_and_are_no_wider_than_asked_for(width: int) -> None:
    plan = TilePlan(Window(3, 5, 430, 777), Window(0, 0, 500, 800), 100, 10)
    order = list(plan.in_strips(width))
    assert sorted(tile.index for tile in order) == list(range(len(plan)))
    together = min(plan.shape[1], max(1, width // 100))
    assert [tile.index for tile in order[:together]] == list(range(together))
    assert order[together % len(order)].inner.row > order[0].inner.row


def test_a_tile_is_found_by_its_index() -> None:
    plan = TilePlan(Window(3, 5, 100, 130), Window(0, 0, 110, 140), 32, 7, 8)
    assert [plan[tile.index] for tile in plan] == list(plan)
    for index in (-1, len(plan)):
        with pytest.raises(IndexError):
            plan[index]
