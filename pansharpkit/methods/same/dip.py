"""The deep image prior and the deep decoder, for sharpening and for denoising.

Both are what the Guided Deep Decoder is compared with in its paper: the same losses, other
networks. To sharpen, PAN enters by the loss, and by what a deep image prior is shown; to denoise,
by the latter alone.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018; Heckel and Hand, "Deep decoder",
ICLR 2019; Uezato, Hong, Yokoya, He, ECCV 2020, for the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.gdd.method import MARGIN, sharpen
from pansharpkit.methods.gdd.net import Architecture
from pansharpkit.methods.gdd.options import GddOptions
from pansharpkit.methods.networks.optimise import Optimiser
from pansharpkit.methods.networks.priors import Prior, Sees
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.same.restoration import Plan, fit_restoration
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class _Run:
    """What both methods have in common."""

    name: str
    prior: Prior
    iterations: int
    rate: float
    optimiser: Optimiser
    ema: float
    mu: float
    stop: float
    noise: float | None

    def __post_init__(self) -> None:
        checks = (
            (self.prior.arch.channels >= 1, "channels must be at least 1"),
            (self.iterations >= 1, "iterations must be at least 1"),
            (self.rate > 0, "rate must be positive"),
            (0 <= self.ema < 1, "ema must lie in [0, 1)"),
            (self.mu > 0, "mu must be positive"),
            (self.stop >= 0, "stop must not be negative"),
            (self.noise is None or self.noise >= 0, "noise must not be negative"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"{self.name}: {rule}")

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Measure the scene; what is to be done follows from the ratio."""
        if max(sample[0].sampling.ratio) > _SAME:
            return FittedSharpening(self, Standard.of(sample, context))
        plan = Plan(
            self.prior,
            self.iterations,
            rate=self.rate,
            optimiser=self.optimiser,
            ema=self.ema,
            rule="residual" if self.stop else "never",
            stop=self.stop,
            noise=self.noise,
        )
        return fit_restoration(plan, sample, context)

    @property
    def sharpening(self) -> GddOptions:
        """The losses and the schedule of the Guided Deep Decoder, for this network."""
        return GddOptions(
            preset="reference",
            channels=self.prior.arch.channels,
            iterations=self.iterations,
            mu=self.mu,
            ema=self.ema,
            optimiser=self.optimiser,
            rate=self.rate,
            standardise=True,
            precision="auto",
            degradation="mtf",
        )


_SAME = 1.01  # ratio up to which two grids have one resolution


@dataclass(frozen=True)
class FittedSharpening:
    """The scaling of the scene, carried to the tiles."""

    run: _Run
    standard: Standard

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        return [
            self.standard.undone(
                sharpen(
                    self.standard.applied(seen),
                    self.run.sharpening,
                    context,
                    prior=self.run.prior,
                )
            )
            for seen in batch
        ]

    def summary(self) -> Mapping[str, object]:
        """Return the schedule."""
        return {**asdict(self.run.sharpening.resolved), "sees": self.run.prior.sees}


@dataclass(frozen=True)
class DipOptions:
    """How the network is fitted."""

    sees: Sees = "guide"
    """What the network is shown: the guide, or noise as in the prior's own paper."""
    channels: int = 32
    """Width of the network; 128 as published."""
    iterations: int = 500
    """Steps on each tile, at most."""
    rate: float = 0.01
    """Learning rate."""
    optimiser: Optimiser = "adam"
    """Adam, as published, or Muon."""
    ema: float = 0.95
    """Decay of the running average of the output; 0 takes the last output."""
    mu: float = 20.0
    """Weight of the agreement with the target where a scene is sharpened."""
    stop: float = 1.0
    """End where the average output leaves no more of a noisy image than this many deviations of its
    noise; 0 takes all iterations."""
    noise: float | None = None
    """Standard deviation of the noise, in working units (1 is about the largest value), where it is
    known; by default it is measured."""

    def __post_init__(self) -> None:
        self.run()

    def run(self) -> _Run:
        """Return what the options ask for."""
        arch = Architecture(self.channels)
        return _Run(
            "dip", Prior("dip", arch, self.sees), self.iterations, self.rate, self.optimiser,
            self.ema, self.mu, self.stop, self.noise,
        )  # fmt: skip


@dataclass(frozen=True)
class Dip:
    """Fit the skip network of the deep image prior to each tile."""

    options: DipOptions = field(default_factory=DipOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Measure the scene.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        return self.options.run().fit(sample, context)


@dataclass(frozen=True)
class DeepDecoderOptions:
    """How the network is fitted."""

    channels: int = 64
    """Width of the network."""
    iterations: int = 800
    """Steps on each tile, at most."""
    rate: float = 0.01
    """Learning rate."""
    optimiser: Optimiser = "adam"
    """Adam, as published, or Muon."""
    ema: float = 0.95
    """Decay of the running average of the output; 0 takes the last output."""
    mu: float = 20.0
    """Weight of the agreement with the target where a scene is sharpened."""
    stop: float = 1.0
    """End where the average output leaves no more of a noisy image than this many deviations of its
    noise; 0 takes all iterations."""
    noise: float | None = None
    """Standard deviation of the noise, in working units (1 is about the largest value), where it is
    known; by default it is measured."""

    def __post_init__(self) -> None:
        self.run()

    def run(self) -> _Run:
        """Return what the options ask for."""
        return _Run(
            "deep-decoder", Prior("deep-decoder", Architecture(self.channels)), self.iterations,
            self.rate, self.optimiser, self.ema, self.mu, self.stop, self.noise,
        )  # fmt: skip


@dataclass(frozen=True)
class UnguidedDeepDecoder:
    """Fit a deep decoder to each tile; it never sees the guide."""

    options: DeepDecoderOptions = field(default_factory=DeepDecoderOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Measure the scene.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        return self.options.run().fit(sample, context)
