"""The last step of a learned image: towards what the target shows, as far as PAN's detail allows.

What a network adds beyond the target's resolution, and what back-projection adds at any, can ring
where no reference shows it. A correction belongs to the edges that made it necessary, so it is let
through where PAN varies and held back where PAN is calm. How much of the network's is taken and how
often the image is projected back is chosen on the scene itself, at full resolution: the image that
agrees best with the target among those whose detail is nearly as much PAN's, and whose calm areas
are nearly as calm, as in the classical image underneath.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.guides import inside, pan
from pansharpkit.methods.pair_operators import PairOperators
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation, lowpass
from pansharpkit.sampling import Sampling

WIDTHS = (0.0, 0.5)
"""Standard deviations of the low-pass on the network's correction, in target pixels."""
STEPS = 4
"""How often, at most, an image is projected back."""
SHARES = (1.0, 0.5)
"""Of the network's correction, that are tried."""
HOLDS = (0.1, 2.0)
"""How firmly corrections are held back where PAN is calm, in units of :func:`calm_of`."""
RIPPLE = 1.10
"""Ripple allowed, beside that of the base; less than what shows."""
FOREIGN = 1.5
"""Detail that is not PAN's allowed, beside that of the base: see :func:`foreign`."""
_FLAT = 0.3  # share of the pixels, those where PAN is calmest, in which ripple is looked for
_AROUND = 2.0  # guide pixels, standard deviation of the window in which PAN varies
_NEAR = 0.5  # target pixels, the same where corrections are let through
_JUDGED = 12  # windows at most in which the calm is looked for
_REACH = 3.0  # standard deviations
SCALES = (1.0, 1.4)
"""Guide pixels: detail is what a low-pass of this width removes."""
WEAKEST = 0.25
"""Response of an instrument below which nothing is restored."""
_CENTRE, _RADIUS = (1 + WEAKEST) / 2, (1 - WEAKEST) / 2


@dataclass(frozen=True)
class Finish:
    """``base + share * smooth(image - base)``, then back-projected, both where PAN varies."""

    width: float = 0.0
    rates: tuple[float, ...] = ()
    """Length of each step of back-projection; 1 is the plain one."""
    share: float = 1.0
    calm: float = 0.0
    """Variance of PAN's detail where half of a correction is let through; 0 lets all through."""

    def applied(
        self, seen: Observation, operators: PairOperators, base: Tensor, image: Tensor
    ) -> Tensor:
        """Return the finished [C, H, W]."""
        passes = self.passes(seen)
        image = self.mixed(seen, passes, base, image)
        for rate in self.rates:
            image = image + rate * lacking(seen, operators, passes, image)
        return image

    def passes(self, seen: Observation) -> Tensor:
        """Return the share of a correction that is let through, [1, H, W]."""
        if self.calm == 0:
            return torch.ones_like(pan(seen))
        squares = variation(seen).square()
        return squares / (squares + self.calm**2)

    def mixed(self, seen: Observation, passes: Tensor, base: Tensor, image: Tensor) -> Tensor:
        """Return the base with its share of the smoothed correction."""
        correction = image - base
        if self.width > 0:
            correction = _blurred(correction, self.width * seen.sampling.mean_ratio)
        return base + self.share * passes * correction


def lacking(seen: Observation, operators: PairOperators, passes: Tensor, image: Tensor) -> Tensor:
    """Return what the target shows and the image lacks, [C, H, W], as far as it is let through."""
    lacks = inside(seen) * (seen.target - operators.observe(seen, image))
    return passes * operators.spread(seen, lacks)


def variation(seen: Observation) -> Tensor:
    """Return the variance of PAN's detail around each pixel, [1, H, W], wide as a target sample."""
    sigma = _NEAR * seen.sampling.mean_ratio
    detail = pan(seen) - _blurred(pan(seen), sigma)
    return _blurred(detail.square(), sigma).clamp(min=0)


def calm_of(windows: Sequence[Observation]) -> float:
    """Return the variance of PAN's detail below which a scene is calm, from windows of it."""
    some = windows[:: max(1, len(windows) // _JUDGED)]
    found = torch.cat([variation(seen)[0][seen.guide_mask] for seen in some])
    return float(_calmest(found)) if len(found) else 0.0


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
    """Mean size of what it lacks of the target, relative to the bands' means."""

    def clean_beside(self, base: Look) -> bool:
        """Return whether detail and calm areas are nearly those of the base."""
        keeps = all(
            foreign(own) <= FOREIGN * foreign(other)
            for own, other in zip(self.detail, base.detail, strict=True)
        )
        calm = all(r <= RIPPLE * b for r, b in zip(self.ripple, base.ripple, strict=True))
        return keeps and calm


def foreign(correlation: float) -> float:
    """Return how strong, by its correlation, detail that is not PAN's is beside what is.

    >>> round(foreign(0.8), 2), foreign(1.0), foreign(-0.1)
    (0.75, 0.0, inf)
    """
    if correlation <= 0:
        return math.inf
    return math.sqrt(max(0.0, 1 - correlation**2)) / correlation


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
        error = (lacks.abs() * valid).sum(dim=(1, 2)) / valid.sum().clamp(min=1)
        return Look(tuple(details), tuple(ripples), float((error / level).mean()))

    def _centred(self, detail: Tensor) -> Tensor:
        mean = (detail * self._mask).sum(dim=(1, 2)) / self._mask.sum().clamp(min=1)
        return (detail - mean[:, None, None]) * self._mask


def choose(
    judges: Sequence[Judge],
    images: Sequence[tuple[Tensor, Tensor]],
    calm: float,
    context: Context,
) -> tuple[Finish, Look, Look]:
    """Return the finish to use, how it looks, and how the base looks.

    Parameters
    ----------
    images
        Base and network's image of each judge's window.
    calm
        What :func:`calm_of` the scene returns.
    """
    base = _mean([judge(plain) for judge, (plain, _) in zip(judges, images, strict=True)])
    best = (Finish(share=0.0), base)
    mixtures = [(0.0, 0.0), *((width, share) for width in WIDTHS for share in SHARES)]
    kinds = [Finish(width, (), share, hold * calm) for width, share in mixtures for hold in HOLDS]

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
    """Yield a finish with more and longer steps, each of which rings a little more."""
    passes = [finish.passes(judge.seen) for judge in judges]
    now = [
        finish.mixed(judge.seen, passing, *pair)
        for judge, passing, pair in zip(judges, passes, images, strict=True)
    ]
    yield finish, _mean([judge(image) for judge, image in zip(judges, now, strict=True)])
    for steps in range(STEPS):
        lack = [
            lacking(judge.seen, judge.operators, passing, image)
            for judge, passing, image in zip(judges, passes, now, strict=True)
        ]
        for half in (0.5, 1.0):
            now = [image + 0.5 * part for image, part in zip(now, lack, strict=True)]
            yield (
                replace(finish, rates=(1.0,) * steps + (half,)),
                _mean([judge(image) for judge, image in zip(judges, now, strict=True)]),
            )


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
    return variance <= _calmest(values)


def _calmest(values: Tensor) -> Tensor:
    """Return the value below which the calm share of the values lies."""
    return values.kthvalue(max(1, round(_FLAT * len(values)))).values


def _blurred(image: Tensor, sigma: float) -> Tensor:
    gain = math.exp(-0.5 * (sigma * math.pi) ** 2)
    return lowpass(image, (1.0, 1.0), (gain,) * len(image))
