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
    """Return the preset's gains, all changed alike where the pair clearly contradicts them.

    What the pair shows is relative to PAN, which is blurred itself, and so will the wanted image
    be. A Gaussian of gain G at one Nyquist frequency has G^(1/ratio^2) at that of the next scale.
    The bands that show something must agree, and the least change among theirs is made.
    """
    shown = [g * (optics.guide_mtf / g) ** (1 / ratio**2) for g in pair.mtf]
    changes = [
        math.log(ours / preset)
        for ours, preset, sure in zip(shown, optics.mtf, pair.confidence, strict=True)
        if sure > _SURE
    ]
    least = min(changes, key=abs, default=0.0)
    agreed = all(change * least > 0 for change in changes)
    if not agreed or abs(least) < math.log(CONTRADICTED):
        return list(optics.mtf)
    return [min(math.exp(least) * gain, _SHARPEST) for gain in optics.mtf]


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
