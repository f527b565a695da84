"""Matched samples of both images as the SRF is estimated from them, and the noise in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pansharpkit.physics.blind_sample import FOLDS, Floats

_NEAR = 2  # bands on either side that tell the noise of one


@dataclass(frozen=True, eq=False)
class Fold:
    """Samples, turned so that there are no more of them than bands; sums of products stay."""

    target: Floats
    """[C, n]."""
    guide: Floats
    """[c, n]."""
    count: int
    """Samples before they were turned."""

    @cached_property
    def gram(self) -> Floats:
        """[C, C] products of the target's bands."""
        found: Floats = self.target @ self.target.T
        return found

    def misses(self, band: int, weights: Floats) -> float:
        """Return the sum of squares that weights miss of a guide band."""
        return float(np.square(self.guide[band] - weights @ self.target).sum())

    def band(self, band: int) -> Band:
        """Return one guide band beside the target."""
        return Band(self.target, self.guide[band], self.gram, self.count)


@dataclass(frozen=True, eq=False)
class Band:
    """One guide band beside the target, from some of the folds."""

    target: Floats
    """[C, n]."""
    guide: Floats
    """[n]."""
    gram: Floats
    """[C, C] products of the target's bands."""
    count: int


@dataclass(frozen=True, eq=False)
class Dealt:
    """Samples in folds."""

    parts: tuple[Fold, ...]
    rests: tuple[Fold, ...]
    """All but one of the parts, for each of them."""
    whole: Fold

    @classmethod
    def of(cls, target: Floats, guide: Floats, folds: NDArray[np.int64]) -> Dealt:
        """Deal [C, N] and [c, N] samples by [N] numbers in 0 ... FOLDS - 1."""
        parts = [_turned(target[:, folds == k], guide[:, folds == k]) for k in range(FOLDS)]
        rests = [_joined([part for part in parts if part is not left]) for left in parts]
        return cls(tuple(parts), tuple(rests), _joined(parts))


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

    @cached_property
    def step(self) -> float:
        """Usual distance between bands."""
        return float(np.median(np.diff(np.sort(self.place)))) or 1.0

    def quiet(self) -> Spectrum:
        """Return the spectrum without noise."""
        return Spectrum(self.place, self.share, self.roughness, np.zeros_like(self.noise))


def _turned(target: Floats, guide: Floats) -> Fold:
    """Return samples turned to as few as there are bands of both; all sums of products stay."""
    both = np.concatenate([target, guide])
    count = both.shape[1]
    if count > len(both):
        both = np.asarray(np.linalg.qr(both.T, mode="r"), dtype=np.float64).T
    return Fold(both[: len(target)], both[len(target) :], count)


def _joined(parts: list[Fold]) -> Fold:
    """Return the samples of several folds as one."""
    target, guide = (
        np.concatenate(found, axis=1)
        for found in zip(*((part.target, part.guide) for part in parts), strict=True)
    )
    fold = _turned(target, guide)
    return Fold(fold.target, fold.guide, sum(part.count for part in parts))


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
