"""`pansharpkit benchmark`: the papers' protocols on the user's own copy of their datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o

if TYPE_CHECKING:
    from rich.table import Table

    from pansharpkit.papers import PaperRow

_COLUMNS = {"psnr_db": 2, "sam_deg": 3, "ergas": 3, "ssim": 4, "rmse": 3}
"""Keys of the table, each with its number of digits."""


def benchmark(
    dataset: Annotated[
        Literal["cave", "chikusei", "pavia"],
        typer.Argument(help="Dataset whose protocol is run.", show_default=False),
    ],
    root: Annotated[
        Path,
        typer.Option(
            "--root",
            help="Folder with your copy: CAVE's scene folders of PNGs, "
            "HyperspecVNIR_Chikusei_20140729.mat, or PaviaU.mat and Pavia.mat.",
            show_default=False,
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            "-m",
            "--method",
            help="Methods to compare, comma-separated.",
            autocompletion=completing.method_lists,
        ),
    ] = "exp,gsa-hs,glp-hs,fuse,cnmf",
    option: o.MethodOptions = None,
    scene: Annotated[
        list[str] | None,
        typer.Option("--scene", help="Only this scene, or file without suffix; may be repeated."),
    ] = None,
    window: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option("--window", help="First row, first column, height, width to use."),
    ] = None,
    ratio: Annotated[
        int, typer.Option("--ratio", help="Side of the blocks that are averaged.", min=2)
    ] = 32,
    blind: Annotated[
        bool, typer.Option("--blind", help="Estimate SRF and PSF from the pair.")
    ] = False,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Run the protocol of the HS-MS papers (32 x 32 block means, 8-bit range) on your dataset."""
    from pansharpkit.engine import resolve_device
    from pansharpkit.papers import PaperRun
    from pansharpkit.papers import benchmark as run_benchmark

    o.set_threads(threads)
    run = PaperRun(
        ratio, tuple(scene or ()), window, blind, seed, resolve_device(device),
        o.pairs(option, "--option"),
    )  # fmt: skip
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        rows = list(run_benchmark(dataset, root, o.listed(method), run, progress))
    if json:
        console.print_json([_figures(row) for row in rows])
    else:
        console.stdout.print(_table(f"{dataset}, ratio {ratio}", rows))


def _figures(row: PaperRow) -> dict[str, object]:
    seconds = round(row.seconds, 3)
    return {"scene": row.scene, "method": row.method, **row.values, "seconds": seconds}


def _table(title: str, rows: Sequence[PaperRow]) -> Table:
    headings = {"scene": "left", "method": "left"} | dict.fromkeys((*_COLUMNS, "seconds"), "right")
    lines = [
        [row.scene, row.method]
        + [console.number(row.values[key], digits) for key, digits in _COLUMNS.items()]
        + [console.number(row.seconds, 2)]
        for row in rows
    ]
    return console.table(title, headings, lines)
