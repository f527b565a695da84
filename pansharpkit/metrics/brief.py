"""The few indices by which methods are told apart quickly: sums over arrays in memory.

Sums of several blocks are added with :func:`added`, so that the values belong to all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pansharpkit.metrics import guards
from pansharpkit.metrics.noreference import mean_or_none
from pansharpkit.metrics.patches import (
    BLOCK,
    Errors,
    Patch,
    angle_map,
    block_map,
    error_map,
    mean_of,
)
from pansharpkit.metrics.tally import Sums, Values
from pansharpkit.physics import Observation, degrade, lowpass

_REACH = 3.0  # coarse pixels; the PSF of an MTF gain of .1 has fallen to 1e-4 there


def added(parts: Sequence[Sums]) -> Sums:
    """Return the sums over all parts."""
    return {name: torch.stack([part[name] for part in parts]).sum(dim=0) for name in parts[0]}


def reduced_sums(reference: Tensor, fused: Tensor, mask: Tensor) -> Sums:
    """Return what a block adds to ERGAS, SAM and Q2n: [C, H, W] against [C, H, W]."""
    patch = Patch.whole(reference, fused, mask)
    quality = block_map(patch, block=BLOCK, shift=BLOCK, compat="none")
    return {
        "errors": error_map(patch).sum(dim=(1, 2)),
        "angle": angle_map(patch).sum(dim=(1, 2)),
        "q2n": torch.stack([quality.values, quality.counted.double()]).sum(dim=(1, 2)),
    }


def reduced_values(sums: Sums, ratio: float) -> Values:
    """Return ``ergas``, ``sam_deg`` and ``q2n``."""
    return {
        "ergas": Errors.of(sums["errors"]).ergas(ratio),
        "sam_deg": mean_of(sums["angle"]),
        "q2n": mean_of(sums["q2n"]),
    }


def guard_sums(fused: Tensor, observation: Observation, red_nir: tuple[int, int] | None) -> Sums:
    """Return what a block adds to the guards.

    As in the full protocol, but with the exact Gaussian instead of the toolbox's 41 taps as
    low-pass, which is many times quicker.

    Parameters
    ----------
    fused : [C, H, W] on the guide grid of the observation, in its units.
    observation : its masks say which pixels and samples count.
    """
    sampling, gains = observation.sampling, observation.optics.mtf
    samples, coarse = observation.target_mask, observation.target_size
    target = observation.target.double() * samples
    below = degrade(fused.double(), sampling, coarse, gains) * samples
    box = _around(observation.guide_mask, math.ceil(_REACH * max(sampling.ratio)))
    image, pan = fused[:, *box].double(), observation.guide[:, *box].double()
    mask = observation.guide_mask[box]
    cell = (int(mask.shape[0]), int(mask.shape[1]))
    detail = image - lowpass(image, sampling.ratio, gains)
    pan_detail = _details(pan, sampling.ratio, gains)
    bins = guards.flatness_bins(pan[0], mask, 2 * math.ceil(max(sampling.ratio)) + 1)
    sums = {
        "levels": guards.level_sums(image, pan, mask, cell),
        "detail": guards.detail_sums(detail, pan_detail, mask, cell),
        "ripple": guards.ripple_sums(detail, pan_detail, bins, mask, cell),
        "consistency": guards.consistency_sums(below, target, samples, coarse),
    }
    if red_nir is not None:
        sums["ndvi"] = guards.ndvi_sums(below, target, samples, red_nir, coarse)
    return {name: parts.flatten() for name, parts in sums.items()}


def _around(mask: Tensor, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of the true pixels, and a margin of others."""
    sides = []
    for axis in (0, 1):
        hit = torch.nonzero(mask.any(dim=1 - axis)).flatten()
        first, last = (int(hit[0]), int(hit[-1])) if len(hit) else (0, -1)
        sides.append(slice(max(0, first - margin), last + 1 + margin))
    return sides[0], sides[1]


def _details(pan: Tensor, ratio: tuple[float, float], gains: Sequence[float]) -> Tensor:
    """Return the high-pass of PAN by the MTF of each band, [C, H, W]."""
    distinct = tuple(dict.fromkeys(gains))
    low = lowpass(pan.expand(len(distinct), -1, -1), ratio, distinct)
    return (pan - low)[[distinct.index(gain) for gain in gains]]


def guard_values(sums: Sums) -> Values:
    """Return detail correlation, ripple, consistency error and NDVI drift, named as in the report.

    ``ndvi_drift`` is None without red and near infrared.
    """
    levels = guards.Levels.of(sums["levels"])
    ripple = guards.ripple_percent(sums["ripple"], levels)
    errors = Errors.of(sums["consistency"])
    return {
        "detail_correlation": mean_or_none(guards.detail_correlation(sums["detail"], levels)),
        "ripple_percent": mean_or_none(ripple and ripple[0]),
        "consistency_error_percent": mean_or_none(
            guards.relative_percent(errors.square, errors.mean)
        ),
        "ndvi_drift": mean_of(sums["ndvi"]) if "ndvi" in sums else None,
    }
