"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit.errors import OptionError

if TYPE_CHECKING:
    from pansharpkit.intake import SceneRequest
    from pansharpkit.physics import Compat
    from pansharpkit.requested import MethodRequest, Outside

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="PAN MS... | SCENE",
        help="PAN and MS rasters (MS as one file, one per band, or a pattern such as "
        "'scene_B{band}.tif'), or one Landsat, Maxar or DIMAP product: its folder, .tar, .zip or "
        "metadata file.",
        show_default=False,
    ),
]
SensorName = Annotated[
    str | None,
    typer.Option("--sensor", help="Sensor preset by name or as a path to a TOML file."),
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
    typer.Option("--on-bad-block", help="fail, or mask the pixels of a block that cannot be read."),
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
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
CompatName = Annotated[
    str | None,
    typer.Option(
        "--compat",
        help="`toolbox` reproduces the reference toolbox (rounding, kernels, borders, phase).",
    ),
]


def pairs(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """Return NAME=VALUE items as a dictionary."""
    found = {}
    for item in items or ():
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise OptionError(f"{flag} {item!r} must look like NAME=VALUE")
        found[name] = value
    return found


def names(text: str | None, flag: str) -> tuple[str, ...] | None:
    """Return comma-separated names as a tuple."""
    if text is None:
        return None
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise OptionError(f"{flag} needs at least one band name")
    return found


def box(text: str | None) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north."""
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise OptionError(
            f"--bounds {text!r} must be four numbers: west,south,east,north"
        ) from None
    return west, south, east, north


def method_request(
    method: str,
    option: Sequence[str] | None,
    back_projection: int,
    damping: float | None,
    outside_pan: str | None,
    sharpen: Sequence[str] | None,
    reference_bands: str | None,
) -> MethodRequest:
    """Return what the library needs to make a method."""
    from pansharpkit.requested import MethodRequest

    return MethodRequest(
        method,
        pairs(option, "--option"),
        back_projection,
        damping,
        outside(outside_pan, sharpen),
        names(reference_bands, "--reference-bands"),
    )


def outside(outside_pan: str | None, sharpen: Sequence[str] | None) -> Outside:
    """Return what happens to bands outside PAN, in either of its two spellings."""
    spelled = pairs(sharpen, "--sharpen")
    if unknown := sorted(set(spelled) - {"outside"}):
        raise OptionError(f"--sharpen {unknown[0]}=...: only outside=NAME can be set there")
    wanted = {value for value in (outside_pan, spelled.get("outside")) if value is not None}
    match sorted(wanted):
        case []:
            return "regression"
        case ["regression" | "exp" | "skip" as one]:
            return one
        case [one]:
            raise OptionError(f"--outside-pan {one!r} must be regression, exp or skip")
        case _:
            raise OptionError("--outside-pan and --sharpen outside= differ; give one of them")


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


def compat(text: str | None) -> Compat:
    """Return the compatibility mode."""
    if text is None or text == "none":
        return "none"
    if text != "toolbox":
        raise OptionError(f"--compat {text!r} must be toolbox")
    return "toolbox"


def scene_request(
    inputs: Sequence[str],
    sensor: str | None,
    bands: str | None,
    band_names: str | None,
    toa: bool,
    nodata: float | None,
    bounds: str | None,
    bounds_crs: str | None,
    strict: bool,
    *,
    assume_crs: str | None = None,
    allow_remote: bool = False,
    sidecars: bool = False,
    max_pixels: int | None = None,
    on_bad_block: str = "fail",
    saturated: float | None = None,
    mask_saturated: bool = False,
) -> SceneRequest:
    """Return what the library needs to open a scene."""
    from pansharpkit.intake import SceneRequest
    from pansharpkit.readers import ReadOptions
    from pansharpkit.scene import PairOptions

    if on_bad_block not in ("fail", "mask"):
        raise OptionError(f"--on-bad-block {on_bad_block!r} must be fail or mask")
    defaults = ReadOptions()
    read = ReadOptions(
        bands=names(bands, "--bands"),
        toa=toa,
        nodata=nodata,
        assume_crs=assume_crs,
        allow_remote=allow_remote,
        sidecars=sidecars,
        on_bad_block="mask" if on_bad_block == "mask" else "fail",
        max_pixels=defaults.max_pixels if max_pixels is None else max_pixels,
        saturated=saturated,
        mask_saturated=mask_saturated,
    )
    pair = PairOptions(box(bounds), bounds_crs, strict)
    return SceneRequest(tuple(inputs), sensor, names(band_names, "--band-names"), read, pair)
