"""A raster that is read by windows, wherever its pixels come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import GridError
from pansharpkit.grid import Grid, Window

LARGEST = 1e30
"""Floats beyond this are no measurements but fill values that nobody declared."""


def measured(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return where values may be measurements: not NaN, infinite or absurdly large.

    >>> measured(np.array([0.5, np.nan, -3.4e38])).tolist()
    [True, False, False]
    """
    if values.dtype.kind != "f":
        return np.ones(values.shape, bool)
    plausible: NDArray[np.bool_] = np.abs(values) <= LARGEST
    return plausible


def held(value: float, dtype: np.dtype[np.generic] | str) -> float | None:
    """Return a value as a type holds it, rounded if that is one of floats; None if it cannot.

    >>> held(-3.4028235e38, "float32"), held(1e39, "float32"), held(7, "uint8"), held(0.5, "int16")
    (-3.4028234663852886e+38, None, 7.0, None)
    """
    kind = np.dtype(dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            rounded = float(kind.type(value))
        return rounded if math.isfinite(rounded) or not math.isfinite(value) else None
    info = np.iinfo(kind.name)
    whole = math.isfinite(value) and value == round(value)
    return float(value) if whole and info.min <= value <= info.max else None


class Source(Protocol):
    """A raster that is read by windows: a file, a product, an array."""

    @property
    def grid(self) -> Grid:
        """Georeferenced lattice."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Band names, as the product calls them."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type of the pixels."""
        ...

    @property
    def nodata(self) -> float | None:
        """Value that marks missing pixels in every band, if one is declared."""
        ...

    @property
    def label(self) -> str:
        """What messages call this raster: its file name."""
        ...

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [C, h, w] pixels in the stored type and [h, w] validity of a window inside."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """A raster that lies in memory (or in a memory map)."""

    grid: Grid
    values: NDArray[np.generic]
    """[C, H, W]."""
    names: tuple[str, ...]
    nodata: float | None = None
    label: str = "array"

    def __post_init__(self) -> None:
        expected = (len(self.names), self.grid.height, self.grid.width)
        if self.values.shape != expected:
            raise GridError(f"{self.label}: array is {self.values.shape}, expected {expected}")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the array."""
        return self.values.dtype

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window; a pixel is valid if every band is measured and not nodata."""
        values = np.asarray(self.values[(slice(None), *window.slices)])
        valid = measured(values)
        if self.nodata is not None and np.isfinite(self.nodata):
            valid &= values != self.nodata
        return values, np.logical_and.reduce(valid, axis=0)


@dataclass(frozen=True)
class _OfAnother:
    """Bands of another source, wherever they lie."""

    source: Source

    @property
    def names(self) -> tuple[str, ...]:
        """Band names of the source."""
        return self.source.names

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """Nodata value of the source."""
        return self.source.nodata

    @property
    def label(self) -> str:
        """Name of the source."""
        return self.source.label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read from the source."""
        return self.source.read(window)


@dataclass(frozen=True)
class Wrapped(_OfAnother):
    """A source made of another, like it in all that a subclass does not say otherwise."""

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid


@dataclass(frozen=True)
class PlacedSource(_OfAnother):
    """A source that lies where a grid says."""

    grid: Grid


@dataclass(frozen=True)
class NamedSource:
    """A source whose bands go by other names."""

    source: Source
    names: tuple[str, ...]

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """Nodata value of the source."""
        return self.source.nodata

    @property
    def label(self) -> str:
        """Name of the source."""
        return self.source.label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read from the source."""
        return self.source.read(window)


@dataclass(frozen=True)
class BandsOf(Wrapped):
    """Some of the bands of a source."""

    bands: tuple[int, ...]
    """Which ones, by index, in the order wanted."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of these bands."""
        return tuple(self.source.names[band] for band in self.bands)

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read from the source; a pixel that it calls missing is missing in every band."""
        values, valid = self.source.read(window)
        return values[list(self.bands)], valid
