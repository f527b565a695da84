"""Guided Deep Decoder for pansharpening: a network fitted to each tile, without training data.

The weights of :class:`~pansharpkit.methods.gdd_net.GuidedDeepDecoder` are optimised until the image
X that it makes explains both inputs: degraded to the target grid it is the target, and a linear mix
of its bands has the gradients of PAN.

Source: Uezato, Hong, Yokoya, He, ECCV 2020, with the losses of the authors' published program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd_net import PANSHARPENING, SMALLEST, coarsest, untrained
from pansharpkit.methods.nets import fast_layout
from pansharpkit.methods.operators import pan
from pansharpkit.methods.optimise import Schedule, Watch, optimise
from pansharpkit.methods.standard import Standard
from pansharpkit.physics import Observation
from pansharpkit.physics.resample import axes_down, cubic_matrix, degrade_pair
from pansharpkit.sampling import Sampling

MARGIN = 32
"""Guide pixels around a tile, and over which tiles are blended: one pixel of the coarsest scale."""
NOISE_RANGE = 0.1
"""The network's input is uniform in [0, NOISE_RANGE)."""

Degradation = Literal["bicubic", "mtf"]


@dataclass(frozen=True)
class Preset:
    """A named point on the curve of quality against time."""

    iterations: int
    channels: int
    ema: float
    standardise: bool


PRESETS: Mapping[str, Preset] = {
    "reference": Preset(iterations=8001, channels=64, ema=0.0, standardise=False),
    "fast": Preset(iterations=400, channels=32, ema=0.9, standardise=True),
}


@dataclass(frozen=True)
class GddOptions:
    """How the network is fitted; ``None`` takes the preset's value."""

    preset: Literal["reference", "fast"] = "reference"
    """``reference`` is as published: 8,001 iterations, 64 channels, no averaging. ``fast``: 400
    iterations, 32 channels, averaging with decay 0.9, standardised bands."""
    iterations: int | None = None
    """Steps of the optimisation; time is proportional to it."""
    channels: int | None = None
    """Width of the network; 64 take nearly three times as long as 32."""
    ema: float | None = None
    """Decay of the running average of the output; 0 takes the last output. 0.9 suits a few hundred
    iterations, 0.98 many."""
    standardise: bool | None = None
    """Give every band mean 0 and standard deviation 1 over the scene first. Adam's steps have one
    size whatever the contrast of the image: without this a flat scene needs far more of them."""
    mu: float = 100.0
    """Weight of the agreement with the target. Published: 100 at full, 10 at reduced resolution."""
    degradation: Degradation = "bicubic"
    """What relates the fused image to the target: cubic reduction, as published, or the sensor's
    MTF."""
    noise: float = 0.01
    """Standard deviation of the noise that is added to the network's input at every iteration."""
    rate: float = 0.01
    """Learning rate of Adam."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        checks = (
            (chosen.iterations >= 1, "iterations must be at least 1"),
            (chosen.channels >= 1, "channels must be at least 1"),
            (0 <= chosen.ema < 1, "ema must lie in [0, 1)"),
            (self.mu > 0, "mu must be positive"),
            (self.noise >= 0, "noise must not be negative"),
            (self.rate > 0, "rate must be positive"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"gdd: {rule}")

    @property
    def resolved(self) -> Preset:
        """The preset with the values given here in place of its own."""
        preset = PRESETS[self.preset]
        return Preset(
            preset.iterations if self.iterations is None else self.iterations,
            preset.channels if self.channels is None else self.channels,
            preset.ema if self.ema is None else self.ema,
            preset.standardise if self.standardise is None else self.standardise,
        )


@dataclass(frozen=True)
class Gdd:
    """Fit one Guided Deep Decoder to each tile.

    An iteration costs 1.14 MFLOP per guide pixel at 64 channels. The network sees a whole tile at
    once, through its norms too, so that larger tiles are better and neighbours are blended.
    """

    options: GddOptions = GddOptions()

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedGdd:
        """Estimate the scene's moments if it is to be standardised; all else happens per tile."""
        standardise = self.options.resolved.standardise
        return FittedGdd(self.options, Standard.of(sample, context) if standardise else None)


@dataclass(frozen=True)
class FittedGdd:
    """The options, carried to the tiles."""

    options: GddOptions
    standard: Standard | None = None

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss stops being finite from every random start.
        """
        return [self._sharpened(observation, context) for observation in batch]

    def _sharpened(self, observation: Observation, context: Context) -> Tensor:
        if self.standard is None:
            return sharpen(observation, self.options, context)
        return self.standard.undone(
            sharpen(self.standard.applied(observation), self.options, context)
        )

    def summary(self) -> Mapping[str, object]:
        """Return the schedule."""
        chosen = self.options.resolved
        return {
            "iterations": chosen.iterations,
            "channels": chosen.channels,
            "ema": chosen.ema,
            "standardise": chosen.standardise,
            "mu": self.options.mu,
            "degradation": self.options.degradation,
        }


def sharpen(
    observation: Observation,
    options: GddOptions,
    context: Context,
    watch: Watch = lambda done, output, average: None,
) -> Tensor:
    """Return the fused [C, H, W] in the dtype and on the device of the target.

    `watch` sees the [C, H, W] output and its average after every iteration.
    """
    chosen = options.resolved
    schedule = Schedule(chosen.iterations, options.rate, chosen.ema)
    found = optimise(
        lambda seed: PansharpeningProblem(observation, options, context.device, seed),
        schedule,
        seed=(context.seed, observation.index),
        steps=lambda total: context.steps(f"gdd tile {observation.index}", total),
        watch=watch,
    )
    return found.output.contiguous().to(observation.target.device, observation.target.dtype)


class PansharpeningProblem:
    """A network, its fixed noise, and the two things that its image must explain."""

    def __init__(
        self, observation: Observation, options: GddOptions, device: str, seed: int
    ) -> None:
        here = observation.to(device)
        guide = pan(here).float()
        bands = int(here.target.shape[0])
        draws = torch.Generator().manual_seed(seed)
        arch = replace(PANSHARPENING, channels=options.resolved.channels)
        layout = fast_layout(device)
        self.net = untrained(bands, 1, arch, draws).to(device)
        self._guide = _grown(guide[None]).contiguous(memory_format=layout)
        small = coarsest((int(self._guide.shape[-2]), int(self._guide.shape[-1])))
        self._input = (NOISE_RANGE * torch.rand(1, bands, *small, generator=draws)).to(device)
        self._noise = options.noise
        self._draws = torch.Generator(device).manual_seed(seed)
        self._size = here.size
        self._data = options.mu, DataTerm(here, options.degradation)
        self._detail = DetailTerm(guide, here.guide_mask)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights and the mixing matrix."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return mu times the data term plus the detail term, and the image [C, H, W]."""
        shake = torch.empty_like(self._input).normal_(std=self._noise, generator=self._draws)
        image = self.net(self._input + shake, self._guide)
        image = image[..., : self._size[0], : self._size[1]]
        mu, data = self._data
        loss = mu * data(image[0]) + self._detail(self.net.mixing(image)[0])
        return loss, image[0]


class DataTerm:
    """Mean squared difference between the degraded image and the target, over valid samples.

    The operator is kept as one or C pairs of matrices on the device, so that no iteration waits for
    the host.
    """

    def __init__(self, observation: Observation, degradation: Degradation) -> None:
        self._target = observation.target.float()
        self._weights = _shares(observation.target_mask)
        pairs = _matrices(observation, degradation)
        self._rows = torch.stack([rows for rows, _ in pairs]).to(self._target)
        self._cols = torch.stack([cols for _, cols in pairs]).to(self._target)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the loss of [C, H, W]."""
        observed = torch.matmul(torch.matmul(self._rows, image), self._cols.mT)
        return (self._weights * (observed - self._target).square().mean(dim=0)).sum()


class DetailTerm:
    """Mean squared difference between the forward differences of each image and PAN's.

    The means of the row and of the column differences are added; pairs with an invalid pixel do not
    count.
    """

    def __init__(self, guide: Tensor, mask: Tensor) -> None:
        self._guide = guide
        self._weights = (_shares(mask[1:] & mask[:-1]), _shares(mask[:, 1:] & mask[:, :-1]))

    def __call__(self, mixed: Tensor) -> Tensor:
        """Return the loss of [C, H, W]."""
        residual = mixed - self._guide
        down, right = (residual.diff(dim=axis).square().mean(dim=0) for axis in (-2, -1))
        return (self._weights[0] * down).sum() + (self._weights[1] * right).sum()


def _shares(mask: Tensor) -> Tensor:
    """Return [h, w] weights, equal over the valid pixels and 1 in sum."""
    valid = mask.float()
    return valid / valid.sum().clamp(min=1)


def _matrices(observation: Observation, degradation: Degradation) -> list[tuple[Tensor, Tensor]]:
    """Return the rows' and columns' matrices, one pair for all bands or one for each."""
    size, small, sampling = observation.size, observation.target_size, observation.sampling
    if degradation == "mtf":
        gains = observation.optics.mtf
        return [degrade_pair(size, sampling, small, gain, "symmetric") for gain in gains]
    rows, cols = axes_down(size, small, sampling, "symmetric")
    return [(cubic_matrix(rows, sampling.ratio[0]), cubic_matrix(cols, sampling.ratio[1]))]


def _grown(guide: Tensor) -> Tensor:
    """Mirror [1, 1, H, W] at its lower and right edges until the network can take it."""
    for axis in (2, 3):
        while guide.shape[axis] < SMALLEST:
            guide = torch.cat([guide, guide.flip(axis)], dim=axis)
    return guide
