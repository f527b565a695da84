"""Adam without the second that PyTorch's class takes to load its compiler at the first step.

The arithmetic is PyTorch's own, by its functional interface. Source: Kingma and Ba, "Adam: a method
for stochastic optimization", 2015.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
"""Decay of the running means of the gradient and of its square."""
EPS = 1e-8


class Adam:
    """Adam for parameters that keep their place; `rate` may change from step to step."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float) -> None:
        self.rate = rate
        self._every = list(parameters)
        self._means = [torch.zeros_like(p) for p in self._every]
        self._squares = [torch.zeros_like(p) for p in self._every]
        self._steps = [torch.zeros(()) for _ in self._every]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._every:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [i for i, p in enumerate(self._every) if p.grad is not None]
        grads = [p.grad for p in self._every if p.grad is not None]

        def of(values: list[Tensor]) -> list[Tensor]:
            return [values[i] for i in moved]

        adam(
            [self._every[i] for i in moved], grads, of(self._means), of(self._squares), [],
            of(self._steps), amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=self.rate,
            weight_decay=0.0, eps=EPS, maximize=False,
        )  # fmt: skip
