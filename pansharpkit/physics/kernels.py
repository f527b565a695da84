"""The reference toolbox's MTF kernels, kept to the digit, and plain two-dimensional filtering.

Everything else in the package uses the exact Gaussian of :mod:`pansharpkit.physics.resample`; these
kernels exist because published figures (D_lambda_K above all) depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.physics.resample import Border, fold

KAISER_BETA = 0.5
"""Shape of the window that the toolbox gets by not asking for one."""
DIRECT_TAPS = 11
"""Up to this size the sum is taken directly, above it through the FFT."""
_SIZES = 2  # for which transforms are kept: those of the inner windows, and of some others


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


class Kernels:
    """Odd kernels of one size, a band each, and their transforms for the windows they meet."""

    def __init__(self, kernels: Sequence[Tensor]) -> None:
        """Take at least one [k, k] kernel."""
        self._kernels = torch.stack(list(kernels))
        self._transforms: dict[tuple[int, int], Tensor] = {}

    @property
    def reach(self) -> int:
        """Pixels on each side of the middle."""
        return self._kernels.shape[-1] // 2

    @property
    def sums(self) -> Tensor:
        """[G]."""
        return self._kernels.sum(dim=(1, 2))

    def inside(self, x: Tensor) -> Tensor:
        """Correlate [G or 1, H, W] with the G kernels where they lie inside it.

        The result is [G, H - 2 reach, W - 2 reach].
        """
        height, width = (int(n) for n in x.shape[-2:])
        size = _fast(height), _fast(width)
        seen = torch.fft.rfft2(x, s=size)
        rows, cols = slice(height - 2 * self.reach), slice(width - 2 * self.reach)
        found = [
            torch.fft.irfft2(band * transform, s=size)[rows, cols]
            for band, transform in zip(
                seen.expand(len(self._kernels), -1, -1), self._transform(x, size), strict=True
            )
        ]
        return torch.stack(found)

    def _transform(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        found = self._transforms.get(size)
        if found is None:
            found = torch.fft.rfft2(self._kernels.to(x.device, x.dtype), s=size).conj()
            while len(self._transforms) >= _SIZES:
                self._transforms.pop(next(iter(self._transforms)), None)
            self._transforms[size] = found
        return found


def _fast(n: int) -> int:
    """Return the least even number from n on without a prime factor above 5."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1 and n % 2 == 0:
            return n
        n += 1


def pad(x: Tensor, reach: int, border: Border) -> Tensor:
    """Extend [..., H, W] by `reach` pixels on each side."""
    height, width = int(x.shape[-2]), int(x.shape[-1])
    rows = fold(torch.arange(-reach, height + reach, device=x.device), height, border)
    cols = fold(torch.arange(-reach, width + reach, device=x.device), width, border)
    return x.index_select(-2, rows).index_select(-1, cols)


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
