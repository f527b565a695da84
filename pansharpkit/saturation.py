"""Pixels too bright for the detector: where they are, and a raster without them.

A saturated pixel tells that the ground was bright, not how bright. In a regression of PAN on MS it
is an outlier, and always on the same side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.sampling import Sampling
from pansharpkit.source import Source, Wrapped

Mask = NDArray[np.bool_]

_REACH = 2  # target samples; beyond, a PSF of MTF gain .3 holds less than 1e-6
_SAMPLES = 4  # blocks along each side of the lattice that is looked at
_SIDE = 256


@dataclass(frozen=True)
class Saturation:
    """From which value on the pixels of a pair count as saturated."""

    guide: tuple[float, ...]
    """Per band; infinite where nothing is known."""
    target: tuple[float, ...]

    def on_target(
        self,
        guide: NDArray[np.generic],
        guide_valid: Mask,
        target: NDArray[np.generic],
        target_valid: Mask,
        sampling: Sampling,
    ) -> Mask | None:
        """Return which target samples are spoilt by saturated pixels; None if none is.

        These are the saturated samples, those with a saturated guide pixel below, and all within
        two samples of them: filters carry the excess that far.

        Parameters
        ----------
        guide : [c, H, W].
        target : [C, h, w].
        guide_valid, target_valid : [H, W], [h, w]; a nodata value may be as large as saturation.
        sampling : how the target samples sit on the guide pixels.

        Returns
        -------
        Mask or None
            [h, w].
        """
        found = saturated(target, self.target) & target_valid
        bright = saturated(guide, self.guide) & guide_valid
        if bright.any():
            rows, cols = np.nonzero(bright)
            found[_nearest(rows, sampling, 0, found), _nearest(cols, sampling, 1, found)] = True
        if not found.any():
            return None
        from scipy import ndimage  # loading it costs more than a scene without saturation

        spoilt: Mask = ndimage.maximum_filter(found, size=2 * _REACH + 1, mode="constant")
        return spoilt


def _nearest(
    pixels: NDArray[np.intp], sampling: Sampling, axis: int, samples: Mask
) -> NDArray[np.intp]:
    index = np.rint((pixels - sampling.phase[axis]) / sampling.ratio[axis]).astype(np.intp)
    inside: NDArray[np.intp] = np.clip(index, 0, samples.shape[axis] - 1)
    return inside


def saturated(values: NDArray[np.generic], levels: Sequence[float]) -> Mask:
    """Return [H, W]: whether any band of [C, H, W] reaches its level.

    >>> saturated(np.array([[[3, 255]]], np.uint8), (255.0,)).tolist()
    [[False, True]]
    """
    found = np.zeros(values.shape[1:], bool)
    for band, level in zip(values, levels, strict=True):
        if np.isfinite(level):
            found |= band >= _comparable(level, band.dtype)
    return found


def _comparable(level: float, dtype: np.dtype[np.generic]) -> float | int:
    """Return a level that integers need not become floats for."""
    return int(np.ceil(level)) if dtype.kind in "iu" else level


@dataclass(frozen=True)
class UnsaturatedSource(Wrapped):
    """A source in which saturated pixels are missing."""

    levels: tuple[float, ...]
    """Per band."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], Mask]:
        """Return a window of the source, with fewer valid pixels."""
        values, valid = self.source.read(window)
        return values, valid & ~saturated(values, self.levels)


def exceeds(source: Source, level: float) -> bool:
    """Return whether a valid pixel is above `level`, judged on 16 blocks spread over the raster."""
    for window in _lattice(source.grid.window):
        values, valid = source.read(window)
        if np.greater(values[:, valid], level).any():
            return True
    return False


def _lattice(whole: Window) -> list[Window]:
    rows, cols = (
        sorted({int(i) for i in np.linspace(0, max(size - _SIDE, 0), _SAMPLES)})
        for size in (whole.height, whole.width)
    )
    return [Window(row, col, _SIDE, _SIDE).clip(whole) for row in rows for col in cols]
