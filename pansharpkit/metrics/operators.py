"""The images that full-resolution indices compare, each a raster computed window by window.

Gaps are filled from their surroundings before a filter runs over them, and a pixel of the result
counts where the pixels it mainly rests on do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.rasters import Area, Raster, Size, fill
from pansharpkit.physics.kernels import Kernels, filter2d, toolbox_mtf_kernel
from pansharpkit.physics.resample import Border, decimate, degrade, sigma_of_gain, upsample
from pansharpkit.sampling import Sampling

KERNEL_REACH = 20
"""Pixels on each side of the toolbox's 41-tap MTF kernel."""
_LAGRANGE_REACH = 6
_HALFBAND_REACH = 12
"""In coarse samples: 6 of the first doubling, 3 of the second, ... and their sum's ceiling."""
_CUBIC_REACH = 2
_GAUSS_REACH = 4.0
_SNAP = 1e-9
"""Places this close to a pixel are on it, whatever the window they are counted from."""


def upsampled(coarse: Raster, geometry: Geometry) -> Raster:
    """Return the raster interpolated to the fine grid (EXP).

    Lagrange with replicated border, or the toolbox's half-band with circular border. A pixel
    counts if the four samples around it do.
    """
    circular = geometry.compat == "toolbox"
    reach = _HALFBAND_REACH if circular else _LAGRANGE_REACH

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        outer = geometry.targets_around(area, 2 * reach)
        if not circular:
            outer = outer.clip(geometry.target_size)
        values, mask = coarse.load_wrapped(outer) if circular else coarse.load(outer)
        values = fill(values, mask, reach)
        local = geometry.sampling.windowed((row, col), (outer.row, outer.col))
        valid = _around(mask, local, (height, width))
        if not circular:
            return upsample(values, local, (height, width)), valid
        ratio = round(local.ratio[0])
        size = (outer.height * ratio, outer.width * ratio)
        whole = upsample(values, Sampling.toolbox(ratio), size, kernel="toolbox")
        inner = Area(row, col, height, width).within(
            Area(outer.row * ratio, outer.col * ratio, *size)
        )
        return whole[:, inner[0], inner[1]], valid

    return Raster(read, coarse.bands, geometry.size)


def expanded_ms(ms: Raster, geometry: Geometry) -> Raster:
    """Return EXP, MS interpolated to the fine grid.

    For the toolbox in single precision, as the arrays behind its reference figures are stored.
    """
    exp = upsampled(ms, geometry)
    if geometry.compat == "none":
        return exp

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        values, mask = exp.read(row, col, height, width)
        return values.float(), mask

    return Raster(read, exp.bands, exp.size)


def _around(mask: Tensor, sampling: Sampling, size: Size) -> Tensor:
    """Return where a fine pixel overlaps the coarse raster and its four samples are valid.

    At the border, where there are fewer, those there are.
    """
    corners, inside = [], []
    for axis in (0, 1):
        n = mask.shape[axis]
        place = torch.arange(size[axis], device=mask.device).double() - sampling.phase[axis]
        place = place / sampling.ratio[axis]
        ends = (place + _SNAP).floor(), (place - _SNAP).ceil()
        corners.append([end.long().clamp(0, n - 1) for end in ends])
        beyond = (1 + 1 / sampling.ratio[axis]) / 2 - _SNAP
        inside.append((place > -beyond) & (place < n - 1 + beyond))
    valid = inside[0][:, None] & inside[1][None, :]
    for rows in corners[0]:
        for cols in corners[1]:
            valid &= mask[rows[:, None], cols[None, :]]
    return valid


def coarse_pan(pan: Raster, geometry: Geometry) -> Raster:
    """Return PAN on the coarse grid by bicubic interpolation with antialiasing.

    At the samples' own places, with replicated border; for the toolbox as if both grids shared
    their outer edges, with symmetric border (MATLAB's ``imresize``). A sample counts if it lies on
    the fine raster and all pixels that it covers are valid.
    """
    toolbox = geometry.compat == "toolbox"
    sampling = geometry.sampling
    if toolbox:
        sampling = Sampling.edge_aligned(sampling.ratio[0])
    reach = tuple(math.ceil(_CUBIC_REACH * ratio) + 1 for ratio in sampling.ratio)

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        margin = (2 * reach[0], 2 * reach[1])
        outer = geometry.pixels_under(area, sampling, margin).clip(geometry.size)
        values, mask = pan.load(outer)
        values = fill(values, mask, max(reach))
        local = sampling.windowed((outer.row, outer.col), (row, col))
        border: Border = "symmetric" if toolbox else "replicate"
        coarse = decimate(values, local, (height, width), antialias=True, border=border)
        return coarse, covered(mask, local, (height, width))

    return Raster(read, pan.bands, geometry.target_size)


def covered(mask: Tensor, sampling: Sampling, size: Size) -> Tensor:
    """Return where all fine pixels under a coarse sample are there and valid."""
    holes = functional.pad((~mask).double().cumsum(0).cumsum(1), (1, 0, 1, 0))
    ends, inside = [], []
    for axis in (0, 1):
        n, ratio = mask.shape[axis], sampling.ratio[axis]
        place = torch.arange(size[axis], device=mask.device).double() * ratio
        place = place + sampling.phase[axis]
        first = (place - ratio / 2 + _SNAP).ceil().long().clamp(0, n)
        stop = (place + ratio / 2 - _SNAP).floor().long().clamp(-1, n - 1) + 1
        ends.append((first, stop))
        inside.append((place > -0.5 - _SNAP) & (place < n - 0.5 + _SNAP))
    (top, bottom), (left, right) = ends
    count = (holes[bottom] - holes[top])[:, right] - (holes[bottom] - holes[top])[:, left]
    return (count == 0) & inside[0][:, None] & inside[1][None, :]


def smoothed(fine: Raster, kernels: Kernels) -> Raster:
    """Return the raster filtered by each kernel, its bands or its only one; replicated border."""
    reach = kernels.reach

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        outer = area.pad(2 * reach, 2 * reach).clip(fine.size)
        values, mask = fine.load(outer)
        values = fill(values, mask, reach)
        for axis, start, n in ((0, row, height), (1, col, width)):
            place = torch.arange(start - reach, start + n + reach, device=values.device)
            place = place.clamp(0, fine.size[axis] - 1) - (outer.row, outer.col)[axis]
            values = values.index_select(axis + 1, place)
        rows, cols = area.within(outer)
        return kernels.inside(values), mask[rows, cols]

    return Raster(read, len(kernels.sums), fine.size)


@lru_cache(maxsize=8)
def toolbox_bank(gains: tuple[float, ...], ratio: float) -> Kernels:
    """Return the toolbox's 41-tap MTF kernels, whose transforms are shared by all windows."""
    return Kernels(toolbox_kernels(gains, ratio))


def toolbox_kernels(gains: Sequence[float], ratio: float) -> list[Tensor]:
    """Return the toolbox's 41-tap MTF kernel of each band."""
    return [toolbox_mtf_kernel(gain, ratio) for gain in gains]


def degraded(
    fused: Raster,
    gains: Sequence[float],
    geometry: Geometry,
    decimation: Sequence[Size] | None = None,
) -> Raster:
    """Return the fused raster as the coarse sensor would see it.

    The exact MTF-matched Gaussian at the samples' own places; for the toolbox its kernel, clipped
    at 0 and normalised, and the pixels at its phase, or those at each band's own (row, col) of
    `decimation`. A sample counts if all pixels that it covers are valid.
    """
    sampling = geometry.sampling
    ratio = max(sampling.ratio)
    toolbox = geometry.compat == "toolbox"
    sigma = sigma_of_gain(min(gains), ratio)
    reach = KERNEL_REACH if toolbox else math.ceil(_GAUSS_REACH * sigma) + 1
    kernels = [_normalised(kernel) for kernel in toolbox_kernels(gains, ratio)] if toolbox else []
    phases = decimation or [(round(sampling.phase[0]), round(sampling.phase[1]))] * len(gains)

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        outer = geometry.pixels_under(area, sampling, (2 * reach, 2 * reach)).clip(fused.size)
        values, mask = fused.load(outer)
        values = fill(values, mask, reach)
        local = sampling.windowed((outer.row, outer.col), (row, col))
        if toolbox:
            ratio_px = round(ratio)
            start = ratio_px * row - outer.row, ratio_px * col - outer.col
            places = [(start[0] + phase[0], start[1] + phase[1]) for phase in phases]
            coarse = _picked(values, kernels, places, ratio_px)[:, :height, :width]
        else:
            coarse = degrade(values, local, (height, width), tuple(gains))
        return coarse, covered(mask, local, (height, width))

    return Raster(read, fused.bands, geometry.target_size)


def _picked(
    values: Tensor, kernels: Sequence[Tensor], places: Sequence[Size], ratio: int
) -> Tensor:
    """Filter each band and take every ratio-th pixel from its place on."""
    coarse = []
    for band, kernel, (row, col) in zip(values, kernels, places, strict=True):
        blurred = filter2d(band[None], kernel[None])
        coarse.append(blurred[:, row::ratio, col::ratio])
    return torch.cat(coarse)


def _normalised(kernel: Tensor) -> Tensor:
    positive = kernel.clamp(min=0)
    return positive / positive.sum()


def local_range(raster: Raster, half: int) -> Raster:
    """Return the least and the greatest valid value within `half` pixels: [2C, h, w], lows first.

    A masked pixel has none.
    """

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        outer = area.pad(half, half).clip(raster.size)
        values, mask = raster.load(outer)
        lows = -_highest(torch.where(mask, -values, -torch.inf), half)
        highs = _highest(torch.where(mask, values, -torch.inf), half)
        rows, cols = area.within(outer)
        return torch.cat([lows, highs])[:, rows, cols], mask[rows, cols]

    return Raster(read, 2 * raster.bands, raster.size)


def _highest(x: Tensor, half: int) -> Tensor:
    """Return the greatest value within `half` pixels, by windows that double and then overlap."""
    side = 2 * half + 1
    x = functional.pad(x, (half,) * 4, value=-torch.inf)
    for dim in (-1, -2):
        span = 1
        while span < side:
            step = min(span, side - span)
            n = x.shape[dim] - step
            x = torch.maximum(x.narrow(dim, 0, n), x.narrow(dim, step, n))
            span += step
    return x


def contrast(pan: Raster, lowpass: Raster) -> Raster:
    """Return PAN over its low-pass, 1 where either is not positive."""

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        (fine, first), (coarse, second) = pan.load(area), lowpass.load(area)
        usable = (fine > 0) & (coarse > 0)
        return torch.where(usable, fine / torch.where(usable, coarse, 1.0), 1.0), first & second

    return Raster(read, 1, pan.size)


def nearest(coarse: Raster, geometry: Geometry) -> Raster:
    """Return each fine pixel's nearest coarse sample."""
    sampling = geometry.sampling

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        index = [
            torch.floor(
                (torch.arange(n).double() + start - sampling.phase[axis]) / sampling.ratio[axis]
                + 0.5
            )
            .long()
            .clamp(0, geometry.target_size[axis] - 1)
            for axis, (start, n) in enumerate(((row, height), (col, width)))
        ]
        rows, cols = index
        area = Area(
            int(rows[0]), int(cols[0]), int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1
        )
        values, mask = coarse.load(area)
        at = (rows - rows[0])[:, None], (cols - cols[0])[None, :]
        return values[:, at[0], at[1]], mask[at]

    return Raster(read, coarse.bands, geometry.size)
