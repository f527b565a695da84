"""Pixel values on their way in and out: working range, gaps, rounding, clipping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pansharpkit.errors import OptionError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class WorkingRange:
    """A scene-wide, exactly invertible scaling of stored values to about [0, 1]."""

    scale: float
    """A power of two, so that scaling neither rounds nor depends on the tile."""

    @classmethod
    def of(cls, largest: float) -> WorkingRange:
        """Return the range whose unit is the power of two at or above `largest`.

        >>> WorkingRange.of(2047).scale
        2048.0
        """
        if not math.isfinite(largest) or largest <= 0:
            return cls(1.0)
        return cls(2.0 ** math.ceil(math.log2(largest)))

    def to_working(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return float32 values in the working range."""
        single = np.asarray(values, np.float32)
        return np.multiply(
            single, np.float32(1 / self.scale), out=single if single is not values else None
        )

    def to_stored(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return values on the stored scale, still floating point."""
        return values * np.asarray(self.scale, dtype=values.dtype)


@dataclass(frozen=True)
class Cast:
    """Pixels ready to be written, with what was lost."""

    values: NDArray[np.generic]
    """[C, H, W] in the output type."""
    low: NDArray[np.int64]
    """[C] valid pixels clipped at the lower limit."""
    high: NDArray[np.int64]
    """[C] valid pixels clipped at the upper limit."""


def limits(dtype: DTypeLike, bit_depth: int | None = None) -> tuple[float, float]:
    """Return the smallest and largest value that may be written."""
    if np.dtype(dtype).kind == "f":
        info = np.finfo(dtype)
        return float(info.min), float(info.max)
    whole = np.iinfo(dtype)
    top = whole.max if bit_depth is None else min(whole.max, 2**bit_depth - 1)
    high = float(top)
    return float(whole.min), high if high <= top else math.nextafter(high, 0.0)


def cast(
    values: NDArray[np.floating],
    valid: Mask,
    dtype: np.dtype[np.generic],
    nodata: float | None,
    bit_depth: int | None = None,
) -> Cast:
    """Round, clip and convert fused pixels; never wrap, never let a valid pixel become nodata.

    Parameters
    ----------
    values : [C, H, W] on the stored scale.
    valid : [H, W], True where there is a result.
    nodata : value given to the rest (0 if None); valid pixels that would round to it move one
        step away from it.
    """
    low, high = limits(dtype, bit_depth)
    if (easy := _without_exceptions(values, valid, dtype, nodata, (low, high))) is not None:
        return easy
    values = values.astype(np.promote_types(values.dtype, dtype), copy=False)  # holds the limits
    if np.issubdtype(dtype, np.integer):
        values = np.rint(values)
    below, above = (values < low) & valid, (values > high) & valid
    values = np.clip(values, low, high)
    if nodata is not None and math.isfinite(nodata):
        values = np.where(valid & (values == nodata), _beside(nodata, dtype, high), values)
    filled = np.where(valid, values, 0 if nodata is None else nodata)
    return Cast(filled.astype(dtype), below.sum(axis=(1, 2)), above.sum(axis=(1, 2)))


def _beside(nodata: float, dtype: np.dtype[np.generic], high: float) -> float:
    """Return the next number that a type can hold, within what pixels may be."""
    if np.issubdtype(dtype, np.integer):
        return nodata + 1 if nodata + 1 <= high else nodata - 1
    return float(np.nextafter(dtype.type(nodata), dtype.type(0 if nodata > 0 else 1)))


def _without_exceptions(
    values: NDArray[np.floating],
    valid: Mask,
    dtype: np.dtype[np.generic],
    nodata: float | None,
    within: tuple[float, float],
) -> Cast | None:
    """Return whole pixels that are all valid, none of them clipped or nodata; None for others."""
    if dtype.kind not in "iu" or not valid.all():
        return None
    low, high = (float(np.rint(extreme)) for extreme in (values.min(), values.max()))
    if not (within[0] <= low and high <= within[1]):  # or not a number
        return None
    rounded = np.rint(values)
    if nodata is not None and low <= nodata <= high and (rounded == nodata).any():
        return None
    none = np.zeros(len(values), np.int64)
    return Cast(rounded.astype(dtype), none, none)


def check_nodata(nodata: float | None, dtype: np.dtype[np.generic]) -> None:
    """Refuse a nodata value that the output type cannot hold.

    Raises
    ------
    OptionError
        Naming the value and the type.
    """
    if nodata is None or np.issubdtype(dtype, np.floating):
        return
    low, high = limits(dtype)
    if not (math.isfinite(nodata) and low <= nodata <= high and nodata == round(nodata)):
        raise OptionError(f"nodata {nodata:g} cannot be stored as {dtype}; choose another --nodata")


def fill_gaps(values: NDArray[np.generic], valid: Mask) -> NDArray[np.generic]:
    """Give each invalid pixel of [C, H, W] the value of the nearest valid one.

    A rectangular frame of nodata is thereby treated exactly like the edge of a raster, where
    operators replicate the last pixel.
    """
    if valid.all() or not valid.any():
        return values if valid.all() else np.zeros_like(values)
    from scipy import ndimage  # loading it costs more than a scene without gaps

    _, (rows, cols) = ndimage.distance_transform_edt(~valid, return_indices=True)
    return values[:, rows, cols]


def erode(valid: Mask, radius: int, *, border: bool) -> Mask:
    """Shrink the valid area by `radius` pixels (square); `border` says what lies outside."""
    if radius <= 0 or (border and valid.all()):
        return valid
    from scipy import ndimage

    shrunk: Mask = ndimage.minimum_filter(
        valid, size=2 * radius + 1, mode="constant", cval=int(border)
    )
    return shrunk
