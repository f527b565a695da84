"""The PSF of the target from the pair itself: a detector's aperture through Gaussian optics.

Blurred and sampled as the target was, each guide band is a weighted sum of target bands. So for
any PSF that is tried, the target's bands predict the degraded guide in samples that the weights
have not seen, and the prediction is best where the PSF is right. That needs no SRF, and no more of
the weights than that they change little from band to band.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import least_squares
from scipy.special import ndtr

from pansharpkit.model import Psf
from pansharpkit.physics.blind_sample import FOLDS, BlindSample, Floats, Part
from pansharpkit.physics.resample import Axis, axes_down
from pansharpkit.sampling import Pair

STIFFNESS = tuple(10.0**k for k in range(-9, 1))
"""Weights of the smoothness of the spectral weights, beside the mean power of a band."""
_ROUNDS = 4
_EVALUATIONS = 12  # of the residuals and their slopes, in each round
_LOW, _HIGH = (0.12, 0.12, 0.0), (1.2, 1.2, 1.0)
_FAR = 1.5  # target pixels: the largest shift looked for
_SLIM = 1e-3  # target pixels; a narrower aperture is none
_CUT = 4.0  # standard deviations of the Gaussian beyond the box where the table of a PSF ends


@dataclass(frozen=True)
class Aperture:
    """A box, the detector's, through a Gaussian, the optics'; each axis by itself."""

    width: Pair
    """Standard deviation of the whole along rows and columns, in target pixels."""
    box: float
    """Share of the variance that is the box's: 0 for a Gaussian, 1 for a mean over a box."""
    shift: Pair
    """Guide pixels (rows, cols) by which samples lie beyond where the grids put them."""

    def profile(self, axis: int, ratio: float, offset: Floats) -> Floats:
        """Return the response at offsets in guide pixels, not normalised."""
        box, sigma = self._sides(axis, ratio)
        ends = (offset[None] + np.array([box / 2, -box / 2]).reshape(2, *[1] * offset.ndim)) / sigma
        # The difference of two values near 1 is none: turn the side to where they are near 0.
        flip = -np.sign(ends[:1] + ends[1:])
        found: Floats = np.abs(ndtr(ends[0] * flip[0]) - ndtr(ends[1] * flip[0]))
        return np.where(flip[0] == 0, ndtr(ends[0]) - ndtr(ends[1]), found).astype(np.float64)

    def _sides(self, axis: int, ratio: float) -> Pair:
        """Return the side of the box and the σ of the Gaussian, in guide pixels."""
        variance = (self.width[axis] * ratio) ** 2
        box = math.sqrt(12 * self.box * variance) + _SLIM * ratio
        return box, math.sqrt((1 - self.box) * variance) + _SLIM * ratio

    def degraded(self, part: Part) -> Floats:
        """Return [c, n]: the guide of a part as the target's camera would have sampled it."""
        size = (int(part.guide.shape[1]), int(part.guide.shape[2]))
        sampling = part.sampling.shifted(*self.shift)
        pair = axes_down(size, part.target_size, sampling, "replicate")
        rows, cols = (self._matrix(i, axis) for i, axis in enumerate(pair))
        seen: Floats = (rows @ part.guide @ cols.T)[:, part.used].numpy()
        return seen

    def _matrix(self, index: int, axis: Axis) -> torch.Tensor:
        centres: Floats = axis.centres.numpy()
        offset = np.arange(axis.n_in, dtype=np.float64) - centres[:, None]
        weights = torch.from_numpy(self.profile(index, axis.step, offset))
        return weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-300)

    def table(self, part: Part) -> Psf:
        """Return the PSF on guide pixels, the shift within it, cut where nothing is left."""
        ratio, phase = part.sampling.ratio, part.sampling.phase
        sides = [self._sides(i, ratio[i]) for i in (0, 1)]
        spans = [
            box / 2 + _CUT * sigma + abs(shift)
            for (box, sigma), shift in zip(sides, self.shift, strict=True)
        ]
        even = all(abs(p % 1 - 0.5) < 0.25 for p in phase)
        side = 2 * math.ceil(max(spans) + 0.5 * (not even)) + (0 if even else 1)
        taps: Floats = np.arange(side, dtype=np.float64) - (side - 1) / 2
        rows, cols = (self.profile(i, ratio[i], taps - self.shift[i]) for i in (0, 1))
        values = np.outer(rows / rows.sum(), cols / cols.sum())
        return Psf(tuple(map(tuple, values.tolist())))


class Predictor:
    """Predicts each guide band in one fold from the target's bands and the other folds."""

    def __init__(self, sample: BlindSample, roughness: Floats) -> None:
        self.sample = sample
        self._roughness = roughness
        self._held = [sample.folds == fold for fold in range(FOLDS)]
        self._left = [np.ascontiguousarray(sample.target[:, held]) for held in self._held]
        parts = [left @ left.T for left in self._left]
        self._grams = [sum(parts) - part for part in parts]
        self._solvers: list[tuple[Floats, bool]] = []
        self.stiffness = STIFFNESS[0]

    def seen(self, aperture: Aperture) -> Floats:
        """Return [c, N]: the degraded guide at all samples."""
        return np.concatenate([aperture.degraded(part) for part in self.sample.parts], axis=1)

    def stiffen(self, stiffness: float) -> None:
        """Set the weight of smoothness."""
        self.stiffness = stiffness
        self._solvers = [
            cho_factor(gram + stiffness * np.trace(gram) / len(gram) * self._roughness)
            for gram in self._grams
        ]

    def misses(self, seen: Floats) -> Floats:
        """Return [c, N]: what the prediction misses, in standard deviations of each band."""
        missed: Floats = np.empty_like(seen)
        dealt = [np.ascontiguousarray(seen[:, held]) for held in self._held]
        shared = [left @ own.T for left, own in zip(self._left, dealt, strict=True)]
        total = sum(shared)
        folds = zip(self._held, self._left, dealt, shared, self._solvers, strict=True)
        for held, left, own, part, solver in folds:
            weights = cho_solve(solver, total - part)
            missed[:, held] = own - weights.T @ left
        spread = np.maximum(seen.std(axis=1), 1e-12)
        missed /= spread[:, None]
        return missed

    def choose(self, aperture: Aperture) -> float:
        """Take the smoothness whose predictions are best, and return their mean square miss."""
        seen = self.seen(aperture)
        errors = []
        for stiffness in STIFFNESS:
            self.stiffen(stiffness)
            errors.append(float(np.square(self.misses(seen)).mean()))
        best = int(np.argmin(errors))
        self.stiffen(STIFFNESS[best])
        return errors[best]


def roughness_of(spacing: Floats) -> Floats:
    """Return [C, C] of the sum of squared differences between neighbours, by wavelength.

    `spacing` is the share of the spectrum that each band, in order, stands for; where bands stand
    for little, weights per wavelength are compared, not weights.
    """
    differences = np.diff(np.diag(spacing.mean() / spacing), axis=0)
    found: Floats = differences.T @ differences + 1e-4 * np.eye(len(spacing))
    return found


def fit_aperture(predictor: Predictor) -> Aperture:
    """Return the aperture whose predictions are best."""
    ratio = predictor.sample.ratio
    aperture = _coarse(predictor)
    predictor.choose(aperture)
    for _ in range(_ROUNDS):
        before = predictor.stiffness
        aperture = _climbed(predictor, aperture, ratio)
        predictor.choose(aperture)
        if predictor.stiffness == before:
            break
    return aperture


def _coarse(predictor: Predictor) -> Aperture:
    """Return the best of a few apertures over the shifts that are looked for."""
    ratio = predictor.sample.ratio
    steps = (-1.0, -0.5, 0.0, 0.5, 1.0)
    tried = [
        Aperture((width, width), 0.2, (rows * ratio[0], cols * ratio[1]))
        for width, rows, cols in itertools.product((0.3, 0.5), steps, steps)
    ]
    predictor.choose(Aperture((0.4, 0.4), 0.2, (0.0, 0.0)))
    predictor.stiffen(max(predictor.stiffness, 1e-4))  # far from the truth, little can be told
    return min(tried, key=lambda a: float(np.square(predictor.misses(predictor.seen(a))).mean()))


def _climbed(predictor: Predictor, start: Aperture, ratio: Pair) -> Aperture:
    def aperture(p: Floats) -> Aperture:
        shift = (float(p[3] * ratio[0]), float(p[4] * ratio[1]))
        return Aperture((float(p[0]), float(p[1])), float(p[2]), shift)

    first = np.array(
        [*start.width, start.box, start.shift[0] / ratio[0], start.shift[1] / ratio[1]]
    )
    low, high = np.array([*_LOW, -_FAR, -_FAR]), np.array([*_HIGH, _FAR, _FAR])

    def misses(p: Floats) -> Floats:
        return predictor.misses(predictor.seen(aperture(p))).ravel()

    found = least_squares(
        misses,
        first.clip(low + 1e-6, high - 1e-6),
        bounds=(low, high),
        x_scale=np.array([0.1, 0.1, 0.3, 0.1, 0.1]),
        diff_step=[1e-3],
        max_nfev=_EVALUATIONS,
    )
    return aperture(found.x)
