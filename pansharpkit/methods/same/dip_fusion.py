"""DIP fusion: a network that makes one image which, times each source's gain, is that source.

The network's structure is the prior, there is no training data. It makes several copies of the
image at once, whose mean is the result.

Source: Ma, Hill, Anantrasirichai, Achim, "Multimodal image fusion based on deep image prior", with
the losses of the group's published program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn

from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.shared import draw_crops
from pansharpkit.methods.moments import gather
from pansharpkit.methods.networks.nets import fast_layout, grown, initialised, placed
from pansharpkit.methods.networks.optimise import Schedule, Watch, mixed_seed, optimise
from pansharpkit.methods.networks.skip_net import SkipArchitecture, SkipNet
from pansharpkit.methods.same.dip_fusion_options import DipFusionOptions
from pansharpkit.methods.same.pixelwise import FittedPcaGain, PcaGain, PcaGainOptions
from pansharpkit.methods.same.same_grid import sources
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

__all__ = ["DipFusion", "DipFusionOptions", "FittedDipFusion"]

MARGIN = 32
"""Pixels around a tile, and over which tiles are blended: one pixel of the coarsest scale."""
_FLAT = 1e-6  # deviation of the sources, of their mean, below which it is rounding
TINY = 1e-12
"""Added to a square before its root is taken, whose slope at 0 is infinite."""
NOISE_RANGE = 0.1
"""The network's noise is uniform in [0, NOISE_RANGE)."""
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Span:
    """What the numbers of the scene's sources are like."""

    low: float
    high: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, sample: Sequence[Observation], context: Context) -> Span:
        """Measure all sources of a scene together.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        ends: list[tuple[float, float]] = []

        def measured(observation: Observation) -> tuple[tuple[Tensor, Tensor], ...]:
            images, mask = sources(observation)
            if mask.any():
                counted = images[..., mask]
                ends.append((float(counted.min()), float(counted.max())))
            return ((images.flatten(0, 1), mask),)

        (moments,) = gather(sample, measured, context)
        mean = float(moments.mean.mean())
        spread = float((moments.second.diagonal().mean() - mean**2).clamp_min(0).sqrt())
        low, high = min(0.0, *(end[0] for end in ends)), max(end[1] for end in ends)
        unit = spread if spread > _FLAT * abs(mean) else 1.0
        return cls(low, high if high > low else low + 1, mean, unit)


@dataclass(frozen=True)
class DipFusion:
    """Fit one network to the scene and refine it on each tile."""

    options: DipFusionOptions = field(default_factory=DipFusionOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedDipFusion:
        """Measure the scene, and train its shared network as far as the options ask for it.

        Raises
        ------
        FusionError
            If no pixel is valid, or the training diverges twice.
        """
        options, chosen = self.options, self.options.resolved
        gains = PcaGain(PcaGainOptions(options.gains, options.patch, chosen.level))
        fitted = FittedDipFusion(options, gains.fit(sample, context), Span.of(sample, context))
        if not chosen.shared:
            return fitted
        crops = draw_crops(sample, context)
        if len(crops) == 1:
            whole = replace(options, shared=0, iterations=chosen.shared + chosen.iterations)
            return replace(fitted, options=whole)
        return replace(fitted, weights=fitted.trained(crops, context))


@dataclass(frozen=True)
class FittedDipFusion:
    """What the scene gave, carried to the tiles."""

    options: DipFusionOptions
    gains: FittedPcaGain
    span: Span
    weights: Weights | None = None
    """Of the shared network."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        return [self.blended(observation, context) for observation in batch]

    def blended(
        self,
        observation: Observation,
        context: Context,
        watch: Watch = lambda done, output, best: None,
    ) -> Tensor:
        """Return the fused [C, H, W]; `watch` sees it and the best so far after each iteration."""
        chosen = self.options.resolved
        found = optimise(
            lambda seed: self.problem([observation], context.device, seed),
            Schedule(chosen.iterations, chosen.rate, lowest=True, optimiser=chosen.optimiser),
            seed=(context.seed, observation.index),
            steps=lambda total: context.steps(f"dip tile {observation.index}", total),
            watch=watch,
        )
        return found.output.contiguous().to(observation.target)

    def trained(self, crops: Sequence[Observation], context: Context) -> Weights:
        """Return the weights of one network that was shown all crops in turn."""
        chosen = self.options.resolved
        found = optimise(
            lambda seed: self.problem(crops, context.device, seed),
            Schedule(chosen.shared, chosen.rate, optimiser=chosen.optimiser),
            seed=(context.seed, -1),
            steps=lambda total: context.steps("dip network", total),
        )
        return {k: v.detach().clone() for k, v in found.problem.net.state_dict().items()}

    def problem(self, seen: Sequence[Observation], device: str, seed: int) -> BlendProblem:
        """Return a network at its start, and the pairs that it is to explain."""
        views = [
            BlendView(observation, self, device, mixed_seed(seed, number))
            for number, observation in enumerate(seen)
        ]
        return BlendProblem(views, self, device, seed)

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, and what was found of the sources."""
        options = self.options
        return {
            **asdict(options.resolved),
            **self.gains.summary(),
            "gains_from": options.gains,
            "patch": options.patch,
            "span": asdict(self.span),
        }


class BlendView:
    """The sources of one window, and what a network is shown of them."""

    def __init__(
        self, observation: Observation, fitted: FittedDipFusion, device: str, seed: int
    ) -> None:
        options, chosen, span = fitted.options, fitted.options.resolved, fitted.span
        here = observation.to(device)
        images, mask = sources(here)
        self._images, self._norm = images.float(), chosen.norm
        self._gains = fitted.gains.on(here).float()
        self._weights = mask.float() / mask.sum().clamp(min=1)
        self._span, self._bounded = span, chosen.bounded
        self._size, self._copies = observation.size, chosen.copies
        draws = torch.Generator().manual_seed(seed)
        noise = NOISE_RANGE * torch.rand(chosen.copies, *self._size, generator=draws)
        shown = [noise.to(device)]
        if chosen.sees == "sources":
            shown.append((self._images.flatten(0, 1) - span.mean) / span.deviation)
        least = SkipArchitecture(scales=options.scales).smallest
        inputs = grown(torch.cat(shown)[None], least)
        self.inputs = inputs.contiguous(memory_format=fast_layout(device))
        self.outputs = chosen.copies * int(images.shape[1])

    def images(self, net: SkipNet) -> Tensor:
        """Return the copies that the network makes, [copies, C, H, W]."""
        made: Tensor = net(self.inputs)[0, :, : self._size[0], : self._size[1]]
        made = made.float().reshape(self._copies, -1, *self._size)
        span = self._span
        if self._bounded:
            return span.low + (span.high - span.low) * torch.sigmoid(made)
        return span.mean + span.deviation * made

    def loss(self, copies: Tensor) -> Tensor:
        """Return the sum over the sources of the norms of what they differ by."""
        scale, total = self._span.deviation, copies.new_zeros(())
        for image, gain in zip(self._images, self._gains, strict=True):
            residual = (image - gain * copies) / scale
            absolute = self._norm == "absolute"
            size = residual.abs() if absolute else residual.square()
            size = (size.mean(dim=(0, 1)) * self._weights).sum()
            total = total + ((size + TINY).sqrt() if self._norm == "unsquared" else size)
        return total


class BlendProblem:
    """One network, and the windows that it is shown in turn, each time in another random order."""

    def __init__(
        self, views: Sequence[BlendView], fitted: FittedDipFusion, device: str, seed: int
    ) -> None:
        options = fitted.options
        arch = SkipArchitecture(options.resolved.channels, scales=options.scales)
        draws = torch.Generator().manual_seed(seed)
        inputs, outputs = int(views[0].inputs.shape[1]), views[0].outputs
        net = initialised(lambda: SkipNet(inputs, outputs, arch), draws)
        if fitted.weights is not None:
            net.load_state_dict(fitted.weights)
        self.net = placed(net, device)
        self._views = views
        self._order = draws
        self._waiting: list[int] = []

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss on the next window, and the mean of the copies [C, H, W]."""
        if not self._waiting:
            self._waiting = torch.randperm(len(self._views), generator=self._order).tolist()
        view = self._views[self._waiting.pop()]
        copies = view.images(self.net)
        return view.loss(copies), copies.mean(dim=0)
