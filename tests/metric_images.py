"""Small images for the tests of the indices."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def texture(bands: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Return a smooth random image around 500 with a deviation of about 100, [C, H, W]."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(bands + 1, height + 8, width + 8, generator=draw, dtype=torch.float64)
    smooth = functional.avg_pool2d(noise[None], 5, 1)[0][:, 2:-2, 2:-2]
    # A part that all bands share, as those of a scene do.
    mixed = smooth[:bands] + smooth[bands:]
    return 500 + 350 * mixed[:, :height, :width]


def noisy(image: Tensor, sigma: float = 15.0, seed: int = 1) -> Tensor:
    """Return the image with white noise."""
    draw = torch.Generator().manual_seed(seed)
    return image + sigma * torch.randn(image.shape, generator=draw, dtype=torch.float64)


def patchy_mask(height: int, width: int, seed: int = 2) -> Tensor:
    """Return a mask with a corner, a stripe and single pixels missing."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(height, width, generator=draw) > 0.02
    mask[: height // 3, : width // 4] = False
    mask[height // 2 : height // 2 + 3] = False
    return mask
