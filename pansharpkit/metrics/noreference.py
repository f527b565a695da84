"""Full-resolution indices of whole arrays: fused against PAN and MS, without a reference.

All compute in double precision on [C, H, W] images, leave masked pixels out, and return None where
no block is left. :func:`pansharpkit.metrics.full_resolution` computes them all over large rasters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pansharpkit.metrics.blocks import BlockMap, pair_quality, q2n_map
from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.local import erode, local_correlation
from pansharpkit.metrics.operators import (
    coarse_pan,
    degraded,
    expanded_ms,
    smoothed,
    toolbox_bank,
    upsampled,
)
from pansharpkit.metrics.rasters import Area, Raster, Size
from pansharpkit.physics.kernels import Kernels, toolbox_mtf_kernel
from pansharpkit.physics.observation import Compat
from pansharpkit.sampling import Sampling

BLOCK = 32
"""Side of the blocks on the fine grid; on the coarse grid they cover the same ground."""


def whole(raster: Raster) -> tuple[Tensor, Tensor]:
    """Return all of a raster: values [C, H, W] and mask [H, W]."""
    return raster.load(Area(0, 0, *raster.size))


def expanded(
    ms: Tensor,
    sampling: Sampling,
    size: Size,
    mask: Tensor | None = None,
    *,
    compat: Compat = "none",
) -> tuple[Tensor, Tensor]:
    """Return MS [C, h, w] interpolated to the PAN grid (EXP), and where it counts."""
    target = (ms.shape[1], ms.shape[2])
    return whole(expanded_ms(Raster.of(ms, mask), Geometry.of(size, target, sampling, compat)))


def pan_lowpass(
    pan: Tensor,
    sampling: Sampling,
    target_size: Size,
    mask: Tensor | None = None,
    *,
    compat: Compat = "none",
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return PAN [1, H, W] on the MS grid, and that again on the PAN grid, each with its mask."""
    geometry = Geometry.of((pan.shape[1], pan.shape[2]), target_size, sampling, compat)
    coarse = coarse_pan(Raster.of(pan, mask), geometry)
    return whole(coarse), whole(upsampled(coarse, geometry))


def pair_means(sums: Tensor) -> Tensor | None:
    """Return mean Q between all pairs of B bands, [B, B], from B² sums and a number of blocks."""
    n = float(sums[-1])
    if n == 0:
        return None
    side = math.isqrt(len(sums) - 1)
    return (sums[:-1] / n).reshape(side, side)


def spectral_distortion(first: Tensor | None, second: Tensor | None, bands: int) -> float | None:
    """Return the mean difference of Q over pairs of the first `bands` bands: D_lambda, p = 1."""
    if first is None or second is None or bands < 2:
        return None
    rows, cols = torch.triu_indices(bands, bands, 1)
    return float((first - second)[rows, cols].abs().mean())


def spatial_distortions(first: Tensor | None, second: Tensor | None) -> list[float] | None:
    """Return each band's difference of Q with the last band, PAN: the terms of D_s, q = 1."""
    if first is None or second is None:
        return None
    return [float(term) for term in (first - second)[:-1, -1].abs()]


def product(*distortions: float | None) -> float | None:
    """Return the product of 1 - D: QNR from D_lambda and D_s, HQNR from D_lambda_K and D_s."""
    known = [distortion for distortion in distortions if distortion is not None]
    return math.prod(1 - d for d in known) if len(known) == len(distortions) else None


def mean_or_none(values: Sequence[float] | None) -> float | None:
    """Return the mean of what there is."""
    return math.fsum(values) / len(values) if values else None


def pair_sums(blocks: BlockMap) -> Tensor:
    """Return the sums of a pair-quality map and the number of blocks, [D + 1, rows, cols]."""
    return torch.cat([blocks.values, blocks.counted.to(blocks.values)[None]])


def _pairs(image: Tensor, mask: Tensor | None, block: Size) -> Tensor | None:
    values, valid = whole(Raster.of(image, mask))
    return pair_means(pair_sums(pair_quality(values, valid, block)).sum(dim=(1, 2)))


def d_lambda(
    fused: Tensor, exp: Tensor, mask: Tensor | None = None, *, block: int = BLOCK
) -> float | None:
    """Return the toolbox's D_lambda, 0 at best: Q of band pairs in fused against those in EXP."""
    size = (block, block)
    return spectral_distortion(_pairs(fused, mask, size), _pairs(exp, mask, size), len(fused))


def d_lambda_alparone2008(
    fused: Tensor,
    ms: Tensor,
    mask: Tensor | None = None,
    ms_mask: Tensor | None = None,
    *,
    blocks: tuple[Size, Size],
) -> float | None:
    """Return D_lambda as published, 0 at best: Q of band pairs in fused against those in MS.

    `blocks` are the (height, width) of the blocks in fused and MS, say (32, 32) and (8, 8).
    """
    first, second = _pairs(fused, mask, blocks[0]), _pairs(ms, ms_mask, blocks[1])
    return spectral_distortion(first, second, len(fused))


def d_s(
    fused: Tensor,
    pan: Tensor,
    exp: Tensor,
    lowpass: Tensor,
    mask: Tensor | None = None,
    *,
    block: int = BLOCK,
) -> float | None:
    """Return the toolbox's D_s, 0 at best: Q(fused, PAN) against Q(EXP, low-pass PAN)."""
    size = (block, block)
    fine = _pairs(torch.cat([fused, pan]), mask, size)
    return mean_or_none(spatial_distortions(fine, _pairs(torch.cat([exp, lowpass]), mask, size)))


def d_s_alparone2008(
    fine: tuple[Tensor, Tensor],
    coarse: tuple[Tensor, Tensor],
    mask: Tensor | None = None,
    ms_mask: Tensor | None = None,
    *,
    blocks: tuple[Size, Size],
) -> float | None:
    """Return D_s as published, 0 at best.

    `fine` is fused and PAN, `coarse` is MS and PAN on the MS grid; `blocks` as in
    :func:`d_lambda_alparone2008`.
    """
    first = _pairs(torch.cat(fine), mask, blocks[0])
    second = _pairs(torch.cat(coarse), ms_mask, blocks[1])
    return mean_or_none(spatial_distortions(first, second))


def d_lambda_k(
    fused: Tensor,
    exp: Tensor,
    gains: Sequence[float],
    ratio: float,
    mask: Tensor | None = None,
    *,
    compat: Compat = "none",
) -> float | None:
    """Return Khan's D_lambda, 0 at best: 1 - Q2n(EXP, MTF-filtered fused) on the PAN grid."""
    smooth, valid = whole(smoothed(Raster.of(fused, mask), toolbox_bank(tuple(gains), ratio)))
    quality = q2n_map(exp.double() * valid, smooth, valid, toolbox=compat == "toolbox").mean
    return None if quality is None else 1 - quality


def correlation_reach(ratio: float) -> int:
    """Return the half width of the windows of D_rho: half an MS pixel, rounded up."""
    return math.ceil(ratio / 2)


def d_rho(fused: Tensor, pan: Tensor, ratio: float, mask: Tensor | None = None) -> float | None:
    """Return D_rho, 0 at best: 1 - local correlation of fused with PAN (Scarpa, Ciotola 2022)."""
    (f, valid), (p, _) = whole(Raster.of(fused, mask)), whole(Raster.of(pan, mask))
    half = correlation_reach(ratio)
    counts = erode(valid, 2 * half) & valid
    n = int(counts.sum()) * len(f)
    return float(((1 - local_correlation(f, p, half)) * counts).sum()) / n if n else None


def reprojected(
    fused: Tensor,
    gains: Sequence[float],
    sampling: Sampling,
    target_size: Size,
    mask: Tensor | None = None,
    *,
    compat: Compat = "none",
    decimation: Sequence[Size] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return fused [C, H, W] as the MS sensor would see it, [C, h, w], and where it counts.

    Compared with MS by Q2n, SAM and ERGAS this gives the consistency family R_Q2n, R_SAM, R_ERGAS.
    With compat ``"toolbox"``, `decimation` may give the (row, col) at which each band is sampled.
    """
    geometry = Geometry.of((fused.shape[1], fused.shape[2]), target_size, sampling, compat)
    return whole(degraded(Raster.of(fused, mask), gains, geometry, decimation))


def estimated_decimation(pan: Tensor, ms: Tensor, gain: float, ratio: int) -> list[Size]:
    """Return, for each MS band, at which of the ratio² phases blurred PAN resembles it most.

    By the mean correlation in windows of 4 x 4 samples; `gain` is the first band's MTF gain.
    """
    kernel = toolbox_mtf_kernel(gain, ratio).clamp(min=0)
    blurred, _ = whole(smoothed(Raster.of(pan), Kernels([kernel / kernel.sum()])))
    likeness = []
    phases = [(row, col) for col in range(ratio) for row in range(ratio)]
    for row, col in phases:
        coarse = blurred[:, row::ratio, col::ratio]
        likeness.append(local_correlation(ms.double(), coarse, 2).mean(dim=(1, 2)))
    return [phases[int(best)] for best in torch.stack(likeness).argmax(dim=0)]
