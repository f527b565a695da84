"""`pansharpkit blend`: several images of one place and resolution in, one out."""

from __future__ import annotations

from typing import Annotated

import typer

from pansharpkit_cli import completing
from pansharpkit_cli import options as o
from pansharpkit_cli.making import BandLists, Making, Output
from pansharpkit_cli.spread import spread


@spread
def blend(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="Images of one place and resolution: GeoTIFF, plain TIFF, ENVI, PNG, JPEG, BMP. "
            "The first gives grid, units and type of the result.",
            show_default=False,
        ),
    ],
    output: Output,
    *,
    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            help="See `pansharpkit methods`. [default: dip-fusion]",
            show_default=False,
            autocompletion=completing.methods("blend"),
        ),
    ] = None,
    making: Making,
    bands: BandLists = None,
    colour_from: Annotated[
        str | None,
        typer.Option(
            "--colour-from",
            help="Blend luminances, and put the colour of this image on the result: A for the "
            "first, B, C, ..., or `none` for grey. By default so, with the first image of three "
            "bands, where another has one.",
        ),
    ] = None,
) -> None:
    """Blend images that each see something the others do not."""
    with o.loading():
        from pansharpkit.same import pipeline  # noqa: F401 - imported without looking for garbage

    images = making.images("blend", inputs, bands or (), colour_from)
    making.run(making.request(images, output, method))
