"""Colours of scenes on the map: five classes of an index, from the worst to the best."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pansharpkit.archive.overview.listed import Listed, direction, style
from pansharpkit.report.printed import number

_CLASSES = 5
_OTHERS = {"none": "no value", "failed": "failed", "later": "not done yet"}
ORDER = ("later", "c4", "c3", "c2", "c1", "c0", "none", "failed")
"""Names of the classes in the order in which they are drawn: what matters lies on top."""


@dataclass(frozen=True)
class Shades:
    """How values of an index become classes, ``c0`` the worst and ``c4`` the best."""

    index: str | None
    low: float
    high: float
    edges: tuple[float, ...]
    """Values that part the scenes in fifths, or in fewer classes where many are alike."""

    @classmethod
    def of(cls, scenes: Sequence[Listed], index: str | None) -> Shades:
        """Part scenes by an index."""
        values = [s.indices[index] for s in scenes if index in s.indices] if index else []
        if not values:
            return cls(index, 0.0, 0.0, ())
        shares = np.arange(1, _CLASSES) / _CLASSES
        edges = {float(edge) for edge in np.quantile(values, shares, method="higher")}
        return cls(index, min(values), max(values), tuple(sorted(edges - {min(values)})))

    def group(self, scene: Listed) -> str:
        """Return the class of a scene."""
        if scene.state not in ("done", "flagged"):
            return "failed" if scene.state == "failed" else "later"
        value = None if self.index is None else scene.indices.get(self.index)
        return "none" if value is None else self._class(bisect_right(self.edges, value))

    def legend(self, groups: Sequence[str]) -> list[tuple[str, str]]:
        """Return class and meaning of those that occur, the worst first."""
        ranges = dict(self._ranges())
        shown = [(group, ranges[group]) for group in ORDER[::-1] if group in ranges]
        shown += list(_OTHERS.items())
        return [(group, text) for group, text in shown if group in groups]

    def _class(self, place: int) -> str:
        """Return the class of the values between two edges; the middle one if all are alike."""
        last = len(self.edges)
        if last == 0:
            return "c2"
        rank = place if direction(self.index or "") > 0 else last - place
        return f"c{round(rank * (_CLASSES - 1) / last)}"

    def _ranges(self) -> list[tuple[str, str]]:
        if self.index is None:
            return []
        limits = (self.low, *self.edges, self.high)
        decimals = style(self.index).decimals
        shown = [number(limit, decimals) for limit in limits]
        return [
            (self._class(i), f"{shown[i]} … {shown[i + 1]}" if shown[i] != shown[i + 1]
             else shown[i])
            for i in range(len(limits) - 1)
        ]  # fmt: skip
