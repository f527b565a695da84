"""From paths to a scene: read the product, find its sensor, check the pair."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pansharpkit import registration
from pansharpkit.errors import OptionError, SensorError
from pansharpkit.readers import Product, ReadOptions, files_of, open_product
from pansharpkit.readers.derived import saturation_levels
from pansharpkit.saturation import Saturation, UnsaturatedSource, exceeds
from pansharpkit.scene import PairOptions, Scene, make_scene
from pansharpkit.sensor import CommonName, Sensor, generic_sensor, load_sensor
from pansharpkit.source import NamedSource, Source

FOUR_BANDS = ("blue", "green", "red", "nir")
"""How every operator orders a four-band product."""


@dataclass(frozen=True)
class SceneRequest:
    """Everything that says which scene is meant."""

    inputs: tuple[str, ...]
    """PAN and MS files, or one product."""
    sensor: str | None = None
    """Preset by name or path; the product's own by default."""
    band_names: tuple[str, ...] | None = None
    """Names of the target's bands, where the files carry none that the preset knows."""
    read: ReadOptions = field(default_factory=ReadOptions)
    pair: PairOptions = field(default_factory=PairOptions)


def open_scene(request: SceneRequest) -> Scene:
    """Open, check and pair the inputs, without reading the pixels.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    product = open_product(request.inputs, request.read)
    wanted = request.sensor or product.sensor_id
    target, notices = product.target, product.notices
    if request.band_names is not None:
        target = _renamed(target, request.band_names)
    if wanted is None:
        sensor = _generic(target)
    else:
        sensor, said = _matched(load_sensor(wanted), target)
        notices = (*notices, *said)
    guide: Source = product.guide
    levels: Saturation | None = _saturation(product, sensor, request.read.saturated)
    if request.read.mask_saturated:
        if levels is None:
            raise OptionError("--mask-saturated needs --saturated VALUE: floats have no largest")
        guide = UnsaturatedSource(guide, levels.guide)
        target = UnsaturatedSource(target, levels.target)
        notices, levels = (*notices, _masking(levels)), None
    return make_scene(
        guide,
        target,
        sensor,
        clouds=product.clouds,
        saturation=levels,
        metadata=product.metadata,
        scaling=product.scaling,
        notices=notices,
        options=request.pair,
    )


def _saturation(product: Product, sensor: Sensor, given: float | None) -> Saturation | None:
    """Return from which value on pixels are saturated; None if nobody knows.

    Raises
    ------
    OptionError
        If the value given is no number.
    """
    if given is not None and not math.isfinite(given):
        raise OptionError(f"--saturated {given:g}: give a finite number")
    pair = (product.guide, product.target)
    given = product.saturated if given is None else given
    if given is None and sensor.bit_depth is not None and product.native_depth:
        whole = all(source.dtype.kind in "iu" for source in pair)
        top = 2.0**sensor.bit_depth - 1
        if whole and not any(exceeds(source, top) for source in pair):
            given = top
    found = Saturation(*(saturation_levels(source, given) for source in pair))
    return found if any(map(math.isfinite, (*found.guide, *found.target))) else None


def _masking(levels: Saturation) -> str:
    pan, ms = ("/".join(sorted({f"{v:g}" for v in side})) for side in (levels.guide, levels.target))
    return f"PAN pixels of {pan} and above and MS pixels of {ms} and above are masked as saturated"


def input_files(request: SceneRequest) -> tuple[Path, ...]:
    """Return every file that an output must not replace: inputs, and all files of a product."""
    return files_of(request.inputs)


def _renamed(target: Source, names: tuple[str, ...]) -> Source:
    if len(names) != len(target.names):
        raise SensorError(
            f"{target.label} has {len(target.names)} bands, --band-names gives {len(names)}"
        )
    if len(set(names)) < len(names):
        raise OptionError(f"--band-names {','.join(names)}: give each band a name of its own")
    return NamedSource(target, names)


def _generic(target: Source) -> Sensor:
    """Return the unknown sensor, with the colours that the band names give away."""
    colours = tuple(_colour(name) for name in target.names)
    names = tuple(c or n for c, n in zip(colours, target.names, strict=True))
    if len(set(names)) < len(names):
        names = target.names if len(set(target.names)) == len(target.names) else ()
    return generic_sensor(len(target.names), names or None)


def _colour(name: str) -> str | None:
    """Return the common name among the words of a band description, if there is one.

    >>> _colour("B5 NIR")
    'nir'
    """
    words = name.casefold().replace("-", " ").replace("_", " ").split()
    return next((word for word in words if word in get_args(CommonName)), None)


def _matched(sensor: Sensor, target: Source) -> tuple[Sensor, tuple[str, ...]]:
    """Return the sensor reduced to the target's bands, and what to say about it."""
    for names in (target.names, tuple(name.split()[0] for name in target.names)):
        with suppress(SensorError):
            return sensor.subset(names), ()
    own, count = ", ".join(sensor.names), len(target.names)
    guesses = [(sensor, f"the order of {sensor.id}")] if len(sensor.bands) == count else []
    if count == len(FOUR_BANDS):
        with suppress(SensorError):
            guesses.append((sensor.subset(FOUR_BANDS), "the usual order of four bands"))
    if not guesses:
        raise SensorError(
            f"{target.label} has {count} bands ({', '.join(target.names)}), sensor {sensor.id} "
            f"has {len(sensor.bands)} ({own}); say which they are with --band-names"
        )
    guess, why = guesses[0]
    taken = ", ".join(guess.names)
    return guess, (f"bands of {target.label} are taken to be {taken}, {why}; --band-names says "
                   "otherwise",)  # fmt: skip


def describe(request: SceneRequest) -> dict[str, object]:
    """Return what a pair or product is."""
    scene = open_scene(request)
    found = registration.measure(scene)
    crs = scene.guide.grid.crs
    return {
        "pan": scene.guide.label,
        "ms": scene.target.label,
        "pan_size": [scene.guide.grid.width, scene.guide.grid.height],
        "ms_size": [scene.target.grid.width, scene.target.grid.height],
        "crs": None if crs is None else crs.to_string(),
        "ratio": list(scene.sampling.ratio),
        "phase": list(scene.sampling.phase),
        "fused_size": [scene.grid.width, scene.grid.height],
        "bands": list(scene.target.names),
        "dtype": str(scene.target.dtype),
        "nodata": {"pan": _text(scene.guide.nodata), "ms": _text(scene.target.nodata)},
        "sensor": scene.sensor.id,
        "registration": {
            "shift_rows": found.shift_rows,
            "shift_cols": found.shift_cols,
            "r2": found.r2,
            "reliable": found.reliable,
        },
        "metadata": dict(scene.metadata),
        "notices": list(scene.notices),
    }


def _text(nodata: float | None) -> str | None:
    return None if nodata is None else f"{nodata:g}"
