"""When to stop a fit: where it comes nearest to a copy of the image that it is not shown.

A noisy image y with white noise of known deviation s makes two, y + s z and y - s z, with normal
draws z: their noises do not depend on each other. A fit to the first that follows its noise does
not come nearer to the second.

Source: Pang, Zheng, Quan, Ji, "Recorrupted-to-Recorrupted", CVPR 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pansharpkit.methods.networks.optimise import mixed_seed

LOUDER = math.sqrt(2)
"""Deviation of a copy's noise, in that of the image's own."""
FIT, REFIT = 70, 30
"""Iterations that a fit to a copy, and the one to the image after it, usually take."""
_PATIENCE = 4  # looks without a better output after which a fit ends


def split(image: Tensor, noise: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Return the copy to fit and the copy to judge by, [C, H, W], of an image with noise [C]."""
    draws = torch.Generator().manual_seed(mixed_seed(index, *image.shape))
    drawn = torch.randn(image.shape, generator=draws).to(image) * noise.to(image)[:, None, None]
    return image + drawn, image - drawn


class BestOnHeldOut:
    """Knows when the copy was explained best, and says when it is no better explained any more."""

    def __init__(self, judge: Callable[[Tensor], tuple[float, float]]) -> None:
        """Take what says of an output its error, and the share of it to take."""
        self._judge, self._error, self._late = judge, math.inf, 0
        self.done, self.share = 0, 1.0

    def __call__(self, done: int, output: Tensor) -> bool:
        """Return whether the last looks brought nothing."""
        error, share = self._judge(output)
        if error < self._error:
            self._error, self._late, self.done, self.share = error, 0, done, share
            return False
        self._late += 1
        return self._late >= _PATIENCE
