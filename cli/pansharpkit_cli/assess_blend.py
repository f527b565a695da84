"""`pansharpkit assess-blend`: indices of a blend, given the images that it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o
from pansharpkit_cli.making import Align, BandLists, Making, Match
from pansharpkit_cli.scenes import Trust


def assess_blend(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="The images that it was made of, in any order.",
            show_default=False,
        ),
    ],
    fused: Annotated[Path, typer.Option("--fused", help="Raster or picture to judge.")],
    bands: BandLists = None,
    align: Align = False,
    match: Match = "auto",
    bounds: o.Bounds = None,
    bounds_crs: o.BoundsCrs = None,
    nodata: o.NodataIn = None,
    assume_crs: o.AssumeCrs = None,
    allow_remote: o.AllowRemote = False,
    threads: o.Threads = None,
    json: o.AsJson = False,
) -> None:
    """Judge a blend without a reference: what of each image is in it."""
    with o.loading():
        from pansharpkit.same import judge

    o.set_threads(threads)
    making = Making(
        align=align, match=match, bounds=bounds, bounds_crs=bounds_crs, nodata=nodata,
        trust=Trust(assume_crs, allow_remote),
    )  # fmt: skip
    with console.notices(quiet=json):
        found = judge.assess(making.images("blend", inputs, bands or ()), fused)
    if json:
        console.print_json(found)
    else:
        console.print_pairs("Blend", found)
