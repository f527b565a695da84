"""The shape of a filter fitted to matched samples: two soft edges and a slope between them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

from pansharpkit.physics.blind_bands import Band, Spectrum
from pansharpkit.physics.blind_sample import Floats

_STARTS = 3
_EVALUATIONS = 60
_STEP = 1.5e-8  # of the slopes, beside the value; in one go they cost a fifth
_FLOOR = 3e-3  # of the guide's own noise in a degraded band, beside its root mean square


def _curves(p: Floats, spectrum: Spectrum) -> Floats:
    """Return [k, C] weights of filters [k, 5]: both edges, their softness, slope in between."""
    low, high, soft_low, soft_high, slope = (column[:, None] for column in p.T)
    place = spectrum.place
    passed = ndtr((place - low) / soft_low) - ndtr((place - high) / soft_high)
    half = np.maximum(abs(high - low) / 2, 1e-3 * spectrum.step)
    tilted = 1 + slope * (place - (low + high) / 2) / half
    found: Floats = np.maximum(passed, 0) * np.maximum(tilted, 0) * spectrum.share
    return found


def _scaled(p: Floats, band: Band, spectrum: Spectrum) -> tuple[Floats, Floats]:
    """Return curves [k, C] with the heights that fit the band best, and what they see [k, n]."""
    curves = _curves(p, spectrum)
    seen = curves @ band.target
    noise = band.count * (np.square(curves) @ spectrum.noise)
    power = np.square(seen).sum(axis=1)
    owed = np.where(noise < power / 2, noise, 0.0)
    known = power > 0
    height = np.where(known, seen @ band.guide / np.where(known, power - owed, 1.0), 1.0)[:, None]
    return curves * height, seen * height


def scaled(p: Floats, band: Band, spectrum: Spectrum) -> Floats:
    """Return the curve [C] of five figures with the height that fits the band best."""
    curve: Floats = _scaled(p[None], band, spectrum)[0][0]
    return curve


def fitted(band: Band, spectrum: Spectrum, start: Floats) -> tuple[float, Floats]:
    """Return the misfit of the best curve near a start, and its five figures."""
    step = spectrum.step
    floor = _FLOOR**2 * float(np.square(band.guide).sum()) / band.count
    inner = float(np.ptp(spectrum.place)) + 4 * step

    def missed(p: Floats) -> Floats:
        weights, seen = _scaled(p, band, spectrum)
        expected = floor + np.square(weights) @ spectrum.noise
        found: Floats = (band.guide - seen) / np.sqrt(expected)[:, None]
        return found

    edge = [spectrum.place.min() - 4 * step, spectrum.place.max() + 4 * step]
    low = np.array([edge[0], edge[0], 0.1 * step, 0.1 * step, -0.9])
    high = np.array([edge[1], edge[1], inner / 4, inner / 4, 0.9])
    scale = np.array([step, step, step, step, 0.3])

    def misses(p: Floats) -> Floats:
        found: Floats = missed(p[None])[0]
        return found

    def slopes(p: Floats) -> Floats:
        step = _STEP * np.maximum(1.0, abs(p))
        step = np.where(p + step > high, -step, step)
        every = missed(np.concatenate([p[None], p + np.diag(step)]))
        found: Floats = ((every[1:] - every[0]) / step[:, None]).T
        return found

    found = least_squares(
        misses, start.clip(low + 1e-6, high - 1e-6), slopes,
        bounds=(low, high), x_scale=scale, max_nfev=_EVALUATIONS,
    )  # fmt: skip
    return float(found.cost), found.x


def windows(band: Band, spectrum: Spectrum) -> list[Floats]:
    """Return starts: the windows of the spectrum that tell most of the band, none within another.

    Every window of bands is tried, with the sums of sums that give what each explains.
    """
    order = np.argsort(spectrum.place, kind="stable")
    target = (band.target * spectrum.share[:, None])[order]
    count = len(order)
    table = np.zeros((count + 1, count + 1))
    table[1:, 1:] = (target @ target.T).cumsum(axis=0).cumsum(axis=1)
    told = np.concatenate([[0.0], (target @ band.guide).cumsum()])
    i, j = np.arange(count + 1)[:, None], np.arange(count + 1)[None]
    power = table[j, j] - 2 * table[i, j] + table[i, i]
    common = told[j] - told[i]
    usable = (j > i) & (common > 0) & (power > 0)
    gain = np.where(usable, common**2 / np.where(usable, power, 1), -1.0)
    starts: list[Floats] = []
    place, half = spectrum.place[order], spectrum.step / 2
    while len(starts) < _STARTS and gain.max() > 0:
        first, last = np.unravel_index(int(gain.argmax()), gain.shape)
        low, high = place[first] - half, place[last - 1] + half
        starts.append(np.array([low, high, 2 * half, 2 * half, 0.0]))
        middle = (first + last) // 2
        gain[: middle + 1, middle:] = -1.0
    return starts or [np.array([place[0], place[-1], 2 * half, 2 * half, 0.0])]
