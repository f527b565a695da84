"""`rio pansharpkit`: the same command line as a plugin of rasterio's."""

from __future__ import annotations

import sys

import click  # rasterio's; typer may bring one of its own, so nothing but words passes between them


@click.command(
    "pansharpkit",
    short_help="Pansharpening and image fusion.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def plugin(arguments: tuple[str, ...]) -> None:
    """Hand everything over to `pansharpkit`, and end with its exit code."""
    from pansharpkit_cli.app import main

    sys.argv = ["pansharpkit", *arguments]
    main()
