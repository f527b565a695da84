"""The spectral response of the guide's bands from matched samples of both images.

A guide band is a weighted sum of the target's bands, `b = rᵀ Y`. Hundreds of bands that say nearly
the same leave the weights open, and what closes them is what one knows of filters: they pass one
stretch of the spectrum. Such a shape, two soft edges and a slope between them, is fitted to the
samples; where they speak against it beyond doubt, smooth weights replace it, or deviations from it.
Noise in the target makes sums of many bands look better than they are; where the target shows it,
that is taken out of the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from pansharpkit.physics.blind_bands import Band, Dealt, Spectrum, noise_of
from pansharpkit.physics.blind_filters import fitted, scaled, windows
from pansharpkit.physics.blind_sample import FOLDS, Floats

STIFFNESS = tuple(10.0**k for k in range(-10, 2))
_BEYOND_DOUBT = 6.0  # standard errors of the squared misses
_WORTH = 0.5  # share of the squared misses without which nothing else is worth leaving the shape
_AS_GOOD = 1.0  # standard errors within which the stiffest weights are taken
_NOISY = (0.85, 10.0)
"""What is missed, over what noise in the target would make it, if it is that. More has other
causes, such as light that changed between the images; single bands would then pass for filters."""


@dataclass(frozen=True)
class SrfEstimate:
    """Weights of the target's bands in each of the guide's, and what they are worth."""

    rows: Floats = field(repr=False)
    """[c, C], 0 or more."""
    spread: Floats = field(repr=False)
    """[c, C] standard deviation between the fits that leave out one fold each."""
    miss: Floats
    """[c] root mean square of what they miss in samples left out, beside that of the band."""
    kind: tuple[str, ...]
    """Of each row: "shape", "deviation" or "smooth"."""


def estimate_srf(
    target: Floats, guide: Floats, folds: NDArray[np.int64], place: Floats, share: Floats,
    roughness: Floats,
) -> SrfEstimate:  # fmt: skip
    """Estimate the weights of [C, N] target bands in [c, N] guide bands of the same sharpness.

    Parameters
    ----------
    folds
        [N] in 0 ... FOLDS - 1.
    place, share
        [C] wavelength of each band and stretch of the spectrum that it stands for, in one unit.
    roughness
        [C, C] quadratic form that is large for weights that differ between neighbours.
    """
    dealt = Dealt.of(target, guide, folds)
    spectrum = Spectrum(place, share, roughness, noise_of(target, place))
    shapes = [_shaped(dealt, band, spectrum.quiet()) for band in range(len(guide))]
    noisy = float(np.median([found.noise_share(spectrum.noise) for found in shapes]))
    if _NOISY[0] < noisy < _NOISY[1]:
        shapes = [_shaped(dealt, band, spectrum) for band in range(len(guide))]
    else:  # what looks like noise is in the guide too
        spectrum = spectrum.quiet()
    found = [_best(dealt, band, spectrum, shape) for band, shape in enumerate(shapes)]
    power = np.square(guide).mean(axis=1)
    return SrfEstimate(
        np.array([fit.weights for fit in found]),
        np.array([np.std(fit.without, axis=0) for fit in found]),
        np.sqrt([max(fit.error, 0) / fit.count / p for fit, p in zip(found, power, strict=True)]),
        tuple(fit.kind for fit in found),
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """Weights of one guide band, and how those that left out a fold predict it."""

    kind: str
    weights: Floats
    """[C]."""
    without: Floats
    """[FOLDS, C]."""
    error: float
    """Sum of squares missed in the folds left out, less what noise in the target explains."""
    raw: float
    """The same with it."""
    count: int

    def noise_share(self, noise: Floats) -> float:
        """Return what is missed beside what noise in the target would make it."""
        expected = self.count * float(np.square(self.weights) @ noise)
        return self.raw / expected if expected > 0 else 0.0


def _judged(
    kind: str, dealt: Dealt, band: int, spectrum: Spectrum, weights: Floats, without: Floats
) -> _Fit:
    missed = [part.misses(band, w) for part, w in zip(dealt.parts, without, strict=True)]
    counts = [part.count for part in dealt.parts]
    owed = [n * float(np.square(w) @ spectrum.noise) for n, w in zip(counts, without, strict=True)]
    return _Fit(kind, weights, without, sum(missed) - sum(owed), sum(missed), sum(counts))


def _best(dealt: Dealt, band: int, spectrum: Spectrum, shape: _Fit) -> _Fit:
    """Return the shape, unless something else is better beyond doubt."""
    others = [_ridge(dealt, band, spectrum, None), _ridge(dealt, band, spectrum, shape)]
    best = min(others, key=lambda fit: fit.error)
    doubt = shape.raw * np.sqrt(2 / shape.count)
    gain = shape.error - best.error
    return best if gain > max(_BEYOND_DOUBT * doubt, _WORTH * shape.raw) else shape


def _shaped(dealt: Dealt, band: int, spectrum: Spectrum) -> _Fit:
    whole, rests = dealt.whole.band(band), [rest.band(band) for rest in dealt.rests]
    found = [fitted(whole, spectrum, start) for start in windows(whole, spectrum)]
    best = min(found, key=lambda pair: pair[0])[1]
    without = [fitted(rest, spectrum, best)[1] for rest in rests]
    rows = np.array([scaled(p, rest, spectrum) for p, rest in zip(without, rests, strict=True)])
    return _judged("shape", dealt, band, spectrum, scaled(best, whole, spectrum), rows)


def _ridge(dealt: Dealt, band: int, spectrum: Spectrum, shape: _Fit | None) -> _Fit:
    """Return smooth weights, or the shape with deviations in proportion to it."""
    if shape is None:
        penalty, kind = spectrum.roughness, "smooth"
        priors = np.zeros((FOLDS + 1, len(spectrum.place)))
    else:
        top = shape.weights.max()
        penalty, kind = np.diag(np.square(top / (shape.weights + 0.02 * top))), "deviation"
        priors = np.concatenate([shape.without, shape.weights[None]])
    folds = [rest.band(band) for rest in dealt.rests]
    fits = []
    for stiffness in STIFFNESS:
        rows = [_solved(f, penalty, stiffness, p) for f, p in zip(folds, priors, strict=False)]
        fits.append((_judged(kind, dealt, band, spectrum, rows[0], np.array(rows)), stiffness))
    least = min((fit for fit, _ in fits), key=lambda fit: fit.error)
    limit = least.error + _AS_GOOD * least.raw * np.sqrt(2 / least.count)
    best, stiffness = [pair for pair in fits if pair[0].error <= limit][-1]
    weights = _positive(dealt.whole.band(band), penalty, stiffness, priors[-1])
    return _Fit(kind, weights, best.without, best.error, best.raw, best.count)


def _system(band: Band, penalty: Floats, stiffness: float, prior: Floats) -> tuple[Floats, Floats]:
    gram = band.gram
    weight = stiffness * np.trace(gram) / len(gram) * penalty
    slight = 1e-13 * np.trace(gram) * np.eye(len(gram))
    return gram + weight + slight, band.target @ band.guide + weight @ prior


def _solved(band: Band, penalty: Floats, stiffness: float, prior: Floats) -> Floats:
    matrix, right = _system(band, penalty, stiffness, prior)
    solved: Floats = cho_solve(cho_factor(matrix), right)
    return solved


def _positive(band: Band, penalty: Floats, stiffness: float, prior: Floats) -> Floats:
    """Return the solution with no negative weight."""
    matrix, right = _system(band, penalty, stiffness, prior)
    factor = np.linalg.cholesky(matrix)
    found: Floats = nnls(factor.T, np.linalg.solve(factor, right))[0]
    return found
