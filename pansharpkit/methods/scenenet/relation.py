"""What relates PAN, the target and the image that scenenet is to make, as a pair shows it.

Two things have to be known of the image: how the target follows from it, and how sharp PAN is
beside it. The network learns to sharpen PAN by as much as the latter says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from pansharpkit.methods.pair_operators import PairOperators
from pansharpkit.methods.scenenet.data import (
    SHARPEST_GUIDE,
    gain_as_sharp_as_guide,
    gain_as_sharp_as_target,
)
from pansharpkit.physics import Observation, Optics, PairOptics
from pansharpkit.sampling import Pair

CONTRADICTED = 1.1
"""Ratio of what a pair shows to its preset that its errors do not explain."""
SOFTER = 2.0
"""The same for PAN beside the image, which is no sharp measurement."""
_SURE = 0.3  # confidence from which a band has a say
_SHARPEST = 0.9


def relation(
    windows: Sequence[Observation], pair: PairOptics, sharp_as: Literal["guide", "target"]
) -> tuple[PairOperators, float]:
    """Return what relates the wanted image to the target, and PAN's blur in the lessons."""
    if sharp_as == "guide":
        return PairOperators.bounded(pair.mtf, pair.shift), gain_as_sharp_as_target(windows)
    optics, ratio = windows[0].optics, windows[0].sampling.mean_ratio
    gains = instrument(optics, pair, ratio)
    looks = gain_as_sharp_as_guide(windows)
    shown = beside_image(pair, gains, ratio)
    shifts = [_common(pair)] * len(gains)
    return PairOperators.bounded(gains, shifts), guide_gain(looks, shown, optics.guide_mtf)


def instrument(optics: Optics, pair: PairOptics, ratio: float) -> list[float]:
    """Return the preset's gains, changed where the pair clearly contradicts them.

    What the pair shows is relative to PAN, which is blurred itself, and so will the wanted image
    be. A Gaussian of gain G at one Nyquist frequency has G^(1/ratio^2) at that of the next scale.
    The bands that show something must agree, and the least change among theirs is made to all. If
    they do not, the same goes for each two or more that are built alike.
    """
    shown = [g * (optics.guide_mtf / g) ** (1 / ratio**2) for g in pair.mtf]
    changes = {
        band: math.log(ours / preset)
        for band, (ours, preset, sure) in enumerate(
            zip(shown, optics.mtf, pair.confidence, strict=True)
        )
        if sure > _SURE
    }
    together = _agreed(list(changes.values()))
    if together is not None:
        return [_changed(gain, together, ratio) for gain in optics.mtf]
    found = []
    for gain in optics.mtf:
        alike = [
            change
            for band, change in changes.items()
            if abs(math.log(optics.mtf[band] / gain)) < math.log(CONTRADICTED)
        ]
        change = _agreed(alike) if len(alike) > 1 else None
        found.append(_changed(gain, change or 0.0, ratio))
    return found


def _agreed(changes: Sequence[float]) -> float | None:
    """Return the least of the changes if all go the same way."""
    least = min(changes, key=abs, default=0.0)
    return least if all(change * least > 0 for change in changes) else None


def _changed(gain: float, change: float, ratio: float) -> float:
    """Return the gain after a change, or as it is if that is none to be sure of.

    A PAN that is sharper than its preset by up to :data:`SOFTER` looks like bands that are more
    blurred, the more so the smaller the ratio: so much more blur is no contradiction yet.
    """
    blurred = max(math.log(CONTRADICTED), math.log(SOFTER) / ratio**2)
    if -blurred < change < math.log(CONTRADICTED):
        return gain
    return min(math.exp(change) * gain, _SHARPEST)


def beside_image(pair: PairOptics, gains: Sequence[float], ratio: float) -> float | None:
    """Return the gain to which PAN must be blurred to be beside the target what it is to the image.

    None where no band shows anything; the median of those that do.

    The pair shows the gain s of a band beside PAN. Its instrument has the gain g beside the image:
    so at the target's Nyquist frequency the image has the response s / g beside PAN. A PAN blurred
    to x has it s / x times as strong, and at the Nyquist frequency of the next scale (s / x)^(1 /
    ratio^2) times. Where both are equal, x = s (g / s)^(ratio^2).
    """
    found = [
        shown * (gain / shown) ** ratio**2
        for shown, gain, sure in zip(pair.mtf, gains, pair.confidence, strict=True)
        if sure > _SURE
    ]
    return median(found) if found else None


def guide_gain(looks: float, shown: float | None, preset: float) -> float:
    """Return PAN's blur in the lessons from two witnesses, neither of which is sure.

    `looks` rests on PAN's own look, `shown` on :func:`beside_image`. The preset is believed while
    PAN looks as it says, unless `shown` says that PAN is far sharper. Otherwise nobody said how PAN
    was made, and both witnesses count alike. A gain above 1 is no blur at all: the target was then
    rather blurred by more than its preset.
    """
    if shown is None:
        return looks
    if looks <= CONTRADICTED * preset and not SOFTER * preset < shown < 1:
        return looks
    return math.sqrt(looks * min(max(shown, preset), SHARPEST_GUIDE))


def _common(pair: PairOptics) -> Pair:
    """Return the shift that the bands have in common.

    By how much they differ, clouds on the move included, is in the truth as well.
    """
    sure = [s for s, trust in zip(pair.shift, pair.confidence, strict=True) if trust > _SURE]
    rows, cols = zip(*sure, strict=True) if sure else ((0.0,), (0.0,))
    return median(rows), median(cols)
