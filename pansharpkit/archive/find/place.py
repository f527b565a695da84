"""Where rasters lie on the earth, roughly: enough to tell which show the same ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from pansharpkit.archive.entry import Ring
from pansharpkit.grid import Grid

_M_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Box:
    """A rectangle of longitudes and latitudes; east of the date line it goes on beyond 180."""

    west: float
    south: float
    east: float
    north: float

    @property
    def area(self) -> float:
        """Square degrees."""
        return (self.east - self.west) * (self.north - self.south)


def ring_of(grid: Grid) -> Ring | None:
    """Return the outline of a raster in degrees; None if its projection has no answer."""
    if grid.crs is None:
        return None
    corners = [
        grid.transform @ corner
        for corner in ((0, 0), (0, grid.height), (grid.width, grid.height), (grid.width, 0))
    ]
    try:
        transformer = _to_degrees(grid.crs.to_wkt())
        points = [transformer.transform(x, y) for x, y in corners]
    except ProjError:
        return None
    return ring_of_points(points)


def ring_of_points(points: Sequence[tuple[float, float]]) -> Ring | None:
    """Return corners as a closed ring; None if they are no places on the earth."""
    sound = [
        (round(float(lon), 7), round(float(lat), 7))
        for lon, lat in points
        if math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 360 and abs(lat) <= 90
    ]
    if len(sound) < len(points) or len(set(sound)) < 3:
        return None
    return tuple(sound) if sound[0] == sound[-1] else (*sound, sound[0])


@lru_cache(maxsize=256)
def _to_degrees(wkt: str) -> Transformer:
    return Transformer.from_crs(wkt, "OGC:CRS84", always_xy=True)


def box_of(ring: Ring) -> Box:
    """Return the box around an outline, which is taken to be narrower than half the earth.

    >>> box_of(((179.5, 0.0), (-179.5, 0.0), (-179.5, 1.0), (179.5, 0.0)))
    Box(west=179.5, south=0.0, east=180.5, north=1.0)
    """
    lons = [lon for lon, _ in ring]
    if max(lons) - min(lons) > 180:
        lons = [lon % 360 for lon in lons]
    lats = [lat for _, lat in ring]
    return Box(min(lons), min(lats), max(lons), max(lats))


def pixel_m(ring: Ring, height: int, width: int) -> float:
    """Return about how many metres a pixel of a raster measures."""
    box = box_of(ring)
    scale = math.cos(math.radians((box.south + box.north) / 2))
    return _M_PER_DEGREE * math.sqrt(box.area * scale / (height * width))


@dataclass(frozen=True)
class Shared:
    """How much of one box lies in each of some others."""

    of_smaller: NDArray[np.float64]
    """[N] area shared, of that of the smaller of the two."""
    of_both: NDArray[np.float64]
    """[N] area shared, of that which either covers."""


def table(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Return N boxes as [N, 4]: west, south, east, north."""
    rows = [(box.west, box.south, box.east, box.north) for box in boxes]
    return np.array(rows, float).reshape(-1, 4)


def shared(box: Box, others: NDArray[np.float64]) -> Shared:
    """Compare a box with [N, 4] others, on either side of the date line."""
    west, south, east, north = others.T
    rows = np.clip(np.minimum(north, box.north) - np.maximum(south, box.south), 0, None)
    cols = np.max(
        [
            np.minimum(east + turn, box.east) - np.maximum(west + turn, box.west)
            for turn in (-360, 0, 360)
        ],
        axis=0,
    ).clip(0, None)
    common = rows * cols
    areas = (east - west) * (north - south)
    smaller = np.minimum(areas, box.area)
    return Shared(_quotient(common, smaller), _quotient(common, areas + box.area - common))


def _quotient(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return found
