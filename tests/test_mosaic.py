"""Tiles become strips: every pixel once, blended where tiles overlap, valid where any is."""

from __future__ import annotations

import numpy as np
import pytest

from pansharpkit.grid import Window
from pansharpkit.mosaic import Mosaic, Piece
from pansharpkit.tiles import Tile, TilePlan

EXTENT = Window(3, 5, 41, 50)
PLAN = TilePlan(EXTENT, Window(0, 0, 60, 60), 16, 4, 6)


def laid(plan: TilePlan, truth: np.ndarray, valid: np.ndarray) -> list[Piece]:
    """Cut a raster into the tiles of a plan and put them together again."""
    mosaic = Mosaic(plan, len(truth))
    return [
        piece
        for tile in plan
        for piece in mosaic.add(tile, truth[:, *tile.blended.slices], valid[tile.blended.slices])
    ]


@pytest.mark.parametrize("overlap", [0, 6])
def test_what_is_cut_is_put_together_again(overlap: int) -> None:
    truth = np.random.default_rng(0).random((2, 60, 60), np.float32)
    valid = truth[0] > 0.1
    plan = TilePlan(EXTENT, PLAN.domain, 16, 4, overlap)
    found, known, seen = np.zeros_like(truth), np.zeros_like(valid), np.zeros(valid.shape, int)
    for piece in laid(plan, truth, valid):
        where = piece.window.slices
        found[:, *where], known[where] = piece.values, piece.valid
        seen[where] += 1
    inside = EXTENT.slices
    assert (seen[inside] == 1).all()
    assert seen.sum() == EXTENT.area
    np.testing.assert_allclose(found[:, *inside], truth[:, *inside], rtol=1e-6)
    np.testing.assert_array_equal(known[inside], valid[inside])


def test_a_strip_is_there_once_nothing_can_change_it() -> None:
    truth, valid = np.ones((1, 60, 60), np.float32), np.ones((60, 60), bool)
    tops = [piece.window.row for piece in laid(PLAN, truth, valid)]
    rows = PLAN.shape[0]
    assert tops == sorted(tops)
    assert len(tops) == rows
    assert tops[0] == EXTENT.row
    following = next(PLAN.row(1)).blended.row
    assert tops[1] == following  # the next row of tiles reaches up to there


def test_a_pixel_is_valid_where_any_tile_knows_it() -> None:
    tiles = list(PLAN)
    mosaic, pieces = Mosaic(PLAN, 1), list[Piece]()

    def knows(tile: Tile) -> bool:
        return tile.index % 2 == 0

    for tile in tiles:
        shape = tile.blended.height, tile.blended.width
        pieces += mosaic.add(tile, np.ones((1, *shape), np.float32), np.full(shape, knows(tile)))
    known = np.zeros((60, 60), bool)
    for piece in pieces:
        known[piece.window.slices] = piece.valid
    expected = np.zeros_like(known)
    for tile in tiles:
        expected[tile.blended.slices] |= knows(tile)
    np.testing.assert_array_equal(known, expected)
