"""How an index is distributed over an archive, as SVG that follows the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pansharpkit.report.printed import grouped, number

_BINS = 24
_WIDTH, _HEIGHT = 240, 72
_TAILS = (1.0, 99.0)  # percentiles: what lies beyond is counted in the outer bars


@dataclass(frozen=True)
class Histogram:
    """A drawing with what stands around it."""

    label: str
    unit: str
    meaning: str
    svg: Markup
    low: str
    """Value at the left end, as printed; so are those below."""
    high: str
    median: str
    span: str
    """Smallest and largest value."""
    count: int


def histogram(
    values: Sequence[float], label: str, decimals: int, unit: str = "", meaning: str = ""
) -> Histogram:
    """Draw how at least one value is distributed."""
    found = np.array(values, float)
    low, high = np.percentile(found, _TAILS)
    if high <= low:
        low, high = found.min() - 0.5 * 10**-decimals, found.max() + 0.5 * 10**-decimals
    bins = min(_BINS, max(1, round(2 * len(found) ** 0.5)))
    counts, _ = np.histogram(np.clip(found, low, high), bins, (low, high))
    median, least, most = np.median(found), found.min(), found.max()
    span = number(least, decimals)
    if span != number(most, decimals):
        span += f" … {number(most, decimals)}"
    said = f"{label} of {grouped(len(found))} scenes: median {number(median, decimals)}, {span}"
    place = float(np.clip((median - low) / (high - low), 0, 1))
    return Histogram(
        label, unit, meaning, _drawn(counts.tolist(), place, said),
        number(low, decimals), number(high, decimals), number(median, decimals), span, len(found),
    )  # fmt: skip


def _drawn(counts: Sequence[int], median: float, said: str) -> Markup:
    """Return bars with a line at the median, 0 ... 1 of the width."""
    most, step = max(counts), _WIDTH / len(counts)
    bars = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            i * step, _HEIGHT - (tall := max(1.5, _HEIGHT * count / most)), step - 1, tall
        )
        for i, count in enumerate(counts)
        if count
    )
    x = median * _WIDTH
    return Markup(
        '<svg class="histogram" role="img" aria-label="{}" viewBox="0 -4 {} {}" '
        'preserveAspectRatio="none">{}<path d="M{:.1f} -4V{}"/></svg>'
    ).format(said, _WIDTH, _HEIGHT + 4, bars, x, _HEIGHT)
