"""The Guided Deep Decoder as optimisation problems: on one image, or on many crops of a scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pansharpkit.methods.gdd.loss import DataTerm, DetailTerm
from pansharpkit.methods.gdd.net import PANSHARPENING, SMALLEST
from pansharpkit.methods.gdd.options import GddOptions
from pansharpkit.methods.networks.compiled import compiled_features
from pansharpkit.methods.networks.nets import convolutions_in, fast_layout, grown, placed
from pansharpkit.methods.networks.priors import ImageNet, Prior
from pansharpkit.methods.operators import pan
from pansharpkit.physics import Observation
from pansharpkit.physics.resample import upsample

NOISE_RANGE = 0.1
"""The network's input is uniform in [0, NOISE_RANGE)."""

Weights = Mapping[str, Tensor]
"""A network's parameters by name, without the layers that never run."""


@dataclass(frozen=True)
class Start:
    """Where the optimisation of a tile begins: what was estimated from the whole scene."""

    weights: Weights | None = None
    """Of the shared network; random ones otherwise."""
    regression: Tensor | None = None
    """[C] weights of PAN on the bands, where the mixing is fixed."""


GUIDED = Prior("gdd", PANSHARPENING)
"""The published network, whose width the options give."""


def network(
    bands: int, options: GddOptions, draws: torch.Generator, prior: Prior = GUIDED
) -> ImageNet:
    """Return the random network that the options ask for."""
    chosen = options.resolved
    return prior.wide(chosen.channels).network(bands, 1 + bands * chosen.sees_ms, draws)


def weights_of(net: nn.Module) -> Weights:
    """Return a copy of the weights that matter."""
    return {k: v.detach().clone() for k, v in net.state_dict().items() if not k.startswith("idle.")}


class View:
    """One pair as a network sees it, and what its image must explain."""

    def __init__(
        self,
        observation: Observation,
        options: GddOptions,
        regression: Tensor | None,
        device: str,
        draws: torch.Generator,
        prior: Prior = GUIDED,
    ) -> None:
        here = observation.to(device)
        guide = pan(here).float()
        seen = [guide]
        if options.resolved.sees_ms:
            seen.append(upsample(here.target.float(), here.sampling, here.size, kernel="cubic"))
        layout = fast_layout(device)
        self._guide = grown(torch.cat(seen)[None], SMALLEST).contiguous(memory_format=layout)
        size = (int(self._guide.shape[-2]), int(self._guide.shape[-1]))
        wide = prior.wide(options.resolved.channels)
        shape = wide.noise_shape(int(here.target.shape[0]), size)
        self.input = (NOISE_RANGE * torch.rand(1, *shape, generator=draws)).to(device)
        self._size = here.size
        self._options = options
        self._regression = None if regression is None else regression.to(guide)
        self.data = DataTerm(here, options.resolved.degradation)
        self._detail = DetailTerm(guide, here.guide_mask, options.detail)

    def image(self, net: ImageNet, shake: Tensor | None = None) -> Tensor:
        """Return what the network makes, [C, H, W] in float32; `shake` is added to its input."""
        noise = self.input if shake is None else self.input + shake
        with convolutions_in(self._options.resolved.precision, noise.device):
            if self._options.compiled:
                features = compiled_features(net, noise, self._guide)
            else:
                features = net.features(noise, self._guide)
        whole: Tensor = net.last(features.float())
        image: Tensor = whole[0, :, : self._size[0], : self._size[1]]
        return image

    def loss(self, net: ImageNet, image: Tensor) -> Tensor:
        """Return mu times the data term plus the detail term."""
        mixed = self._mixed(net, image)
        return self._options.resolved.mu * self.data(image) + self._detail(mixed)

    def _mixed(self, net: ImageNet, image: Tensor) -> Tensor:
        if self._regression is not None:
            mix: Tensor = torch.tensordot(self._regression, image, dims=1)
            return mix[None]
        if self._options.mixing == "diagonal":
            weight = net.mixing.get_parameter("weight")
            gains: Tensor = torch.diagonal(weight[:, :, 0, 0])[:, None, None]
            return gains * image
        mixed: Tensor = net.mixing(image[None])[0]
        return mixed


class PansharpeningProblem:
    """A network, its fixed noise, and the two things that its image must explain."""

    def __init__(
        self,
        observation: Observation,
        options: GddOptions,
        device: str,
        seed: int,
        start: Start | None = None,
        place: int | None = None,
        prior: Prior = GUIDED,
    ) -> None:
        start = start or Start()
        draws = torch.Generator().manual_seed(seed)
        self.net = network(int(observation.target.shape[0]), options, draws, prior)
        if start.weights is not None:
            self.net.load_state_dict(start.weights, strict=False)
            draws.manual_seed(seed if place is None else place)
        self.net = placed(self.net, device)
        self.view = View(observation, options, start.regression, device, draws, prior)
        self._shake = Shake(options.noise, device, seed)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights and the mixing matrix."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss and the image [C, H, W]."""
        image = self.view.image(self.net, self._shake.like(self.view.input))
        return self.view.loss(self.net, image), image


class SharedProblem:
    """One network and the crops that it is shown in turn, each time in another random order."""

    def __init__(
        self,
        net: ImageNet,
        views: Sequence[View],
        options: GddOptions,
        device: str,
        seed: int,
    ) -> None:
        self.net = placed(net, device)
        self._views = views
        self._order = torch.Generator().manual_seed(seed)
        self._waiting: list[int] = []
        self._shake = Shake(options.noise, device, seed)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights and the mixing matrix."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss on the next crop, and its image."""
        if not self._waiting:
            self._waiting = torch.randperm(len(self._views), generator=self._order).tolist()
        view = self._views[self._waiting.pop()]
        image = view.image(self.net, self._shake.like(view.input))
        return view.loss(self.net, image), image


class Shake:
    """Normal noise for the network's input, new at every iteration."""

    def __init__(self, deviation: float, device: str, seed: int) -> None:
        self._deviation = deviation
        self._draws = torch.Generator(device).manual_seed(seed)

    def like(self, x: Tensor) -> Tensor:
        """Return noise of the size of x."""
        return torch.empty_like(x).normal_(std=self._deviation, generator=self._draws)
