"""How a method was chosen, as data and as it is printed."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict, with_config

from pansharpkit.report.indices import style_of
from pansharpkit.report.printed import number

REDUCED = ("ergas", "sam_deg", "q2n")
GUARDS = ("detail_correlation", "ripple_percent", "consistency_error_percent", "ndvi_drift")

_documented = with_config(ConfigDict(use_attribute_docstrings=True))  # fills the JSON Schema


@_documented
@dataclass(frozen=True)
class Trial:
    """One method on a sample of the scene."""

    method: str
    ergas: float | None
    """One scale down, against the MS."""
    sam_deg: float | None
    """One scale down, against the MS."""
    q2n: float | None
    """One scale down, against the MS."""
    score: float | None
    """Mean of ERGAS, SAM and 1 - Q2n, each over that of the yardstick: the lower, the better."""
    detail_correlation: float | None
    """At full resolution; null, like the other guards, where a better method had been found."""
    ripple_percent: float | None
    """At full resolution."""
    consistency_error_percent: float | None
    """At full resolution."""
    ndvi_drift: float | None
    """At full resolution; null without red and near infrared, too."""
    verdict: str
    """``chosen``, or why not."""


@_documented
@dataclass(frozen=True)
class Selection:
    """Why this method: what was tried on a sample of the scene, the best first."""

    chosen: str
    yardstick: str
    """The method that scores and limits of guards refer to."""
    why: str
    trials: tuple[Trial, ...]

    @property
    def scores(self) -> dict[str, float | None]:
        """Score of each method, with four digits."""
        return {
            trial.method: None if trial.score is None else round(trial.score, 4)
            for trial in self.trials
        }


def heads() -> list[str]:
    """Return the headings of the columns of numbers."""
    styles = [style_of(name) for name in (*REDUCED, *GUARDS)]
    named = [style.label + (f", {style.unit}" if style.unit else "") for style in styles]
    return [*named[: len(REDUCED)], "Score", *named[len(REDUCED) :]]


def rows(selection: Selection | None) -> list[tuple[str, list[str], str]]:
    """Return name, numbers in the order of :func:`heads`, and verdict of each trial."""
    trials = () if selection is None else selection.trials
    return [(trial.method, _cells(trial), trial.verdict) for trial in trials]


def _cells(trial: Trial) -> list[str]:
    reduced, guards = (
        [number(getattr(trial, name), style_of(name).decimals) for name in names]
        for names in (REDUCED, GUARDS)
    )
    return [*reduced, number(trial.score, 3), *guards]
