"""Options that several commands share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import completing
from pansharpkit_cli.asked import (
    box,
    compat,
    gate,
    listed,
    names,
    outside,
    pairs,
    read_options,
    size,
)

__all__ = [
    "box",
    "compat",
    "gate",
    "listed",
    "names",
    "outside",
    "pairs",
    "read_options",
    "size",
]

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="PAN MS... | GUIDE CUBE | SCENE",
        help="PAN and MS rasters (MS as one file, one per band, or a pattern such as "
        "'scene_B{band}.tif'); or a PAN or MS image of any kind and a hyperspectral cube; or one "
        "Landsat, Maxar or DIMAP product: its folder, .tar, .zip or metadata file; or a PRISMA "
        "product with its own PAN.",
        show_default=False,
    ),
]
SensorName = Annotated[
    str | None,
    typer.Option(
        "--sensor",
        help="Sensor preset by name or as a path to a TOML file.",
        autocompletion=completing.sensors,
    ),
]
Bands = Annotated[
    str | None,
    typer.Option(
        "--bands",
        help="MS bands to fuse, comma-separated: names (B2), colours (blue) or numbers from 1.",
    ),
]
BandNames = Annotated[
    str | None,
    typer.Option(
        "--band-names",
        help="What the MS bands are, comma-separated, where the files do not say it.",
    ),
]
GuideSensor = Annotated[
    str | None,
    typer.Option(
        "--guide-sensor",
        help="Preset of the guide of a cube: says which bands of the cube its PAN or MS bands see.",
        autocompletion=completing.sensors,
    ),
]
GuideBands = Annotated[
    str | None,
    typer.Option("--guide-bands", help="Bands of the guide of a cube, comma-separated."),
]
ModelPath = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="What `pansharpkit estimate` found of how the guide's bands mix the cube's, and of "
        "its PSF; by default presets say it, or the pair itself is asked.",
    ),
]
MatKey = Annotated[
    str | None, typer.Option("--mat-key", help="Variable of a MATLAB file that is the cube.")
]
MatGuideKey = Annotated[
    str | None, typer.Option("--mat-guide-key", help="Variable of a MATLAB file that is the guide.")
]
MatAxes = Annotated[
    str | None,
    typer.Option(
        "--mat-axes",
        help="Order of MATLAB's axes, r, c and b for rows, columns and bands; `bp` or `bP` for a "
        "matrix of pixels that run down the columns, or along the rows, of the image.",
    ),
]
MatGuideAxes = Annotated[
    str | None,
    typer.Option("--mat-guide-axes", help="The same for the guide, if its order is another."),
]
MatSize = Annotated[
    str | None,
    typer.Option("--mat-size", help="HEIGHTxWIDTH of the image in a MATLAB matrix of pixels."),
]
Toa = Annotated[
    bool,
    typer.Option("--toa", help="Convert the DN of a product to top-of-atmosphere reflectance."),
]
NodataIn = Annotated[
    float | None,
    typer.Option("--nodata", help="Value of missing pixels, instead of what the files declare."),
]
Saturated = Annotated[
    float | None,
    typer.Option(
        "--saturated",
        help="Stored value from which on pixels are saturated and stay out of statistics. By "
        "default the end of the sensor's bit depth if no pixel is above it, else of the type.",
    ),
]
MaskSaturated = Annotated[
    bool, typer.Option("--mask-saturated", help="Treat saturated pixels as missing.")
]
AssumeCrs = Annotated[
    str | None, typer.Option("--assume-crs", help="CRS of inputs that carry none, e.g. EPSG:32630.")
]
AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Allow inputs that are URLs or /vsi paths.")
]
Sidecars = Annotated[
    bool, typer.Option("--sidecars", help="Let GDAL read .aux.xml, .ovr and other side files.")
]
MaxPixels = Annotated[
    int | None, typer.Option("--max-pixels", help="Refuse rasters with more pixels than this.")
]
OnBadBlock = Annotated[
    str,
    typer.Option(
        "--on-bad-block",
        help="fail, or mask the pixels of a block that cannot be read.",
        autocompletion=completing.words("fail", "mask"),
    ),
]
Bounds = Annotated[
    str | None,
    typer.Option("--bounds", help="Area of interest: west,south,east,north (or with spaces)."),
]
BoundsCrs = Annotated[
    str | None, typer.Option("--bounds-crs", help="CRS of --bounds; that of the PAN by default.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse an MS that would have to be reprojected.")
]
Tile = Annotated[int, typer.Option("--tile", help="Side of a tile in PAN pixels.", min=16)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random draw.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="auto, cpu, cuda or cuda:N.",
        autocompletion=completing.words("auto", "cpu", "cuda", "cuda:0"),
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="Tiles computed side by side, and threads that compress; all cores by default.",
        min=1,
    ),
]
Ram = Annotated[
    int,
    typer.Option(
        "--ram",
        help="MB of memory to aim at: bounds the cache of blocks, and tiles become smaller than "
        "--tile where that does not change the result.",
        min=256,
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="Option of the method as NAME=VALUE; see `pansharpkit methods NAME`."
    ),
]
BackProjection = Annotated[
    int,
    typer.Option(
        "--back-projection",
        help="Steps of damped back-projection after the method. Raises consistency with the MS "
        "and rings at full resolution: off by default.",
        min=0,
    ),
]
OutsidePan = Annotated[
    str | None,
    typer.Option(
        "--outside-pan",
        help="What happens to bands that PAN does not see, as the sensor preset or "
        "--reference-bands say: `regression` adds as much of PAN's detail as a regression one "
        "scale down supports, `exp` interpolates, `skip` leaves them out. [default: regression]",
        show_default=False,
        autocompletion=completing.words("regression", "exp", "skip"),
    ),
]
Sharpen = Annotated[
    list[str] | None,
    typer.Option("--sharpen", help="`outside=NAME`: another spelling of --outside-pan NAME."),
]
ReferenceBands = Annotated[
    str | None,
    typer.Option(
        "--reference-bands",
        help="Bands that PAN is taken to be made of, comma-separated names or colours, instead of "
        "what the preset says: methods work with these, the others count as outside PAN.",
    ),
]
Damping = Annotated[
    float | None,
    typer.Option(
        "--damping",
        help="Interpolate the residuals of back-projection and multiply them by this, in (0, 1]; "
        "by default they are spread softly, which rings less.",
    ),
]
Min = Annotated[
    list[str] | None,
    typer.Option(
        "--min",
        help="Least value of an index as NAME=VALUE, e.g. hqnr=.9, by the names in the report; a "
        "result below it is kept and the exit code is 5.",
    ),
]
Max = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        help="Largest value of an index as NAME=VALUE, e.g. shift=.5, the PAN pixels by which the "
        "inputs lay beside each other.",
    ),
]
CreationOptions = Annotated[
    list[str] | None, typer.Option("--co", help="Creation option NAME=VALUE of the writer.")
]
NoCog = Annotated[
    bool, typer.Option("--no-cog", help="Write a plain tiled GeoTIFF instead of a COG.")
]
NoReport = Annotated[
    bool, typer.Option("--no-report", help="Do not assess the result or write a report.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, say what would be done, stop.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no warnings, no summary: errors alone.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
CompatName = Annotated[
    str | None,
    typer.Option(
        "--compat",
        help="`toolbox` reproduces the reference toolbox (rounding, kernels, borders, phase).",
        autocompletion=completing.words("toolbox"),
    ),
]


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without looking for garbage meanwhile: there is none, and it takes a tenth."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def set_threads(threads: int | None) -> None:
    """Limit torch to that many CPU threads."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
