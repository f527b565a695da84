"""The encoder-decoder with skip connections of the deep image prior.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018, with the layer sizes of the
authors' published program.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pansharpkit.methods.networks.nets import ConvBlock, double, image_norm


@dataclass(frozen=True)
class SkipArchitecture:
    """How wide and how deep."""

    channels: int = 128
    """Width of the layers down and up."""
    skips: int = 4
    """Width of the connections between them."""
    scales: int = 5
    """Halvings."""

    @property
    def smallest(self) -> int:
        """Fewest rows and columns: the coarsest scale needs two for its padding."""
        return (1 << self.scales) + 1


PUBLISHED = SkipArchitecture()
"""2,217,831 parameters from 32 channels of noise to 3 bands."""


class SkipNet(nn.Module):
    """Halve `scales` times, then double as often, each time joined with what was there before."""

    def __init__(self, inputs: int, outputs: int, arch: SkipArchitecture = PUBLISHED) -> None:
        super().__init__()
        width, skips = arch.channels, arch.skips
        self.down, self.skip, self.join, self.up = (nn.ModuleList() for _ in range(4))
        for scale in range(arch.scales):
            entering = width if scale else inputs
            self.down.append(
                nn.Sequential(ConvBlock(entering, width, stride=2), ConvBlock(width, width))
            )
            self.skip.append(ConvBlock(entering, skips, kernel=1))
            self.join.append(image_norm(skips + width))
            self.up.append(
                nn.Sequential(ConvBlock(skips + width, width), ConvBlock(width, width, kernel=1))
            )
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H, W]; sides as `smallest` at least."""
        image: Tensor = self.last(self.features(x))
        return image

    def features(self, x: Tensor) -> Tensor:
        """Return [N, channels, H, W], of which the image is a linear function."""
        entered = []
        for down in self.down:
            entered.append(x)
            x = down(x)
        for scale in reversed(range(len(entered))):
            before = entered[scale]
            size = (int(before.shape[-2]), int(before.shape[-1]))
            both = torch.cat([self.skip[scale](before), double(x, size)], dim=1)
            x = self.up[scale](self.join[scale](both))
        return x
