"""How the text of options becomes what the library asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pansharpkit.errors import OptionError

if TYPE_CHECKING:
    from pansharpkit.gate import Gate
    from pansharpkit.physics import Compat
    from pansharpkit.readers import ReadOptions
    from pansharpkit.requested import Outside


def pairs(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """Return NAME=VALUE items as a dictionary."""
    found = {}
    for item in items or ():
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise OptionError(f"{flag} {item!r} must look like NAME=VALUE")
        found[name] = value
    return found


def listed(text: str) -> list[str]:
    """Return what stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def names(text: str | None, flag: str) -> tuple[str, ...] | None:
    """Return comma-separated names as a tuple."""
    if text is None:
        return None
    found = tuple(listed(text))
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
            f"--bounds {text!r} must be four numbers with commas: west,south,east,north"
        ) from None
    return west, south, east, north


def size(text: str | None, flag: str) -> tuple[int, int] | None:
    """Return height and width, typed as HEIGHTxWIDTH."""
    if text is None:
        return None
    height, sign, width = text.lower().partition("x")
    if not (sign and height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise OptionError(f"{flag} {text!r} must be height and width in pixels, such as 100x120")
    return int(height), int(width)


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


def gate(least: Sequence[str] | None, most: Sequence[str] | None, *, report: bool = True) -> Gate:
    """Return the bars for quality; some need a report."""
    from pansharpkit.gate import Gate

    found = Gate.parse(least or (), most or ())
    if found.needs_report and not report:
        raise OptionError("--no-report leaves indices out that --min and --max judge; drop it")
    return found


def compat(text: str | None) -> Compat:
    """Return the compatibility mode."""
    if text is None or text == "none":
        return "none"
    if text != "toolbox":
        raise OptionError(f"--compat {text!r} must be toolbox")
    return "toolbox"


def read_options(
    nodata: float | None,
    assume_crs: str | None,
    *,
    allow_remote: bool,
    sidecars: bool,
    max_pixels: int | None,
    on_bad_block: str,
) -> ReadOptions:
    """Return how files may be opened and read."""
    from pansharpkit.readers import ReadOptions

    if on_bad_block not in ("fail", "mask"):
        raise OptionError(f"--on-bad-block {on_bad_block!r} must be fail or mask")
    return ReadOptions(
        nodata=nodata,
        assume_crs=assume_crs,
        allow_remote=allow_remote,
        sidecars=sidecars,
        on_bad_block="mask" if on_bad_block == "mask" else "fail",
        max_pixels=ReadOptions().max_pixels if max_pixels is None else max_pixels,
    )
