"""Maps of local quality, one value per pixel: spectral angle, sliding windows, gradients.

All sums run over neighbouring pixels alone and in a fixed order, so that a pixel's value does not
depend on the array it is computed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.blocks import FULL, universal_quality

SSIM_SIGMA = 1.5
SSIM_TAPS = 11
SSIM_CONSTANTS = (0.01, 0.03)
"""Wang et al. 2004: K1 and K2."""
_TINY = 1e-20


def spectral_angle(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the angle in degrees between the spectra of [C, H, W], and where there is one.

    A zero spectrum has no angle. The form is Kahan's, exact for small angles and never NaN.
    """
    lengths = _length(x), _length(y)
    exists = (lengths[0] > 0) & (lengths[1] > 0)
    u, v = (
        image / length.where(exists, 1.0) for image, length in zip((x, y), lengths, strict=True)
    )
    angle = 2 * torch.atan2(_length(u - v), _length(u + v))
    return torch.where(exists, torch.rad2deg(angle), 0.0), exists


def _length(x: Tensor) -> Tensor:
    return x.square().sum(dim=0).sqrt()


def box_sum(x: Tensor, side: int) -> Tensor:
    """Return the sums of [..., H, W] over all side x side windows inside: [..., H-side+1, ...]."""
    return _run(_run(x, side, -1), side, -2)


def _run(x: Tensor, length: int, dim: int) -> Tensor:
    """Add `length` neighbours by repeated doubling."""
    n_out = x.shape[dim] - length + 1
    total, offset, width = None, 0, 1
    while True:
        if length & width:
            piece = x.narrow(dim, offset, n_out)
            total = piece if total is None else total + piece
            offset += width
        if 2 * width > length and total is not None:
            return total
        n = x.shape[dim] - width
        x = x.narrow(dim, 0, n) + x.narrow(dim, width, n)
        width *= 2


def gaussian_sum(x: Tensor, weights: Sequence[float]) -> Tensor:
    """Correlate [..., H, W] with a separable kernel, inside only."""
    for dim in (-1, -2):
        n = x.shape[dim] - len(weights) + 1
        total = x.narrow(dim, 0, n) * weights[0]
        for tap, weight in enumerate(weights[1:], start=1):
            total.add_(x.narrow(dim, tap, n), alpha=weight)
        x = total
    return x


def gaussian_window(taps: int, sigma: float) -> list[float]:
    """Return a normalised, sampled Gaussian."""
    half = (taps - 1) / 2
    weights = [math.exp(-0.5 * ((k - half) / sigma) ** 2) for k in range(taps)]
    return [weight / math.fsum(weights) for weight in weights]


def sliding_quality(x: Tensor, y: Tensor, mask: Tensor, side: int = 32) -> tuple[Tensor, Tensor]:
    """Return Q in every side x side window of two [H, W] bands, and which windows count.

    A window's statistics are those of its valid pixels.
    """
    weights = mask.to(x.dtype)
    n = box_sum(weights, side)
    number = n.clamp(min=1)
    # Moments are taken about one value per band, or small variances drown in large means.
    origin = (x * weights).sum() / weights.sum().clamp(min=1)
    x, y = (x - origin) * weights, (y - origin) * weights
    mx, my = box_sum(x, side) / number, box_sum(y, side) / number
    vx, vy = (
        (box_sum(image.square(), side) / number - mean.square()).clamp(min=0)
        for image, mean in ((x, mx), (y, my))
    )
    covariance = box_sum(x * y, side) / number - mx * my
    quality = universal_quality((mx + origin, my + origin), (vx, vy), covariance)
    return quality, n >= FULL * side * side


def ssim_map(x: Tensor, y: Tensor, mask: Tensor, peak: float) -> tuple[Tensor, Tensor]:
    """Return SSIM in every 11 x 11 Gaussian window of two [H, W] bands, and which windows count.

    Wang et al. 2004, without the correction for sample size. Weights of masked pixels are spread
    over the valid ones of the window.
    """
    window = gaussian_window(SSIM_TAPS, SSIM_SIGMA)
    weights = mask.to(x.dtype)
    n = gaussian_sum(weights, window)
    number = torch.where(n > 0, n, 1.0)
    c1, c2 = ((k * peak) ** 2 for k in SSIM_CONSTANTS)
    x, y = x * weights, y * weights
    mx, my = gaussian_sum(x, window) / number, gaussian_sum(y, window) / number
    vx = gaussian_sum(x.square(), window) / number - mx.square()
    vy = gaussian_sum(y.square(), window) / number - my.square()
    covariance = gaussian_sum(x * y, window) / number - mx * my
    luminance = (2 * mx * my + c1) / (mx.square() + my.square() + c1)
    return luminance * (2 * covariance + c2) / (vx + vy + c2), n >= FULL


def sobel(x: Tensor) -> Tensor:
    """Return the Sobel gradient magnitude of [C, H, W] inside: [C, H-2, W-2]."""
    return torch.hypot(*sobel_parts(x))


def sobel_parts(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Sobel gradient of [C, H, W] along rows and along columns, inside."""
    smooth_rows = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    smooth_cols = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    across = smooth_rows[..., 2:] - smooth_rows[..., :-2]
    down = smooth_cols[:, 2:] - smooth_cols[:, :-2]
    return across, down


def local_correlation(x: Tensor, y: Tensor, half: int) -> Tensor:
    """Return the correlation of [C, H, W] and [1 or C, H, W] around each pixel, same size.

    Windows of 2 half x 2 half pixels, from half - 1 before to half after, with zeros beyond the
    border; each pixel is first freed of its own window's mean (Scarpa and Ciotola 2022).
    """
    around = (half - 1, half, half - 1, half)

    def window(image: Tensor) -> Tensor:
        return box_sum(functional.pad(image, around), 2 * half)

    x, y = (image - window(image) / (4 * half * half) for image in (x, y))
    power = window(x.square()).clamp(min=_TINY) * window(y.square()).clamp(min=_TINY)
    return (window(x * y) / (power.sqrt() + _TINY)).clamp(-1, 1)


def erode(mask: Tensor, reach: int) -> Tensor:
    """Return where all of the (2 reach + 1)-square around a pixel of [H, W] is True.

    Pixels beyond the border are taken as True.
    """
    if bool(mask.all()):
        return mask
    hole = (~mask).float()[None, None]
    return functional.max_pool2d(hole, 2 * reach + 1, 1, reach)[0, 0] == 0
