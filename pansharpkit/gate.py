"""A quality gate: bars that the indices of a fused raster have to meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pansharpkit.errors import OptionError, meant
from pansharpkit.registration import Registration

SHIFT = "shift"
"""PAN pixels by which the inputs lay beside each other, before any correction."""
R2 = "r2"
"""Of the blurred PAN on the MS bands at that shift."""
INDICES = (
    "hqnr", "d_lambda_k", "d_s", "qnr", "d_lambda", "d_lambda_alparone2008", "d_s_alparone2008",
    "d_rho", "r_q2n", "r_sam_deg", "r_ergas", "detail_correlation", "ripple_percent",
    "pan_ripple_percent", "consistency_error_percent", "consistency_error_estimated_percent",
    "ndvi_drift", "ndvi_drift_estimated", "overshoot_percent", "guide_correlation",
    "guide_error_percent",
)  # fmt: skip
"""Indices at full resolution, of PAN and MS and of cubes, by their names in the report."""

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Bar:
    """The least or the most that one index may be."""

    index: str
    limit: float
    least: bool
    """Whether the limit is a minimum."""

    def missed(self, values: Values) -> str | None:
        """Return how the bar is missed, or None if it is met; met exactly is met."""
        found = values.get(self.index)
        wanted = f"{'at least' if self.least else 'at most'} {self.limit:g}"
        if found is None or not math.isfinite(found):
            why = "could not be measured reliably" if self.index in (SHIFT, R2) else "is undefined"
            return f"{self.index} {why}, should be {wanted}"
        if found >= self.limit if self.least else found <= self.limit:
            return None
        return f"{self.index} is {found:.4g}, should be {wanted}"


@dataclass(frozen=True)
class Gate:
    """All bars together; none lets everything pass.

    Examples
    --------
    >>> Gate.parse(["hqnr=.9"], ["shift=.5"]).missed({"hqnr": 0.85, "shift": 0.1})
    ('hqnr is 0.85, should be at least 0.9',)
    """

    bars: tuple[Bar, ...] = ()

    @classmethod
    def parse(cls, least: Sequence[str], most: Sequence[str]) -> Gate:
        """Read NAME=VALUE minima and maxima.

        Raises
        ------
        OptionError
            If a name is unknown, a value is no number, or an index is bounded twice on one side.
        """
        bars = [_bar(text, True) for text in least] + [_bar(text, False) for text in most]
        sides = [(bar.index, bar.least) for bar in bars]
        for side in sides:
            if sides.count(side) > 1:
                raise OptionError(f"{_flag(side[1])} {side[0]} is given more than once")
        return cls(tuple(bars))

    @property
    def needs_report(self) -> bool:
        """Whether a bar is for an index that only a quality report holds."""
        return any(bar.index not in (SHIFT, R2) for bar in self.bars)

    def missed(self, values: Values) -> tuple[str, ...]:
        """Return the bars that are missed, one line each."""
        return tuple(text for bar in self.bars if (text := bar.missed(values)) is not None)


def judged(indices: Values | None, registration: Registration | None) -> dict[str, float | None]:
    """Return what a gate judges: the indices of a report, if there is one, and the registration."""
    found = dict(indices or {})
    known = registration is not None and registration.reliable
    found[SHIFT] = registration.distance if registration is not None and known else None
    found[R2] = registration.r2 if registration is not None and registration.n_samples else None
    return {name: None if v is None or not math.isfinite(v) else v for name, v in found.items()}


def _bar(text: str, least: bool) -> Bar:
    name, sign, value = text.partition("=")
    if not sign:
        raise OptionError(f"{_flag(least)} {text!r} must look like hqnr=0.9")
    known = (*INDICES, SHIFT, R2)
    if name not in known:
        raise OptionError(
            f"{_flag(least)} {name}: no such index; {meant(name, known)}choose from "
            f"{', '.join(known)}"
        )
    try:
        limit = float(value)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise OptionError(
            f"{_flag(least)} {text}: {value!r} is no finite number; write {_flag(least)} "
            f"{name}=0.5, once for each index"
        )
    return Bar(name, limit, least)


def _flag(least: bool) -> str:
    return "--min" if least else "--max"
