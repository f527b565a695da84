"""Fields of STAC that describe the grid and the bands of a raster, and when it was taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import JsonValue
from pyproj import CRS, Geod

from pansharpkit.archive.dates import moment
from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.product import Product, ProductBand
from pansharpkit.grid import Grid

Json = dict[str, JsonValue]

_EARLIEST = "1900-01-01T00:00:00Z"
"""Before any scene was taken, for those whose date nobody wrote down."""

_COMMON_NAMES = {"nir2": "nir09", "swir1": "swir16", "swir2": "swir22"}
"""Where STAC calls a band otherwise; the other names agree."""


def projection_fields(product: Product) -> Json:
    """Return where the pixels lie: CRS, size, transform and extent in the units of the CRS."""
    grid = product.grid
    code = None if grid.crs is None else grid.crs.to_authority()
    found: Json = {
        "proj:code": None if code is None else ":".join(code),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
    }
    if grid.crs is not None and code is None:
        found["proj:wkt2"] = CRS.from_user_input(grid.crs).to_wkt()
    return found


def band_fields(product: Product) -> list[JsonValue]:
    """Return what is known of each band: type, gaps, scaling, place in the spectrum."""
    size = resolution(product)
    sampling = "point" if product.of_points else "area"
    return [
        {
            **_stored(band),
            "raster:sampling": sampling,
            **({} if size is None else {"raster:spatial_resolution": size}),
            **_spectral(band),
        }
        for band in product.bands
    ]


def eo_used(product: Product) -> bool:
    """Whether anything is known of where a band lies in the spectrum."""
    return any(_spectral(band) for band in product.bands)


def resolution(product: Product) -> float | None:
    """Return the pixel size in metres, the mean of height and width; None without CRS."""
    grid = product.grid
    if grid.crs is None:
        return None
    crs = CRS.from_user_input(grid.crs)
    if crs.is_geographic:
        return _geodesic(grid, crs)
    factor = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 0
    size = math.sqrt(math.prod(grid.gsd)) * factor
    return float(f"{size:.6g}") if size > 0 else None


def _geodesic(grid: Grid, crs: CRS) -> float | None:
    """Return the size in metres of the pixel in the middle of a grid in degrees."""
    geod = crs.get_geod() or Geod(ellps="WGS84")
    row, col = grid.height / 2, grid.width / 2
    middle = grid.transform @ (col, row)
    steps = (grid.transform @ (col, row + 1), grid.transform @ (col + 1, row))
    if max(abs(middle[1]), *(abs(step[1]) for step in steps)) > 90:
        return None
    sides = [geod.inv(*middle, *step)[2] for step in steps]
    return float(f"{math.sqrt(math.prod(sides)):.6g}")


def _stored(band: ProductBand) -> Json:
    found: Json = {"name": band.name, "data_type": str(np.dtype(band.dtype))}
    if band.nodata is not None:
        known = math.isfinite(band.nodata)
        found["nodata"] = band.nodata if known else str(band.nodata)
    if (band.scale, band.offset) != (1.0, 0.0):
        found["raster:scale"] = band.scale
        found["raster:offset"] = band.offset
    return found


def _spectral(band: ProductBand) -> Json:
    found: Json = {}
    if band.common_name is not None:
        found["eo:common_name"] = _COMMON_NAMES.get(band.common_name, band.common_name)
    if band.center_nm is not None:
        found["eo:center_wavelength"] = _micrometres(band.center_nm)
    if band.fwhm_nm is not None:
        found["eo:full_width_half_max"] = _micrometres(band.fwhm_nm)
    return found


def _micrometres(nm: float) -> float:
    return float(f"{nm / 1000:.7g}")


def time_fields(entry: SceneEntry, product: Product, written: str) -> Json:
    """Return the moment, or the span that it lies in: the day, if only that is known."""
    taken = entry.acquired or _tagged(product.tags)
    if taken is None:
        return {
            "datetime": None,
            "start_datetime": _EARLIEST,
            "end_datetime": written,
            "pansharpkit:undated": True,
        }
    if taken.timetz() == datetime.min.replace(tzinfo=taken.tzinfo).timetz():
        last = taken + timedelta(days=1) - timedelta(seconds=1)
        return {
            "datetime": None,
            "start_datetime": timestamp(taken),
            "end_datetime": timestamp(last),
        }
    return {"datetime": timestamp(taken)}


def _tagged(tags: Mapping[str, str]) -> datetime | None:
    """Return when the scene was taken, as the tags that Landsat products hand down say it."""
    day, time = tags.get("DATE_ACQUIRED", ""), tags.get("SCENE_CENTER_TIME", "")
    return moment(f"{day}T{time}") or moment(day)


def timestamp(when: datetime) -> str:
    """Return a moment as STAC writes it, in UTC."""
    known = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return known.isoformat().replace("+00:00", "Z")
