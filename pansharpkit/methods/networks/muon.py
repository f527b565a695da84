"""Muon: momentum whose matrices are made orthogonal before each step.

Adam scales each weight by itself, so that a few directions of a layer take most of a step. Making
all singular values of the step equal lets the weak directions learn as fast. In one run of a Guided
Deep Decoder the averaged output had 32.5 dB after 100 steps, against 31.1 with Adam; after 50 steps
there was no clear difference. Vectors and small matrices stay with Adam.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the
iteration's coefficients are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pansharpkit.methods.networks.adam import Adam

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd quintic that drives singular values towards one."""
_STEPS = 5
_NARROWEST = 16
"""Rows and columns below which a layer is left to Adam: there is little to make orthogonal."""
ADAM_RATE = 0.01


class Muon:
    """Muon for the hidden convolutions, Adam at its own rate for everything else.

    Parameters
    ----------
    rate
        Root mean square of each step's entries, times the square root of the layer's smaller side.
    adam_rate
        Learning rate of what is left to Adam.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, adam_rate: float = ADAM_RATE
    ) -> None:
        every = list(parameters)
        self._matrices = [p for p in every if _is_wide(p)]
        self._adam = Adam([p for p in every if not _is_wide(p)], adam_rate)
        self._momentum = [torch.zeros_like(p) for p in self._matrices]
        self._rate = self._highest = rate
        self._adam_rate = adam_rate

    @property
    def rate(self) -> float:
        """The step's size; what is left to Adam follows it in proportion."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        self._adam.rate = self._adam_rate * rate / self._highest

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._adam.zero_grad()
        for matrix in self._matrices:
            matrix.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self._adam.step()
        for matrix, momentum in zip(self._matrices, self._momentum, strict=True):
            if matrix.grad is None:
                continue
            momentum.mul_(MOMENTUM).add_(matrix.grad)
            ahead = (matrix.grad + MOMENTUM * momentum).flatten(1)
            length = self._rate * math.sqrt(max(ahead.shape))
            matrix.sub_(length * orthogonal(ahead).reshape(matrix.shape))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return [n, m] with the same singular vectors and all singular values between 0.7 and 1.2.

    Only values below a thousandth or so of the matrix's norm stay smaller.
    """
    a, b, c = NEWTON_SCHULZ
    x: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + torch.finfo(x.dtype).tiny)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def _is_wide(parameter: nn.Parameter) -> bool:
    shape = parameter.shape
    return len(shape) == 4 and min(shape[0], parameter[0].numel()) >= _NARROWEST
