"""Histograms of values before and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pansharpkit.report.quality import Histogram

BINS = 64
NDVI = "NDVI"
"""Name of the histogram that is of no band."""
_PERCENT = (0.1, 99.9)


def histogram(
    name: str, before: NDArray[np.floating], after: NDArray[np.floating]
) -> Histogram | None:
    """Count values before and after in bins that both share; None without any spread.

    What is not finite before or after is left out; of the rest, bins hold all but the outermost
    thousandth on either side.
    """
    there = np.isfinite(before) & np.isfinite(after)
    values = before[there].astype(np.float64), after[there].astype(np.float64)
    if not values[0].size:
        return None
    ends = np.array([np.percentile(part, _PERCENT) for part in values])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not high > low:
        return None
    first, second = (np.histogram(part, BINS, (low, high))[0].tolist() for part in values)
    return Histogram(name, low, high, tuple(first), tuple(second))
