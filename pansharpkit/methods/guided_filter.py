"""The guided filter, its window chosen by how noisy the image is.

In every window the image is a line in the guide; a pixel is the mean of what the windows around it
say. The window is the one with the smallest error by Stein's estimate, which needs no clean image.

Source: He, Sun, Tang, "Guided image filtering", ECCV 2010; Stein, "Estimation of the mean of a
multivariate normal distribution", 1981.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

RADII = (1, 2, 3, 5, 8, 13)
"""Half sides of the windows that are tried, pixels."""
_FLAT = 1e-4  # of the guide's variance, added to that of a window


def guided(image: Tensor, guide: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """Return [C, H, W] filtered under the mean of the guide's bands.

    Parameters
    ----------
    image : [C, H, W] in standard units.
    guide : [c, H, W] in standard units.
    mask : [H, W] bool, True where a pixel counts.
    noise : [C] deviation of the noise, in the image's units.
    """
    best, risk = image, torch.full_like(noise, torch.inf)
    for radius in RADII:
        made, freedom = _filtered(image, guide.mean(dim=0, keepdim=True), mask, radius)
        left = _mean((made - image).square(), mask)
        found = left + 2 * noise.square() * _mean(freedom, mask)
        better = found < risk
        best = torch.where(better[:, None, None], made, best)
        risk = torch.where(better, found, risk)
    return best


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    total: Tensor = (values * mask).sum(dim=(1, 2)) / mask.sum().clamp(min=1)
    return total


def _filtered(image: Tensor, guide: Tensor, mask: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Return the image through windows of one size, and each pixel's weight in itself."""
    counted = mask.to(image)[None]
    share = _box(counted, radius).clamp_min(1e-6)

    def mean(x: Tensor) -> Tensor:
        return _box(x * counted, radius) / share

    middle, level = mean(guide), mean(image)
    spread = (mean(guide.square()) - middle.square()).clamp_min(0) + _FLAT
    slope = (mean(guide * image) - middle * level) / spread
    made = mean(slope) * guide + mean(level - slope * middle)
    leverage = (
        mean(1 + middle.square() / spread)
        - 2 * guide * mean(middle / spread)
        + guide.square() * mean(1 / spread)
    )
    return made, leverage / (2 * radius + 1) ** 2


def _box(x: Tensor, radius: int) -> Tensor:
    """Return means over windows, which are cut off at the edges."""
    side = 2 * radius + 1
    return functional.avg_pool2d(x[None], side, 1, radius, count_include_pad=False)[0]
