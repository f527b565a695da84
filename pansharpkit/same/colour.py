"""Colour beside grey: the luminance is fused, and the colour is put back on it.

In BT.601, luminance is Y = .299 R + .587 G + .114 B, and what is left of a colour is R - Y, G - Y
and B - Y. So to give a colour another luminance is to add the difference to each of its bands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.radiometry import cast
from pansharpkit.runs import Sink
from pansharpkit.source import Source, Wrapped

WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in the luminance: Recommendation ITU-R BT.601."""
Order = tuple[int, int, int]


def luminance(values: NDArray[np.generic], order: Order = (0, 1, 2)) -> NDArray[np.float32]:
    """Return [H, W] of three bands of [C, H, W]; `order` says which are red, green and blue."""
    chosen = values[list(order)].astype(np.float32)
    found: NDArray[np.float32] = np.tensordot(np.array(WEIGHTS, np.float32), chosen, 1)
    return found


@dataclass(frozen=True)
class LuminanceSource(Wrapped):
    """The luminance of an image of three bands."""

    order: Order = (0, 1, 2)
    """Which of its bands are red, green and blue."""

    @property
    def names(self) -> tuple[str, ...]:
        """One band."""
        return ("luminance",)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Always float32: a luminance is not rounded."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float | None:
        """None: what is missing, the source says."""
        return None

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return the luminance of a window."""
        values, valid = self.source.read(window)
        return luminance(values, self.order)[None], valid


@dataclass(frozen=True)
class Colours:
    """Where the colour of a blend comes from."""

    source: Source
    """Three bands on the grid of the scene, in its units."""
    order: Order


@dataclass
class ColourSink:
    """A sink for luminances, which gives them colour and hands them on."""

    sink: Sink
    colours: Colours
    extent: Window
    """Of the scene; windows written are relative to it."""
    dtype: np.dtype[np.generic]
    nodata: float | None
    low: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    """[3] pixels clipped at the lower limit, so far."""
    high: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        """Take a luminance, [1, h, w], and write the three bands of its colour."""
        place = Window(
            window.row + self.extent.row, window.col + self.extent.col, window.height, window.width
        )
        colours = self.colours.source.read(place)[0].astype(np.float32)
        gain = values[0].astype(np.float32) - luminance(colours, self.colours.order)
        done = cast(colours + np.where(valid, gain, 0), valid, self.dtype, self.nodata)
        self.low += done.low
        self.high += done.high
        self.sink.write(window, done.values, valid)
