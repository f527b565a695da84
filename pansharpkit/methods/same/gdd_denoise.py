"""The Guided Deep Decoder for denoising: a noisy image remade under the guidance of a clean one.

Source: Uezato, Hong, Yokoya, He, ECCV 2020, with the network and the loss of the authors' published
program for flash and no-flash pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.net import DENOISING
from pansharpkit.methods.networks.optimise import Optimiser
from pansharpkit.methods.networks.priors import Prior
from pansharpkit.methods.same.restoration import (
    FittedRestoration,
    Plan,
    StopRule,
    fit_restoration,
)
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

MARGIN = 32
"""Pixels around a tile, and over which tiles are blended: one pixel of the coarsest scale."""


@dataclass(frozen=True)
class DenoisePreset:
    """A named point on the curve of quality against time."""

    channels: int
    shared: int
    iterations: int
    ema: float
    rule: StopRule
    base: bool
    optimiser: Optimiser
    rate: float


DENOISE_PRESETS: Mapping[str, DenoisePreset] = {
    "published": DenoisePreset(
        channels=32,
        shared=0,
        iterations=1001,
        ema=0.0,
        rule="never",
        base=False,
        optimiser="adam",
        rate=0.01,
    ),
    "balanced": DenoisePreset(
        channels=32,
        shared=150,
        iterations=100,
        ema=0.95,
        rule="split",
        base=True,
        optimiser="muon",
        rate=0.004,
    ),
    "fast": DenoisePreset(
        channels=32,
        shared=120,
        iterations=20,
        ema=0.95,
        rule="split",
        base=True,
        optimiser="muon",
        rate=0.004,
    ),
}


@dataclass(frozen=True)
class GddDenoiseOptions:
    """How the network is fitted; ``None`` takes the preset's value."""

    preset: Literal["published", "balanced", "fast"] = "balanced"
    """``published`` gives each tile its own network and 1,001 iterations of Adam; the others start
    from a network of the whole scene and stop at the noise."""
    channels: int | None = None
    """Width of the network."""
    shared: int | None = None
    """Steps of the one network that all tiles start from; 0 gives each tile a random start."""
    iterations: int | None = None
    """Steps on each tile, at most."""
    ema: float | None = None
    """Decay of the running average of the output; 0 takes the last output."""
    rule: StopRule | None = None
    """Where the fit ends: ``residual``, where the average output leaves no more of the noisy image
    than `stop` deviations of its noise; ``split``, where a first fit to a copy of the image comes
    nearest to another copy with noise of its own, after which the image is fitted as long; or
    ``never`` before all iterations."""
    stop: float = 1.0
    """For the rule ``residual``."""
    base: bool | None = None
    """Show the network what a guided filter makes of the image, and let it make the difference to
    that; else it sees the guide alone and makes the whole image, as published."""
    noise: float | None = None
    """Standard deviation of the noise, in working units (1 is about the largest value), where it is
    known; by default it is measured."""
    optimiser: Optimiser | None = None
    """Adam, as published, or Muon."""
    rate: float | None = None
    """Learning rate."""
    shake: float = 0.01
    """Standard deviation of the noise that is added to the network's input at every iteration."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        checks = (
            (chosen.channels >= 1, "channels must be at least 1"),
            (chosen.shared >= 0, "shared must not be negative"),
            (chosen.iterations >= 1, "iterations must be at least 1"),
            (0 <= chosen.ema < 1, "ema must lie in [0, 1)"),
            (self.stop >= 0, "stop must not be negative"),
            (self.noise is None or self.noise >= 0, "noise must not be negative"),
            (chosen.rate > 0, "rate must be positive"),
            (self.shake >= 0, "shake must not be negative"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"gdd-denoise: {rule}")

    @property
    def resolved(self) -> DenoisePreset:
        """The preset with the values given here in place of its own."""
        given = {f.name: getattr(self, f.name) for f in fields(DenoisePreset)}
        return replace(
            DENOISE_PRESETS[self.preset], **{k: v for k, v in given.items() if v is not None}
        )


@dataclass(frozen=True)
class GddDenoise:
    """Fit one network to the scene, refine it on each tile, and stop before the noise."""

    options: GddDenoiseOptions = field(default_factory=GddDenoiseOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    @property
    def plan(self) -> Plan:
        """What the options ask for."""
        chosen = self.options.resolved
        return Plan(
            Prior("gdd", replace(DENOISING, channels=chosen.channels)),
            chosen.iterations,
            shared=chosen.shared,
            rate=chosen.rate,
            optimiser=chosen.optimiser,
            ema=chosen.ema,
            shake=self.options.shake,
            rule=chosen.rule,
            stop=self.options.stop,
            base=chosen.base,
            noise=self.options.noise,
        )

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedRestoration:
        """Measure scene and noise, and train the shared network.

        Raises
        ------
        FusionError
            If no pixel is valid, or the training diverges twice.
        """
        return fit_restoration(self.plan, sample, context)
