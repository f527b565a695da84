"""How scenes are fused and judged: what `fuse` and `batch` both ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit_cli import completing
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Naming, Pixels, Trust, Tuning, scene_request

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
    tuning: Tuning = field(default_factory=Tuning)
    naming: Naming = field(default_factory=Naming)
    model: o.ModelPath = None
    pixels: Pixels = field(default_factory=Pixels)
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
    co: o.CreationOptions = None
    no_cog: o.NoCog = False
    no_report: o.NoReport = False
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
    strict: o.Strict = False
    trust: Trust = field(default_factory=Trust)

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
            scene=scene_request(
                inputs, self.naming, self.pixels, self.trust, model=self.model, strict=self.strict
            ),
            output=output,
            method=self.tuning.request(self.method, uncertainty=self.uncertainty),
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
