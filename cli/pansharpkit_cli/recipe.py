"""How scenes are fused and judged: what `fuse` and `batch` both ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit_cli import completing
from pansharpkit_cli import options as o

if TYPE_CHECKING:
    from pansharpkit.gate import Gate
    from pansharpkit.pipeline import FuseRequest


@dataclass(frozen=True)
class Recipe:
    """Everything about a scene but its files, as typed."""

    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            help="See `pansharpkit methods`; `auto` chooses one for PAN. [default: mtf-glp-fs "
            "beside PAN, fuse beside a guide of several bands]",
            show_default=False,
            autocompletion=completing.methods("sharpen", auto=True),
        ),
    ] = None
    option: o.MethodOptions = None
    back_projection: o.BackProjection = 0
    damping: o.Damping = None
    outside_pan: o.OutsidePan = None
    sharpen: o.Sharpen = None
    reference_bands: o.ReferenceBands = None
    sensor: o.SensorName = None
    bands: o.Bands = None
    band_names: o.BandNames = None
    guide_sensor: o.GuideSensor = None
    guide_bands: o.GuideBands = None
    mat_key: o.MatKey = None
    mat_guide_key: o.MatGuideKey = None
    mat_axes: o.MatAxes = None
    mat_size: o.MatSize = None
    model: o.ModelPath = None
    toa: o.Toa = False
    bounds: o.Bounds = None
    bounds_crs: o.BoundsCrs = None
    nodata: o.NodataIn = None
    saturated: o.Saturated = None
    mask_saturated: o.MaskSaturated = False
    correct_shift: Annotated[
        bool, typer.Option("--correct-shift", help="Move the MS by the measured shift.")
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Fuse even if PAN and MS seem to show other ground.")
    ] = False
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Output type; that of the MS by default.")
    ] = None
    bit_depth: Annotated[
        int | None, typer.Option("--bit-depth", help="Clip at this many bits.", min=1, max=32)
    ] = None
    co: Annotated[
        list[str] | None, typer.Option("--co", help="Creation option NAME=VALUE of the writer.")
    ] = None
    no_cog: Annotated[
        bool, typer.Option("--no-cog", help="Write a plain tiled GeoTIFF instead of a COG.")
    ] = False
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Do not assess the result or write a report.")
    ] = False
    judge_all: Annotated[
        bool,
        typer.Option(
            "--judge-all", help="Judge all of a large scene in the report, not a part of it."
        ),
    ] = False
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Write NAME.uncertainty.tif beside the output: for each band, how far its pixels "
            "depend on the seed. For methods with networks; takes four times as long.",
        ),
    ] = False
    min: o.Min = None
    max: o.Max = None
    tile: o.Tile = 512
    seed: o.Seed = 0
    device: o.Device = "auto"
    threads: o.Threads = None
    ram: o.Ram = 512
    compat: o.CompatName = None
    assume_crs: o.AssumeCrs = None
    strict: o.Strict = False
    allow_remote: o.AllowRemote = False
    sidecars: o.Sidecars = False
    max_pixels: o.MaxPixels = None
    on_bad_block: o.OnBadBlock = "fail"

    def request(
        self,
        inputs: Sequence[str],
        output: Path,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> FuseRequest:
        """Return what the library needs to fuse a scene."""
        from pansharpkit.engine import RunOptions
        from pansharpkit.pipeline import FuseRequest

        return FuseRequest(
            scene=o.scene_request(
                inputs, self.sensor, self.bands, self.band_names, self.toa, self.nodata,
                self.bounds, self.bounds_crs, self.strict,
                assume_crs=self.assume_crs, allow_remote=self.allow_remote,
                sidecars=self.sidecars, max_pixels=self.max_pixels,
                on_bad_block=self.on_bad_block,
                saturated=self.saturated, mask_saturated=self.mask_saturated,
                cube=o.CubeAsked(
                    self.guide_sensor, self.guide_bands, self.mat_key, self.mat_guide_key,
                    self.mat_axes, self.mat_size, self.model,
                ),
            ),
            output=output,
            method=replace(
                o.method_request(
                    self.method, self.option, self.back_projection, self.damping,
                    self.outside_pan, self.sharpen, self.reference_bands,
                ),
                uncertainty=self.uncertainty,
            ),
            correct_shift=self.correct_shift,
            force=self.force,
            overwrite=overwrite,
            resume=resume,
            cog=not self.no_cog,
            creation_options=o.pairs(self.co, "--co"),
            report=not self.no_report,
            judge_all=self.judge_all,
            run=RunOptions(
                self.tile, self.seed, self.device, o.compat(self.compat), self.dtype, None,
                self.bit_depth, self.threads, self.ram,
            ),
        )  # fmt: skip

    def gate(self) -> Gate:
        """Return the bars that results have to meet."""
        return o.gate(self.min, self.max, report=not self.no_report)
