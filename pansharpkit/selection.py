"""``-m auto``: the method that is best on a sample of the scene itself.

Every quick method of the registry is tried twice, as it is and with one step of
back-projection. One scale down, where the MS is the truth, each gets a score; at full resolution,
where a good score can hide ringing or invented colour, the guards have to hold. The best score
whose guards hold wins. Both are measured against the default method on the same pixels.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pansharpkit.errors import FusionError, InputError, OptionError
from pansharpkit.methods import REGISTRY
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Progress
from pansharpkit.metrics.tally import Values
from pansharpkit.physics import Compat
from pansharpkit.report.selection import GUARDS, REDUCED, Selection, Trial
from pansharpkit.requested import AUTO, YARDSTICK, MethodRequest
from pansharpkit.sampled import FullTrial, ReducedTrial
from pansharpkit.scene import Scene

log = logging.getLogger(__name__)

LEAST_DETAIL = 0.90
"""Detail correlation that a method must reach, as a share of the yardstick's."""
MOST = {"ripple_percent": 1.15, "consistency_error_percent": 1.5, "ndvi_drift": 1.5}
"""What a guard may be at most, as a multiple of the yardstick's."""
_SAID = {
    "detail_correlation": "detail correlation",
    "ripple_percent": "ripple",
    "consistency_error_percent": "consistency error",
    "ndvi_drift": "NDVI drift",
}


@dataclass(frozen=True)
class Choice:
    """The method to use, and how it was found."""

    request: MethodRequest
    selection: Selection


def choose(
    scene: Scene,
    request: MethodRequest,
    *,
    compat: Compat = "none",
    seed: int = 0,
    progress: Progress | None = None,
) -> Choice:
    """Choose a method for a scene; `request` is one for ``auto``.

    What else is requested (bands outside PAN, back-projection) holds for every method tried. The
    cost does not depend on the size of the scene. Where nothing can be tried, because the scene is
    too small or empty, the default method is chosen.

    Raises
    ------
    OptionError
        In toolbox mode, whose figures belong to a method by name.
    """
    if compat == "toolbox":
        raise OptionError(f"-m {AUTO} and --compat toolbox exclude each other: name a method")
    ready = request.stand_in().prepared(scene)
    try:
        found = _Comparison.of(ready.scene, candidates(request), Context(seed, "cpu", progress))
    except (InputError, FusionError) as error:
        return _by_default(request, f"nothing could be tried: {error}")
    choice = found.choice()
    log.info("%s: %s", AUTO, choice.selection.why)
    return choice


def candidates(request: MethodRequest) -> list[MethodRequest]:
    """Return what ``auto`` tries, the yardstick first."""
    names = [YARDSTICK, *(e.name for e in REGISTRY.values() if e.auto and e.name != YARDSTICK)]
    plain = [replace(request, name=name) for name in names]
    if request.back_projection:
        return plain
    return plain + [
        replace(one, back_projection=BackProjected.steps, damping=BackProjected.damping)
        for one in plain
    ]


def label(request: MethodRequest) -> str:
    """Return a method with its post-step as it is printed."""
    if not request.back_projection:
        return request.name
    damped = "" if request.damping is None else f" ({request.damping:g})"
    return f"{request.name} + {request.back_projection} bp{damped}"


def _by_default(request: MethodRequest, why: str) -> Choice:
    chosen = request.stand_in()
    log.warning("%s falls back to %s: %s", AUTO, chosen.name, why)
    name = label(chosen)
    return Choice(chosen, Selection(name, name, why, ()))


@dataclass(frozen=True)
class _Comparison:
    """All candidates one scale down, and what is needed to look at their guards."""

    scene: Scene
    full: FullTrial
    context: Context
    tried: tuple[tuple[MethodRequest, Values], ...]
    """The yardstick first."""

    @classmethod
    def of(cls, scene: Scene, requests: Sequence[MethodRequest], context: Context) -> _Comparison:
        reduced, full = ReducedTrial.of(scene), FullTrial.of(scene)
        tried: list[tuple[MethodRequest, Values]] = []
        for done, request in enumerate(requests):
            context.report("select", done, len(requests))
            try:
                values = reduced.values(request.prepared(scene).method, Context(context.seed))
            except FusionError as error:
                if not tried:  # the yardstick itself
                    raise
                log.info("%s cannot be tried: %s", label(request), error)
            else:
                tried.append((request, values))
        context.report("select", len(requests), len(requests))
        return cls(scene, full, context, tuple(tried))

    def choice(self) -> Choice:
        """Look at the guards of the best, and of the next, until they hold."""
        yardstick, values = self.tried[0]
        if any(values[name] is None for name in REDUCED):
            return _by_default(yardstick, "nothing could be tried: no valid pixel one scale down")
        limits = self._guards(yardstick)
        scores = [_score(found, values) for _, found in self.tried]
        order = sorted(range(len(scores)), key=lambda i: (scores[i], i))
        trials: list[Trial] = []
        chosen: MethodRequest | None = None
        for i in order:
            request, found = self.tried[i]
            guards = limits if request is yardstick else {}
            verdict = "worse one scale down"
            if chosen is None:
                guards = guards or self._guards(request)
                verdict = "" if request is yardstick else _objection(guards, limits)
                if not verdict:
                    chosen, verdict = request, "chosen"
            trials.append(_trial(request, found, scores[i], guards, verdict))
        assert chosen is not None  # nothing speaks against the yardstick
        why = _why(trials, label(yardstick))
        return Choice(chosen, Selection(label(chosen), label(yardstick), why, tuple(trials)))

    def _guards(self, request: MethodRequest) -> Values:
        ready = request.prepared(self.scene)
        return self.full.values(ready.method, Context(self.context.seed))


def _score(values: Values, yardstick: Values) -> float:
    """Return the mean of the three errors over the yardstick's; infinite without a value."""
    parts = []
    for name in REDUCED:
        ours, theirs = _error(name, values[name]), _error(name, yardstick[name])
        parts.append(ours / theirs if theirs > 0 else 1.0 if ours == 0 else math.inf)
    return math.fsum(parts) / len(parts)


def _error(name: str, value: float | None) -> float:
    if value is None or not math.isfinite(value):
        return math.inf
    return 1 - value if name == "q2n" else value


def _objection(guards: Values, limits: Values) -> str:
    """Return which guard does not hold, or nothing."""
    for name in GUARDS:
        ours, theirs = guards[name], limits[name]
        if theirs is None:
            continue
        if ours is None or not math.isfinite(ours):
            return f"has no {_SAID[name]}"
        if name == "detail_correlation":
            if ours < LEAST_DETAIL * theirs:
                return f"{_SAID[name]} {ours:.3f} is below {LEAST_DETAIL:g} x {theirs:.3f}"
        elif ours > MOST[name] * theirs:
            return f"{_SAID[name]} {ours:.3g} is above {MOST[name]:g} x {theirs:.3g}"
    return ""


def _trial(
    request: MethodRequest, values: Values, score: float, guards: Values, verdict: str
) -> Trial:
    return Trial(
        label(request),
        **{name: values[name] for name in REDUCED},
        score=score if math.isfinite(score) else None,
        **{name: guards.get(name) for name in GUARDS},
        verdict=verdict,
    )


def _why(trials: Sequence[Trial], yardstick: str) -> str:
    """Return one sentence: what speaks for the chosen one, and what against those before it."""
    place = next(i for i, trial in enumerate(trials) if trial.verdict == "chosen")
    chosen, before = trials[place], trials[:place]
    if chosen.score is None:
        return f"{chosen.method}: no method has a score"
    gain = 100 * (1 - chosen.score)
    said = f"{chosen.method} has the best score one scale down whose guards hold"
    if chosen.method != yardstick:
        said += f": errors {gain:.1f} % below those of {yardstick}"
    rejected = "; ".join(f"{trial.method} ({trial.verdict})" for trial in before[:3])
    if before:
        more = f" and {len(before) - 3} more" if len(before) > 3 else ""
        said += f". Passed over: {rejected}{more}"
    return said
