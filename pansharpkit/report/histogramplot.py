"""Histograms as SVG, written by hand: a plotting library would take longer than the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from pansharpkit.report.quality import Histogram

_WIDTH, _HEIGHT, _TITLE, _AXIS, _EDGE = 440, 62, 18, 26, 12  # of one histogram, and around it
_TICKS = 5
_AFTER = Markup('<path d="{}" fill="none" stroke="var(--accent)" stroke-width="2"/>')
_BEFORE = Markup(
    '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.1" stroke-dasharray="4 3"/>'
)
_TEXT = Markup(
    '<text x="{:.1f}" y="{}" font-size="11.5" text-anchor="{}" fill="currentColor">{}</text>'
)
_LINE = Markup('<path d="{}" fill="none" stroke="currentColor" stroke-width=".8"/>')


def drawn_histograms(found: Sequence[Histogram], label: str) -> Markup:
    """Draw how values are spread before (dashed) and after, one above the other."""
    step = _TITLE + _HEIGHT + _AXIS
    head = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">')
    parts = [head.format(label, _WIDTH, step * len(found))]
    parts += [_one(item, k * step + _TITLE) for k, item in enumerate(found)]
    return Markup("").join([*parts, Markup("</svg>")])


def _one(item: Histogram, top: int) -> Markup:
    bottom, inside = top + _HEIGHT, _WIDTH - 2 * _EDGE
    most = max(*item.before, *item.after, 1)

    def across(value: float) -> float:
        return _EDGE + inside * (value - item.low) / (item.high - item.low)

    def stairs(counts: Sequence[int]) -> str:
        width = inside / len(counts)
        levels = [bottom - _HEIGHT * count / most for count in counts]
        steps = "".join(f"V{level:.1f}h{width:.2f}" for level in levels)
        return f"M{_EDGE} {bottom}{steps}V{bottom}"

    ticks = _ticks(item.low, item.high)
    marks = "".join(f"M{across(tick):.1f} {bottom}v4" for tick in ticks)
    return Markup("").join([
        _TEXT.format(_EDGE, top - 6, "start", item.name),
        _BEFORE.format(stairs(item.before)),
        _AFTER.format(stairs(item.after)),
        _LINE.format(f"M{_EDGE} {bottom}h{inside}{marks}"),
        *(_TEXT.format(across(tick), bottom + 16, "middle", f"{tick:g}".replace("-", "−"))
          for tick in ticks),
    ])  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers in a range, about five.

    >>> _ticks(1130, 4070), _ticks(-0.05, 0.52)
    ([2000.0, 3000.0, 4000.0], [0.0, 0.2, 0.4])
    """
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(round_ for round_ in (1, 2, 5, 10) if round_ * power >= 0.999 * raw)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(k * step, digits) for k in range(first, last + 1)]
