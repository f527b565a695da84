"""Presets and options of DIP fusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from pansharpkit.errors import OptionError
from pansharpkit.methods.networks.optimise import Optimiser
from pansharpkit.methods.same.pixelwise import GainsFrom, Level

Norm = Literal["absolute", "unsquared", "squared"]
Sees = Literal["noise", "sources"]


@dataclass(frozen=True)
class BlendPreset:
    """A named point on the curve of quality against time."""

    channels: int
    shared: int
    iterations: int
    copies: int
    sees: Sees
    norm: Norm
    level: Level
    bounded: bool
    optimiser: Optimiser
    rate: float


PUBLISHED = BlendPreset(
    channels=128,
    shared=0,
    iterations=2000,
    copies=10,
    sees="noise",
    norm="unsquared",
    level="unit",
    bounded=True,
    optimiser="adam",
    rate=0.01,
)
BALANCED = BlendPreset(
    channels=16,
    shared=120,
    iterations=60,
    copies=10,
    sees="sources",
    norm="absolute",
    level="largest",
    bounded=False,
    optimiser="muon",
    rate=0.01,
)
QUALITY = replace(BALANCED, iterations=600)
FAST = replace(BALANCED, shared=100, iterations=20)
BLEND_PRESETS: Mapping[str, BlendPreset] = {
    "published": PUBLISHED,
    "quality": QUALITY,
    "balanced": BALANCED,
    "fast": FAST,
}


@dataclass(frozen=True)
class DipFusionOptions:
    """How the network is fitted; ``None`` takes the preset's value."""

    preset: Literal["published", "quality", "balanced", "fast"] = "balanced"
    """``published`` gives each tile its own network of 128 channels, which sees noise alone, and
    2,000 iterations; the others see the sources and start from a network of the whole scene, and
    differ in how long they refine it on a tile."""
    channels: int | None = None
    """Width of the network."""
    scales: int = 5
    """Times that the network halves its input."""
    shared: int | None = None
    """Steps of the one network that all tiles start from; 0 gives each tile a random start."""
    iterations: int | None = None
    """Steps on each tile."""
    copies: int | None = None
    """Images that the network makes at once, and whose mean is the result."""
    sees: Sees | None = None
    """What the network is shown: noise as published, or the sources beside it."""
    norm: Norm | None = None
    """Of the differences to each source: over the whole image, as in the published program, or
    squared, as in the paper, which both ask for a compromise at every pixel; or absolute at each
    pixel, which lets the pixel follow the source with the largest gain."""
    gains: GainsFrom = "patch"
    """Gains of small patches, as published, or one for each source and band of the scene."""
    patch: int = 2
    """Pixels along the side of a patch."""
    level: Level | None = None
    """Scale of the gains, see ``pca-gain``."""
    bounded: bool | None = None
    """Keep the image within the range of the sources by a sigmoid, as published."""
    optimiser: Optimiser | None = None
    """Adam, as published, or Muon."""
    rate: float | None = None
    """Learning rate."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        checks = (
            (chosen.channels >= 1, "channels must be at least 1"),
            (1 <= self.scales <= 8, "scales must lie between 1 and 8"),
            (chosen.shared >= 0, "shared must not be negative"),
            (chosen.iterations >= 1, "iterations must be at least 1"),
            (chosen.copies >= 1, "copies must be at least 1"),
            (self.patch >= 1, "patch must be at least 1"),
            (chosen.rate > 0, "rate must be positive"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"dip-fusion: {rule}")

    @property
    def resolved(self) -> BlendPreset:
        """The preset with the values given here in place of its own."""
        preset = BLEND_PRESETS[self.preset]
        names = [field.name for field in fields(BlendPreset)]
        given = {name: getattr(self, name) for name in names}
        own = {name: getattr(preset, name) for name in names}
        return BlendPreset(**{**own, **{k: v for k, v in given.items() if v is not None}})
