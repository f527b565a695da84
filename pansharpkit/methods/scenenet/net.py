"""The network of scenenet: a few convolutions that correct a classical image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pansharpkit.methods.networks.nets import Precision, convolutions_in, initialised, placed

DEPTH = 5
"""Convolutions of 3 x 3, and so the reach of the network in guide pixels."""
SLOPE = 0.1
"""Slope of the LeakyReLUs below zero."""


class ResidualNet(nn.Module):
    """[N, n_in, H, W] to a correction [N, n_out, H, W], which is zero before training.

    No norm layers: what a pixel becomes depends on its neighbourhood alone, never on the tile.
    First and last layer, few channels wide, keep the images' precision whatever that of the others.
    Beside them a linear path leads from each pixel to its own correction.
    """

    def __init__(
        self, n_in: int, n_out: int, channels: int, precision: Precision = "float32"
    ) -> None:
        super().__init__()
        self.precision = precision
        self.first = nn.Conv2d(n_in, channels, 3)
        self.second = nn.Conv2d(channels, channels, 3)
        self.summed = nn.ModuleList([nn.Conv2d(channels, channels, 3) for _ in range(DEPTH - 3)])
        self.last = nn.Conv2d(channels, n_out, 3)
        self.direct = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the correction; beyond the edges of the image its last pixels go on."""
        direct = self.direct(x)
        x = _active(self.first, functional.pad(x, (DEPTH,) * 4, mode="replicate"))
        with convolutions_in(self.precision, x.device):
            x = _active(self.second, x)
            for layer in self.summed:
                x = x[..., 1:-1, 1:-1] + _active(layer, x)
        out: Tensor = self.last(x.float()) + direct
        return out

    @torch.no_grad()
    def set_direct(self, weights: Tensor) -> None:
        """Set the linear path, [n_out, n_in + 1] with its constants last."""
        constants = self.direct.get_parameter("bias")
        self.direct.weight.copy_(weights[:, :-1, None, None])
        constants.copy_(weights[:, -1])


def _active(layer: nn.Module, x: Tensor) -> Tensor:
    return functional.leaky_relu(layer(x), SLOPE, inplace=True)


def untrained(
    n_in: int,
    n_out: int,
    channels: int,
    seed: int,
    device: torch.device | str,
    precision: Precision = "float32",
) -> ResidualNet:
    """Return a network whose weights depend on the seed alone."""
    draws = torch.Generator().manual_seed(seed)
    net = initialised(lambda: ResidualNet(n_in, n_out, channels, precision), draws)
    for parameter in (*net.last.parameters(), *net.direct.parameters()):
        nn.init.zeros_(parameter)
    return placed(net, device)
