"""Where a raster lies on the globe: its outline in longitude and latitude, in one piece or two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from pansharpkit.archive.entry import Ring
from pansharpkit.grid import Grid

Box = tuple[float, float, float, float]
"""West, south, east and north in degrees; west of what crosses the antimeridian is the larger."""
Points = NDArray[np.float64]
"""[n, 2] longitude and latitude, degrees."""

WORLD: Box = (-180.0, -90.0, 180.0, 90.0)
_SAMPLES = 64  # of an edge, of which those are kept that its curve needs
_TOLERANCE = 1e-6  # degrees, 0.1 m: the outline strays no further from the true edge
_DECIMALS = 7


@dataclass(frozen=True)
class Footprint:
    """The ground that a raster covers."""

    rings: tuple[Ring, ...]
    """Closed, anticlockwise, within 180 degrees: two of what crosses the antimeridian."""
    box: Box

    def to_geojson(self) -> dict[str, JsonValue]:
        """Return the geometry as GeoJSON (RFC 7946)."""
        rings: list[JsonValue] = [[list(point) for point in ring] for ring in self.rings]
        if len(rings) == 1:
            return {"type": "Polygon", "coordinates": rings}
        return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def footprint(grid: Grid) -> Footprint | None:
    """Return where a grid lies; None if it has no CRS, or one that does not reach all of it."""
    if grid.crs is None:
        return None
    outline = _outline(grid)
    if outline is None:
        return None
    pole = _enclosed_pole(outline)
    if pole:
        outline = _around_pole(outline, pole)
    parts = tuple(_ring(part) for part in _within_180(outline))
    return Footprint(parts, _box(outline)) if parts else None


def box_of(rings: Sequence[Ring]) -> Box | None:
    """Return the box of an outline, which may be in two pieces at the antimeridian."""
    boxes = []
    for ring in rings:
        lons, lats = zip(*ring, strict=True)
        boxes.append((min(lons), min(lats), max(lons), max(lats)))
    return boxes[0] if len(boxes) == 1 else union(boxes)


def union(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box around all, across the antimeridian if that is shorter.

    >>> union([(170, 0, 175, 5), (-178, 2, -170, 9)])
    (170.0, 0.0, -170.0, 9.0)
    """
    all_boxes = np.array(list(boxes), float).reshape(-1, 4)
    if not len(all_boxes):
        return None
    south, north = float(all_boxes[:, 1].min()), float(all_boxes[:, 3].max())
    west, east = _narrowest(all_boxes[:, [0, 2]])
    return west, south, east, north


def _narrowest(spans: Points) -> tuple[float, float]:
    """Return the shortest arc around [n, 2] arcs of longitude: what the widest gap leaves."""
    spans = spans + np.where(spans[:, :1] > spans[:, 1:], [[0.0, 360.0]], [[0.0, 0.0]])
    starts, stops = spans[np.argsort(spans[:, 0])].T
    reach = np.maximum.accumulate(stops)
    gaps = np.append(starts[1:] - reach[:-1], starts[0] + 360 - reach[-1])
    widest = int(np.argmax(gaps[::-1]))  # of equal gaps the last: no crossing without need
    widest = len(gaps) - 1 - widest
    if gaps[widest] <= 0:
        return -180.0, 180.0
    west, east = float(starts[(widest + 1) % len(starts)]), float(reach[widest])
    return west, east if east <= 180 else east - 360


def _outline(grid: Grid) -> Points | None:
    """Return the closed outline, [n, 2] with longitudes that go on beyond 180 degrees."""
    steps = np.linspace(0, 1, _SAMPLES + 1)
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)], float)
    size = np.array([grid.width, grid.height])
    edges = [(start + np.outer(steps, stop - start)) * size for start, stop in pairwise(corners)]
    cols, rows = np.concatenate(edges).T
    t = grid.transform
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    try:
        transformer = Transformer.from_crs(CRS.from_user_input(grid.crs), 4326, always_xy=True)
        lon, lat = transformer.transform(x, y)
    except ProjError:
        return None
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    points = np.stack([np.unwrap(lon, period=360), np.clip(lat, -90, 90)], axis=1)
    return np.concatenate([_needed(edge) for edge in np.split(points, 4)])


def _needed(edge: Points) -> Points:
    """Return as few points of an edge as follow its curve, first and last included."""
    every = np.arange(len(edge))
    stride = _SAMPLES
    while stride > 1:
        kept = every[::stride]
        straight = np.stack([np.interp(every, kept, edge[kept, i]) for i in (0, 1)], axis=1)
        if np.abs(straight - edge).max() <= _TOLERANCE:
            break
        stride //= 2
    return edge[::stride]


def _enclosed_pole(outline: Points) -> int:
    """Return 1 or -1 if the outline goes around the north or the south pole, else 0."""
    if abs(outline[-1, 0] - outline[0, 0]) < 180:
        return 0
    return 1 if outline[:, 1].mean() > 0 else -1


def _around_pole(outline: Points, pole: int) -> Points:
    """Close an outline that goes around the globe along the pole, which is a line in degrees."""
    ends = np.array([(outline[-1, 0], 90.0 * pole), (outline[0, 0], 90.0 * pole)])
    return np.concatenate([outline, ends, outline[:1]])


def _within_180(outline: Points) -> list[Points]:
    """Cut an outline at the antimeridian and move each piece into -180 ... 180."""
    turns = np.floor((outline[:, 0] + 180) / 360)
    pieces = []
    for turn in range(int(turns.min()), int(turns.max()) + 1):
        shifted = outline - [[360.0 * turn, 0.0]]
        piece = _clip(_clip(shifted, -180.0, 1), 180.0, -1)
        if len(piece) > 3 and abs(_area(piece)) > _TOLERANCE**2:
            pieces.append(piece)
    return pieces


def _clip(ring: Points, limit: float, side: int) -> Points:
    """Return the part of a closed ring with longitudes above (side 1) or below (-1) a limit."""
    kept: list[Points] = []
    for start, stop in pairwise(ring):
        inside = [side * (point[0] - limit) >= 0 for point in (start, stop)]
        if inside[0]:
            kept.append(start)
        if inside[0] != inside[1]:
            share = (limit - start[0]) / (stop[0] - start[0])
            kept.append(np.array([limit, start[1] + share * (stop[1] - start[1])]))
    return np.array([*kept, kept[0]]) if kept else np.empty((0, 2))


def _area(ring: Points) -> float:
    """Return twice the area of a closed ring, positive if it runs anticlockwise."""
    lon, lat = (ring - ring[0]).T
    return float(np.sum(lon[:-1] * lat[1:] - lon[1:] * lat[:-1]))


def _ring(piece: Points) -> Ring:
    if _area(piece) < 0:
        piece = piece[::-1]
    points = [(round(float(lon), _DECIMALS), round(float(lat), _DECIMALS)) for lon, lat in piece]
    kept = [point for i, point in enumerate(points[:-1]) if point != points[i + 1]]
    return (*kept, kept[0])


def _box(outline: Points) -> Box:
    west, south = (float(value) for value in outline.min(axis=0))
    east, north = (float(value) for value in outline.max(axis=0))
    if east - west >= 360 - _TOLERANCE:
        west, east = WORLD[0], WORLD[2]
    else:
        turn = 360 * np.floor((west + 180) / 360)
        west, east = west - turn, east - turn
        east = east if east <= 180 else east - 360
    box = (round(float(v), _DECIMALS) for v in (west, south, east, north))
    west, south, east, north = box
    return west, south, east, north
