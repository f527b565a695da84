"""Where the pixels of a PRISMA L2D product lie.

The product gives the map coordinates of four corners and does not say of what: of the corner
pixels' centres or of their outer edges, of the cube's pixels or of PAN's. The latitudes and
longitudes of all pixels, which it holds too, are good to a fraction of a PAN pixel only, as they
are stored in single precision; that is enough to tell which is meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from pansharpkit.errors import GridError, MetadataError
from pansharpkit.grid import Grid
from pansharpkit.readers.hdf.file import HdfFile

CUBE_M, PAN_M = 30.0, 5.0
_FITS = 0.05  # pixels by which the corners may differ from a whole number of pixels
_AGREES = 0.4  # pixels by which a reading of the corners may differ from latitudes and longitudes


@dataclass(frozen=True)
class Corners:
    """What the metadata say of the map."""

    crs: CRS
    west: float
    south: float
    east: float
    north: float


def read_corners(file: HdfFile) -> Corners:
    """Return the corners and the CRS that the metadata give.

    Raises
    ------
    MetadataError
        If they are missing, or no corners of a raster with north up.
    """
    west, north = (file.number(f"Product_ULcorner_{way}") for way in ("easting", "northing"))
    east, south = (file.number(f"Product_LRcorner_{way}") for way in ("easting", "northing"))
    code = int(file.number("Epsg_Code"))
    try:
        crs = CRS.from_epsg(code)
    except CRSError:
        raise MetadataError(f"{file.shown}: Epsg_Code = {code} is not known") from None
    if not (west < east and south < north and crs.is_projected):
        raise MetadataError(
            f"{file.shown}: its corners ({west:g}, {north:g}) and ({east:g}, {south:g}) in EPSG:"
            f"{code} are no upper left and lower right ones"
        )
    return Corners(crs, west, south, east, north)


def cube_grid(file: HdfFile, corners: Corners, size: tuple[int, int], swath: str) -> Grid:
    """Return the grid of the cube.

    Parameters
    ----------
    size : height and width.
    swath : path of the group that holds the cube.

    Raises
    ------
    GridError
        If the corners are those of another number of pixels.
    """
    spans = (corners.north - corners.south, corners.east - corners.west)
    for inset in (0.5, 0.0):  # centres, edges
        counts = [span / CUBE_M + 2 * inset for span in spans]
        if all(abs(count - n) < _FITS for count, n in zip(counts, size, strict=True)):
            break
    else:
        found = " x ".join(f"{span / CUBE_M:.2f}" for span in reversed(spans))
        raise GridError(
            f"{file.shown}: its corners lie {found} pixels of {CUBE_M:g} m apart, but the cube has "
            f"{size[1]} x {size[0]}; get the product again"
        )
    placed = _grid(corners, size, CUBE_M, inset * CUBE_M)
    seen = _origin(file, corners, swath, size, CUBE_M)
    if seen is not None and _apart(placed, seen) > _AGREES * CUBE_M:
        raise GridError(
            f"{file.shown}: its corners and its latitudes and longitudes lie "
            f"{_apart(placed, seen):.0f} m apart; get the product again"
        )
    return placed


def pan_grid(
    file: HdfFile, corners: Corners, size: tuple[int, int], swath: str, cube: Grid
) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid of PAN, and what the user should know of it.

    Its upper left corner is that of the cube, or its first pixel is centred where the corner is
    said to lie: whichever its latitudes and longitudes are nearer to. Without them it covers the
    same ground as the cube.
    """
    x, y = cube.transform.c, cube.transform.f
    shared = _grid(Corners(corners.crs, x, 0, 0, y), size, PAN_M, 0.0)
    readings = [shared] + [_grid(corners, size, PAN_M, inset) for inset in (PAN_M / 2, 0.0)]
    seen = _origin(file, corners, swath, size, PAN_M)
    if seen is None:
        return shared, (
            f"{file.shown}: PAN is taken to begin where the cube does, it has no latitudes and "
            "longitudes; see what registration says",
        )
    nearest = min(readings, key=lambda grid: _apart(grid, seen))
    distance = _apart(nearest, seen)
    if distance <= _AGREES * PAN_M:
        return nearest, ()
    own = Grid(*size, Affine.translation(*seen) @ Affine.scale(PAN_M, -PAN_M), corners.crs)
    return own, (
        f"{file.shown}: PAN lies where its latitudes and longitudes say, {distance:.1f} m from any "
        "reading of the corners; see what registration says",
    )


def _grid(corners: Corners, size: tuple[int, int], pixel: float, inset: float) -> Grid:
    origin = Affine.translation(corners.west - inset, corners.north + inset)
    return Grid(*size, origin @ Affine.scale(pixel, -pixel), corners.crs)


def _apart(grid: Grid, origin: tuple[float, float]) -> float:
    return math.hypot(grid.transform.c - origin[0], grid.transform.f - origin[1])


def _origin(
    file: HdfFile, corners: Corners, swath: str, size: tuple[int, int], pixel: float
) -> tuple[float, float] | None:
    """Return the outer upper left corner by latitudes and longitudes, averaged over many pixels.

    None if there are none, or they are no regular grid of such pixels.
    """
    arrays = [file.array(f"{swath}/Geolocation Fields/{n}") for n in ("Longitude", "Latitude")]
    if any(array is None or array.shape != size for array in arrays):
        return None
    rows, cols = (np.unique(np.linspace(0, n - 1, 32).astype(int)) for n in size)
    with file.guarded("latitudes and longitudes cannot be read"):
        lon, lat = (np.array([array[row, :][cols] for row in rows]) for array in arrays if array)
    try:
        way = Transformer.from_crs("EPSG:4326", corners.crs, always_xy=True)
        x, y = way.transform(lon.astype(float), lat.astype(float))
    except ProjError:
        return None
    left, top = x - pixel * (cols + 0.5), y + pixel * (rows[:, None] + 0.5)
    if not (np.isfinite(left).all() and np.isfinite(top).all()):
        return None
    if max(np.ptp(left), np.ptp(top)) > pixel:
        return None
    return float(left.mean()), float(top.mean())
