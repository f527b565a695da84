"""`pansharpkit fuse`: one scene in, one sharpened raster and its report out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o


def fuse(
    inputs: o.Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="GeoTIFF to write (a COG), or an ENVI image: .img, .bil, .bip."
        ),
    ],
    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            help="See `pansharpkit methods`; `auto` chooses one for PAN. [default: mtf-glp-fs "
            "beside PAN, fuse beside a guide of several bands]",
            show_default=False,
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
    correct_shift: Annotated[
        bool, typer.Option("--correct-shift", help="Move the MS by the measured shift.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Fuse even if PAN and MS seem to show other ground.")
    ] = False,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Output type; that of the MS by default.")
    ] = None,
    bit_depth: Annotated[
        int | None, typer.Option("--bit-depth", help="Clip at this many bits.", min=1, max=32)
    ] = None,
    co: Annotated[
        list[str] | None, typer.Option("--co", help="Creation option NAME=VALUE of the writer.")
    ] = None,
    no_cog: Annotated[
        bool, typer.Option("--no-cog", help="Write a plain tiled GeoTIFF instead of a COG.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Do not assess the result or write a report.")
    ] = False,
    judge_all: Annotated[
        bool,
        typer.Option(
            "--judge-all", help="Judge all of a large scene in the report, not a part of it."
        ),
    ] = False,
    tile: o.Tile = 512,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    threads: o.Threads = None,
    ram: o.Ram = 512,
    compat: o.CompatName = None,
    assume_crs: o.AssumeCrs = None,
    strict: o.Strict = False,
    allow_remote: o.AllowRemote = False,
    sidecars: o.Sidecars = False,
    max_pixels: o.MaxPixels = None,
    on_bad_block: o.OnBadBlock = "fail",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, stop.")
    ] = False,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Sharpen an MS raster with the PAN of the same ground."""
    with o.loading():
        from pansharpkit import pipeline
        from pansharpkit.engine import RunOptions

    o.set_threads(threads)
    request = pipeline.FuseRequest(
        scene=o.scene_request(
            inputs, sensor, bands, band_names, toa, nodata, bounds, bounds_crs, strict,
            assume_crs=assume_crs, allow_remote=allow_remote, sidecars=sidecars,
            max_pixels=max_pixels, on_bad_block=on_bad_block,
            saturated=saturated, mask_saturated=mask_saturated,
            cube=o.CubeAsked(
            guide_sensor, guide_bands, mat_key, mat_guide_key, mat_axes, mat_size, model
        ),
        ),
        output=output,
        method=o.method_request(
            method, option, back_projection, damping, outside_pan, sharpen, reference_bands
        ),
        correct_shift=correct_shift,
        force=force,
        overwrite=overwrite,
        cog=not no_cog,
        creation_options=o.pairs(co, "--co"),
        report=not no_report,
        judge_all=judge_all,
        run=RunOptions(
            tile, seed, device, o.compat(compat), dtype, None, bit_depth, threads, ram
        ),
    )  # fmt: skip
    if dry_run:
        plan = pipeline.plan(request)
        if json:
            console.print_json(plan)
        else:
            console.print_pairs("Dry run: nothing was written", plan)
        return
    announce = None if quiet else console.announce
    with console.progress_bar(quiet or json) as progress, console.notices(quiet):
        outcome = pipeline.fuse(request, progress, announce)
    if json:
        console.print_json(outcome.to_dict())
    elif not quiet:
        console.print_outcome(outcome)
