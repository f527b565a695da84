"""Made-up guide-target pairs with a known truth, and how the engine cuts windows out of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.sampling import Pair, Sampling

GAINS = (0.30, 0.34, 0.30, 0.25)
TARGET_MARGIN = 6
"""Target samples that come with a window beyond its edges."""

GEOMETRIES = {
    "ratio 2, aligned edges": Sampling.edge_aligned(2),
    "ratio 4, toolbox phase": Sampling.toolbox(4),
    "ratio 2.5, odd phase": Sampling((2.5, 2.5), (0.8, -0.7)),
    "oblong 2 x 3.2": Sampling((2.0, 3.2), (1.0, 0.37)),
}

Box = tuple[int, int, int, int]
"""Row, column, height, width."""


@lru_cache(maxsize=16)
def truth(bands: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return [C, H, W] positive float64 bands: shared smooth structure plus texture of their own.

    Cached: do not write into it.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(bands + 1, *size, generator=generator, dtype=torch.float64)
    waves = torch.stack([_blurred(noise, reach) for reach in (9, 4, 1)]).sum(dim=0)
    level = torch.linspace(0.3, 0.6, bands, dtype=torch.float64)[:, None, None]
    return (level * (1 + 0.12 * waves[:1] + 0.05 * waves[1:])).clamp_min(0.02)


def _blurred(noise: Tensor, reach: int) -> Tensor:
    kernel = torch.ones(1, 1, 2 * reach + 1, dtype=noise.dtype)
    for axis in (-1, -2):
        moved = noise.transpose(axis, -1)
        padded = torch.nn.functional.pad(moved, (reach, reach), mode="circular")
        flat = padded.reshape(-1, 1, padded.shape[-1])
        noise = torch.nn.functional.conv1d(flat, kernel).reshape(moved.shape).transpose(axis, -1)
    return noise / noise.std()


def target_size(sampling: Sampling, size: tuple[int, int]) -> tuple[int, int]:
    """Return how many target samples from sample 0 on are centred on the guide."""
    rows, cols = (
        math.floor((size[axis] - 1 - sampling.phase[axis]) / sampling.ratio[axis]) + 1
        for axis in (0, 1)
    )
    return rows, cols


def pair(
    sampling: Sampling,
    size: tuple[int, int] = (83, 71),
    *,
    gains: tuple[float, ...] = GAINS,
    weights: tuple[float, ...] = (0.2, 0.35, 0.4, 0.05),
    seed: int = 0,
) -> tuple[Observation, Tensor]:
    """Return an observation whose PAN is a weighted sum of the true bands, and the truth.

    A target sample that is centred beyond the guide does not count.
    """
    fine = truth(len(gains), size, seed)
    guide = torch.tensordot(torch.tensor(weights, dtype=fine.dtype), fine, dims=1)[None]
    target = degrade(fine, sampling, target_size(sampling, size), gains)
    observation = Observation.whole(target, guide, sampling, Optics(gains, 0.15))
    first = [0 if sampling.phase[axis] >= -0.5 else 1 for axis in (0, 1)]
    observation.target_mask[: first[0]] = False
    observation.target_mask[:, : first[1]] = False
    return observation, fine


def as_float32(observation: Observation) -> Observation:
    return replace(observation, target=observation.target.float(), guide=observation.guide.float())


def cut(observation: Observation, inner: Box, halo: int) -> tuple[Observation, tuple[slice, slice]]:
    """Return the window around `inner`, and where `inner` lies in it.

    As the engine does: the guide window reaches `halo` pixels further, the target window another
    `TARGET_MARGIN` samples; both end with the rasters. The masks count what lies in `inner` only.
    """
    guide_slices, target_slices, own, counted = [], [], [], []
    for axis in (0, 1):
        start, stop = inner[axis], inner[axis] + inner[axis + 2]
        ratio, phase = observation.sampling.ratio[axis], observation.sampling.phase[axis]
        low, high = max(0, start - halo), min(observation.size[axis], stop + halo)
        first = max(0, math.floor((low - phase) / ratio) - TARGET_MARGIN)
        last = min(observation.target_size[axis], math.ceil((high - phase) / ratio) + TARGET_MARGIN)
        guide_slices.append(slice(low, high))
        target_slices.append(slice(first, last))
        own.append(slice(start - low, stop - low))
        centres = ratio * torch.arange(first, last, dtype=torch.float64) + phase
        counted.append((centres >= start - 0.5) & (centres < stop - 0.5))
    guide_mask = torch.zeros(observation.size, dtype=torch.bool)[tuple(guide_slices)]
    guide_mask[tuple(own)] = True
    origin = [(s[0].start, s[1].start) for s in (guide_slices, target_slices)]
    cropped = Observation(
        observation.target[:, *target_slices],
        observation.guide[:, *guide_slices],
        observation.sampling.windowed(*origin),
        observation.optics,
        observation.target_mask[tuple(target_slices)] & counted[0][:, None] & counted[1][None],
        observation.guide_mask[tuple(guide_slices)] & guide_mask,
    )
    return cropped, (own[0], own[1])


def boxes(size: tuple[int, int], tile: Pair) -> list[Box]:
    """Return windows of about the size `tile` that cover an image without overlap."""
    rows = [*range(0, size[0], int(tile[0])), size[0]]
    cols = [*range(0, size[1], int(tile[1])), size[1]]
    return [
        (top, left, bottom - top, right - left)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(cols)
    ]
