"""The last step of a learned image: towards what the target shows, as far as PAN's detail allows.

What a network adds beyond the target's resolution, and what back-projection adds at any, can ring
where no reference shows it. So a correction passes through a low-pass first, and how wide that is
and how often it is repeated is chosen on the scene itself, at full resolution: the image that
agrees best with the target among those whose detail is nearly as much PAN's, and whose calm areas
are nearly as calm, as in the classical image underneath.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.guides import inside, pan
from pansharpkit.methods.pair_operators import PairOperators
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation, lowpass
from pansharpkit.sampling import Sampling

WIDTHS = (0.0, 0.3, 0.5)
"""Standard deviations of the low-pass, in target pixels."""
STEPS = 4
"""How often, at most, an image is projected back."""
SHARES = (1.0, 0.7, 0.4)
"""Of the network's correction, that are tried."""
RIPPLE = 1.10
"""Ripple allowed, beside that of the base; a little less than what shows."""
DETAIL = 0.015
"""Loss of correlation with PAN's detail allowed."""
_FLAT = 0.3  # share of the pixels, those where PAN is calmest, in which ripple is looked for
_AROUND = 2.0  # guide pixels, standard deviation of the window in which PAN varies
_REACH = 3.0  # standard deviations
SCALES = (1.0, 1.4)
"""Guide pixels: detail is what a low-pass of this width removes."""
WEAKEST = 0.25
"""Response of an instrument below which nothing is restored."""
_CENTRE, _RADIUS = (1 + WEAKEST) / 2, (1 - WEAKEST) / 2


@dataclass(frozen=True)
class Finish:
    """``base + share * smooth(image - base)``, then back-projected through the same low-pass."""

    width: float = 0.0
    rates: tuple[float, ...] = ()
    """Length of each step of back-projection; 1 is the plain one."""
    share: float = 1.0

    def applied(
        self, seen: Observation, operators: PairOperators, base: Tensor, image: Tensor
    ) -> Tensor:
        """Return the finished [C, H, W]."""
        image = self.mixed(seen, base, image)
        for rate in self.rates:
            image = self.projected(seen, operators, image, rate)
        return image

    def mixed(self, seen: Observation, base: Tensor, image: Tensor) -> Tensor:
        """Return the base with its share of the smoothed correction."""
        return base + self.share * self._smooth(image - base, seen.sampling)

    def projected(
        self, seen: Observation, operators: PairOperators, image: Tensor, rate: float
    ) -> Tensor:
        """Return the image after one step towards what the target shows."""
        lacks = inside(seen) * (seen.target - operators.observe(seen, image))
        return image + rate * self._smooth(operators.spread(seen, lacks), seen.sampling)

    def _smooth(self, image: Tensor, sampling: Sampling) -> Tensor:
        if self.width == 0:
            return image
        return _blurred(image, self.width * sampling.mean_ratio)


FULL = Finish(
    rates=tuple(
        1 / (_CENTRE - _RADIUS * math.cos(math.pi * (2 * k + 1) / (2 * STEPS)))
        for k in (3, 0, 2, 1)
    )
)
"""Everything that the network says, and agreement with the target: Chebyshev's steps for
responses between :data:`WEAKEST` and 1 go as far in four steps as ten plain ones."""


def smoothing_reach(sampling: Sampling) -> int:
    """Return how far the widest low-pass reaches, in guide pixels."""
    return math.ceil(_REACH * max(WIDTHS) * max(sampling.ratio))


@dataclass(frozen=True)
class Look:
    """How an image looks without a reference."""

    detail: tuple[float, ...]
    """Correlation of its detail with PAN's, mean over bands, at each scale."""
    ripple: tuple[float, ...]
    """RMS of its detail where PAN is calmest, relative to the bands' means, at each scale."""
    inconsistency: float
    """RMS of what it lacks of the target, relative to the bands' means."""

    def clean_beside(self, base: Look) -> bool:
        """Return whether detail and calm areas are nearly those of the base."""
        keeps = all(d >= b - DETAIL for d, b in zip(self.detail, base.detail, strict=True))
        calm = all(r <= RIPPLE * b for r, b in zip(self.ripple, base.ripple, strict=True))
        return keeps and calm


class Judge:
    """Looks at images of one window."""

    def __init__(self, seen: Observation, operators: PairOperators) -> None:
        self.seen, self.operators = seen, operators
        guide, mask = pan(seen), seen.guide_mask
        self._mask = mask.to(guide)
        self._calm = self._mask * _calm(guide, mask)
        self._detail = [self._centred(guide - _blurred(guide, scale)) for scale in SCALES]

    def __call__(self, image: Tensor) -> Look:
        """Judge an image [C, H, W]."""
        level = image.mean(dim=(1, 2)).abs().clamp(min=1e-12)
        details, ripples = [], []
        for scale, guide in zip(SCALES, self._detail, strict=True):
            detail = image - _blurred(image, scale)
            calm = (detail.square() * self._calm).sum(dim=(1, 2)) / self._calm.sum().clamp(min=1)
            ripples.append(float((calm.sqrt() / level).mean()))
            own = self._centred(detail)
            shared = (own * guide).sum(dim=(1, 2))
            power = own.square().sum(dim=(1, 2)) * guide.square().sum()
            details.append(float((shared / power.sqrt().clamp(min=1e-12)).mean()))
        lacks = self.seen.target - self.operators.observe(self.seen, image)
        valid = self.seen.target_mask.to(lacks)
        squares = (lacks.square() * valid).sum(dim=(1, 2)) / valid.sum().clamp(min=1)
        return Look(tuple(details), tuple(ripples), float((squares.sqrt() / level).mean()))

    def _centred(self, detail: Tensor) -> Tensor:
        mean = (detail * self._mask).sum(dim=(1, 2)) / self._mask.sum().clamp(min=1)
        return (detail - mean[:, None, None]) * self._mask


def choose(
    judges: Sequence[Judge], images: Sequence[tuple[Tensor, Tensor]], context: Context
) -> tuple[Finish, Look, Look]:
    """Return the finish to use, how it looks, and how the base looks.

    Parameters
    ----------
    images
        Base and network's image of each judge's window.
    """
    base = _mean([judge(plain) for judge, (plain, _) in zip(judges, images, strict=True)])
    best = Finish(share=0.0), base
    kinds = [Finish(width, (), share) for width in WIDTHS for share in SHARES]

    def climbed(kind: Finish) -> tuple[Finish, Look] | None:
        reached = None
        for finish, found in _ladder(kind, judges, images):
            if not found.clean_beside(base):
                break
            reached = finish, found
        return reached

    for found in side_by_side("scenenet finish", kinds, climbed, context):
        if found is not None and found[1].inconsistency < best[1].inconsistency:
            best = found
    return *best, base


def _ladder(
    finish: Finish, judges: Sequence[Judge], images: Sequence[tuple[Tensor, Tensor]]
) -> Iterator[tuple[Finish, Look]]:
    """Yield a finish with more and more steps, each of which rings a little more."""
    now = [finish.mixed(j.seen, *pair) for j, pair in zip(judges, images, strict=True)]
    for steps in range(STEPS + 1):
        yield (
            Finish(finish.width, (1.0,) * steps, finish.share),
            _mean([judge(image) for judge, image in zip(judges, now, strict=True)]),
        )
        now = [
            finish.projected(judge.seen, judge.operators, image, 1.0)
            for judge, image in zip(judges, now, strict=True)
        ]


def _mean(looks: Sequence[Look]) -> Look:
    count = len(looks)
    return Look(
        tuple(sum(values) / count for values in zip(*(x.detail for x in looks), strict=True)),
        tuple(sum(values) / count for values in zip(*(x.ripple for x in looks), strict=True)),
        sum(x.inconsistency for x in looks) / count,
    )


def _calm(guide: Tensor, mask: Tensor) -> Tensor:
    """Return [H, W]: the pixels around which PAN varies least."""
    mean = _blurred(guide, _AROUND)
    variance = (_blurred(guide.square(), _AROUND) - mean.square())[0]
    values = variance[mask]
    if not len(values):
        return mask
    return variance <= values.kthvalue(max(1, round(_FLAT * len(values)))).values


def _blurred(image: Tensor, sigma: float) -> Tensor:
    gain = math.exp(-0.5 * (sigma * math.pi) ** 2)
    return lowpass(image, (1.0, 1.0), (gain,) * len(image))
