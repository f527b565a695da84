"""What a GPU is to reach, beside what the benchmark found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, object]


@dataclass(frozen=True)
class Bar:
    """A figure of a measurement, and the value that it must not pass."""

    title: str
    key: str
    limit: float
    at_most: bool
    unit: str

    def verdict(self, found: Figures) -> str:
        """Return one line: the figure, the bar, and whether it holds."""
        said = "at most" if self.at_most else "at least"
        bar = f"{self.title}, {self.key}: {said} {self.limit:g} {self.unit}"
        values = found.get(self.title)
        value = values.get(self.key) if isinstance(values, Mapping) else None
        if not isinstance(value, int | float):
            return f"{bar}: not measured"
        holds = value <= self.limit if self.at_most else value >= self.limit
        return f"{bar}: {value:.4g}, {'holds' if holds else 'DOES NOT HOLD'}"


BARS = (
    Bar("scenenet, whole scene", "total_s", 60, True, "s, or what reading and writing takes"),
    Bar("gdd, whole scene", "total_s", 600, True, "s"),
    Bar("gdd, whole scene", "mpx_per_s", 1, False, "Mpx/s, the bar after that"),
    Bar("reference at one tile", "times_faster", 10, False, "times an eager loop"),
    Bar("reference at one tile, compiled", "times_faster", 10, False, "times an eager loop"),
)
"""For 15,000 x 15,000 PAN pixels and six bands, GDD with preset balanced."""


def verdicts(found: Figures, methods: Sequence[str]) -> list[str]:
    """Return a line for each bar, and the share of the peak that each method achieves."""
    lines = [bar.verdict(found) for bar in BARS]
    peaks = found.get("peak TFLOP/s")
    for name in methods:
        rate = found.get(f"{name}, rate")
        if isinstance(rate, Mapping) and isinstance(peaks, Mapping):
            shares = [f"{100 * rate['tflop_per_s'] / peak:.2g} % of {kind}"
                      for kind, peak in peaks.items()]  # fmt: skip
            lines.append(f"{name}, of the device's measured peak: {', '.join(shares)}")
    return lines
