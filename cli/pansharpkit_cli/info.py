"""`pansharpkit info`: what a pair or product is, before anything is computed."""

from __future__ import annotations

from pansharpkit_cli import console
from pansharpkit_cli import options as o


def info(
    inputs: o.Inputs,
    sensor: o.SensorName = None,
    bands: o.Bands = None,
    band_names: o.BandNames = None,
    guide_sensor: o.GuideSensor = None,
    guide_bands: o.GuideBands = None,
    mat_key: o.MatKey = None,
    mat_guide_key: o.MatGuideKey = None,
    mat_axes: o.MatAxes = None,
    mat_size: o.MatSize = None,
    toa: o.Toa = False,
    nodata: o.NodataIn = None,
    bounds: o.Bounds = None,
    bounds_crs: o.BoundsCrs = None,
    assume_crs: o.AssumeCrs = None,
    allow_remote: o.AllowRemote = False,
    json: o.AsJson = False,
) -> None:
    """Describe grids, bands, sensor and registration of a pair or product."""
    from pansharpkit.intake import describe

    scene = o.scene_request(
        inputs, sensor, bands, band_names, toa, nodata, bounds, bounds_crs, strict=False,
        assume_crs=assume_crs, allow_remote=allow_remote,
        cube=o.CubeAsked(
            guide_sensor, guide_bands, mat_key, mat_guide_key, mat_axes, mat_size
        ),
    )  # fmt: skip
    with console.notices(quiet=False):
        found = describe(scene)
    if json:
        console.print_json(found)
    else:
        console.print_findings("Scene", found)
