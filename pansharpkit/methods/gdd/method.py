"""Guided Deep Decoder for pansharpening: a network fitted to the scene, without training data.

The weights of :class:`~pansharpkit.methods.gdd.net.GuidedDeepDecoder` are optimised until the image
X that it makes explains both inputs: degraded to the target grid it is the target, and a linear mix
of its bands has the gradients of PAN. As published each tile has its own network; one that is
shared by the whole scene, and refined on each tile, gets there sooner.

Source: Uezato, Hong, Yokoya, He, ECCV 2020, with the losses of the authors' published program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.options import PRESETS, GddOptions
from pansharpkit.methods.gdd.problem import GUIDED, PansharpeningProblem, Start, Weights
from pansharpkit.methods.gdd.shared import (
    draw_crops,
    load_weights,
    pan_regression,
    save_weights,
    train,
)
from pansharpkit.methods.networks.optimise import Schedule, Watch, mixed_seed, optimise
from pansharpkit.methods.networks.priors import Prior
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.scenenet.method import FittedScenenet, Scenenet
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

__all__ = ["MARGIN", "PRESETS", "FittedGdd", "Gdd", "GddOptions", "sharpen"]

MARGIN = 32
"""Guide pixels around a tile, and over which tiles are blended: one pixel of the coarsest scale."""


@dataclass(frozen=True)
class Gdd:
    """Fit one Guided Deep Decoder to the scene and refine it on each tile.

    An iteration costs 1.14 MFLOP per guide pixel at 64 channels. The network sees a whole tile at
    once, through its norms too, so that larger tiles are better and neighbours are blended.
    """

    options: GddOptions = field(default_factory=GddOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return max(MARGIN, Scenenet().halo(sampling)) if self.options.scenenet else MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedGdd:
        """Measure the scene and train its networks, as far as the options ask for them.

        Raises
        ------
        FusionError
            If no pixel is valid, or the training diverges twice.
        OptionError
            If the file of weights does not fit.
        """
        fitted = self._fitted(sample, context)
        if not self.options.scenenet:
            return fitted
        return replace(fitted, beside=Scenenet().fit(sample, context))

    def _fitted(self, sample: Sequence[Observation], context: Context) -> FittedGdd:
        chosen, options = self.options.resolved, self.options
        standard = Standard.of(sample, context) if chosen.standardise else None
        scaled: Sequence[Observation] = _Scaled(sample, standard) if standard else sample
        regressed = options.mixing == "regressed"
        regression = pan_regression(scaled, context) if regressed else None
        random = (Start(None, regression),) * chosen.members
        if not (chosen.shared or options.weights):
            return FittedGdd(options, standard, random)
        crops = draw_crops(scaled, context)
        if len(crops) == 1 and not (options.weights or options.save_weights):
            return FittedGdd(_undivided(options), standard, random)
        shared = self._shared(crops, regression, context)
        starts = tuple(Start(weights, regression) for weights in shared)
        return FittedGdd(options, standard, starts)

    def _shared(
        self, crops: Sequence[Observation], regression: Tensor | None, context: Context
    ) -> list[Weights]:
        """Return the members' networks."""
        options, chosen = self.options, self.options.resolved
        bands = int(crops[0].target.shape[0])
        start = load_weights(options.weights, bands, options) if options.weights else None
        if start is not None and not chosen.shared:
            return [start]
        networks = [
            train(crops, options, regression, start, context, member)
            for member in range(chosen.members)
        ]
        if options.save_weights and not context.rehearsing:
            save_weights(options.save_weights, networks[0], bands, options)
        return networks


def _undivided(options: GddOptions) -> GddOptions:
    """Return the options for a scene that is one crop: its tile takes all steps, without a break.

    Starting anew from shared weights forgets momentum and average: 35.1 dB instead of 35.5 after
    190 steps in all, in one run each.
    """
    chosen = options.resolved
    return replace(options, shared=0, iterations=chosen.shared + chosen.iterations)


@dataclass(frozen=True)
class _Scaled(Sequence[Observation]):
    """A sample in standard units, scaled as it is read."""

    sample: Sequence[Observation]
    standard: Standard

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, index: int) -> Observation:  # type: ignore[override]
        return self.standard.applied(self.sample[index])


@dataclass(frozen=True)
class FittedGdd:
    """What the scene gave, carried to the tiles."""

    options: GddOptions
    standard: Standard | None = None
    starts: tuple[Start, ...] = field(default=(Start(),))
    """One for each network whose images are averaged."""
    beside: FittedScenenet | None = None
    """What the options' share of the result comes from."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        images = [self._sharpened(observation, context) for observation in batch]
        if self.beside is None:
            return images
        others, share = self.beside.apply(batch, context), self.options.scenenet
        return [
            torch.lerp(own, other.to(own), share) for own, other in zip(images, others, strict=True)
        ]

    def _sharpened(self, observation: Observation, context: Context) -> Tensor:
        scaled = observation if self.standard is None else self.standard.applied(observation)
        images = [
            sharpen(scaled, self.options, context, start=start, member=member)
            for member, start in enumerate(self.starts)
        ]
        fused = torch.stack(images).mean(dim=0) if len(images) > 1 else images[0]
        return fused if self.standard is None else self.standard.undone(fused)

    def summary(self) -> Mapping[str, object]:
        """Return the schedule and the choices behind it."""
        options = self.options
        beside = {} if self.beside is None else {"scenenet_fit": dict(self.beside.summary())}
        return {
            **asdict(options.resolved),
            "detail": options.detail,
            "mixing": options.mixing,
            "weights": options.weights,
            "scenenet": options.scenenet,
            **beside,
        }


def sharpen(
    observation: Observation,
    options: GddOptions,
    context: Context,
    watch: Watch = lambda done, output, average: None,
    start: Start | None = None,
    member: int = 0,
    prior: Prior = GUIDED,
) -> Tensor:
    """Return the fused [C, H, W] of one network, in the dtype and on the device of the target.

    `watch` sees the [C, H, W] output and its average after every iteration, before any
    back-projection.
    """
    chosen = options.resolved
    place = mixed_seed(context.seed, observation.index)

    def begin(seed: int) -> PansharpeningProblem:
        return PansharpeningProblem(observation, options, context.device, seed, start, place, prior)

    if chosen.iterations == 0:
        problem = begin(place)
        with torch.no_grad():
            image = problem.view.image(problem.net)
    else:
        found = optimise(
            begin,
            Schedule(
                chosen.iterations,
                chosen.rate,
                ema=chosen.ema,
                optimiser=chosen.optimiser,
                tolerance=options.tolerance,
            ),
            seed=(context.seed, observation.index, *([member] if member else [])),
            steps=lambda total: context.steps(f"{prior.kind} tile {observation.index}", total),
            watch=watch,
        )
        image, problem = found.output, found.problem
    steps, damping = options.projection(observation.optics.sharp_as)
    image = problem.view.data.projected(image, steps, damping)
    return image.contiguous().to(observation.target.device, observation.target.dtype)
