"""The Python API: scenes in, xarray out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import xarray

from pansharpkit import evaluate, registration
from pansharpkit.arrays import ArraySink, as_data_array, lazy, source_of
from pansharpkit.engine import RunOptions, run
from pansharpkit.intake import SceneRequest
from pansharpkit.intake import open_scene as open_request
from pansharpkit.modelled import modelled, needs_model
from pansharpkit.outcome import FuseOutcome
from pansharpkit.pipeline import FuseRequest
from pansharpkit.pipeline import fuse as fuse_to_file
from pansharpkit.readers import ReadOptions
from pansharpkit.registration import Registration
from pansharpkit.report import Selection
from pansharpkit.requested import AUTO, BY_GUIDE, MethodRequest, Outside
from pansharpkit.scene import PairOptions, Scene
from pansharpkit.selection import choose


@dataclass(frozen=True)
class OpenScene:
    """A guide and a target that fit each other, ready to be fused."""

    scene: Scene
    request: SceneRequest | None = None
    """How it was opened; None for a scene made from arrays."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the target's bands."""
        return self.scene.target.names

    @property
    def guide(self) -> xarray.DataArray:
        """The PAN, read lazily by dask."""
        return lazy(self.scene.guide)

    @property
    def target(self) -> xarray.DataArray:
        """The MS, read lazily by dask."""
        return lazy(self.scene.target)

    def registration(self) -> Registration:
        """Measure how target and guide lie to each other."""
        return registration.measure(self.scene)

    def corrected(self) -> OpenScene:
        """Return the scene with the target moved by the measured shift.

        It can then be fused in memory; for files use ``fuse_to(..., correct_shift=True)``.
        """
        found = self.registration()
        return replace(self, scene=self.scene.moved(registration.correction(self.scene, found)))

    def select(self) -> Selection:
        """Try the quick methods on a sample of the scene; ``fuse("auto")`` takes the chosen one."""
        return choose(self.scene, MethodRequest(AUTO)).selection

    def fuse(
        self,
        method: str | None = None,
        *,
        options: Mapping[str, object] | None = None,
        back_projection: int = 0,
        damping: float | None = None,
        outside: Outside = "regression",
        reference_bands: Sequence[str] | None = None,
        tile: int = 512,
        seed: int = 0,
        device: str = "auto",
        dtype: str = "float32",
        force: bool = False,
        uncertainty: bool = False,
    ) -> xarray.DataArray:
        """Fuse in memory; by default with the default method for the scene's guide.

        `outside` says what happens to bands that PAN does not see, which the preset knows or
        `reference_bands` leave over; see :class:`pansharpkit.requested.MethodRequest`.

        Returns
        -------
        DataArray of (band, y, x) in the units of the target, with coordinates at pixel centres and
        a ``spatial_ref`` that rioxarray understands. Missing pixels are NaN, or 0 in integer types.
        With `uncertainty`, a coordinate of that name holds the standard deviation of each pixel
        over seeds, as ``pansharpkit fuse --uncertainty`` writes it.

        Raises
        ------
        RegistrationError
            If the two rasters do not show the same ground and `force` is not given.
        """
        registration.check(self.registration(), force=force)
        reference = None if reference_bands is None else tuple(reference_bands)
        asked = MethodRequest(
            method or BY_GUIDE, dict(options or {}), back_projection, damping, outside, reference,
            uncertainty=uncertainty,
        )  # fmt: skip
        request, scene = asked.for_guide(len(self.scene.guide.names)), self.scene
        if request.is_auto:
            request = choose(scene, request, seed=seed).request
        if needs_model(scene, request.name):
            scene = modelled(scene, None if self.request is None else self.request.model)
        ready = request.prepared(scene)
        nodata = np.nan if np.dtype(dtype).kind == "f" else 0.0
        extent = ready.scene.extent
        names = ready.scene.target.names
        shape = len(names), extent.height, extent.width
        kept = ArraySink(shape, dtype)
        deviations = ArraySink(shape, "float32") if uncertainty else None
        run(
            ready.scene,
            ready.method,
            kept,
            RunOptions(tile, seed, device, "none", dtype, nodata),
            deviations=deviations,
        )
        fused = as_data_array(kept.values, self.scene.grid, names, nodata, ready.name)
        if deviations is None:
            return fused
        return fused.assign_coords(uncertainty=(fused.dims, deviations.values))

    def fuse_to(
        self,
        output: str | PathLike[str],
        method: str | None = None,
        *,
        uncertainty: bool = False,
        **changes: object,
    ) -> FuseOutcome:
        """Fuse into a COG with its report, exactly as the command line does.

        `changes` are fields of :class:`pansharpkit.pipeline.FuseRequest`; with `uncertainty`,
        ``NAME.uncertainty.tif`` is written beside the output.
        """
        if self.request is None:
            raise TypeError(
                "a scene made from arrays has no files; use fuse() and write the result"
            )
        asked = MethodRequest(method or BY_GUIDE, uncertainty=uncertainty)
        request = FuseRequest(self.request, Path(output), asked)
        return fuse_to_file(replace(request, **changes))  # type: ignore[arg-type]

    def assess(self, fused: xarray.DataArray) -> dict[str, float | None]:
        """Return the full-resolution indices of a fused array."""
        return dict(evaluate.assess(self.scene, source_of(fused, "fused")).values)


def open_scene(
    *inputs: str | PathLike[str],
    sensor: str | None = None,
    bands: Sequence[str] | None = None,
    band_names: Sequence[str] | None = None,
    guide_sensor: str | None = None,
    guide_bands: Sequence[str] | None = None,
    model: str | PathLike[str] | None = None,
    toa: bool = False,
    nodata: float | None = None,
    saturated: float | None = None,
    mask_saturated: bool = False,
    bounds: tuple[float, float, float, float] | None = None,
    bounds_crs: str | None = None,
) -> OpenScene:
    """Open a PAN and its MS (one file, one per band, or a pattern), guide and cube, or a product.

    A product of Landsat, Maxar or Airbus is given by its folder, its archive or a metadata file.

    Nothing is read but headers, the blocks that show whether the files are whole and, where the
    sensor's bit depth is known, a few more that show whether the pixels keep to it.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    request = SceneRequest(
        tuple(str(path) for path in inputs),
        sensor,
        None if band_names is None else tuple(band_names),
        ReadOptions(
            bands=None if bands is None else tuple(bands),
            guide_bands=None if guide_bands is None else tuple(guide_bands),
            toa=toa,
            nodata=nodata,
            saturated=saturated,
            mask_saturated=mask_saturated,
        ),
        PairOptions(bounds, bounds_crs),
        guide_sensor,
        None if model is None else Path(model),
    )
    return OpenScene(open_request(request), request)
