"""What scenenet-hs learns from: pixels of the scene's target, seen through one more degradation.

Degraded once more, the pair is a problem whose solution is known: the target as delivered. Its
pixels are lessons one by one, since the network looks at one pixel at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.fuse import TwoViews
from pansharpkit.methods.guides import mean_gain
from pansharpkit.methods.hs_guides import guide_lowpass, noise_gain, upsampled
from pansharpkit.methods.hs_statistics import PairStatistics
from pansharpkit.methods.hysure import FittedHysure, HysureOptions
from pansharpkit.methods.moments import least_squares
from pansharpkit.methods.optimise import mixed_seed
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.methods.sylvester import mixed
from pansharpkit.model import Psf
from pansharpkit.physics import Observation, degrade
from pansharpkit.sampling import Sampling

PIXELS = 60_000
"""Lessons in all, at most."""
FOLDS = 8
"""Parts of the scene, each of which judges the network that the others taught."""
EXTRA = 2.0
"""By how much the target is degraded for the lessons: a network that looks at single pixels learns
what colours mean, at any scale, and more is lost by lessons that are few and blunt than by their
not being of the scene's own ratio."""
SEEN = 10
"""Coefficients that the network is shown; the weaker ones are noise to it."""
_SMALLEST = 8  # target pixels along a side, without which there is nothing to learn
_PLAIN = HysureOptions()
_TINY = 1e-30
_LEAST = 1e-6  # power of detail, beside that of the scene
_SHARPEST, _BLUNTEST = 0.95, 0.01


@dataclass(frozen=True)
class Features:
    """A classical estimate, and what the network sees; guide grid."""

    base: Tensor
    """[p, H, W] coefficients, the mean of FUSE's and HySure's."""
    inputs: Tensor
    """[n, H, W] in standard deviations of the scene."""


@dataclass(frozen=True)
class Relation:
    """How coefficients and guide of a scene hang together, from its statistics."""

    views: TwoViews
    weights: Tensor
    """[p, c] of the guide's detail in that of the coefficients."""
    mean: Tensor
    """[p + c] of coefficients and guide."""
    deviation: Tensor
    """[p + c], positive."""
    told: Tensor
    """[c, p] regression of the guide, as the target's instrument would see it, on coefficients."""
    detail: float
    """Expected power of the guide's detail beyond the target, all bands, positive."""

    @classmethod
    def of(cls, seen: Observation, statistics: PairStatistics, dimension: int | None) -> Relation:
        """Work it out, with a guide whose noise is not taken for detail."""
        views = TwoViews.within(seen, statistics, dimension)
        subspace, noise = views.subspace, views.guide_noise
        turn = _beside(subspace.basis, len(noise))
        covariance = turn.T @ statistics.coarse.covariance @ turn
        bands = subspace.dimension
        gram = covariance[bands:, bands:] + torch.diag(noise.square())
        rows = [least_squares(gram, row) for row in covariance[:bands, bands:]]
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        deviation = torch.where(deviation > 0, deviation, 1.0)
        detail = float(statistics.detail.covariance.diagonal()[statistics.bands :].sum())
        growth, mean = statistics.detail_growth(noise), turn.T @ statistics.coarse.mean
        told = statistics.response(subspace)
        return cls(views, torch.stack(rows), mean, deviation, told, max(detail * growth, _TINY))

    def classic(self, power: float | None = None, noise_gain: float = 1.0) -> FittedHysure:
        """Return HySure, which starts from FUSE; the base is the mean of both.

        Parameters
        ----------
        power
            Of the guide's detail, where it is not that of the scene.
        noise_gain
            By which the variance of the target's noise is less than that of the scene's target.
        """
        views = self.views
        share = 1.0 if power is None else max(power, _LEAST * self.detail) / self.detail
        quiet = replace(views.subspace, noise=views.subspace.noise * math.sqrt(noise_gain))
        adapted = replace(views, subspace=quiet, detail=views.detail * share)
        return FittedHysure.of(adapted, _PLAIN.smoothness, _PLAIN.iterations)

    def reduced(self, seen: Observation) -> Observation:
        """Return the observation with coefficients in place of the target's bands."""
        subspace = self.views.subspace
        optics = replace(seen.optics, mtf=(mean_gain(seen.optics),) * subspace.dimension)
        return replace(seen, target=subspace.coefficients(seen.target), optics=optics)

    def features(self, seen: Observation, classic: FittedHysure) -> Features:
        """Return base and inputs of an observation of bands."""
        subspace = self.views.subspace
        exp = upsampled(seen, subspace.coefficients(seen.target))
        base = (classic.start.coefficients(seen) + classic.coefficients(seen)) / 2
        detail = seen.guide - guide_lowpass(seen)
        count, shown = subspace.dimension, min(SEEN, subspace.dimension)
        mean, size = (x.to(exp)[:, None, None] for x in (self.mean, self.deviation))
        linear = torch.tensordot(self.weights[:shown].to(detail), detail, dims=1)
        added = base[:shown] - exp[:shown]
        inputs = [
            (exp[:shown] - mean[:shown]) / size[:shown],
            (seen.guide - mean[count:]) / size[count:],
            2 * detail / size[count:],
            2 * added / size[:shown],
            2 * (linear - added) / size[:shown],
        ]
        return Features(base, torch.cat(inputs))


def _beside(basis: Tensor, guides: int) -> Tensor:
    """Return [C + c, p + c]: coefficients from bands, the guide as it is."""
    bands, count = basis.shape
    turn = basis.new_zeros(bands + guides, count + guides)
    turn[:bands, :count] = basis
    turn[bands:, count:] = torch.eye(guides, dtype=basis.dtype)
    return turn


@dataclass(frozen=True)
class Lessons:
    """Pixels with their solution."""

    inputs: Tensor
    """[k, n] float32."""
    lacks: Tensor
    """[k, p] what the base lacks of the solution, float32."""
    fold: Tensor
    """[k] part of the scene, in [0, FOLDS)."""


def draw_lessons(
    sample: Sequence[Observation], relation: Relation, context: Context
) -> Lessons | None:
    """Return lessons from all blocks of the scene; none where no block is large enough."""
    each = max(1, PIXELS // max(1, len(sample)))

    def work(numbered: tuple[int, Observation]) -> Lessons | None:
        return _lessons_of(numbered[1], relation, each, mixed_seed(context.seed, numbered[0]))

    stream = side_by_side("scenenet lessons", _Numbered(sample), work, context)
    found = [one for one in stream if one is not None and len(one.inputs)]
    if not found:
        return None
    return Lessons(
        torch.cat([one.inputs for one in found]),
        torch.cat([one.lacks for one in found]),
        torch.cat([one.fold for one in found]),
    )


class _Numbered(Sequence[tuple[int, Observation]]):
    """A sample whose blocks know their number when they are read."""

    def __init__(self, sample: Sequence[Observation]) -> None:
        self._sample = sample

    def __len__(self) -> int:
        return len(self._sample)

    def __getitem__(self, index: int) -> tuple[int, Observation]:  # type: ignore[override]
        return index, self._sample[index]


def _lessons_of(block: Observation, relation: Relation, most: int, seed: int) -> Lessons | None:
    if min(block.target_size) < _SMALLEST:
        return None
    draws = torch.Generator().manual_seed(seed)
    truth, fold = relation.views.subspace.coefficients(block.target), _folds(block.target_size)
    guide = mixed(relation.told, truth)
    views = list(_views(relation.reduced(block), _noisy(guide, relation, draws), relation))
    clean = replace(views[0], guide=guide)
    power = float((guide - guide_lowpass(clean)).square().sum(dim=0).mean())
    classic = relation.classic(power, noise_gain(relation.reduced(clean)))
    inputs, lacks, folds = [], [], []
    for seen in views:
        features = relation.features(seen, classic)
        picked = _picked(block.target_mask, max(1, most // len(views)), draws)
        inputs.append(features.inputs.flatten(1)[:, picked].T.float().cpu())
        lacks.append((truth - features.base).flatten(1)[:, picked].T.float().cpu())
        folds.append(fold[picked])
    return Lessons(torch.cat(inputs), torch.cat(lacks), torch.cat(folds))


def _views(whole: Observation, guide: Tensor, relation: Relation) -> Iterator[Observation]:
    """Yield the pair one scale down, with each whole-pixel phase of its samples."""
    extra = min(EXTRA, whole.sampling.mean_ratio)
    gain, subspace = _gain(whole), relation.views.subspace
    optics = replace(whole.optics, model=None, mtf=(gain,) * len(subspace.basis))
    mask = torch.ones_like(whole.target_mask)
    for row in range(round(extra)):
        for col in range(round(extra)):
            sampling = Sampling((extra, extra), (float(row), float(col)))
            size = [
                math.floor((n - 1 - first) / extra) + 1
                for n, first in zip(whole.target_size, sampling.phase, strict=True)
            ]
            gains = (gain,) * subspace.dimension
            small = subspace.cube(degrade(whole.target, sampling, (size[0], size[1]), gains))
            every = torch.ones(size, dtype=torch.bool, device=mask.device)
            yield Observation(small, guide, sampling, optics, every, mask, whole.index)


def _gain(seen: Observation) -> float:
    """Return the MTF gain at the target's Nyquist frequency of a Gaussian as wide as the PSF."""
    model = seen.optics.model
    if model is None or model.psf is None:
        return mean_gain(seen.optics)
    ratio = seen.sampling.mean_ratio
    gain = math.exp(-0.5 * (math.pi * _width(model.psf) / ratio) ** 2)
    return min(max(gain, _BLUNTEST), _SHARPEST)


def _width(psf: Psf) -> float:
    """Return the standard deviation of a PSF, in guide pixels, mean over both axes."""
    values = torch.tensor(psf.values, dtype=torch.float64).clamp_min(0)
    taps = torch.arange(psf.side, dtype=torch.float64)
    variances = []
    for axis in (0, 1):
        profile = values.sum(dim=axis) / values.sum()
        variances.append(float(profile @ taps.square() - (profile @ taps).square()))
    return math.sqrt(max(0.0, sum(variances) / 2))


def _noisy(guide: Tensor, relation: Relation, draws: torch.Generator) -> Tensor:
    """Add to the guide on the target grid the noise that it has on its own.

    A network that had learnt from a guide without noise would trust it too far.
    """
    random = torch.randn(guide.shape, generator=draws, dtype=torch.float32)
    noise = relation.views.guide_noise.to(guide)[:, None, None]
    return guide + noise * random.to(guide)


def _picked(mask: Tensor, most: int, draws: torch.Generator) -> Tensor:
    """Return the flat indices of at most so many pixels that count."""
    found = mask.flatten().nonzero()[:, 0].cpu()
    if len(found) <= most:
        return found
    return found[torch.randperm(len(found), generator=draws)[:most]]


def _folds(size: tuple[int, int]) -> Tensor:
    """Return [h * w] the fold of each pixel: stripes across the longer side."""
    longer = 0 if size[0] >= size[1] else 1
    place = torch.arange(size[longer]) * FOLDS // size[longer]
    shape = (-1, 1) if longer == 0 else (1, -1)
    return place.reshape(shape).expand(size).flatten()
