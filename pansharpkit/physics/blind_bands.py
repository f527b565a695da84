"""Matched samples of both images as the SRF is estimated from them, and the noise in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pansharpkit.physics.blind_sample import Floats

_NEAR = 2  # bands on either side that tell the noise of one


@dataclass(frozen=True, eq=False)
class Fold:
    """Samples, turned so that there are no more of them than bands; sums of squares stay."""

    target: Floats
    """[C, n]."""
    guide: Floats
    """[c, n]."""
    count: int
    """Samples before they were turned."""


@dataclass(frozen=True, eq=False)
class Band:
    """One guide band beside the target, from some of the folds."""

    target: Floats
    """[C, n]."""
    guide: Floats
    """[n]."""
    count: int

    def misses(self, weights: Floats) -> float:
        """Return the sum of squares that weights miss."""
        return float(np.square(self.guide - weights @ self.target).sum())


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What is known of the target's bands besides their values."""

    place: Floats
    """[C] wavelength, nm, or index."""
    share: Floats
    """[C] of the spectrum that each stands for, in the same units."""
    roughness: Floats
    """[C, C]."""
    noise: Floats
    """[C] variance that counts as noise in the comparison."""

    @property
    def step(self) -> float:
        """Usual distance between bands."""
        return float(np.median(np.diff(np.sort(self.place)))) or 1.0

    def quiet(self) -> Spectrum:
        """Return the spectrum without noise."""
        return Spectrum(self.place, self.share, self.roughness, np.zeros_like(self.noise))


def turned(target: Floats, guide: Floats) -> Fold:
    """Return samples turned to as few as there are bands of both; all sums of products stay."""
    both = np.concatenate([target, guide])
    count = both.shape[1]
    if count > len(both):
        both = np.linalg.qr(both.T)[1].T
    return Fold(both[: len(target)], both[len(target) :], count)


def joined(parts: list[Fold], band: int, without: int | None = None) -> Band:
    """Return one guide band from all folds, or from all but one."""
    kept = [part for k, part in enumerate(parts) if k != without]
    return Band(
        np.concatenate([part.target for part in kept], axis=1),
        np.concatenate([part.guide[band] for part in kept]),
        sum(part.count for part in kept),
    )


def noise_of(target: Floats, place: Floats) -> Floats:
    """Return [C] the variance in which each band differs from what its neighbours tell of it."""
    order = np.argsort(place, kind="stable")
    bands, count = target[order], target.shape[1]
    variance = np.empty(len(bands))
    for k, band in enumerate(bands):
        near = [j for j in range(k - _NEAR, k + _NEAR + 1) if j != k and 0 <= j < len(bands)]
        if not near or count <= len(near):
            return np.zeros(len(bands))
        weights = np.linalg.lstsq(bands[near].T, band, rcond=None)[0]
        rest = np.square(band - weights @ bands[near]).sum() / (count - len(near))
        variance[order[k]] = rest / (1 + weights @ weights)
    return variance
