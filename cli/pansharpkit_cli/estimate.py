"""`pansharpkit estimate`: how a coarse cube and a fine image saw the same ground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Naming, Pixels, Trust, scene_request
from pansharpkit_cli.spread import spread


@spread
def estimate(
    inputs: o.Inputs,
    *,
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
    naming: Naming,
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

    scene = scene_request(
        inputs, naming, Pixels(toa, bounds, bounds_crs, nodata), Trust(assume_crs, allow_remote)
    )
    request = BlindRequest(scene, output, plot, method, overwrite, steps, seed)
    with console.notices(quiet=json):
        outcome = estimate_to_file(request)
    found = outcome.describe()
    if json:
        console.print_json(found)
        return
    console.print_pairs("Model", found)
    console.note(f"wrote {output}" + (f" and {plot}" if plot else ""))
