"""An image that was delivered in tiles, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import GridError, InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.source import Source

_OFF_BY = 0.05  # largest distance between a tile and its place, in pixels
_MOST_TILES = 4096


@dataclass(frozen=True)
class Tile:
    """A raster and its place in the image."""

    source: Source
    window: Window
    """Pixels of the image that the tile holds."""


@dataclass(frozen=True)
class MosaicSource:
    """Tiles on one grid; a window reads only the tiles under it."""

    grid: Grid
    tiles: tuple[Tile, ...]
    label: str

    @property
    def names(self) -> tuple[str, ...]:
        """Band names, which all tiles share."""
        return self.tiles[0].source.names

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type, which all tiles share."""
        return self.tiles[0].source.dtype

    @property
    def nodata(self) -> float | None:
        """Nodata value of the first tile; every tile is read by its own."""
        return self.tiles[0].source.nodata

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window; what no tile covers is invalid, of two tiles the first valid counts."""
        fill = 0 if self.nodata is None else self.nodata
        values = np.full((len(self.names), window.height, window.width), fill, self.dtype)
        valid = np.zeros(values.shape[1:], bool)
        for tile in self.tiles:
            part = tile.window.clip(window)
            if part.empty:
                continue
            new, new_valid = tile.source.read(part.relative_to(tile.window))
            rows, cols = part.relative_to(window).slices
            fresh = new_valid & ~valid[rows, cols]
            values[:, rows, cols] = np.where(fresh, new, values[:, rows, cols])
            valid[rows, cols] |= new_valid
        return values, valid


def mosaic(
    tiles: Sequence[Tile], size: tuple[int, int], label: str, overlap: tuple[int, int] = (0, 0)
) -> tuple[Source, tuple[str, ...]]:
    """Put tiles together to an image of that size, and say what the user should know of it.

    Parameters
    ----------
    size : height and width of the image.
    overlap : rows and columns that neighbours may share.

    Raises
    ------
    GridError
        If a tile does not lie where its place says, or shares more pixels with another than it
        may, or they differ in CRS.
    InputError
        If tiles differ in type or bands, or do not have the size of their places.
    """
    if len(tiles) > _MOST_TILES:
        raise InputError(f"{label}: {len(tiles)} tiles, at most {_MOST_TILES} are supported")
    first = tiles[0]
    origin = Affine.translation(-first.window.col, -first.window.row)
    grid = Grid(*size, first.source.grid.transform @ origin, first.source.grid.crs)
    for tile in tiles:
        _check_alike(first.source, tile.source)
        _check_place(tile, grid, label, first.source.label)
    _check_overlap(tiles, overlap)
    if len(tiles) == 1 and first.window == grid.window:
        return first.source, ()
    missing = grid.height * grid.width - int(_cover(tiles, size))
    notices = (
        (f"{label}: its tiles leave {missing} pixels uncovered; they count as missing",)
        if missing
        else ()
    )
    return MosaicSource(grid, tuple(tiles), label), notices


def _check_alike(first: Source, other: Source) -> None:
    if len(first.names) != len(other.names):
        raise InputError(
            f"{other.label}: has {len(other.names)} bands, {first.label} of the same image has "
            f"{len(first.names)}; get the product again"
        )
    if first.dtype != other.dtype:
        raise InputError(
            f"{other.label}: holds {other.dtype}, {first.label} of the same image {first.dtype}; "
            "get the product again"
        )
    if first.grid.crs != other.grid.crs:
        raise GridError(
            f"{other.label} and {first.label} have different CRS, but are tiles of one image; "
            "get the product again"
        )


def _check_place(tile: Tile, grid: Grid, label: str, first: str) -> None:
    """Check size and georeferencing of a tile against its place in the image."""
    own, place = tile.source.grid, tile.window
    if (own.height, own.width) != (place.height, place.width):
        raise InputError(
            f"{tile.source.label}: is {own.width} x {own.height} pixels, {label} gives it "
            f"{place.width} x {place.height}; get the product again"
        )
    if place.clip(grid.window) != place:
        raise InputError(
            f"{tile.source.label}: {label} places it at row {place.row}, column {place.col}, "
            f"outside an image of {grid.width} x {grid.height} pixels; get the product again"
        )
    way = own.to_pixels_of(grid.subset(place))
    corners = [(col, row) for col in (0, own.width) for row in (0, own.height)]
    distance = max(float(np.hypot(*np.subtract(way @ c, c))) for c in corners)
    if distance > _OFF_BY:
        raise GridError(
            f"{tile.source.label}: lies {distance:.3g} pixels from where {label} places it (row "
            f"{place.row}, column {place.col}, beside {first}); get the product again"
        )


def _check_overlap(tiles: Sequence[Tile], overlap: tuple[int, int]) -> None:
    areas = sum(tile.window.height * tile.window.width for tile in tiles)
    if areas == _cover(tiles, _reach(tiles)):
        return
    for one, other in combinations(tiles, 2):
        shared = one.window.clip(other.window)
        if not shared.empty and shared.height > overlap[0] and shared.width > overlap[1]:
            raise GridError(
                f"{one.source.label} and {other.source.label} share {shared.width} x "
                f"{shared.height} pixels, but tiles of one image may not; get the product again"
            )


def _reach(tiles: Sequence[Tile]) -> tuple[int, int]:
    return max(t.window.stop[0] for t in tiles), max(t.window.stop[1] for t in tiles)


def _cover(tiles: Sequence[Tile], size: tuple[int, int]) -> int:
    """Return how many pixels of the image lie under some tile."""
    rows = np.unique([0, size[0], *(r for t in tiles for r in (t.window.row, t.window.stop[0]))])
    cols = np.unique([0, size[1], *(c for t in tiles for c in (t.window.col, t.window.stop[1]))])
    covered = np.zeros((len(rows) - 1, len(cols) - 1), bool)
    for tile in tiles:
        top, bottom = np.searchsorted(rows, (tile.window.row, tile.window.stop[0]))
        left, right = np.searchsorted(cols, (tile.window.col, tile.window.stop[1]))
        covered[top:bottom, left:right] = True
    areas = np.multiply.outer(np.diff(rows), np.diff(cols))
    return int(areas[covered].sum())
