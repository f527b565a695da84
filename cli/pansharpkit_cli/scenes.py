"""Groups of options about the files of a scene and how they are fused, as typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.errors import OptionError
from pansharpkit_cli import options as o

if TYPE_CHECKING:
    from pansharpkit.intake import SceneRequest
    from pansharpkit.readers import ReadOptions
    from pansharpkit.requested import MethodRequest


@dataclass(frozen=True)
class Tuning:
    """What a method is told, and what happens around it."""

    option: o.MethodOptions = None
    back_projection: o.BackProjection = 0
    damping: o.Damping = None
    outside_pan: o.OutsidePan = None
    sharpen: o.Sharpen = None
    reference_bands: o.ReferenceBands = None

    def request(self, method: str | None, *, uncertainty: bool = False) -> MethodRequest:
        """Return what the library needs to make a method."""
        from pansharpkit.requested import BY_GUIDE, MethodRequest

        return MethodRequest(
            BY_GUIDE if method is None else method,
            o.pairs(self.option, "--option"),
            self.back_projection,
            self.damping,
            o.outside(self.outside_pan, self.sharpen),
            o.names(self.reference_bands, "--reference-bands"),
            uncertainty=uncertainty,
        )


@dataclass(frozen=True)
class Naming:
    """What the files show: sensors, bands, and where in them these are."""

    sensor: o.SensorName = None
    bands: o.Bands = None
    band_names: o.BandNames = None
    guide_sensor: o.GuideSensor = None
    guide_bands: o.GuideBands = None
    mat_key: o.MatKey = None
    mat_guide_key: o.MatGuideKey = None
    mat_axes: o.MatAxes = None
    mat_guide_axes: o.MatGuideAxes = None
    mat_size: o.MatSize = None


@dataclass(frozen=True)
class Pixels:
    """Which pixels are used, and as what numbers."""

    toa: o.Toa = False
    bounds: o.Bounds = None
    bounds_crs: o.BoundsCrs = None
    nodata: o.NodataIn = None
    saturated: o.Saturated = None
    mask_saturated: o.MaskSaturated = False


@dataclass(frozen=True)
class Trust:
    """How far files are trusted."""

    assume_crs: o.AssumeCrs = None
    allow_remote: o.AllowRemote = False
    sidecars: o.Sidecars = False
    max_pixels: o.MaxPixels = None
    on_bad_block: o.OnBadBlock = "fail"

    def read(self, nodata: float | None) -> ReadOptions:
        """Return how files may be opened and read."""
        return o.read_options(
            nodata,
            self.assume_crs,
            allow_remote=self.allow_remote,
            sidecars=self.sidecars,
            max_pixels=self.max_pixels,
            on_bad_block=self.on_bad_block,
        )


def checked(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs, unless one is what a list with blanks leaves behind.

    Raises
    ------
    OptionError
        If one is empty, or a number and no file.
    """
    for text in inputs:
        if not text.strip():
            raise OptionError("an input is empty; check the variable or the quotes around it")
        if text.replace(".", "", 1).lstrip("-").isdecimal() and not Path(text).exists():
            raise OptionError(
                f"{text} is no file; a list has commas and no blanks, such as --bands 4,3,2"
            )
    return tuple(inputs)


def scene_request(
    inputs: Sequence[str],
    naming: Naming,
    pixels: Pixels,
    trust: Trust,
    *,
    model: Path | None = None,
    strict: bool = False,
) -> SceneRequest:
    """Return what the library needs to open a scene."""
    from pansharpkit.intake import SceneRequest
    from pansharpkit.scene import PairOptions

    read = replace(
        trust.read(pixels.nodata),
        bands=o.names(naming.bands, "--bands"),
        toa=pixels.toa,
        saturated=pixels.saturated,
        mask_saturated=pixels.mask_saturated,
        guide_bands=o.names(naming.guide_bands, "--guide-bands"),
        mat_key=naming.mat_key,
        mat_guide_key=naming.mat_guide_key,
        mat_axes=naming.mat_axes,
        mat_guide_axes=naming.mat_guide_axes,
        mat_size=o.size(naming.mat_size, "--mat-size"),
    )
    return SceneRequest(
        checked(inputs),
        naming.sensor,
        o.names(naming.band_names, "--band-names"),
        read,
        PairOptions(o.box(pixels.bounds), pixels.bounds_crs, strict),
        naming.guide_sensor,
        model,
    )
