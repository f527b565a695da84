"""`pansharpkit denoise`: a noisy image and a clean guide of the same place in, a clean one out."""

from __future__ import annotations

from typing import Annotated

import typer

from pansharpkit_cli import completing
from pansharpkit_cli import options as o
from pansharpkit_cli.making import Making, Output
from pansharpkit_cli.spread import spread


@spread
def denoise(
    noisy: Annotated[
        str,
        typer.Argument(
            metavar="NOISY",
            help="Image to restore: GeoTIFF, plain TIFF, ENVI, PNG, JPEG, BMP.",
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
            help="See `pansharpkit methods`. [default: gdd-denoise]",
            show_default=False,
            autocompletion=completing.methods("denoise"),
        ),
    ] = None,
    making: Making,
    guide: Annotated[
        str | None,
        typer.Option(
            "--guide",
            help="Clean image of the same place and resolution, with any number of bands; "
            "without it, the noisy image guides itself.",
        ),
    ] = None,
    bands: o.Bands = None,
    guide_bands: Annotated[
        str | None,
        typer.Option("--guide-bands", help="Bands of the guide, comma-separated."),
    ] = None,
) -> None:
    """Take the noise off an image, with the structure of a clean one."""
    with o.loading():
        from pansharpkit.same import pipeline  # noqa: F401 - imported without looking for garbage

    inputs = [noisy] if guide is None else [noisy, guide]
    lists = [bands or "", guide_bands or ""][: len(inputs)]
    images = making.images("denoise", inputs, lists if any(lists) else ())
    making.run(making.request(images, output, method))
