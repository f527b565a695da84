"""`pansharpkit info`: what a pair or product is, before anything is computed."""

from __future__ import annotations

from pansharpkit_cli import console
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Naming, Pixels, Trust, scene_request
from pansharpkit_cli.spread import spread


@spread
def info(
    inputs: o.Inputs,
    naming: Naming,
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

    scene = scene_request(
        inputs, naming, Pixels(toa, bounds, bounds_crs, nodata), Trust(assume_crs, allow_remote)
    )
    with console.notices(quiet=False):
        found = describe(scene)
    if json:
        console.print_json(found)
    else:
        console.print_findings("Scene", found)
