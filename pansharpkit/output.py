"""What the fused raster of a scene is to be: type, nodata, names, colours, wavelengths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pansharpkit.errors import OptionError
from pansharpkit.radiometry import check_nodata
from pansharpkit.scene import Scene
from pansharpkit.writer import OutputProfile

QUALITY = ".quality.tif"
"""Suffix of the raster of indices, block by block."""
UNCERTAINTY = ".uncertainty.tif"
"""Suffix of the raster of standard deviations."""
_COLOURS = {"blue": "blue", "green": "green", "red": "red"}


def output_dtype(scene: Scene, wanted: str | None) -> np.dtype[np.generic]:
    """Return the pixel type: the one wanted, else that of the target.

    Raises
    ------
    OptionError
        If that is no type of real numbers.
    """
    try:
        dtype = np.dtype(wanted or scene.target.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iuf":
        raise OptionError(f"--dtype {wanted}: choose uint8, uint16, int16, float32 or their like")
    return dtype


def rounding(scene: Scene, dtype: np.dtype[np.generic]) -> tuple[str, ...]:
    """Return a notice if the output type keeps whole numbers only of values that are none."""
    own = np.dtype(scene.target.dtype)
    if own.kind != "f" or dtype.kind == "f":
        return ()
    return (
        f"--dtype {dtype}: the {own} values of {scene.target.label} are rounded to whole numbers; "
        "of reflectance in [0, 1] that leaves nothing",
    )


def output_nodata(
    scene: Scene,
    dtype: np.dtype[np.generic],
    wanted: float | None = None,
    *,
    maskable: bool = True,
) -> float | None:
    """Return the value of missing pixels.

    That is the one wanted, else the target's or the guide's where the type can hold it, else NaN
    for floats. None says that a mask band has to tell; what cannot have one (`maskable`) is given
    the end of the type that measurements reach last.

    Raises
    ------
    OptionError
        If the type cannot hold the value wanted.
    """
    if wanted is not None:
        check_nodata(wanted, dtype)
        return wanted
    for nodata in (scene.target.nodata, scene.guide.nodata):
        if nodata is not None and _holds(dtype, nodata):
            return float(np.asarray(nodata, dtype))
    if dtype.kind == "f":
        return math.nan
    if maskable:
        return None
    limits = np.iinfo(dtype.name)
    return float(limits.max if dtype.kind == "u" else limits.min)


def _holds(dtype: np.dtype[np.generic], nodata: float) -> bool:
    try:
        check_nodata(nodata, dtype)
    except OptionError:
        return False
    return True


def output_profile(
    scene: Scene,
    dtype: np.dtype[np.generic],
    nodata: float | None,
    *,
    tags: Mapping[str, str],
    creation_options: Mapping[str, str],
) -> OutputProfile:
    """Return grid, type and metadata of the fused raster; `tags` join those of the scene."""
    bands = scene.sensor.bands
    scaling = scene.scaling or ()
    return OutputProfile(
        grid=scene.grid,
        dtype=str(dtype),
        band_names=scene.target.names,
        nodata=nodata,
        with_mask=nodata is None,
        wavelengths_nm=tuple(band.center_nm for band in bands),
        fwhm_nm=tuple(band.fwhm_nm for band in bands),
        scales=tuple(scale for scale, _ in scaling),
        offsets=tuple(offset for _, offset in scaling),
        color_interp=_color_interp(scene),
        tags={**scene.metadata, **tags},
        creation_options=creation_options,
    )


def uncertainty_path(output: Path) -> Path:
    """Return where the standard deviations of a fused raster are written."""
    return output.with_suffix(UNCERTAINTY)


def uncertainty_profile(fused: OutputProfile, output: Path) -> OutputProfile:
    """Return what the raster of standard deviations is to be: float32, on the grid of the fused.

    A deviation is on the same scale as a pixel; it has no offset.
    """
    return replace(
        fused,
        dtype="float32",
        band_names=tuple(f"{name} uncertainty" for name in fused.band_names),
        nodata=math.nan,
        with_mask=False,
        offsets=(0.0,) * len(fused.offsets),
        color_interp=(),
        tags={**fused.tags, "PANSHARPKIT_UNCERTAINTY_OF": output.name},
        creation_options={},
    )


def _color_interp(scene: Scene) -> tuple[str, ...]:
    colours = [_COLOURS.get(band.common_name or "", "undefined") for band in scene.sensor.bands]
    return tuple(
        name if colours.index(name) == i else "undefined" for i, name in enumerate(colours)
    )
