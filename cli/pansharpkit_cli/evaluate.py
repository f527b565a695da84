"""`pansharpkit evaluate`: indices against a reference, or the Wald protocol on a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit.errors import OptionError
from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o

_COLUMNS = {"q2n": 4, "q": 4, "sam_deg": 3, "ergas": 3, "scc": 4, "psnr_db": 2, "ssim": 4}
"""Keys of the table, each with its number of digits."""


def evaluate(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAN MS... | SCENE]",
            help="A pair or product for the Wald protocol; nothing with --reference.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Ground truth to compare --fused with.")
    ] = None,
    fused: Annotated[Path | None, typer.Option("--fused", help="Raster to judge.")] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", help="Coarse GSD / fine GSD, for ERGAS.")
    ] = None,
    peak: Annotated[
        float | None,
        typer.Option(
            "--peak",
            help="Largest possible value, for PSNR and SSIM; by default 2^L - 1 with the smallest "
            "L that holds the reference (1 for data in [0, 1]).",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            help="Methods to compare, comma-separated.",
            autocompletion=completing.method_lists,
        ),
    ] = None,
    option: o.MethodOptions = None,
    back_projection: o.BackProjection = 0,
    damping: o.Damping = None,
    outside_pan: o.OutsidePan = None,
    sharpen: o.Sharpen = None,
    reference_bands: o.ReferenceBands = None,
    sensor: o.SensorName = None,
    bands: o.Bands = None,
    band_names: o.BandNames = None,
    guide_sensor: o.GuideSensor = None,
    guide_bands: o.GuideBands = None,
    mat_key: o.MatKey = None,
    mat_guide_key: o.MatGuideKey = None,
    mat_axes: o.MatAxes = None,
    mat_size: o.MatSize = None,
    model: o.ModelPath = None,
    toa: o.Toa = False,
    bounds: o.Bounds = None,
    bounds_crs: o.BoundsCrs = None,
    nodata: o.NodataIn = None,
    saturated: o.Saturated = None,
    mask_saturated: o.MaskSaturated = False,
    tile: o.Tile = 512,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    compat: o.CompatName = None,
    assume_crs: o.AssumeCrs = None,
    allow_remote: o.AllowRemote = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Picture of RMSE and SSIM against wavelength to write (.png, .svg, .pdf).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Judge at reduced resolution: a fused raster against a reference, or methods on a pair."""
    from pansharpkit import judge
    from pansharpkit.engine import RunOptions

    o.set_threads(threads)
    scene = o.scene_request(
        inputs or (), sensor, bands, band_names, toa, nodata, bounds, bounds_crs, strict=False,
        assume_crs=assume_crs, allow_remote=allow_remote,
        saturated=saturated, mask_saturated=mask_saturated,
            cube=o.CubeAsked(
            guide_sensor, guide_bands, mat_key, mat_guide_key, mat_axes, mat_size, model
        ),
    )  # fmt: skip
    mode = o.compat(compat)
    picture = None if plot is None else judge.Picture(plot, overwrite)
    if reference is not None or fused is not None:
        if reference is None or fused is None or ratio is None or inputs:
            raise OptionError("comparing needs --reference, --fused and --ratio, and no inputs")
        row = judge.compare(
            reference, fused, ratio, read=scene.read, peak=peak, compat=mode, plot=picture
        )
        _show([row], "Against the reference", json=json, single=True)
        return
    if not inputs or method is None:
        raise OptionError("the Wald protocol needs a pair or product and -m METHOD[,METHOD...]")
    names = [name.strip() for name in method.split(",") if name.strip()]
    options = o.method_request(
        "", option, back_projection, damping, outside_pan, sharpen, reference_bands
    )
    run = RunOptions(tile, seed, device, mode)
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        rows = list(
            judge.wald(
                scene, names, method=options, run=run, peak=peak, progress=progress, plot=picture
            )
        )
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
