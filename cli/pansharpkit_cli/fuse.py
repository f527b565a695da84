"""`pansharpkit fuse`: one scene in, one sharpened raster and its report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o
from pansharpkit_cli.clustered import Workers
from pansharpkit_cli.recipe import Recipe
from pansharpkit_cli.spread import spread

if TYPE_CHECKING:
    from pansharpkit.resuming import TileRunner

_DEATHS = 3
"""Workers that may die under the same tiles."""


@spread
def fuse(
    inputs: o.Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="GeoTIFF to write (a COG), or an ENVI image: .img, .bil, .bip."
        ),
    ],
    recipe: Recipe,
    workers: Workers,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep finished tiles, and go on from those of a run that ended early."
        ),
    ] = False,
    stac: Annotated[
        bool,
        typer.Option("--stac", help="Write a STAC item and a thumbnail beside the output."),
    ] = False,
    qml: Annotated[
        bool,
        typer.Option(
            "--qml", help="Write a style beside the output: QGIS then opens it in natural colours."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, stop.")
    ] = False,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Sharpen an MS raster with the PAN of the same ground."""
    with o.loading():
        from pansharpkit import pipeline

    o.set_threads(recipe.threads)
    gate, clustered = recipe.gate(), workers.asked
    if stac:
        from pansharpkit.archive import single

        single.check_describable(output)
    if qml:
        from pansharpkit.archive import qml as styles

        styles.check_styled(output, overwrite=overwrite)
    request = recipe.request(inputs, output, overwrite=overwrite, resume=resume)
    if dry_run:
        plan = pipeline.plan(request)
        if json:
            console.print_json(plan)
        else:
            console.print_pairs("Dry run: nothing was written", plan)
        return
    announce = None if quiet else console.announce
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        if clustered:
            outcome = pipeline.fuse(request, progress, workers=_tiles(workers, recipe.threads))
        else:
            outcome = pipeline.fuse(request, progress, announce)
        item = single.describe(outcome, request.scene.inputs) if stac else None
        style = styles.write_style(outcome.manifest.path) if qml else None
    missed = gate.missed(outcome.judged) if gate.bars else None
    if json:
        beside = {"stac": item, "qml": style}
        found = {name: path and str(path) for name, path in beside.items()} | {"missed": missed}
        known = {name: value for name, value in found.items() if value is not None}
        console.print_json(outcome.to_dict() | known)
    elif not quiet:
        console.print_outcome(outcome)
        if item is not None:
            console.note(f"STAC item: {item}")
        if style is not None:
            console.note(f"QGIS style: {style}")
    console.judge(missed)


def _tiles(workers: Workers, threads: int | None) -> TileRunner:
    from pansharpkit.tilecluster import Tiles

    return Tiles(lambda: workers.crew(threads, _DEATHS), threads or 1)
