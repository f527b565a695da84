"""Which part of the guide is fused: where the target covers it, inside the area of interest."""

from __future__ import annotations

import math

import numpy as np
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS

from pansharpkit.errors import GridError, OptionError
from pansharpkit.grid import Grid, Window
from pansharpkit.source import Source

Bounds = tuple[float, float, float, float]

_EDGE = 0.5  # guide pixels whose centre lies this far outside the target still count as covered


def crs_name(grid: Grid) -> str:
    """Return what messages call the CRS of a grid."""
    return "no CRS" if grid.crs is None else grid.crs.to_string()


def domain_of(guide: Source, target: Source) -> Window:
    """Return the window of the guide whose pixel centres the target's pixels cover."""
    try:
        sampling = target.grid.sampling_on(guide.grid)
    except GridError as error:
        raise GridError(f"{guide.label} with {target.label}: {error}") from None
    low, high = [], []
    for axis, count in ((0, target.grid.height), (1, target.grid.width)):
        first = sampling.phase[axis] - sampling.ratio[axis] / 2
        low.append(int(np.ceil(first - _EDGE - 1e-9)))
        high.append(int(np.floor(first + count * sampling.ratio[axis] + _EDGE + 1e-9)) + 1)
    window = Window(low[0], low[1], high[0] - low[0], high[1] - low[1]).clip(guide.grid.window)
    fine, coarse = ("PAN", "MS") if len(guide.names) == 1 else ("guide", "target")
    if window.empty:
        raise GridError(
            f"{guide.label} and {target.label} do not overlap: {fine} covers "
            f"{_bounds_text(guide.grid)}, {coarse} covers {_bounds_text(target.grid)}"
        )
    if window.height < sampling.ratio[0] - 1e-6 or window.width < sampling.ratio[1] - 1e-6:
        raise GridError(
            f"{guide.label} and {target.label} overlap by only {window.width} x {window.height} "
            f"{fine} pixels, less than one {coarse} pixel"
        )
    return window


def _bounds_text(grid: Grid) -> str:
    return "({:.1f}, {:.1f}, {:.1f}, {:.1f})".format(*grid.bounds)


def window_inside(guide: Source, domain: Window, bounds: Bounds, bounds_crs: str | None) -> Window:
    """Return the part of a window of the guide that lies in an area of interest.

    Raises
    ------
    OptionError
        If the area is none, in an unknown CRS, or elsewhere.
    """
    west, south, east, north = bounds
    if not (-math.inf < west < east < math.inf and -math.inf < south < north < math.inf):
        raise OptionError(f"--bounds {bounds} must be west south east north")
    box = _reprojected(bounds, bounds_crs, guide.grid.crs)
    window = guide.grid.window_of_bounds(box).clip(domain) if all(map(math.isfinite, box)) else None
    if window is None or window.empty:
        degrees = bounds_crs is None and max(-west, east) <= 180 and max(-south, north) <= 90
        hint = "; if they are degrees, add --bounds-crs EPSG:4326" if degrees else ""
        raise OptionError(
            f"--bounds {bounds} do not touch the scene, which covers "
            f"{_bounds_text(guide.grid)} in {crs_name(guide.grid)}{hint}"
        )
    return window


def _reprojected(box: Bounds, source: str | None, crs: CRS | None) -> Bounds:
    """Return a box in the CRS of the guide; not finite where the projection has no answer."""
    if source is None or crs is None:
        return box
    try:
        transformer = Transformer.from_crs(source, crs, always_xy=True)
    except ProjError as error:
        raise OptionError(f"--bounds-crs {source}: is not a CRS; write EPSG:4326 or WKT") from error
    west, south, east, north = transformer.transform_bounds(*box, densify_pts=21)
    return west, south, east, north
