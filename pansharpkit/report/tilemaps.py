"""Maps of the quality of tiles: a pixel each, with the values that are shown when pointed at."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from pansharpkit.report.indices import ordered, style_of
from pansharpkit.report.png import to_png
from pansharpkit.report.printed import number
from pansharpkit.report.quality import Number, QualityReport, TileQuality

MOST_LISTED = 12
_COLOURS = "viridis"  # dark is bad, in every map
_STEPS = 9
_PERCENT = (2.0, 98.0)


@dataclass(frozen=True)
class TileMap:
    """An index over the raster."""

    label: str
    unit: str
    uri: str
    """PNG file with a pixel for each tile."""
    values: str
    """As printed, row by row, separated by blanks."""
    worst: str
    """The value drawn darkest, and what is worse."""
    best: str
    caption: str


@dataclass(frozen=True)
class TileMaps:
    """All maps of a report, over the same tiles."""

    maps: list[TileMap]
    rows: int
    cols: int
    rights: str
    """Where the columns of tiles end, in pixels, separated by blanks."""
    bottoms: str
    gradient: str
    """CSS colours from the worst to the best."""
    heads: list[str]
    listed: list[tuple[str, list[str]]]
    """The worst tiles with their values."""
    known: int
    """Tiles that have a value."""


def tile_maps(report: QualityReport) -> TileMaps | None:
    """Return maps of every index that tiles have, or None if none has a value."""
    tiles = report.per_tile
    first = report.tile_index
    columns = {first: [tile.q for tile in tiles]}
    for name in ordered({name for tile in tiles for name in tile.indices} - {first}):
        columns[name] = [tile.indices.get(name) for tile in tiles]
    images = {name: np.array(values, float) for name, values in columns.items()}
    images = {name: image for name, image in images.items() if np.isfinite(image).any()}
    if not images:
        return None
    tops, lefts = sorted({tile.row for tile in tiles}), sorted({tile.col for tile in tiles})
    size = len(tops), len(lefts)
    return TileMaps(
        [_tile_map(name, image, size, larger=name == first) for name, image in images.items()],
        *size,
        " ".join(str(end) for end in sorted({tile.col + tile.width for tile in tiles})),
        " ".join(str(end) for end in sorted({tile.row + tile.height for tile in tiles})),
        ", ".join(to_hex(mpl.colormaps[_COLOURS](k / (_STEPS - 1))) for k in range(_STEPS)),
        [_head(name) for name in images],
        _worst_tiles(tiles, list(images), first),
        int(np.isfinite(next(iter(images.values()))).sum()),
    )


def _tile_map(
    name: str, image: NDArray[np.float64], size: tuple[int, int], *, larger: bool
) -> TileMap:
    style, known = style_of(name), image[np.isfinite(image)]
    low, high = (float(end) for end in np.percentile(known, _PERCENT))
    better = image if larger or style.best == "1" else low + high - image
    shade = (better - low) / (high - low) if high > low else np.full_like(image, 0.5)
    colours = mpl.colormaps[_COLOURS](np.nan_to_num(shade).clip(0, 1), bytes=True)
    colours = np.where(np.isfinite(image)[:, None], colours, 0).astype(np.uint8)
    png = to_png(np.ascontiguousarray(colours.reshape(*size, 4)))
    lowest, median, highest = (
        number(float(found), style.decimals) + _unit(style.unit)
        for found in (known.min(), np.median(known), known.max())
    )
    ends = [number(low, style.decimals), number(high, style.decimals)]
    worst, best = ends if larger or style.best == "1" else ends[::-1]
    return TileMap(
        style.label,
        _unit(style.unit),
        "data:image/png;base64," + base64.b64encode(png).decode(),
        " ".join(number(float(value), style.decimals) for value in image),
        worst,
        best,
        f"lowest {lowest}, median {median}, highest {highest}",
    )


def _head(name: str) -> str:
    style = style_of(name)
    return style.label + (f", {style.unit}" if style.unit else "")


def _unit(unit: str) -> str:
    return f"\N{NARROW NO-BREAK SPACE}{unit}" if unit else ""


def _worst_tiles(
    tiles: tuple[TileQuality, ...], names: list[str], first: str
) -> list[tuple[str, list[str]]]:
    def value(tile: TileQuality, name: str) -> Number:
        return tile.q if name == first else tile.indices.get(name)

    found = [tile for tile in tiles if tile.q is not None and np.isfinite(tile.q)]
    found.sort(key=lambda tile: tile.q or 0.0)
    return [
        (
            f"{tile.row} – {tile.row + tile.height - 1}, {tile.col} – {tile.col + tile.width - 1}",
            [number(value(tile, name), style_of(name).decimals) for name in names],
        )
        for tile in found[:MOST_LISTED]
    ]
