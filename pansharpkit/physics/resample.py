"""Resampling between the two grids, each operator as a pair of small matrices.

Every separable linear operator of the observation model — interpolate, decimate, blur and decimate
at any ratio, integer or not, and at any phase — is ``rows @ X @ cols.T`` with one matrix per axis.
Each matrix row depends only on where its sample sits, so results do not depend on tiling, and the
adjoint is the transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.remembered import MATRICES
from pansharpkit.sampling import Sampling

Border = Literal["replicate", "symmetric", "circular"]
Interpolation = Literal["lagrange", "cubic", "toolbox"]

CUBIC_RADIUS = 2
GAUSS_REACH = 4.0
"""Gaussian kernels are cut at this many σ, where 6e-5 of the mass is left."""
LAGRANGE_RADIUS = 6
"""Half the number of taps: 12-point Lagrange, whose midpoint weights are the 23-tap half-band."""


@dataclass(frozen=True)
class Axis:
    """The samples of one axis of an operator: output i is centred on input index start + step·i."""

    n_in: int
    n_out: int
    start: float
    step: float
    border: Border

    @property
    def centres(self) -> Tensor:
        """[n_out] input index of each output, float64."""
        return self.start + self.step * torch.arange(self.n_out, dtype=torch.float64)


def _matrix(axis: Axis, taps: Tensor, weights: Tensor) -> Tensor:
    """Scatter [n_out, k] weights at integer input indices `taps` into [n_out, n_in], with border.

    Rows are normalised to sum 1.
    """
    weights = weights / weights.sum(dim=1, keepdim=True)
    dense = torch.zeros(axis.n_out, axis.n_in, dtype=torch.float64)
    return dense.scatter_add_(1, fold(taps, axis.n_in, axis.border), weights)


def fold(index: Tensor, n: int, border: Border) -> Tensor:
    """Return the index inside [0, n) that stands for each integer index, inside or not."""
    if border == "replicate":
        return index.clamp(0, n - 1)
    if border == "circular":
        return index.remainder(n)
    index = index.remainder(2 * n)
    return torch.where(index < n, index, 2 * n - 1 - index)


def _kernel_matrix(axis: Axis, radius: float, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the matrix of a convolution kernel given as a function of the input distance."""
    centres = axis.centres[:, None]
    reach = math.ceil(radius) + 1
    taps = torch.floor(centres).long() + torch.arange(1 - reach, reach + 1)
    return _matrix(axis, taps, kernel(taps - centres))


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel, a = -1/2 (Keys 1981)."""
    d = distance.abs()
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


@MATRICES.keeps
def cubic_matrix(axis: Axis, widen: float) -> Tensor:
    """Cubic interpolation; `widen` > 1 stretches the kernel by that factor against aliasing."""
    return _kernel_matrix(axis, CUBIC_RADIUS * widen, lambda d: _cubic(d / widen))


@MATRICES.keeps
def linear_matrix(axis: Axis, widen: float) -> Tensor:
    """Linear interpolation, stretched likewise."""
    return _kernel_matrix(axis, widen, lambda d: (1 - (d / widen).abs()).clamp_min(0))


@MATRICES.keeps
def _gauss_matrix(axis: Axis, sigma: float) -> Tensor:
    return _kernel_matrix(axis, GAUSS_REACH * sigma, lambda d: torch.exp(-0.5 * (d / sigma) ** 2))


@MATRICES.keeps
def _lagrange_matrix(axis: Axis) -> Tensor:
    """12-point Lagrange interpolation, maximally flat at every fractional position."""
    first = torch.floor(axis.centres + 1e-9) - (LAGRANGE_RADIUS - 1)
    offset = (axis.centres - first)[:, None]
    points = torch.arange(2 * LAGRANGE_RADIUS, dtype=torch.float64)
    weights = torch.ones(axis.n_out, len(points), dtype=torch.float64)
    for k, point in enumerate(points):
        others = points[points != point]
        weights[:, k] = ((offset - others) / (point - others)).prod(dim=1)
    return _matrix(axis, (first[:, None] + points).long(), weights)


@MATRICES.keeps
def _halfband_matrix(n_in: int, ratio: int) -> Tensor:
    """Repeated doubling with the 23-tap half-band and circular border, as the toolbox does.

    Sample k ends at ratio·k + ratio/2: the first doubling puts it on odd indices, each further one
    on even indices.
    """
    if ratio < 2 or ratio & (ratio - 1):
        raise ValueError(f"the toolbox interpolator needs a ratio of 2, 4, 8, ..., not {ratio}")
    # Published half of the filter, rounded to 12 digits as in the toolbox (Aiazzi et al. 2002).
    side = (0.305334091185, -0.072698593239, 0.021809577942, -0.005192756653, 0.000807762146,
            -0.000060081482)  # fmt: skip
    weights = torch.tensor([*reversed(side), *side], dtype=torch.float64) * 2
    total = torch.eye(n_in, dtype=torch.float64)
    n, first = n_in, 1
    while n < n_in * ratio:
        double = torch.zeros(2 * n, n, dtype=torch.float64)
        k = torch.arange(n)
        double[2 * k + first, k] = 1.0
        for tap in range(2 * LAGRANGE_RADIUS):
            source = k + tap - (LAGRANGE_RADIUS - 1)
            double[(2 * k + first + 1) % (2 * n), source % n] += weights[tap]
        total, n, first = double @ total, 2 * n, 0
    return total


def sigma_of_gain(gain: float, ratio: float) -> float:
    """Return the σ, in fine pixels, of the Gaussian PSF whose MTF is `gain` at 0.5/ratio cycles.

    Exact: σ = ratio/π · √(−2 ln gain).
    """
    if not 0 < gain < 1:
        raise ValueError(f"an MTF gain must lie in (0, 1), not {gain}")
    return ratio / math.pi * math.sqrt(-2 * math.log(gain))


def _axes_up(
    size: tuple[int, int], target: tuple[int, int], s: Sampling, border: Border
) -> tuple[Axis, Axis]:
    rows, cols = (
        Axis(target[i], size[i], -s.phase[i] / s.ratio[i], 1 / s.ratio[i], border) for i in (0, 1)
    )
    return rows, cols


def axes_down(
    size: tuple[int, int], target: tuple[int, int], s: Sampling, border: Border
) -> tuple[Axis, Axis]:
    """Return the row and column axes of an operator from the guide grid to the target grid."""
    rows, cols = (Axis(size[i], target[i], s.phase[i], s.ratio[i], border) for i in (0, 1))
    return rows, cols


def upsample(
    x: Tensor,
    sampling: Sampling,
    size: tuple[int, int],
    *,
    kernel: Interpolation = "lagrange",
    border: Border = "replicate",
) -> Tensor:
    """Interpolate [C, h, w] target samples to the guide grid, [C, H, W].

    ``"toolbox"`` is the 23-tap half-band with circular border; it needs a ratio of 2, 4, 8, ...,
    `size` = ratio · (h, w), and the phase of :meth:`Sampling.toolbox`.

    Raises
    ------
    ValueError
        If ``"toolbox"`` is asked for other geometry.
    """
    small = (int(x.shape[-2]), int(x.shape[-1]))
    if kernel == "toolbox":
        ratio = round(sampling.ratio[0])
        if sampling != Sampling.toolbox(ratio) or size != (small[0] * ratio, small[1] * ratio):
            raise ValueError(f"toolbox interpolation cannot honour {sampling} at size {size}")
        return apply_pair(x, _halfband_matrix(small[0], ratio), _halfband_matrix(small[1], ratio))
    rows, cols = _axes_up(size, small, sampling, border)
    if kernel == "cubic":
        return apply_pair(x, cubic_matrix(rows, 1.0), cubic_matrix(cols, 1.0))
    return apply_pair(x, _lagrange_matrix(rows), _lagrange_matrix(cols))


def decimate(
    x: Tensor,
    sampling: Sampling,
    target_size: tuple[int, int],
    *,
    antialias: bool = False,
    border: Border = "replicate",
) -> Tensor:
    """Take [C, H, W] fine pixels at the target centres, [C, h, w], by cubic interpolation.

    Where a centre falls on a fine pixel, that pixel is taken as it is. With `antialias` the cubic
    kernel is stretched by the ratio (MATLAB's imresize with its default options).
    """
    rows, cols = axes_down((x.shape[-2], x.shape[-1]), target_size, sampling, border)
    widen = sampling.ratio if antialias else (1.0, 1.0)
    return apply_pair(x, cubic_matrix(rows, widen[0]), cubic_matrix(cols, widen[1]))


def degrade(
    x: Tensor,
    sampling: Sampling,
    target_size: tuple[int, int],
    gains: tuple[float, ...],
    *,
    border: Border = "replicate",
) -> Tensor:
    """Blur [C, H, W] with each band's MTF-matched Gaussian and sample it at the target centres.

    `gains` has one MTF gain per band; the PSF is evaluated at the exact sub-pixel distances, so
    any ratio and phase is handled without interpolation.
    """
    return torch.stack(
        [
            apply_pair(band, *degrade_pair(band.shape, sampling, target_size, gain, border))
            for band, gain in zip(x, gains, strict=True)
        ]
    )


def degrade_adjoint(
    y: Tensor,
    sampling: Sampling,
    size: tuple[int, int],
    gains: tuple[float, ...],
    *,
    border: Border = "replicate",
) -> Tensor:
    """Apply the transpose of :func:`degrade` to [C, h, w], giving [C, H, W]."""
    small = (int(y.shape[-2]), int(y.shape[-1]))
    bands = []
    for band, gain in zip(y, gains, strict=True):
        rows, cols = degrade_pair(size, sampling, small, gain, border)
        bands.append(apply_pair(band, rows.T, cols.T))
    return torch.stack(bands)


def degrade_pair(
    size: tuple[int, ...],
    sampling: Sampling,
    target_size: tuple[int, int],
    gain: float,
    border: Border,
) -> tuple[Tensor, Tensor]:
    """Return the matrices of :func:`degrade` for one band, [h, H] and [w, W], float64."""
    rows, cols = axes_down((size[0], size[1]), target_size, sampling, border)
    sigmas = [sigma_of_gain(gain, ratio) for ratio in sampling.ratio]
    return _gauss_matrix(rows, sigmas[0]), _gauss_matrix(cols, sigmas[1])


def lowpass(
    x: Tensor, ratio: tuple[float, float], gains: tuple[float, ...], *, border: Border = "replicate"
) -> Tensor:
    """Blur [C, H, W] with each band's MTF-matched Gaussian on its own grid, without decimation."""
    unit = Sampling((1.0, 1.0), (0.0, 0.0))
    height, width = int(x.shape[-2]), int(x.shape[-1])
    rows, cols = axes_down((height, width), (height, width), unit, border)
    return torch.stack(
        [
            apply_pair(
                band,
                _gauss_matrix(rows, sigma_of_gain(gain, ratio[0])),
                _gauss_matrix(cols, sigma_of_gain(gain, ratio[1])),
            )
            for band, gain in zip(x, gains, strict=True)
        ]
    )
