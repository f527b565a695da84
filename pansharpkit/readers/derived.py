"""Sources made of other sources: bands put together, masked, or converted, all lazily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.product import UNNAMED, Scaling
from pansharpkit.source import BandsOf, NamedSource, Source, Wrapped

_SAME_PIXEL = 0.01  # largest distance of corners, in pixels, within one grid


def unique_names(parts: Sequence[Source]) -> tuple[str, ...]:
    """Return the band names of all parts, or numbers if they are not unique."""
    names = tuple(name for part in parts for name in part.names)
    if len(set(names)) == len(names):
        return names
    return tuple(f"{UNNAMED} {i}" for i in range(1, len(names) + 1))


@dataclass(frozen=True)
class StackedSource:
    """Bands from several rasters on one grid; each keeps its own nodata value."""

    parts: tuple[Source, ...]
    label: str

    @property
    def grid(self) -> Grid:
        """Grid of the first part, which all share."""
        return self.parts[0].grid

    @property
    def names(self) -> tuple[str, ...]:
        """Band names of all parts, numbers if they are not unique."""
        return unique_names(self.parts)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Smallest type that holds the pixels of every part."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def nodata(self) -> float | None:
        """The nodata value of the parts if they agree."""
        first, *others = (part.nodata for part in self.parts)
        same = all(other == first or (other != other and first != first) for other in others)
        return first if same else None

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window of all bands; a pixel is valid if it is in every part."""
        reads = [part.read(window) for part in self.parts]
        values = np.concatenate([values.astype(self.dtype, copy=False) for values, _ in reads])
        return values, np.logical_and.reduce([valid for _, valid in reads])

    def select(self, positions: Sequence[int]) -> Source:
        """Return the bands at the given positions, from 0, in that order; others are not read."""
        places = [(k, i) for k, part in enumerate(self.parts) for i in range(len(part.names))]
        runs = groupby((places[position] for position in positions), key=itemgetter(0))
        chosen = [(self.parts[k], tuple(i for _, i in run)) for k, run in runs]
        return StackedSource(tuple(bands_of(part, bands) for part, bands in chosen), self.label)


@runtime_checkable
class Selectable(Protocol):
    """A source that can leave bands out before it reads."""

    def select(self, positions: Sequence[int]) -> Source:
        """Return the bands at the given positions, from 0, in that order."""
        ...


def bands_of(source: Source, positions: Sequence[int]) -> Source:
    """Return the bands at the given positions, from 0, without reading others where possible."""
    if tuple(positions) == tuple(range(len(source.names))):
        return source
    if isinstance(source, Selectable):
        return source.select(positions)
    return BandsOf(source, tuple(positions))


def stack(parts: Sequence[Source], label: str) -> Source:
    """Put rasters on one grid together, the bands in the order given.

    Raises
    ------
    GridError
        If a raster lies on another grid than the first.
    """
    first = parts[0]
    for part in parts[1:]:
        check_same_grid(first, part)
    return first if len(parts) == 1 else StackedSource(tuple(parts), label)


def check_same_grid(first: Source, other: Source) -> None:
    """Refuse two rasters that do not share their pixels.

    Raises
    ------
    GridError
        Naming both, and how they differ.
    """
    differ = difference(first.grid, other.grid)
    if differ is not None:
        raise GridError(
            f"{first.label} and {other.label} {differ}, but bands of one image must share their "
            "grid; resample one onto the other"
        )


def difference(a: Grid, b: Grid) -> str | None:
    """Return in what two grids differ, or None if they share their pixels."""
    if a.crs != b.crs:
        return "have different CRS"
    if (a.height, a.width) != (b.height, b.width):
        return f"are {a.width} x {a.height} and {b.width} x {b.height} pixels"
    apart = _corner_distance(a, b)
    return f"are {apart:.3g} pixels apart" if apart > _SAME_PIXEL else None


def _corner_distance(a: Grid, b: Grid) -> float:
    """Return how far corners of `a` are from those of `b`, in pixels of `b`."""
    way = a.to_pixels_of(b)
    corners = [(col, row) for col in (0, a.width) for row in (0, a.height)]
    return max(float(np.hypot(*np.subtract(way @ corner, corner))) for corner in corners)


def saturation_levels(source: Source, stored: float | None = None) -> tuple[float, ...]:
    """Return for each band the value from which on its pixels are saturated.

    Parameters
    ----------
    stored : the level in stored numbers; the largest value of the stored type by default, which
        floating-point types do not have: infinity stands for that.
    """
    if isinstance(source, StackedSource):
        return tuple(level for part in source.parts for level in saturation_levels(part, stored))
    if isinstance(source, ScaledSource):
        levels = saturation_levels(source.source, stored)
        return tuple(
            scale * level + offset
            for (scale, offset), level in zip(source.scaling, levels, strict=True)
        )
    if isinstance(source, (MaskedSource, NamedSource)):
        return saturation_levels(source.source, stored)
    if stored is None:
        whole = source.dtype.kind in "iu"
        stored = float(np.iinfo(source.dtype.name).max) if whole else float("inf")
    return (stored,) * len(source.names)


@dataclass(frozen=True)
class ScaledSource(Wrapped):
    """A source converted to physical values, float32, NaN where it has none."""

    scaling: tuple[Scaling, ...]
    """Scale and offset of each band."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float | None:
        """Always NaN."""
        return float("nan")

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return scale * stored + offset of a window."""
        stored, valid = self.source.read(window)
        scale, offset = np.array(self.scaling, np.float32).T[:, :, None, None]
        values = stored.astype(np.float32) * scale + offset
        values[:, ~valid] = np.nan
        return values, valid


@dataclass(frozen=True)
class MaskedSource(Wrapped):
    """A source without the pixels that certain bits of a quality band exclude."""

    quality: Source
    """One band of bit flags on the same grid."""
    bits: int
    """A pixel with any of these bits set is invalid."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window of the source, with fewer valid pixels."""
        values, valid = self.source.read(window)
        flags, _ = self.quality.read(window)
        return values, valid & (np.bitwise_and(flags[0], self.bits) == 0)
