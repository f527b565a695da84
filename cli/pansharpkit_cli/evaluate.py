"""`pansharpkit evaluate`: indices against a reference, or the Wald protocol on a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit.errors import OptionError
from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Naming, Pixels, Trust, Tuning, scene_request
from pansharpkit_cli.spread import spread

if TYPE_CHECKING:
    from pansharpkit.judge import Picture

_COLUMNS = {"q2n": 4, "q": 4, "sam_deg": 3, "ergas": 3, "scc": 4, "psnr_db": 2, "ssim": 4}
"""Keys of the table, each with its number of digits."""


@dataclass(frozen=True)
class Comparison:
    """A fused raster and what it ought to be, as typed."""

    reference: Annotated[
        Path | None, typer.Option("--reference", help="Ground truth to compare --fused with.")
    ] = None
    fused: Annotated[Path | None, typer.Option("--fused", help="Raster to judge.")] = None
    ratio: Annotated[
        float | None, typer.Option("--ratio", help="Coarse GSD / fine GSD, for ERGAS.")
    ] = None
    peak: Annotated[
        float | None,
        typer.Option(
            "--peak",
            help="Largest possible value, for PSNR and SSIM; by default 2^L - 1 with the smallest "
            "L that holds the reference (1 for data in [0, 1]).",
        ),
    ] = None

    def rasters(self, inputs: Sequence[str]) -> tuple[Path, Path, float] | None:
        """Return reference, fused raster and ratio; None if methods are to be compared."""
        if self.reference is None and self.fused is None:
            return None
        if self.reference is None or self.fused is None or self.ratio is None or inputs:
            raise OptionError("comparing needs --reference, --fused and --ratio, and no inputs")
        return self.reference, self.fused, self.ratio


@dataclass(frozen=True)
class Drawing:
    """Whether the error of each band is drawn, as typed."""

    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Picture of RMSE and SSIM against wavelength to write (.png, .svg, .pdf).",
        ),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False

    def picture(self) -> Picture | None:
        """Return where to."""
        from pansharpkit.judge import Picture

        return None if self.plot is None else Picture(self.plot, self.overwrite)


@spread
def evaluate(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAN MS... | SCENE]",
            help="A pair or product for the Wald protocol; nothing with --reference.",
            show_default=False,
        ),
    ] = None,
    *,
    comparison: Comparison,
    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            help="Methods to compare, comma-separated.",
            autocompletion=completing.method_lists,
        ),
    ] = None,
    tuning: Tuning,
    naming: Naming,
    model: o.ModelPath = None,
    pixels: Pixels,
    tile: o.Tile = 512,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    compat: o.CompatName = None,
    assume_crs: o.AssumeCrs = None,
    allow_remote: o.AllowRemote = False,
    drawing: Drawing,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Judge at reduced resolution: a fused raster against a reference, or methods on a pair."""
    from pansharpkit import judge
    from pansharpkit.engine import RunOptions

    o.set_threads(threads)
    trust = Trust(assume_crs, allow_remote)
    scene = scene_request(inputs or (), naming, pixels, trust, model=model)
    mode, picture, peak = o.compat(compat), drawing.picture(), comparison.peak
    compared = comparison.rasters(inputs or ())
    if compared is not None:
        row = judge.compare(*compared, read=scene.read, peak=peak, compat=mode, plot=picture)
        _show([row], "Against the reference", json=json, single=True)
        return
    if not inputs or method is None:
        raise OptionError("the Wald protocol needs a pair or product and -m METHOD[,METHOD...]")
    run = RunOptions(tile, seed, device, mode)
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        found = judge.wald(
            scene, o.listed(method), method=tuning.request(""), run=run, peak=peak,
            progress=progress, plot=picture,
        )  # fmt: skip
        rows = list(found)
    _show(rows, "Wald protocol, reduced resolution", json=json, single=False)


def _show(rows: list[dict[str, object]], title: str, *, json: bool, single: bool) -> None:
    if json:
        console.print_json(rows[0] if single else rows)
        return
    leading = [] if single else ["method"]
    trailing = [] if single else ["seconds"]
    headings = dict.fromkeys(leading, "left") | dict.fromkeys((*_COLUMNS, *trailing), "right")
    lines = [
        [f"{row[k]} ({row['chosen']})" if "chosen" in row else str(row[k]) for k in leading]
        + [console.number(row[k], digits) for k, digits in _COLUMNS.items()]  # type: ignore[arg-type]
        + [console.number(row[k], 2) for k in trailing]  # type: ignore[arg-type]
        for row in rows
    ]
    console.stdout.print(console.table(title, headings, lines))
