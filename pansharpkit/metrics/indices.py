"""What an evaluation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class QualityMap:
    """Quality of each block of the raster."""

    name: str
    """Which index: ``q2n`` at reduced, ``1 - d_lambda_k`` at full resolution."""
    block: int
    """Side of a block, in pixels of the fine grid."""
    values: NDArray[np.float64]
    """[rows, cols], NaN in blocks with too few valid pixels, and in those that were not judged."""
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Further indices of the same blocks, see :mod:`pansharpkit.metrics.blockmaps`."""


@dataclass(frozen=True)
class Indices:
    """Quality indices over a raster, and all that is needed to read them."""

    values: Mapping[str, float | None]
    """Finite, or None where no pixel or block contributes, and for the PSNR of equal images."""
    intervals: Mapping[str, tuple[float, float]]
    """95 % confidence interval of each value that has one, see :mod:`pansharpkit.metrics.tally`."""
    per_band: Mapping[str, tuple[float | None, ...]]
    quality_map: QualityMap
    n_pixels: int
    """Number of valid pixels on the fine grid."""
    masked_fraction: float
    """Share of the fine grid's pixels that is masked, 0 ... 1."""
    definitions: Mapping[str, str]
    """Which definition was used: block, kernel, rounding, phase, masks, interval."""
