"""When to stop a fit: where it explains best the pixels that it is not shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pansharpkit.methods.optimise import mixed_seed

_HELD_OUT = 1 / 8  # of the pixels
_PATIENCE = 3  # looks without a better output after which a fit ends


def shown_pixels(size: tuple[int, int], index: int) -> Tensor:
    """Return [H, W], false at one pixel in eight, chosen at random."""
    draws = torch.Generator().manual_seed(mixed_seed(index, *size))
    return torch.rand(size, generator=draws) >= _HELD_OUT


class BestOnHeldOut:
    """Knows when held-out pixels were explained best, and says when they are no better any more."""

    def __init__(self, surprise: Callable[[Tensor], float]) -> None:
        self._surprise, self._error, self._late = surprise, math.inf, 0
        self.done = 0

    def __call__(self, done: int, output: Tensor) -> bool:
        """Return whether the last looks brought nothing."""
        error = self._surprise(output)
        if error < self._error:
            self._error, self._late, self.done = error, 0, done
            return False
        self._late += 1
        return self._late >= _PATIENCE
