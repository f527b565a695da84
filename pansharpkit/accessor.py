"""``ms.pansharp.fuse(pan)``: fusion of DataArrays. Importing this module registers it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray
from affine import Affine
from rasterio.crs import CRS

from pansharpkit.api import OpenScene
from pansharpkit.errors import GridError
from pansharpkit.grid import Grid
from pansharpkit.scene import make_scene
from pansharpkit.sensor import generic_sensor, load_sensor
from pansharpkit.source import ArraySource


@xarray.register_dataarray_accessor("pansharp")  # type: ignore[no-untyped-call]
class PansharpAccessor:
    """Fusion methods on an MS DataArray of (band, y, x)."""

    def __init__(self, ms: xarray.DataArray) -> None:
        self._ms = ms

    def scene(
        self,
        pan: xarray.DataArray,
        *,
        sensor: str | None = None,
        bands: Sequence[str] | None = None,
    ) -> OpenScene:
        """Return the scene of this MS and a PAN; `bands` names the MS bands for the sensor."""
        target, guide = source_of(self._ms, "MS"), source_of(pan, "PAN")
        names = tuple(bands) if bands is not None else target.names
        found = (
            generic_sensor(len(names), names)
            if sensor is None
            else load_sensor(sensor).subset(names)
        )
        return OpenScene(make_scene(guide, target, found))

    def fuse(
        self,
        pan: xarray.DataArray,
        method: str = "mtf-glp-fs",
        *,
        sensor: str | None = None,
        bands: Sequence[str] | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> xarray.DataArray:
        """Sharpen this MS with a PAN; see :meth:`pansharpkit.api.OpenScene.fuse`."""
        opened = self.scene(pan, sensor=sensor, bands=bands)
        return opened.fuse(method, seed=seed, device=device)


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
