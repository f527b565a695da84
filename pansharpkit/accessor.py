"""``ms.pansharp.fuse(pan)``: fusion of DataArrays. Importing this module registers it."""

from __future__ import annotations

from collections.abc import Sequence

import xarray

from pansharpkit.api import OpenScene
from pansharpkit.arrays import source_of
from pansharpkit.scene import make_scene
from pansharpkit.sensor import generic_sensor, load_sensor


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
