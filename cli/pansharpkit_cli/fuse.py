"""`pansharpkit fuse`: one scene in, one sharpened raster and its report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o
from pansharpkit_cli.beside import CALLED, More
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
    more: More,
    stac: Annotated[
        bool,
        typer.Option("--stac", help="Write a STAC item and a thumbnail beside the output."),
    ] = False,
    overwrite: o.Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep finished tiles, and go on from those of a run that ended early."
        ),
    ] = False,
    dry_run: o.DryRun = False,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Sharpen an MS raster with the PAN of the same ground."""
    with o.loading():
        from pansharpkit import pipeline

    o.set_threads(recipe.threads)
    gate, clustered = recipe.gate(), workers.asked
    beside = more.asked
    beside.check(output, report=not recipe.no_report, overwrite=overwrite)
    if stac:
        from pansharpkit.archive.stac import single

        single.check_describable(output)
    request = recipe.request(inputs, output, overwrite=overwrite, resume=resume)
    if dry_run:
        console.print_plan(pipeline.plan(request), json=json)
        return
    announce = None if quiet else console.announce
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        if clustered:
            outcome = pipeline.fuse(request, progress, workers=_tiles(workers, recipe.threads))
        else:
            outcome = pipeline.fuse(request, progress, announce)
        files = beside.write(outcome, request.scene.inputs, overwrite=overwrite)
        if stac:
            files["stac"] = single.describe(outcome, request.scene.inputs)
    missed = gate.missed(outcome.judged) if gate.bars else None
    if json:
        found = {name: str(path) for name, path in files.items()}
        gated = {} if missed is None else {"missed": missed}
        console.print_json(outcome.to_dict() | found | gated)
    elif not quiet:
        console.print_outcome(outcome)
        if outcome.uncertainty is not None:
            files["uncertainty"] = outcome.uncertainty.path
        for name, path in files.items():
            console.note(f"{CALLED[name]}: {path}")
    console.judge(missed)


def _tiles(workers: Workers, threads: int | None) -> TileRunner:
    from pansharpkit.tilecluster import Tiles

    return Tiles(workers.crew(threads, _DEATHS), threads or 1)
