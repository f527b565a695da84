"""A pair degraded once more: a problem like the scene's own, whose solution is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.guides import mean_gain
from pansharpkit.methods.hs.guides import guide_lowpass, noise_gain
from pansharpkit.methods.hs.hysure import FittedHysure
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.hs.sylvester import mixed
from pansharpkit.model import Psf
from pansharpkit.physics import Observation, degrade
from pansharpkit.sampling import Sampling

EXTRA = 2.0
"""By how much the target is degraded: what colours mean can be learnt at any scale, and more is
lost by lessons that are few and blunt than by their not being of the scene's own ratio."""
_SMALLEST = 8  # target pixels along a side, without which there is nothing to learn
_SHARPEST, _BLUNTEST = 0.95, 0.01


@dataclass(frozen=True)
class Rehearsal:
    """A block of the scene degraded once more."""

    views: tuple[Observation, ...]
    """The pair one scale down, its target with each whole-pixel phase of its samples."""
    truth: Tensor
    """[p, h, w] coefficients of the block's target, the solution."""
    counted: Tensor
    """[h, w], where the target is valid."""
    classic: FittedHysure
    """The classics, told how much detail and noise there is at that scale."""

    @classmethod
    def of(cls, block: Observation, relation: Relation, draws: torch.Generator) -> Rehearsal | None:
        """Degrade a block once more; None if it is too small for that."""
        if min(block.target_size) < _SMALLEST:
            return None
        truth = relation.views.subspace.coefficients(block.target)
        guide, reduced = mixed(relation.told, truth), relation.reduced(block)
        views = tuple(_views(reduced, _noisy(guide, relation, draws), relation))
        clean = replace(views[0], guide=guide)
        power = float((guide - guide_lowpass(clean)).square().sum(dim=0).mean())
        classic = relation.classic(power, noise_gain(relation.reduced(clean)))
        return cls(views, truth, block.target_mask, classic)


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
