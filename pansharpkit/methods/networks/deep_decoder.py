"""The deep decoder: an image from few weights and a little noise, by 1x1 convolutions.

It has fewer weights than the image has pixels, so that noise does not fit into it.

Source: Heckel and Hand, "Deep decoder: concise image representations from untrained
non-convolutional networks", ICLR 2019.
"""

from __future__ import annotations

from torch import Tensor, nn

from pansharpkit.methods.gdd.net import HALVINGS
from pansharpkit.methods.networks.nets import double, image_norm


class DeepDecoder(nn.Module):
    """[N, channels, ceil(H/32), ceil(W/32)] noise, doubled five times, to [N, bands, H, W].

    100,224 parameters at 128 channels and 3 bands, 25,536 at 64, as published; linear at the
    output, so that it is not bound to any range.
    """

    def __init__(self, bands: int, channels: int = 128) -> None:
        super().__init__()
        self.mix = nn.ModuleList(
            nn.Conv2d(channels, channels, 1, bias=False) for _ in range(HALVINGS + 1)
        )
        self.norm = nn.ModuleList(image_norm(channels) for _ in range(HALVINGS + 1))
        self.last = nn.Conv2d(channels, bands, 1, bias=False)

    def features(self, noise: Tensor, size: tuple[int, int]) -> Tensor:
        """Return [N, channels, H, W], of which the image is a linear function."""
        x = noise
        for scale, (mix, norm) in enumerate(zip(self.mix, self.norm, strict=True)):
            x = mix(x)
            if scale < HALVINGS:
                left = 1 << (HALVINGS - 1 - scale)
                x = double(x, (-(-size[0] // left), -(-size[1] // left)))
            x = norm(x.relu_())
        return x

    def forward(self, noise: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the image."""
        image: Tensor = self.last(self.features(noise, size))
        return image
