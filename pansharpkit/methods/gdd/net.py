"""The network of the Guided Deep Decoder.

An encoder-decoder reads the guide; a second, deep decoder turns a small noise image into the
fused image. At every scale two gates made from the guide's features multiply those of the deep
decoder: the upsampling refinement unit (encoder features) and the feature refinement unit (decoder
features).

Source: Uezato, Hong, Yokoya, He, "Guided Deep Decoder: Unsupervised Image Pair Fusion", ECCV 2020,
with the layer sizes of the authors' published program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pansharpkit.methods.networks.nets import ConvBlock, double, image_norm, initialised, leaky

if TYPE_CHECKING:
    from collections.abc import Sequence

HALVINGS = 5
"""Scales of the guide below its own."""
REDUCTION = 2**HALVINGS
"""Ratio of the guide to the coarsest scale."""
SMALLEST = REDUCTION + 1
"""Fewest rows and columns: the coarsest scale needs 2 x 2 pixels for its padding and statistics."""


@dataclass(frozen=True)
class Architecture:
    """Which of the published networks: what is shared between scales, and how wide it is.

    The published program constructs a few layers that its forward pass never runs. They receive no
    gradient and change no pixel, but they are in the published parameter counts, so they are here
    too, as ``idle``: 561,736 parameters for pansharpening with 8 bands, of which 479,496 learn. The
    difference, 82,240, is one decoder stage (73,920) and two gate convolutions (2 x 4,160);
    for denoising with 32 channels, 140,780 - 121,187 = 19,593 is one decoder stage (18,528), one
    gate convolution (1,056) and a 3 x 3 band mixing matrix (9).
    """

    channels: int = 64
    """Width of every hidden layer."""
    separate_scales: bool = True
    """Each scale has its own decoder stage and its own upsampling gate; else one set serves all."""
    mixing: bool = False
    """There is a bands x bands matrix D beside the network, for a loss that compares XD with PAN;
    the loss for denoising does not use it."""
    idle_stages: int = 0
    """Decoder stages that never run."""
    idle_gates: int = 0
    """Gates that never run."""


HYPERSPECTRAL = Architecture(separate_scales=False)
"""HS-MS fusion: 245,151 parameters for 31 bands and 3 guides."""
PANSHARPENING = Architecture(mixing=True, idle_stages=1, idle_gates=2)
"""PAN and MS: 561,736 parameters for 8 bands, of which 479,496 learn."""
DENOISING = Architecture(channels=32, mixing=True, idle_stages=1, idle_gates=1)
"""Flash / no-flash and the like: 140,780 parameters for 3 bands and 3 guides; 121,187 learn."""


def coarsest(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the coarsest scale, where the deep decoder starts."""
    return -(-size[0] // REDUCTION), -(-size[1] // REDUCTION)


class Gate(nn.Module):
    """Values in (0, 1) per pixel and channel, from the features of the guide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same size."""
        return torch.sigmoid(leaky(self.conv(features)))


class UpsamplingRefinement(nn.Module):
    """Upsampling refinement unit: double the size, normalise, multiply by a gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = image_norm(channels, affine=False)
        self.gate = Gate(channels)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Map [N, C, h, w] to the size of the encoder's features, [N, C, H, W]."""
        size = (int(guide.shape[-2]), int(guide.shape[-1]))
        gated: Tensor = self.norm(double(x, size)) * self.gate(guide)
        return gated


class FeatureRefinement(nn.Module):
    """Feature refinement unit: mix channels, normalise, multiply by a gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = image_norm(channels)
        self.gate = Gate(channels)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Map [N, C, H, W] under the guide's features of the same size."""
        return leaky(self.norm(self.conv(x)) * self.gate(guide))


class GuideNet(nn.Module):
    """Encoder-decoder of the guide: features at every scale, on the way down and on the way up."""

    def __init__(self, guides: int, arch: Architecture) -> None:
        super().__init__()
        width = arch.channels
        self.stem = ConvBlock(guides, width)
        self.down = nn.Sequential(ConvBlock(width, width, stride=2), ConvBlock(width, width))
        self.skip = ConvBlock(width, width, kernel=1)
        self.first_up = ConvBlock(width, width)
        stages = HALVINGS - 1 if arch.separate_scales else 1
        self.up = nn.ModuleList(ConvBlock(2 * width, width) for _ in range(stages))

    def forward(self, guide: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the encoder's features (fine to coarse, 6) and the decoder's (coarse to fine, 5).

        `guide` is [N, c, H, W]; scale k is [N, C, ceil(H / 2**k), ceil(W / 2**k)].
        """
        encoded = [self.stem(guide)]
        for _ in range(HALVINGS):
            encoded.append(self.down(encoded[-1]))
        decoded = [self.first_up(double(encoded[-1], _size(encoded[-2])))]
        for scale in range(HALVINGS - 1, 0, -1):
            both = torch.cat([self.skip(encoded[scale]), decoded[-1]], dim=1)
            stage = self.up[(HALVINGS - 1 - scale) % len(self.up)]
            decoded.append(stage(double(both, _size(encoded[scale - 1]))))
        return encoded, decoded


class GuidedDeepDecoder(nn.Module):
    """X = f(Z | guide): [1, bands, H, W] from noise [1, bands, ceil(H/32), ceil(W/32)].

    Linear at the output, so that it is not bound to any range. Each side of the guide must have at
    least :data:`SMALLEST` pixels. `mixing` is for the loss, see :class:`Architecture`.
    """

    def __init__(self, bands: int, guides: int, arch: Architecture) -> None:
        super().__init__()
        width = arch.channels
        self.guide_net = GuideNet(guides, arch)
        self.first = ConvBlock(bands, width, kernel=1)
        gates = HALVINGS if arch.separate_scales else 1
        self.upsample = nn.ModuleList(UpsamplingRefinement(width) for _ in range(gates))
        self.mix = ConvBlock(width, width)
        self.refine = FeatureRefinement(width)
        self.last = nn.Conv2d(width, bands, 1)
        self.mixing = nn.Conv2d(bands, bands, 1, bias=False) if arch.mixing else nn.Identity()
        self.idle = _idle_layers(arch)

    def forward(self, noise: Tensor, guide: Tensor) -> Tensor:
        """Return the image [1, bands, H, W] of the noise under the guide [1, c, H, W]."""
        image: Tensor = self.last(self.features(noise, guide))
        return image

    def features(self, noise: Tensor, guide: Tensor) -> Tensor:
        """Return [1, C, H, W], of which the image is a linear function."""
        encoded, decoded = self.guide_net(guide)
        x = self.refine(self.first(noise), encoded[-1])
        fine_encoded: Sequence[Tensor] = encoded[-2::-1]
        for scale, (gate, detail) in enumerate(zip(fine_encoded, decoded, strict=True)):
            x = self.upsample[scale % len(self.upsample)](x, gate)
            x = self.refine(self.mix(x), detail)
        features: Tensor = x
        return features


def _size(x: Tensor) -> tuple[int, int]:
    return int(x.shape[-2]), int(x.shape[-1])


def _idle_layers(arch: Architecture) -> nn.ModuleList:
    """Return the layers that are counted and never run; see :class:`Architecture`."""
    width = arch.channels
    stages = [ConvBlock(2 * width, width) for _ in range(arch.idle_stages)]
    return nn.ModuleList([*stages, *(Gate(width) for _ in range(arch.idle_gates))])


def untrained(
    bands: int, guides: int, arch: Architecture, generator: torch.Generator
) -> GuidedDeepDecoder:
    """Return the network with weights drawn from a CPU `generator`; D starts as diag(N(0, 1))."""
    net = initialised(lambda: GuidedDeepDecoder(bands, guides, arch), generator)
    if isinstance(net.mixing, nn.Conv2d):
        gains = torch.randn(bands, generator=generator)
        net.mixing.weight.data = torch.diag(gains)[:, :, None, None]
    return net
