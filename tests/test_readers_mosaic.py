"""Images in tiles, read as one: the right pixels, only the tiles needed, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from pansharpkit.errors import GridError, InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.mosaic import MosaicSource, Tile, mosaic
from pansharpkit.source import ArraySource, Source

UTM = CRS.from_epsg(32630)
WHOLE = Grid(23, 31, Affine(2, 0, 5e5, 0, -2, 4.5e6), UTM)
IMAGE: NDArray[np.uint16] = (
    np.random.default_rng(0).integers(1, 4000, (2, 23, 31)).astype(np.uint16)
)
ROWS, COLS = (0, 9, 18, 23), (0, 10, 20, 31)


def tile(window: Window, number: int = 0, **changes: object) -> Tile:
    values = IMAGE[:, *window.slices]
    source = ArraySource(WHOLE.subset(window), values, ("a", "b"), 0.0, f"R{number}.TIF")
    return Tile(replace(source, **changes), window)  # type: ignore[arg-type]


def windows(rows: tuple[int, ...] = ROWS, cols: tuple[int, ...] = COLS) -> list[Window]:
    return [
        Window(r, c, r_end - r, c_end - c)
        for r, r_end in pairwise(rows)
        for c, c_end in pairwise(cols)
    ]


def tiles() -> list[Tile]:
    return [tile(window, i) for i, window in enumerate(windows())]


@given(data=st.data())
def test_any_window_is_that_of_the_whole_image(data: st.DataObject) -> None:
    source, notices = mosaic(tiles(), (23, 31), "t.TIL")
    row, col = data.draw(st.integers(0, 22)), data.draw(st.integers(0, 30))
    window = Window(
        row, col, data.draw(st.integers(1, 23 - row)), data.draw(st.integers(1, 31 - col))
    )
    values, valid = source.read(window)
    np.testing.assert_array_equal(values, IMAGE[:, *window.slices])
    assert valid.all()
    assert notices == ()


def test_it_looks_like_one_raster() -> None:
    source, _ = mosaic(tiles()[::-1], (23, 31), "t.TIL")  # the order of tiles does not matter
    assert source.grid == WHOLE
    assert (source.names, source.dtype, source.nodata) == (("a", "b"), np.uint16, 0)
    assert source.label == "t.TIL"


def test_one_tile_that_is_the_image_stays_itself() -> None:
    only = tile(WHOLE.window)
    assert mosaic([only], (23, 31), "t.TIL") == (only.source, ())


class Watched:
    """A source that remembers what was read of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reads: list[Window] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        self.reads.append(window)
        return self.source.read(window)


def test_only_the_pixels_under_a_window_are_read() -> None:
    watched = [Watched(one.source) for one in tiles()]
    placed = [Tile(source, one.window) for source, one in zip(watched, tiles(), strict=True)]  # type: ignore[arg-type]
    source, _ = mosaic(placed, (23, 31), "t.TIL")
    source.read(Window(8, 12, 3, 5))
    assert [len(one.reads) for one in watched] == [0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert watched[1].reads == [Window(8, 2, 1, 5)]
    assert watched[4].reads == [Window(0, 2, 2, 5)]


def test_what_no_tile_covers_is_missing_and_said() -> None:
    source, notices = mosaic(tiles()[:-1], (23, 31), "t.TIL")
    values, valid = source.read(Window(0, 0, 23, 31))
    assert notices == ("t.TIL: its tiles leave 55 pixels uncovered; they count as missing",)
    assert not valid[18:, 20:].any()
    assert (values[:, 18:, 20:] == 0).all()
    assert valid.sum() == 23 * 31 - 55


def test_of_two_tiles_the_valid_one_counts() -> None:
    left, right = Window(0, 0, 23, 18), Window(0, 14, 23, 17)
    holed = IMAGE[:, *left.slices].copy()
    holed[:, 5, 15] = 0
    source, _ = mosaic([tile(left, values=holed), tile(right, 1)], (23, 31), "D", (0, 4))
    values, valid = source.read(WHOLE.window)
    assert valid.all()
    np.testing.assert_array_equal(values, IMAGE)


def shifted(one: Tile, rows: float, cols: float) -> Tile:
    grid = one.source.grid
    moved = Grid(grid.height, grid.width, grid.transform @ Affine.translation(cols, rows), grid.crs)
    return Tile(replace(one.source, grid=moved), one.window)  # type: ignore[type-var]


FAULTS: dict[str, tuple[Callable[[Tile], Tile], type[InputError], str]] = {
    "lies elsewhere": (
        lambda one: shifted(one, 3, 0),
        GridError,
        r"R4\.TIF: lies 3 pixels from where t\.TIL places it \(row 9, column 10",
    ),
    "lies a little elsewhere": (lambda one: shifted(one, 0, 0.06), GridError, "lies 0.06 pixels"),
    "overlaps": (
        lambda one: tile(Window(8, 10, 10, 10), 4),
        GridError,
        r"R1\.TIF and R4\.TIF share 10 x 1 pixels",
    ),
    "other CRS": (
        lambda one: Tile(
            replace(one.source, grid=replace(one.source.grid, crs=CRS.from_epsg(32631))),  # type: ignore[type-var]
            one.window,
        ),
        GridError,
        "R4.TIF and R0.TIF have different CRS",
    ),
    "other size": (
        lambda one: Tile(one.source, replace(one.window, height=8)),
        InputError,
        r"R4\.TIF: is 10 x 9 pixels, t\.TIL gives it 10 x 8",
    ),
    "outside": (
        lambda one: Tile(one.source, replace(one.window, row=20)),
        InputError,
        "R4.TIF: t.TIL places it at row 20, column 10, outside an image of 31 x 23",
    ),
    "other type": (
        lambda one: tile(one.window, 4, values=IMAGE[:, *one.window.slices].astype("f4")),
        InputError,
        "R4.TIF: holds float32, R0.TIF of the same image uint16",
    ),
    "other bands": (
        lambda one: tile(one.window, 4, values=IMAGE[:1, *one.window.slices], names=("a",)),
        InputError,
        "R4.TIF: has 1 bands, R0.TIF of the same image has 2",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tiles_that_do_not_fit(fault: str) -> None:
    spoil, error, message = FAULTS[fault]
    placed = tiles()
    placed[4] = spoil(placed[4])
    with pytest.raises(error, match=message):
        mosaic(placed, (23, 31), "t.TIL")


def test_too_many_tiles() -> None:
    with pytest.raises(InputError, match=r"t\.TIL: 4097 tiles"):
        mosaic([tile(Window(0, 0, 1, 1))] * 4097, (23, 31), "t.TIL")


def test_a_thousand_tiles_are_checked_fast() -> None:
    grid = Grid(64, 1024, WHOLE.transform, UTM)
    values = np.ones((1, 2, 32), np.uint8)
    many = [
        Tile(ArraySource(grid.subset(w), values, ("a",), None, f"{w.row}"), w)
        for w in windows(tuple(range(0, 65, 2)), tuple(range(0, 1025, 32)))
    ]
    assert len(many) == 1024
    source, notices = mosaic(many, (64, 1024), "t.TIL")
    assert isinstance(source, MosaicSource)
    assert notices == ()
