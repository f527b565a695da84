"""Guards beside HQNR: what a good score at full resolution can still hide.

A fused image can score well and yet ring, invent detail, or shift a vegetation index. Each guard
is a sum over cells of a window, and a value of these sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.local import box_sum
from pansharpkit.metrics.rasters import Size
from pansharpkit.metrics.tally import cell_sums

FLAT_SHARE = 0.3
"""Share of the pixels, those with the least PAN variance around them, in which ripple is looked
for."""
_BINS = 161
"""Bins of local variance, half an octave each, from 2^-40 to 2^40."""
_MIDDLE = 80
_FLOOR = 2.0**-40
_ROUNDING = 1e-10
"""A high-pass below this share of the mean is rounding noise."""


def detail_sums(fused: Tensor, pan: Tensor, mask: Tensor, cell: Size) -> Tensor:
    """Return [5C + 1, rows, cols] moments of the bands' high-pass and PAN's, both [C, H, W].

    In the order f, p, ff, pp, fp, then the number of pixels.
    """
    f, p = fused * mask, pan * mask
    parts = [f, p, f.square(), p.square(), f * p, mask.to(f)[None]]
    return torch.cat([cell_sums(part, cell) for part in parts])


@dataclass(frozen=True)
class Levels:
    """Number of valid pixels and mean of each fused band and of PAN."""

    n: float
    bands: list[float]
    pan: float

    @classmethod
    def of(cls, sums: Tensor) -> Levels:
        """Take the sums of :func:`level_sums`."""
        n = float(sums[0])
        means = (sums[1:] / n).tolist() if n > 0 else [0.0] * (len(sums) - 1)
        return cls(n, means[:-1], means[-1])


def level_sums(fused: Tensor, pan: Tensor, mask: Tensor, cell: Size) -> Tensor:
    """Return [C + 2, rows, cols]: number of pixels, sums of the fused bands and of PAN."""
    return cell_sums(torch.cat([mask.to(fused)[None], fused * mask, pan * mask]), cell)


def detail_correlation(sums: Tensor, levels: Levels) -> list[float] | None:
    """Return each band's correlation of high-pass with PAN's; 0 where one has no detail."""
    n = float(sums[-1])
    if n == 0:
        return None
    f, p, ff, pp, fp = (sums[:-1] / n).reshape(5, -1)
    vf, vp = ff - f.square(), pp - p.square()
    # What is left of a flat image by rounding is no detail.
    floors = (torch.tensor([*levels.bands, levels.pan]).to(sums) * _ROUNDING).square()
    detailed = (vf > floors[:-1]) & (vp > floors[-1])
    power = torch.where(detailed, vf * vp, 1.0)
    found = torch.where(detailed, (fp - f * p) / power.sqrt(), 0.0)
    return [float(value) for value in found.clamp(-1, 1)]


def flatness_bins(pan: Tensor, mask: Tensor, side: int) -> Tensor:
    """Return the bin of PAN's variance in the side x side window around each pixel, [H, W] int.

    `pan` is [H, W], `side` odd; only valid pixels enter, none beyond the border.
    """
    around = (side // 2,) * 4
    weights = functional.pad(mask.to(pan), around)
    values = functional.pad(pan, around) * weights
    n = box_sum(weights, side).clamp(min=1)
    variance = box_sum(values.square(), side) / n - (box_sum(values, side) / n).square()
    octave = torch.floor(2 * torch.log2(variance.clamp(min=_FLOOR)))
    return (octave.long() + _MIDDLE).clamp(0, _BINS - 1)


def ripple_sums(fused: Tensor, pan: Tensor, bins: Tensor, mask: Tensor, cell: Size) -> Tensor:
    """Return [bins * (1 + 2C), rows, cols]: pixels and squared high-pass by flatness."""
    height, width = mask.shape
    rows, cols = -(-height // cell[0]), -(-width // cell[1])
    row = torch.arange(height, device=mask.device) // cell[0]
    col = torch.arange(width, device=mask.device) // cell[1]
    slot = (row[:, None] * cols + col[None, :]) * _BINS + bins
    slot = slot.flatten()
    weights = [mask.to(fused), *(fused * mask).square(), *(pan * mask).square()]
    counts = [
        torch.bincount(slot, weight.flatten(), minlength=rows * cols * _BINS) for weight in weights
    ]
    table = torch.stack(counts).reshape(len(weights), rows, cols, _BINS)
    return table.permute(3, 0, 1, 2).reshape(_BINS * len(weights), rows, cols)


def ripple_percent(sums: Tensor, levels: Levels) -> tuple[list[float], float] | None:
    """Return the ripple of each band, and PAN's own, in per cent of the mean.

    The bin in which the flattest 30 % end contributes in proportion. None without pixels or
    where a mean is not positive.
    """
    if levels.n == 0 or min(*levels.bands, levels.pan) <= 0:
        return None
    table = sums.reshape(_BINS, -1)
    n = table[:, 0]
    missing = FLAT_SHARE * float(n.sum()) - (n.cumsum(0) - n)
    share = (missing / n.clamp(min=1)).clamp(0, 1)
    squares = (table * share[:, None]).sum(dim=0) / (n * share).sum()
    rms = squares[1:].sqrt().reshape(2, -1)
    bands = [100 * float(r) / mean for r, mean in zip(rms[0], levels.bands, strict=True)]
    return bands, 100 * float(rms[1].mean()) / levels.pan


def overshoot_sums(
    fused: Tensor, bounds: Tensor, contrast: Tensor, mask: Tensor, cell: Size
) -> Tensor:
    """Return [C + 1, rows, cols]: pixels outside the local range of the inputs, and all pixels.

    `bounds` [2C, H, W] are the least and the greatest MS samples nearby, `contrast` [2, H, W] the
    least and the greatest PAN over its own low-pass nearby, by which that range is stretched.
    """
    lows, highs = bounds.chunk(2)
    less, more = contrast[0].clamp(max=1), contrast[1].clamp(min=1)
    low = torch.minimum(lows * less, lows * more)
    high = torch.maximum(highs * less, highs * more)
    outside = ((fused < low) | (fused > high)) & mask
    return cell_sums(torch.cat([outside, mask[None]]).to(fused), cell)


def consistency_sums(degraded: Tensor, ms: Tensor, mask: Tensor, cell: Size) -> Tensor:
    """Return [2C + 1, rows, cols]: number of samples, sums of MS, squared differences."""
    squares = (degraded - ms).square() * mask
    return cell_sums(torch.cat([mask.to(ms)[None], ms * mask, squares]), cell)


def ndvi_sums(
    degraded: Tensor, ms: Tensor, mask: Tensor, red_nir: tuple[int, int], cell: Size
) -> Tensor:
    """Return [2, rows, cols]: absolute differences of NDVI, and their number."""
    ratios, exists = [], mask
    for image in (degraded, ms):
        red, nir = image[red_nir[0]], image[red_nir[1]]
        total = red + nir
        exists = exists & (total > 0)
        ratios.append((nir - red) / torch.where(total > 0, total, 1.0))
    drift = (ratios[0] - ratios[1]).abs() * exists
    return cell_sums(torch.stack([drift, exists.to(drift)]), cell)


def relative_percent(squares: Sequence[float], means: Sequence[float]) -> list[float] | None:
    """Return 100 RMSE / mean of each band; None without samples or where a mean is not positive."""
    if not means or min(means) <= 0:
        return None
    return [100 * math.sqrt(s) / m for s, m in zip(squares, means, strict=True)]
