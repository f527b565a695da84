"""`pansharpkit demo`: the bundled Landsat 8 scene, sharpened by classical and learned methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit.errors import OptionError
from pansharpkit_cli import console
from pansharpkit_cli import options as o

if TYPE_CHECKING:
    from pansharpkit.outcome import FuseOutcome

_COLUMNS = {
    "hqnr": "HQNR",
    "d_lambda_k": "D_λ_K",
    "d_s": "D_s",
    "qnr": "QNR",
    "detail_correlation": "detail\ncorr.",
    "ripple_percent": "ripple\n%",
    "consistency_error_percent": "consist.\n%",
}


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write to.")] = Path(
        "pansharpkit-demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Classical methods only: seconds instead of minutes.")
    ] = False,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    quiet: o.Quiet = False,
) -> None:
    """Fuse the bundled scene (Pamplona, Landsat 8, 2015) with every method, and compare them."""
    from pansharpkit import showcase

    if output.exists() and not output.is_dir():
        raise OptionError(f"{output} is a file; give a folder for the rasters and reports")
    output.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, FuseOutcome] = {}
    for name, request in showcase.requests(output, quick=quick, seed=seed, device=device).items():
        if not quiet:
            console.note(f"{name}: {showcase.SAID[name]}")
        with console.progress_bar(quiet) as progress, console.notices(quiet):
            outcomes[name] = showcase.fuse(request, progress)
    if quiet:
        return
    headings = {"method": "left"} | dict.fromkeys((*_COLUMNS.values(), "seconds"), "right")
    console.stdout.print(
        console.table(
            "Pamplona, Landsat 8, full resolution" + ("" if quick else " (gdd: city centre)"),
            headings,
            [_row(name, outcome) for name, outcome in outcomes.items()],
        )
    )
    best = outcomes[showcase.HEADLINE]
    console.stdout.print(f"registration  {best.registration.describe()}", highlight=False)
    for name, outcome in outcomes.items():
        console.stdout.print(
            f"{name:<12}  {outcome.manifest.path}\n{'':<12}  {outcome.report_html}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _row(name: str, outcome: FuseOutcome) -> list[str]:
    assert outcome.report is not None
    indices = outcome.report.indices
    seconds = outcome.run.seconds["fit"] + outcome.run.seconds["apply"]
    return [name, *(console.number(indices[key]) for key in _COLUMNS), f"{seconds:.1f}"]
