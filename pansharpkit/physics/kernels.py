"""The reference toolbox's MTF kernels, kept to the digit, and plain two-dimensional filtering.

Everything else in the package uses the exact Gaussian of :mod:`pansharpkit.physics.resample`; these
kernels exist because published figures (D_lambda_K above all) depend on them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.physics.resample import Border, fold

KAISER_BETA = 0.5
"""Shape of the window that the toolbox gets by not asking for one."""
DIRECT_TAPS = 11
"""Up to this size the sum is taken directly, above it through the FFT."""


@lru_cache(maxsize=64)
def toolbox_mtf_kernel(gain: float, ratio: float, taps: int = 41) -> Tensor:
    """Return the toolbox's MTF-matched kernel, [taps, taps] float64, **not** normalised.

    A Gaussian with value `gain` at the coarse Nyquist frequency is drawn in the frequency plane,
    transformed, and windowed by a Kaiser window turned about its centre (Huang's method, MATLAB's
    ``fwind1``). The sum lies near 0.9995, and some values are slightly negative. Do not write into
    the result: it is cached.

    Raises
    ------
    ValueError
        If `gain` is outside (0, 1) or `taps` is even.
    """
    if not 0 < gain < 1:
        raise ValueError(f"an MTF gain must lie in (0, 1), not {gain}")
    if taps % 2 == 0:
        raise ValueError(f"an MTF kernel needs an odd number of taps, not {taps}")
    half = (taps - 1) / 2
    alpha = half / ratio / math.sqrt(-2 * math.log(gain))
    axis = torch.arange(taps, dtype=torch.float64) - half
    radius = torch.hypot(axis[:, None], axis[None, :])
    response = torch.exp(-0.5 * (radius / alpha) ** 2)
    response[response < torch.finfo(torch.float64).eps * response.max()] = 0
    impulse: Tensor = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(response))).real
    return impulse * _turned_kaiser(taps)


def _turned_kaiser(taps: int) -> Tensor:
    """Return the [taps, taps] Kaiser window, interpolated linearly in the radius, 0 beyond it."""
    half = (taps - 1) // 2
    window = torch.kaiser_window(taps, periodic=False, beta=KAISER_BETA, dtype=torch.float64)
    axis = torch.arange(taps, dtype=torch.float64) - half
    radius = torch.hypot(axis[:, None], axis[None, :])
    below = radius.floor().clamp(max=half - 1)
    fraction = radius - below
    side = window[half:]
    value = (1 - fraction) * side[below.long()] + fraction * side[below.long() + 1]
    return torch.where(radius <= half, value, torch.zeros_like(value))


def pad(x: Tensor, reach: int, border: Border) -> Tensor:
    """Extend [..., H, W] by `reach` pixels on each side."""
    height, width = int(x.shape[-2]), int(x.shape[-1])
    rows = fold(torch.arange(-reach, height + reach, device=x.device), height, border)
    cols = fold(torch.arange(-reach, width + reach, device=x.device), width, border)
    return x[..., rows[:, None], cols[None, :]]


def filter2d(x: Tensor, kernels: Tensor, border: Border = "replicate") -> Tensor:
    """Correlate [C, H, W] with one odd [k, k] kernel per band; the size stays.

    `kernels` is [C, k, k], or [1, k, k] for all bands alike.
    """
    taps = int(kernels.shape[-1])
    height, width = int(x.shape[-2]), int(x.shape[-1])
    padded = pad(x, taps // 2, border)
    weights = kernels.to(x.device, x.dtype).expand(x.shape[0], -1, -1)
    if taps <= DIRECT_TAPS:
        return functional.conv2d(padded[None], weights[:, None], groups=x.shape[0])[0]
    size = (int(padded.shape[-2]), int(padded.shape[-1]))
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(weights, s=size).conj()
    filtered: Tensor = torch.fft.irfft2(spectrum, s=size)
    return filtered[..., :height, :width]
