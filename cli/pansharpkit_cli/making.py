"""What `blend` and `denoise` both ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit_cli import completing, console
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Trust

if TYPE_CHECKING:
    from pansharpkit.same.request import ImagesRequest, SameRequest, SameTask

Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        help="GeoTIFF to write (a COG), an ENVI image (.img, .bil, .bip), or a .png or .jpg.",
    ),
]
Align = Annotated[
    bool,
    typer.Option(
        "--align",
        help="Resample images on another grid onto that of the first, through both geotransforms; "
        "they are refused otherwise.",
    ),
]
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help="How images come to the scale of the first: `none`, `range` (of the type), `robust` "
        "(2nd to 98th percentile), or `auto`, which says what it does.",
        autocompletion=completing.words("auto", "none", "range", "robust"),
    ),
]
BandLists = Annotated[
    list[str] | None,
    typer.Option(
        "--bands",
        help="Bands to use, comma-separated names or numbers from 1: once for every image that "
        "has several, or once for each image in their order.",
    ),
]


@dataclass(frozen=True)
class Making:
    """How images are read, run and written, as typed."""

    option: o.MethodOptions = None
    align: Align = False
    match: Match = "auto"
    bounds: o.Bounds = None
    bounds_crs: o.BoundsCrs = None
    nodata: o.NodataIn = None
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Output type; that of the first image by default.")
    ] = None
    co: o.CreationOptions = None
    no_cog: o.NoCog = False
    overwrite: o.Overwrite = False
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the finished tiles of a run that ended early."),
    ] = False
    no_report: o.NoReport = False
    tile: Annotated[int, typer.Option("--tile", help="Side of a tile in pixels.", min=16)] = 512
    seed: o.Seed = 0
    device: o.Device = "auto"
    threads: o.Threads = None
    ram: o.Ram = 512
    trust: Trust = field(default_factory=Trust)
    dry_run: o.DryRun = False
    json: o.AsJson = False
    quiet: o.Quiet = False

    def request(self, images: ImagesRequest, output: Path, method: str | None) -> SameRequest:
        """Return what the library needs."""
        from pansharpkit.runs import RunOptions
        from pansharpkit.same.request import SameRequest

        return SameRequest(
            images,
            output,
            method,
            o.pairs(self.option, "--option"),
            RunOptions(
                self.tile, self.seed, self.device, "none", self.dtype, None, None, self.threads,
                self.ram,
            ),
            overwrite=self.overwrite,
            cog=not self.no_cog,
            creation_options=o.pairs(self.co, "--co"),
            report=not self.no_report,
            resume=self.resume,
        )  # fmt: skip

    def images(
        self,
        task: SameTask,
        inputs: Sequence[str],
        bands: Sequence[str] = (),
        colour_from: str | None = None,
    ) -> ImagesRequest:
        """Return which images are meant."""
        from typing import get_args

        from pansharpkit.errors import OptionError
        from pansharpkit.same.request import ImagesRequest
        from pansharpkit.same.scale import Match

        ways: dict[str, Match] = {way: way for way in get_args(Match)}
        if self.match not in ways:
            raise OptionError(f"--match {self.match!r} must be one of {', '.join(ways)}")
        lists = tuple(o.names(text or None, "--bands") or () for text in bands)
        return ImagesRequest(
            task, tuple(inputs), lists, self.trust.read(self.nodata), self.align,
            ways[self.match], colour_from, o.box(self.bounds), self.bounds_crs,
        )  # fmt: skip

    def run(self, request: SameRequest) -> None:
        """Do it, and print what came of it."""
        from pansharpkit.same import pipeline

        o.set_threads(self.threads)
        if self.dry_run:
            console.print_plan(pipeline.plan(request), json=self.json)
            return
        announce = None if self.quiet else console.announce
        hidden = self.quiet or self.json
        with console.progress_bar(hidden) as progress, console.notices(self.quiet):
            outcome = pipeline.make(request, progress, announce)
        if self.json:
            console.print_json(outcome.to_dict())
        elif not self.quiet:
            console.print_made(outcome)
