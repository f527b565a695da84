"""The untrained networks that make an image of a guide or of noise, one like the other.

Each has ``features(noise, guide)``, ``last``, which makes the image of them, and ``mixing``, the
matrix from bands to PAN that sharpening optimises beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pansharpkit.methods.gdd.net import Architecture, GuidedDeepDecoder, coarsest, untrained
from pansharpkit.methods.networks.deep_decoder import DeepDecoder
from pansharpkit.methods.networks.nets import initialised
from pansharpkit.methods.networks.skip_net import SkipArchitecture, SkipNet

Kind = Literal["gdd", "dip", "deep-decoder"]
Sees = Literal["guide", "noise"]
NOISE_CHANNELS = 32
"""Channels of the noise that a deep image prior is shown."""


class DipNet(nn.Module):
    """The skip network of the deep image prior; it sees the guide, or noise of the image's size."""

    def __init__(self, bands: int, guides: int, channels: int, *, sees_guide: bool) -> None:
        super().__init__()
        entering = guides if sees_guide else NOISE_CHANNELS
        self.skip_net = SkipNet(entering, bands, SkipArchitecture(channels))
        self.mixing = nn.Conv2d(bands, bands, 1, bias=False)
        self._sees_guide = sees_guide

    @property
    def last(self) -> nn.Conv2d:
        """The layer that makes the image."""
        return self.skip_net.last

    def features(self, noise: Tensor, guide: Tensor) -> Tensor:
        """Return [N, C, H, W]."""
        return self.skip_net.features(guide if self._sees_guide else noise)


class UnguidedDecoder(nn.Module):
    """The deep decoder, which takes nothing but the size from the guide."""

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.decoder = DeepDecoder(bands, channels)
        self.mixing = nn.Conv2d(bands, bands, 1, bias=False)

    @property
    def last(self) -> nn.Conv2d:
        """The layer that makes the image."""
        return self.decoder.last

    def features(self, noise: Tensor, guide: Tensor) -> Tensor:
        """Return [N, C, H, W]."""
        return self.decoder.features(noise, (int(guide.shape[-2]), int(guide.shape[-1])))


ImageNet = GuidedDeepDecoder | DipNet | UnguidedDecoder


@dataclass(frozen=True)
class Prior:
    """Which network, and how wide."""

    kind: Kind
    arch: Architecture = field(default_factory=Architecture)
    """Of the Guided Deep Decoder; its width is that of the others too."""
    sees: Sees = "guide"
    """What a deep image prior is shown."""

    def wide(self, channels: int) -> Prior:
        """Return the same network in another width."""
        return replace(self, arch=replace(self.arch, channels=channels))

    def network(self, bands: int, guides: int, draws: torch.Generator) -> ImageNet:
        """Return the network with random weights; its mixing starts as diag(N(0, 1))."""
        if self.kind == "gdd":
            return untrained(bands, guides, self.arch, draws)
        net: DipNet | UnguidedDecoder
        if self.kind == "dip":
            net = initialised(
                lambda: DipNet(bands, guides, self.arch.channels, sees_guide=self.sees == "guide"),
                draws,
            )
        else:
            net = initialised(lambda: UnguidedDecoder(bands, self.arch.channels), draws)
        gains = torch.randn(bands, generator=draws)
        net.mixing.weight.data = torch.diag(gains)[:, :, None, None]
        return net

    def noise_shape(self, bands: int, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return channels and size of the noise for an image of that size."""
        if self.kind == "gdd":
            return bands, *coarsest(size)
        if self.kind == "deep-decoder":
            return self.arch.channels, *coarsest(size)
        return (NOISE_CHANNELS, *size) if self.sees == "noise" else (1, 1, 1)
