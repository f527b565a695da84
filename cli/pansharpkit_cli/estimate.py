"""`pansharpkit estimate`: how a coarse cube and a fine image saw the same ground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o


def estimate(
    inputs: o.Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model to write (.json).")],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Picture of responses and PSF to write (.png, .pdf, .svg)."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help="`filters` fits shapes of filters and apertures; `ridge` regresses as HySure "
            "does; `cycfusion` learns as CycFusion does before its training.",
            autocompletion=completing.words("filters", "ridge", "cycfusion"),
        ),
    ] = "filters",
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files.")] = False,
    steps: Annotated[int, typer.Option("--steps", help="Steps of `cycfusion`.", min=1)] = 10_000,
    seed: o.Seed = 0,
    json: o.AsJson = False,
) -> None:
    """Estimate SRF and PSF from a guide and a cube, in either order, for `fuse --model`."""
    from pansharpkit.blind import BlindRequest, estimate_to_file

    scene = o.scene_request(
        inputs, sensor, bands, band_names, toa, nodata, bounds, bounds_crs, strict=False,
        assume_crs=assume_crs, allow_remote=allow_remote,
        cube=o.CubeAsked(
            guide_sensor, guide_bands, mat_key, mat_guide_key, mat_axes, mat_size
        ),
    )  # fmt: skip
    request = BlindRequest(scene, output, plot, method, overwrite, steps, seed)
    with console.notices(quiet=json):
        outcome = estimate_to_file(request)
    found = outcome.describe()
    if json:
        console.print_json(found)
        return
    console.print_pairs("Model", found)
    console.note(f"wrote {output}" + (f" and {plot}" if plot else ""))
