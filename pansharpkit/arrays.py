"""Sources as xarray DataArrays, and DataArrays as sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dask.array
import numpy as np
import xarray
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window
from pansharpkit.source import ArraySource, Source


@dataclass(frozen=True)
class _Lazy:
    """A source that dask can slice."""

    source: Source
    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    ndim: int = 3

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[np.generic]:
        bands, rows, cols = key
        window = Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        return self.source.read(window)[0][bands]


def lazy(source: Source, chunk: int = 2048) -> xarray.DataArray:
    """Return a source as a DataArray that reads its chunks when they are computed."""
    shape = (len(source.names), source.grid.height, source.grid.width)
    values = dask.array.from_array(  # type: ignore[no-untyped-call]
        _Lazy(source, shape, source.dtype),
        chunks=(shape[0], chunk, chunk),
        meta=np.empty((0, 0, 0), source.dtype),
    )
    return as_data_array(values, source.grid, source.names, source.nodata, source.label)


def as_data_array(
    values: NDArray[np.generic] | dask.array.Array,
    grid: Grid,
    names: Sequence[str],
    nodata: float | None,
    name: str,
) -> xarray.DataArray:
    """Return [C, H, W] values as a georeferenced DataArray.

    A rotated grid gets no x and y coordinates; its transform is in ``spatial_ref`` all the same.
    """
    t = grid.transform
    where = {"GeoTransform": " ".join(repr(float(v)) for v in (t.c, t.a, t.b, t.f, t.d, t.e))}
    if grid.crs is not None:
        where |= dict.fromkeys(("crs_wkt", "spatial_ref"), grid.crs.to_wkt())
    reference = xarray.DataArray(0, attrs=where)
    coords: dict[str, object] = {"band": list(names), "spatial_ref": reference}
    if t.b == t.d == 0:
        coords["y"] = t.f + t.e * (np.arange(grid.height) + 0.5)
        coords["x"] = t.c + t.a * (np.arange(grid.width) + 0.5)
    attrs = {} if nodata is None else {"_FillValue": nodata}
    return xarray.DataArray(
        values,
        dims=("band", "y", "x"),
        coords=coords,
        name=name,
        attrs={**attrs, "grid_mapping": "spatial_ref"},
    )


def source_of(array: xarray.DataArray, label: str) -> ArraySource:
    """Return a DataArray of (band, y, x) or (y, x) with regular coordinates as a source.

    Raises
    ------
    GridError
        If the coordinates are missing or not evenly spaced.
    """
    if "band" not in array.dims:
        array = array.expand_dims("band")
    array = array.transpose("band", "y", "x")
    names = tuple(str(name) for name in array["band"].values) if "band" in array.coords else ()
    if not names:
        names = tuple(f"B{i + 1}" for i in range(array.sizes["band"]))
    fill = array.attrs.get("_FillValue", array.encoding.get("_FillValue"))
    nodata = None if fill is None else float(fill)
    return ArraySource(_grid(array, label), np.asarray(array.values), names, nodata, label)


def _grid(array: xarray.DataArray, label: str) -> Grid:
    crs = None
    if "spatial_ref" in array.coords:
        wkt = array["spatial_ref"].attrs.get("crs_wkt", "")
        crs = CRS.from_wkt(wkt) if wkt else None
    steps = []
    for name in ("y", "x"):
        if name not in array.coords or array.sizes[name] < 2:
            raise GridError(f"{label}: coordinate {name!r} is missing or has less than two values")
        values = array[name].values.astype(float)
        step = (values[-1] - values[0]) / (len(values) - 1)
        if step == 0 or np.abs(np.diff(values) - step).max() > 1e-3 * abs(step):
            raise GridError(f"{label}: coordinate {name!r} is not evenly spaced")
        steps.append((float(values[0]), float(step)))
    (top, dy), (left, dx) = steps
    transform = Affine(dx, 0.0, left - dx / 2, 0.0, dy, top - dy / 2)
    return Grid(array.sizes["y"], array.sizes["x"], transform, crs)


class ArraySink:
    """A sink in memory."""

    def __init__(self, shape: tuple[int, int, int], dtype: str) -> None:
        self.values: NDArray[np.generic] = np.zeros(shape, dtype)
        """[C, H, W]."""

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        """Take [C, h, w] pixels."""
        self.values[:, *window.slices] = values
