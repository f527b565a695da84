"""Images brought onto the grid of the first, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rasterio.warp import transform_bounds

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window
from pansharpkit.overlap import crs_name
from pansharpkit.readers.derived import difference
from pansharpkit.same.images import is_placed
from pansharpkit.source import PlacedSource, Source
from pansharpkit.warp import WarpedSource


@dataclass(frozen=True)
class Gridded:
    """Images that share their pixels."""

    sources: tuple[Source, ...]
    """In the order given; all with the very grid of the first."""
    domain: Window
    """The part of the first that all others cover."""
    notices: tuple[str, ...] = ()


def on_one_grid(sources: Sequence[Source], *, align: bool = False) -> Gridded:
    """Return the images on the grid of the first.

    With `align`, those on other grids are resampled by cubic convolution, through both
    geotransforms; finer ones are smoothed as they are thinned out.

    Raises
    ------
    GridError
        If an image lies on another grid and is not to be resampled or cannot be, or elsewhere.
    """
    first = sources[0]
    placed, domain = [first], first.grid.window
    notices: list[str] = []
    for other in sources[1:]:
        _check_comparable(first, other)
        if (differ := difference(first.grid, other.grid)) is None:
            placed.append(PlacedSource(other, first.grid))
            continue
        if not align or not is_placed(first.grid):
            raise GridError(f"{first.label} and {other.label} {differ}; {_remedy(first, other)}")
        domain = domain.clip(_covered(first, other))
        if domain.empty:
            raise GridError(f"{other.label} does not overlap {_those_before(placed)}")
        placed.append(WarpedSource(other, first.grid))
        notices.append(
            f"{other.label} ({crs_name(other.grid)}, {_pixel(other.grid)}) is resampled onto the "
            f"grid of {first.label} ({crs_name(first.grid)}, {_pixel(first.grid)})"
        )
    if domain != first.grid.window:
        notices.append(
            f"working on what all images cover: {domain.width} x {domain.height} of the "
            f"{first.grid.width} x {first.grid.height} pixels of {first.label}"
        )
    return Gridded(tuple(placed), domain, tuple(notices))


def _check_comparable(first: Source, other: Source) -> None:
    """Refuse to guess how an image without a georeference lies on one that has it."""
    known = [is_placed(source.grid) for source in (first, other)]
    if known[0] != known[1]:
        lost, found = (first, other) if known[1] else (other, first)
        raise GridError(
            f"{lost.label} does not say where it lies and {found.label} does; georeference "
            f"{lost.label} (gdal_translate -a_srs ... -a_ullr ...)"
        )
    if known[0] and (first.grid.crs is None) != (other.grid.crs is None):
        lost = first if first.grid.crs is None else other
        raise GridError(
            f"{lost.label}: declares no CRS; pass --assume-crs EPSG:code if you know it"
        )


def _remedy(first: Source, other: Source) -> str:
    if not is_placed(first.grid):
        return "images without a georeference must be of one size"
    if first.grid.crs is None:
        return "they have no CRS to be resampled in; pass --align and --assume-crs EPSG:code"
    return f"pass --align to resample {other.label}"


def _covered(first: Source, other: Source) -> Window:
    """Return the window of the first image that another one's bounds cover."""
    a, b = first.grid, other.grid
    if a.crs is None:
        raise GridError(f"{first.label} and {other.label} have no CRS; pass --assume-crs EPSG:code")
    try:
        box = b.bounds if a.crs == b.crs else transform_bounds(b.crs, a.crs, *b.bounds)
        return a.window_of_bounds(box)
    except Exception:  # GDAL's own exceptions have no public base class; infinite bounds overflow
        raise GridError(
            f"{other.label}: its extent {b.bounds} in {crs_name(b)} has no place in {crs_name(a)}; "
            "check its CRS"
        ) from None


def _those_before(placed: Sequence[Source]) -> str:
    return " and ".join(source.label for source in placed)


def _pixel(grid: Grid) -> str:
    rows, cols = grid.gsd
    return f"pixels of {cols:.6g}" if abs(rows - cols) < 1e-6 * rows else (
        f"pixels of {cols:.6g} x {rows:.6g}")  # fmt: skip
