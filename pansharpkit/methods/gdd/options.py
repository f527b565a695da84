"""Presets and options of the Guided Deep Decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from pansharpkit.errors import OptionError
from pansharpkit.methods.networks.nets import Precision
from pansharpkit.methods.networks.optimise import Optimiser

Degradation = Literal["bicubic", "mtf"]
Difference = Literal["l1", "l2"]
Mixing = Literal["full", "diagonal", "regressed"]


GENTLY = (1, 0.3)
"""Steps and damping of back-projection where an image is judged beside PAN."""


@dataclass(frozen=True)
class Preset:
    """A named point on the curve of quality against time."""

    channels: int
    shared: int
    iterations: int
    mu: float
    ema: float
    standardise: bool
    sees_ms: bool
    optimiser: Optimiser
    rate: float
    precision: Precision
    members: int
    back_projection: int
    degradation: Degradation


REFERENCE = Preset(
    channels=64,
    shared=0,
    iterations=8001,
    mu=100.0,
    ema=0.0,
    standardise=False,
    sees_ms=False,
    optimiser="adam",
    rate=0.01,
    precision="float32",
    members=1,
    back_projection=0,
    degradation="bicubic",
)
BALANCED = Preset(
    channels=32,
    shared=140,
    iterations=50,
    mu=20.0,
    ema=0.95,
    standardise=True,
    sees_ms=False,
    optimiser="muon",
    rate=0.004,
    precision="auto",
    members=1,
    back_projection=10,
    degradation="mtf",
)
QUALITY = Preset(
    channels=64,
    shared=120,
    iterations=40,
    mu=30.0,
    ema=0.95,
    standardise=True,
    sees_ms=False,
    optimiser="muon",
    rate=0.006,
    precision="auto",
    members=2,
    back_projection=10,
    degradation="mtf",
)
FAST = Preset(
    channels=32,
    shared=100,
    iterations=10,
    mu=10.0,
    ema=0.95,
    standardise=True,
    sees_ms=False,
    optimiser="muon",
    rate=0.004,
    precision="auto",
    members=1,
    back_projection=10,
    degradation="mtf",
)
PRESETS: Mapping[str, Preset] = {
    "reference": REFERENCE,
    "quality": QUALITY,
    "balanced": BALANCED,
    "fast": FAST,
}


@dataclass(frozen=True)
class GddOptions:
    """How the network is fitted; ``None`` takes the preset's value."""

    preset: Literal["reference", "quality", "balanced", "fast"] = "balanced"
    """``reference`` is as published: each tile its own network, 8,001 iterations of Adam. The
    others fit one network to the scene with Muon and refine it on each tile."""
    channels: int | None = None
    """Width of the network; 64 take nearly three times as long as 32."""
    shared: int | None = None
    """Steps of the one network that all tiles start from; 0 gives each tile a random start."""
    iterations: int | None = None
    """Steps on each tile; 0 takes the shared network as it is."""
    mu: float | None = None
    """Weight of the agreement with the target. Published: 100 at full, 10 at reduced resolution."""
    ema: float | None = None
    """Decay of the running average of the output; 0 takes the last output."""
    standardise: bool | None = None
    """Give every band mean 0 and standard deviation 1 over the scene first. Steps have one size
    whatever the contrast of the image: without this a flat scene needs far more of them."""
    sees_ms: bool | None = None
    """Show the guide's encoder the upsampled target beside PAN."""
    optimiser: Optimiser | None = None
    """Adam, as published, or Muon, which was ahead after 100 steps where both were tried."""
    rate: float | None = None
    """Learning rate."""
    precision: Precision | None = None
    """Type of the convolutions. ``auto`` is bfloat16 where the processor multiplies it at speed;
    the output, the losses and the weights are float32 always."""
    members: int | None = None
    """Networks from different seeds whose images are averaged."""
    back_projection: int | None = None
    """Steps of back-projection after the fit, with the operator of `degradation`. The preset's are
    for Wald's protocol; at full resolution they ring, and one step damped by 0.3 takes their
    place unless a number is given."""
    damping: float = 1.0
    """Share of the residual that a step of back-projection takes, in (0, 1]."""
    degradation: Degradation | None = None
    """What relates the fused image to the target: cubic reduction, as published, or the sensor's
    MTF, which real targets come from."""
    detail: Difference = "l2"
    """Norm of the difference of gradients: squares as in the published program, or l1 as in the
    paper."""
    mixing: Mixing = "full"
    """Bands to PAN: an optimised bands x bands matrix as in the program, a diagonal as in the
    paper, or fixed weights from a regression of PAN on the bands at the target's scale."""
    noise: float = 0.01
    """Standard deviation of the noise that is added to the network's input at every iteration."""
    tolerance: float = 0.0
    """Stop on a tile once the average output moves by less per iteration, in its own standard
    deviations, at two looks in a row; 0 never stops early."""
    scenenet: float = 0.0
    """Share of scenenet's image in the result, in [0, 1); 0.5 is the mean of both, whose errors
    differ. It is trained beside GDD then, and the report says how."""
    compiled: bool = False
    """Compile the network, on a GPU into CUDA graphs. It takes minutes for each size of a tile, and
    on a CPU gains nothing; on a GPU it has not been measured yet."""
    weights: str | None = None
    """Start from the shared network in this file instead of a random one."""
    save_weights: str | None = None
    """Write the scene's shared network to this file."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        checks = (
            (chosen.channels >= 1, "channels must be at least 1"),
            (chosen.shared >= 0, "shared must not be negative"),
            (chosen.iterations >= 0, "iterations must not be negative"),
            (
                chosen.iterations + chosen.shared > 0 or self.weights,
                "iterations must be at least 1 where neither shared nor weights give a start",
            ),
            (chosen.mu > 0, "mu must be positive"),
            (0 <= chosen.ema < 1, "ema must lie in [0, 1)"),
            (chosen.rate > 0, "rate must be positive"),
            (chosen.members >= 1, "members must be at least 1"),
            (chosen.back_projection >= 0, "back_projection must not be negative"),
            (0 < self.damping <= 1, "damping must lie in (0, 1]"),
            (self.noise >= 0, "noise must not be negative"),
            (self.tolerance >= 0, "tolerance must not be negative"),
            (0 <= self.scenenet < 1, "scenenet must lie in [0, 1)"),
            (
                not self.save_weights or chosen.shared > 0,
                "save_weights needs a shared network: give shared steps",
            ),
            (
                not (self.save_weights or self.weights) or chosen.members == 1,
                "weights and save_weights hold one network: members must be 1",
            ),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"gdd: {rule}")

    def projection(self, sharp_as: Literal["guide", "target"]) -> tuple[int, float]:
        """Return the steps of back-projection and their damping."""
        steps = self.resolved.back_projection
        if self.back_projection is None and steps and sharp_as == "guide":
            return GENTLY
        return steps, self.damping

    @property
    def resolved(self) -> Preset:
        """The preset with the values given here in place of its own."""
        preset = PRESETS[self.preset]
        given = {field.name: getattr(self, field.name) for field in fields(Preset)}
        own = {field.name: getattr(preset, field.name) for field in fields(Preset)}
        return Preset(**{**own, **{k: v for k, v in given.items() if v is not None}})
