"""Presets and options of CycFusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from pansharpkit.errors import OptionError
from pansharpkit.methods.networks.optimise import Optimiser

Form = Literal["published", "subspace"]
Camera = Literal["auto", "known", "estimated", "learned"]


@dataclass(frozen=True)
class Preset:
    """A named point on the curve of quality against time."""

    form: Form
    width: float
    pretraining: int
    shared: int
    iterations: int
    rate: float
    warm_up: float
    optimiser: Optimiser
    ema: float
    members: int
    materials: bool


REFERENCE = Preset(
    form="published",
    width=1.0,
    pretraining=10_000,
    shared=0,
    iterations=30_000,
    rate=0.002,
    warm_up=1 / 3,
    optimiser="adam",
    ema=0.0,
    members=1,
    materials=False,
)
QUALITY = Preset(
    form="subspace",
    width=1.0,
    pretraining=0,
    shared=400,
    iterations=0,
    rate=0.003,
    warm_up=0.1,
    optimiser="adam",
    ema=0.98,
    members=4,
    materials=True,
)
BALANCED = Preset(
    form="subspace",
    width=1.0,
    pretraining=0,
    shared=200,
    iterations=0,
    rate=0.003,
    warm_up=0.1,
    optimiser="adam",
    ema=0.98,
    members=2,
    materials=True,
)
FAST = Preset(
    form="subspace",
    width=0.5,
    pretraining=0,
    shared=80,
    iterations=0,
    rate=0.005,
    warm_up=0.1,
    optimiser="adam",
    ema=0.95,
    members=1,
    materials=False,
)
PRESETS: Mapping[str, Preset] = {
    "reference": REFERENCE,
    "quality": QUALITY,
    "balanced": BALANCED,
    "fast": FAST,
}


@dataclass(frozen=True)
class CycFusionOptions:
    """How the networks are fitted; ``None`` takes the preset's value."""

    preset: Literal["reference", "quality", "balanced", "fast"] = "balanced"
    """``reference`` is as published: each tile its own networks, 10,000 steps for the camera and
    30,000 for all. The others train small networks on the whole scene, in its subspace, correct
    what they make in closed form, and average it with the classics as far as it is worth it."""
    form: Form | None = None
    """``published``: the networks and losses of the paper. ``subspace``: networks that see a
    neighbourhood of the guide and correct a regression, in the coefficients of the subspace."""
    width: float | None = None
    """Multiplier of the width of every hidden layer."""
    camera: Camera = "auto"
    """Where PSF and SRF come from: ``known`` takes the presets' or the model's, ``estimated`` finds
    them from the pair in seconds, ``learned`` trains them with the networks as published (form
    ``published`` only). ``auto`` takes what is known, else ``learned`` where the form is the
    published one and ``estimated`` where it is not."""
    pretraining: int | None = None
    """Steps on PSF and SRF alone, where they are learned."""
    shared: int | None = None
    """Steps of the networks that all tiles share; 0 gives each tile a random start."""
    iterations: int | None = None
    """Steps on each tile, in the published form."""
    rate: float | None = None
    """Highest learning rate."""
    warm_up: float | None = None
    """Share of the steps on which the rate rises; then it falls along a cosine. 0: constant."""
    optimiser: Optimiser | None = None
    """Adam, as published, or Muon."""
    ema: float | None = None
    """Decay of the running average: of the output in the published form, of the weights in the
    subspace; 0 takes the last."""
    members: int | None = None
    """Networks whose cubes are averaged. In the subspace each leaves out other samples."""
    materials: bool | None = None
    """In the subspace, let CNMF take part as a third classic, where the guide has several bands."""
    dimension: int | None = None
    """Dimensions of the subspace; by default as many as stand out of the noise, at most 30."""
    consistency: bool = True
    """Correct the subspace's cube in closed form until it agrees with both inputs."""
    tolerance: float = 0.0
    """In the published form, stop on a tile once the average output moves by less per iteration, in
    its own standard deviations, at two looks in a row; 0 never stops early."""

    def __post_init__(self) -> None:
        chosen = self.resolved
        published = chosen.form == "published"
        checks = (
            (chosen.width > 0, "width must be positive"),
            (chosen.pretraining >= 0, "pretraining must not be negative"),
            (chosen.shared >= 0, "shared must not be negative"),
            (chosen.iterations >= 0, "iterations must not be negative"),
            (chosen.iterations + chosen.shared > 0, "iterations or shared must be at least 1"),
            (published or chosen.shared > 0, "shared must be at least 1 in the subspace"),
            (
                published or not (chosen.iterations or chosen.pretraining or self.tolerance),
                "iterations, pretraining and tolerance need form=published",
            ),
            (chosen.rate > 0, "rate must be positive"),
            (0 <= chosen.warm_up < 1, "warm_up must lie in [0, 1)"),
            (0 <= chosen.ema < 1, "ema must lie in [0, 1)"),
            (chosen.members >= 1, "members must be at least 1"),
            (self.dimension is None or self.dimension >= 1, "dimension must be at least 1"),
            (self.tolerance >= 0, "tolerance must not be negative"),
            (published or self.camera != "learned", "camera=learned needs form=published"),
        )
        for fits, rule in checks:
            if not fits:
                raise OptionError(f"cycfusion: {rule}")

    @property
    def resolved(self) -> Preset:
        """The preset with the values given here in place of its own."""
        preset = PRESETS[self.preset]
        given = {field.name: getattr(self, field.name) for field in fields(Preset)}
        own = {field.name: getattr(preset, field.name) for field in fields(Preset)}
        return Preset(**{**own, **{k: v for k, v in given.items() if v is not None}})
