"""A method as it was asked for, and made ready for the bands of a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, get_args

from pansharpkit.errors import OptionError
from pansharpkit.methods import REGISTRY, Task, create, effective_options
from pansharpkit.methods.base import Method
from pansharpkit.physics import Compat
from pansharpkit.scene import Scene
from pansharpkit.source import BandsOf

Outside = Literal["regression", "exp", "skip"]
"""What happens to bands that PAN does not see."""
AUTO = "auto"
"""Name of the method that is chosen for each scene."""
YARDSTICK = "mtf-glp-fs"
"""Default method beside PAN, and the one that ``auto`` measures others by."""
BY_GUIDE = ""
"""Name of the method that is the default for a guide: the yardstick beside PAN."""
_BESIDE_BANDS = ("fuse", "gsa-hs", "cnmf")
"""Defaults beside a guide of several bands, the best of those that take seconds first."""
_LISTED = 6  # bands that a message names
Item = TypeVar("Item")


@dataclass(frozen=True)
class Prepared:
    """A method that fits the bands of a scene, and the scene with the bands to be fused."""

    scene: Scene
    method: Method
    name: str
    options: Mapping[str, object]
    """Everything that the report should say about it."""


@dataclass(frozen=True)
class MethodRequest:
    """Which method, with which options and which post-step, and what is done outside PAN."""

    name: str = YARDSTICK
    options: Mapping[str, object] = field(default_factory=dict)
    back_projection: int = 0
    """Steps of back-projection after the method."""
    damping: float | None = None
    """Of the plain iteration; by default residuals are spread softly instead."""
    outside: Outside = "regression"
    """Bands outside PAN: detail as far as a regression supports it, interpolated only, or left out.
    """
    reference_bands: tuple[str, ...] | None = None
    """Bands that PAN is taken to be made of, by name or colour; by default what the preset says."""
    task: Task = "sharpen"
    """What the method is to do."""
    uncertainty: bool = False
    """Whether to find out how far the image depends on the seed, by more fits with others."""

    def for_guide(self, bands: int) -> MethodRequest:
        """Return the request with the default for a guide of so many bands, if none was named.

        Raises
        ------
        OptionError
            If ``auto`` is to choose for a guide of several bands.
        """
        if self.is_auto and bands > 1:
            able = [name for name, entry in REGISTRY.items() if entry.takes(bands)]
            raise OptionError(
                f"-m {AUTO} chooses among methods for PAN, and the guide has {bands} bands; "
                f"choose one of {', '.join(able)}"
            )
        if self.name != BY_GUIDE:
            return self
        wanted = _BESIDE_BANDS if bands > 1 else (YARDSTICK,)
        return replace(self, name=next(name for name in wanted if name in REGISTRY))

    @property
    def is_auto(self) -> bool:
        """Whether the method is still to be chosen."""
        return self.name.lower() == AUTO

    def stand_in(self) -> MethodRequest:
        """Return the request itself; one of the yardstick where no method is named yet.

        Raises
        ------
        OptionError
            If ``auto`` is given options of a method, or asked for uncertainty.
        """
        if self.name == BY_GUIDE:
            return replace(self, name=YARDSTICK, options={})
        if not self.is_auto:
            return self
        if self.options:
            raise OptionError(f"--option goes with a method by name, not with {AUTO}")
        if self.uncertainty:
            raise OptionError(
                f"--uncertainty is for methods with networks, of which {AUTO} knows none; name one"
            )
        return replace(self, name=YARDSTICK)

    def create(self) -> Method:
        """Return the method, for bands that PAN all sees.

        Raises
        ------
        OptionError
            If the method, an option or a value is unknown, the method is for other tasks, or has
            no uncertainty.
        """
        if self.outside not in get_args(Outside):
            raise OptionError(
                f"bands outside PAN: {self.outside!r} must be one of {', '.join(get_args(Outside))}"
            )
        method = self._projected(create(self.name, self.options, self.task))
        return self._repeated(method) if self.uncertainty else method

    def _repeated(self, method: Method) -> Method:
        if not REGISTRY[self.name.lower()].seeded:
            able = [name for name, entry in REGISTRY.items()
                    if entry.seeded and self.task in entry.tasks]  # fmt: skip
            raise OptionError(
                f"--uncertainty is how far an image depends on the seed, and that of {self.name} "
                f"does not; choose -m {', '.join(able)}, or leave it out"
            )
        from pansharpkit.methods.networks.ensemble import Ensemble

        others = {name: value for name, value in self.options.items()
                  if name.replace("-", "_") != "save_weights"}  # fmt: skip
        return Ensemble(method, self._projected(create(self.name, others)))

    def _projected(self, method: Method) -> Method:
        if not self.back_projection:
            if self.damping is not None:
                raise OptionError("--damping goes with --back-projection STEPS; add it")
            return method
        from pansharpkit.methods.backprojection import BackProjected

        return BackProjected(method, self.back_projection, self.damping)

    def summary(self) -> dict[str, object]:
        """Return the options as they go into the report, defaults included."""
        found = effective_options(self.name, self.options)
        if self.back_projection:
            found |= {"back_projection": self.back_projection, "damping": self.damping}
        if self.uncertainty:
            found |= {"uncertainty": True}
        return found

    def prepared(self, scene: Scene, compat: Compat = "none") -> Prepared:
        """Return the method made ready for a scene whose PAN may not see every band.

        Raises
        ------
        OptionError
            If a reference band is unknown, if no band would be left, or if the toolbox, which
            treats all bands alike, is to do otherwise.
        """
        method = self.create()
        if self.task != "sharpen":
            return Prepared(scene, method, self.name, self.summary())
        guides = len(scene.guide.names)
        if not REGISTRY[self.name.lower()].takes(guides):
            able = [name for name, entry in REGISTRY.items() if entry.takes(guides)]
            raise OptionError(
                f"{self.name} does not take {scene.guide.label}, a guide of {guides} "
                f"{'band' if guides == 1 else 'bands'}; choose one of {', '.join(able)}"
            )
        if guides > 1:
            return Prepared(scene, method, self.name, self.summary())
        if compat == "toolbox" and (self.outside != "regression" or self.reference_bands):
            raise OptionError(
                "--compat toolbox treats all bands alike: leave out --outside-pan and "
                "--reference-bands"
            )
        inside = seen_bands(scene, self.reference_bands)
        others = [band for band in range(len(scene.target.names)) if band not in inside]
        if not others or compat == "toolbox":
            return Prepared(scene, method, self.name, self.summary())
        treated = {"outside_pan": {scene.target.names[band]: self.outside for band in others}}
        if self.outside == "skip":
            return Prepared(_only(scene, inside), method, self.name, self.summary() | treated)
        if not REGISTRY[self.name.lower()].outside_apart:
            return Prepared(scene, method, self.name, self.summary())
        return Prepared(scene, self._apart(inside), self.name, self.summary() | treated)

    def _apart(self, inside: tuple[int, ...]) -> Method:
        from pansharpkit.methods.classical.interpolation import Exp
        from pansharpkit.methods.outside import Apart, DetailRegression

        outside = Exp() if self.outside == "exp" else DetailRegression()
        if not inside:
            return self._projected(outside)
        return self._projected(Apart(create(self.name, self.options), outside, inside))


def seen_bands(scene: Scene, reference: Sequence[str] | None = None) -> tuple[int, ...]:
    """Return the target bands that PAN sees, by index: what the preset says, or those named.

    A band of which the preset does not say it counts as seen.

    Raises
    ------
    OptionError
        If a name fits no band of the target, or more than one.
    """
    sensor = scene.sensor
    if reference is None:
        seen = [sensor.in_pan(band) is not False for band in sensor.bands]
        return tuple(i for i, inside in enumerate(seen) if inside)
    return tuple(sorted({_position(name, scene) for name in reference}))


def _position(wanted: str, scene: Scene) -> int:
    key = wanted.casefold()
    names = scene.target.names
    exact = [i for i, name in enumerate(names) if name.casefold() == key]
    known = [
        i
        for i, (name, band) in enumerate(zip(names, scene.sensor.bands, strict=True))
        if key in (band.name.casefold(), band.common_name, *name.casefold().split())
    ]
    for hits in (exact, known):
        if len(hits) == 1:
            return hits[0]
    raise OptionError(
        f"--reference-bands {wanted}: no such band, or more than one, among those to be fused: "
        f"{', '.join(names)}"
    )


def _only(scene: Scene, bands: tuple[int, ...]) -> Scene:
    """Return the scene with some of the target's bands only."""
    if not bands:
        names = scene.target.names
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise OptionError(
            f"no band is left: PAN sees none of {', '.join(names[:_LISTED])}{more}; choose other "
            "--bands, or --outside-pan regression"
        )
    scaling, saturation = scene.scaling, scene.saturation
    if saturation is not None:
        saturation = replace(saturation, target=_chosen(saturation.target, bands))
    return replace(
        scene,
        target=BandsOf(scene.target, bands),
        sensor=replace(scene.sensor, bands=_chosen(scene.sensor.bands, bands)),
        scaling=None if scaling is None else _chosen(scaling, bands),
        saturation=saturation,
    )


def _chosen(values: Sequence[Item], bands: tuple[int, ...]) -> tuple[Item, ...]:
    return tuple(values[band] for band in bands)
