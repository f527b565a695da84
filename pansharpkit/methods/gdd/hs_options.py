"""Presets and options of the Guided Deep Decoder for cubes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from pansharpkit.errors import OptionError
from pansharpkit.methods.networks.nets import Precision
from pansharpkit.methods.networks.optimise import Optimiser


@dataclass(frozen=True)
class HsPreset:
    """A named point on the curve of quality against time."""

    channels: int
    iterations: int
    mu: float
    ema: float
    subspace: bool
    consistent: bool
    optimiser: Optimiser
    rate: float
    noise: float
    precision: Precision


HS_PRESETS: Mapping[str, HsPreset] = {
    "reference": HsPreset(
        channels=64, iterations=20001, mu=0.1, ema=0.0, subspace=False, consistent=False,
        optimiser="adam", rate=0.01, noise=0.03, precision="float32",
    ),
    "balanced": HsPreset(
        channels=32, iterations=400, mu=1.0, ema=0.95, subspace=True, consistent=True,
        optimiser="muon", rate=0.004, noise=0.01, precision="auto",
    ),
    "fast": HsPreset(
        channels=32, iterations=150, mu=1.0, ema=0.95, subspace=True, consistent=True,
        optimiser="muon", rate=0.004, noise=0.01, precision="auto",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class GddHsOptions:
    """How the network is fitted; ``None`` takes the preset's value."""

    preset: Literal["reference", "balanced", "fast"] = "balanced"
    """``reference`` is as published: all bands, 20,001 iterations of Adam. The others fit the
    coefficients of the target's subspace with Muon."""
    channels: int | None = None
    """Width of the network; 64 take nearly three times as long as 32."""
    iterations: int | None = None
    """Steps on each tile."""
    mu: float | None = None
    """Weight of the agreement with the target beside that with the guide."""
    ema: float | None = None
    """Decay of the running average of the output; 0 takes the last output."""
    subspace: bool | None = None
    """Make the coefficients of the target's spectra, standardised, instead of its bands."""
    consistent: bool | None = None
    """Bring the image to agree with both images, in closed form, as FUSE does."""
    optimiser: Optimiser | None = None
    """Adam, as published, or Muon."""
    rate: float | None = None
    """Learning rate."""
    noise: float | None = None
    """Standard deviation of the noise that is added to the network's input at every iteration."""
    precision: Precision | None = None
    """Type of the convolutions. ``auto`` is bfloat16 where the processor multiplies it at speed."""
    dimension: int | None = None
    """Dimensions of the subspace; by default as many as stand out of the noise, at most 30."""
    tolerance: float = 0.0
    """Stop once the average output moves by less per iteration, in its own standard deviations, at
    two looks in a row; 0 never stops early."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        checks = (
            (chosen.channels >= 1, "channels must be at least 1"),
            (chosen.iterations >= 1, "iterations must be at least 1"),
            (chosen.mu > 0, "mu must be positive"),
            (0 <= chosen.ema < 1, "ema must lie in [0, 1)"),
            (chosen.rate > 0, "rate must be positive"),
            (chosen.noise >= 0, "noise must not be negative"),
            (self.tolerance >= 0, "tolerance must not be negative"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"gdd-hs: {rule}")

    @property
    def resolved(self) -> HsPreset:
        """The preset with the values given here in place of its own."""
        preset = HS_PRESETS[self.preset]
        given = {field.name: getattr(self, field.name) for field in fields(HsPreset)}
        own = {field.name: getattr(preset, field.name) for field in fields(HsPreset)}
        return HsPreset(**{**own, **{k: v for k, v in given.items() if v is not None}})
