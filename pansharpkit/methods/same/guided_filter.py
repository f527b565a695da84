"""The guided filter in windows of many sizes, mixed by how noisy the image is.

In every window the image is a line in the guide; a pixel is the mean of what the windows around it
say. Means over the same windows and the image itself join in, for where the guide says little. The
mixture is the one with the smallest error by Stein's estimate, which needs no clean image.

Source: He, Sun, Tang, "Guided image filtering", ECCV 2010; Stein, "Estimation of the mean of a
multivariate normal distribution", 1981; Blu and Luisier, "The SURE-LET approach to image
denoising", 2007.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

RADII = (1, 2, 3, 5, 8, 13)
"""Half sides of the windows, pixels."""
_FLAT = 1e-4  # of the guide's variance, added to that of a window
_MOST = 2.0  # deviations of the noise that a mixture may take off
_RIDGE = 1e-6  # of the mean square, that similar filters may be told apart


def guided(image: Tensor, guide: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """Return [C, H, W] filtered under the mean of the guide's bands.

    Parameters
    ----------
    image : [C, H, W] in standard units.
    guide : [c, H, W] in standard units; its noise must not be the image's.
    mask : [H, W] bool, True where a pixel counts.
    noise : [C] deviation of the noise, in the image's units.
    """
    beside = guide.mean(dim=0, keepdim=True)
    found = [
        _filtered(image, shown, mask, radius)
        for radius in RADII
        for shown in (beside, torch.zeros_like(beside))
    ]
    filled = torch.where(mask, image, found[0][0])
    level = torch.ones_like(image)
    made = torch.stack([filled, level, *(one for one, _ in found)])
    weight = torch.stack([level, 0 * level, *(own.expand_as(level) for _, own in found)])
    bands = [
        _mixed(made[:, band], weight[:, band], mask, float(noise[band]))
        for band in range(len(image))
    ]
    return torch.stack(bands)


def _mixed(made: Tensor, weight: Tensor, mask: Tensor, noise: float) -> Tensor:
    """Return the [H, W] mixture of [K, H, W] that Stein's estimate finds nearest to the truth.

    The first one is the noisy image; `weight` says how strongly each pixel depends on itself.
    """
    columns = made[:, mask].double()
    count = max(1, columns.shape[1])
    gram = columns @ columns.T / count
    freedom = weight[:, mask].double().sum(dim=1) / count
    wanted = gram[0] - noise**2 * freedom
    ridge = _RIDGE * gram.diagonal().mean().clamp_min(_RIDGE)
    shares = torch.linalg.solve(gram + ridge * torch.eye(len(gram)).to(gram), wanted)
    taken_off = gram[0, 0] - 2 * shares @ gram[0] + shares @ gram @ shares
    if taken_off > (_MOST * noise) ** 2:  # less noise than was believed: the best one alone
        left = gram[0, 0] - 2 * gram[0] + gram.diagonal()
        return made[int((left + 2 * noise**2 * freedom).argmin())]
    return torch.einsum("k,khw->hw", shares.to(made), made)


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
