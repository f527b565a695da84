"""From paths to a scene: read the product, find its sensor, check the pair."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pansharpkit import registration
from pansharpkit.errors import OptionError, SensorError
from pansharpkit.gaps import undeclared
from pansharpkit.matching import cube_sensor, matched, unknown_sensor
from pansharpkit.model import ObservationModel
from pansharpkit.model_file import read_model
from pansharpkit.readers import Product, ReadOptions, files_of, open_product
from pansharpkit.readers.cubes.pair import MANY
from pansharpkit.readers.derived import saturation_levels
from pansharpkit.saturation import Saturation, UnsaturatedSource, exceeds
from pansharpkit.scene import PairOptions, Scene, make_scene
from pansharpkit.sensor import Band, Sensor, load_sensor
from pansharpkit.sensor.projection import srf_matrix
from pansharpkit.source import NamedSource, Source

_SAME_RATIO = 0.02  # relative; a PSF is counted in guide pixels
_ODD_RATIO = 0.25  # relative; products are resampled, but not from one instrument to another
_UNNAMED = (
    "no sensor is named, so the field's usual MTF is assumed; --sensor names yours, as a rule for "
    "a better result (pansharpkit sensors list)"
)


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
    guide_sensor: str | None = None
    """Preset of the guide, where that is another instrument; the product's own by default."""
    model: Path | None = None
    """File that says how the guide's bands mix the target's; by default what the presets say."""


def open_scene(request: SceneRequest) -> Scene:
    """Open, check and pair the inputs, without reading the pixels.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    product = open_product(request.inputs, request.read)
    target = product.target
    if request.band_names is not None:
        target = _renamed(target, request.band_names)
    known = _sensors(request, product, target)
    sensor, notices = known.target, (*product.notices, *known.notices)
    guide: Source = product.guide
    levels: Saturation | None = _saturation(product, sensor, request.read.saturated)
    if request.read.mask_saturated:
        if levels is None:
            raise OptionError("--mask-saturated needs --saturated VALUE: floats have no largest")
        called = registration.called(guide, target)
        guide = UnsaturatedSource(guide, levels.guide)
        target = UnsaturatedSource(target, levels.target)
        notices, levels = (*notices, _masking(levels, *called)), None
    scene = make_scene(
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
    model = known.model if request.model is None else _from_file(request.model, scene)
    notices = (*scene.notices, *_doubts(request, scene))
    return replace(scene, guide_sensor=known.guide, model=model, notices=notices)


def _doubts(request: SceneRequest, scene: Scene) -> tuple[str, ...]:
    """Say if the pixels are not those of the sensor that was named."""
    sensor = scene.sensor
    if request.sensor is None or sensor.ratio is None or len(scene.target.names) >= MANY:
        return ()
    if len(scene.guide.names) > 1 or abs(scene.ratio / sensor.ratio - 1) <= _ODD_RATIO:
        return ()
    return (
        f"{sensor.id} has MS pixels {sensor.ratio:g} times as large as those of its PAN, this pair "
        f"{scene.ratio:.3g} times: is --sensor right?",
    )


@dataclass(frozen=True)
class _Known:
    """What presets and wavelengths say of both sides."""

    target: Sensor
    guide: Sensor | None = None
    model: ObservationModel | None = None
    notices: tuple[str, ...] = ()


def _sensors(request: SceneRequest, product: Product, target: Source) -> _Known:
    """Find the sensors of a product or pair.

    Raises
    ------
    SensorError
        If a preset does not fit, or a guide band sees nothing of the cube's range.
    """
    wanted = request.sensor or product.sensor_id
    preset = None if wanted is None else load_sensor(wanted)
    several = len(product.guide.names) > 1
    if not (several or product.spectra or len(target.names) >= MANY):
        if request.guide_sensor is not None:
            raise OptionError("--guide-sensor goes with a cube, or a guide of several bands")
        if preset is None:
            return _Known(unknown_sensor(target))
        sensor, said = matched(preset, target)
        return _Known(sensor, notices=said)
    other = request.guide_sensor or product.guide_sensor_id
    guide = None if other is None else load_sensor(other)
    if not several:
        return _beside_pan(product, target, preset, guide or preset)
    sensor, said = cube_sensor(target, product.spectra, preset)
    if guide is None:
        guide = _of_spectra(product)
    else:
        guide, more = matched(guide, product.guide, "another --guide-sensor")
        said += more
    model = None if guide is None else _presets_model(sensor, guide, guide.bands)
    return _Known(sensor, guide, model, said)


def _beside_pan(
    product: Product, target: Source, preset: Sensor | None, eye: Sensor | None
) -> _Known:
    """Return the sensor of a cube beside PAN; `eye` is the preset whose PAN that is."""
    sensor, said = cube_sensor(target, product.spectra, preset, eye)
    if eye is not None and eye.pan is not None and sensor.bands[0].pan_coverage is not None:
        model = None
        with suppress(SensorError):  # a PAN that looks beyond the cube fuses all the same
            model = _presets_model(sensor, eye, (eye.pan,))
        if not any(band.pan_coverage for band in sensor.bands):
            low, high = (f(b.center_nm or 0 for b in sensor.bands) for f in (min, max))
            said += (
                f"no overlap of spectral ranges: the PAN of {eye.id} sees none of the bands of "
                f"{target.label} ({low:.0f}-{high:.0f} nm); all are sharpened as bands outside it",
            )
        return _Known(sensor, model=model, notices=said)
    why = "name its preset with --guide-sensor"
    if eye is not None and eye.pan is None:
        why = f"{eye.id} has none; name the preset of the PAN with --guide-sensor"
    if eye is not None and eye.pan is not None:
        why = "the cube names no wavelengths; --sensor and --band-names can say them"
    unknown = f"which bands of {target.label} PAN sees is not known, all count as seen: {why}"
    return _Known(sensor, notices=(*said, unknown))


def _of_spectra(product: Product) -> Sensor | None:
    """Return a guide's sensor as far as its file gives wavelengths and widths."""
    spectra = product.guide_spectra
    if spectra is None or spectra.fwhm_nm is None:
        return None
    return cube_sensor(product.guide, spectra, None)[0]


def _presets_model(
    sensor: Sensor, guide: Sensor, bands: tuple[Band, ...]
) -> ObservationModel | None:
    """Return what bands of the guide see of the target's; None where wavelengths are not known."""
    centres = [band.center_nm for band in sensor.bands]
    if None in centres:
        return None
    blank = [b for b in bands if b.center_nm is None or b.fwhm_nm is None]
    if blank and (guide.srf is None or any(b.name not in guide.srf.names for b in blank)):
        return None
    widths = [band.fwhm_nm for band in sensor.bands]
    return ObservationModel(srf_matrix(guide, centres, widths, bands=bands))


def _from_file(path: Path, scene: Scene) -> ObservationModel:
    """Return the model in a file for the bands of a scene.

    Raises
    ------
    SensorError
        If it lacks some of them, or is for another ratio.
    """
    file = read_model(path)
    apart = [abs(a / b - 1) for a, b in zip(file.ratio, scene.sampling.ratio, strict=True)]
    if file.model.psf is not None and max(apart) > _SAME_RATIO:
        raise SensorError(
            f"{path}: was estimated at a ratio of {file.ratio[0]:.3g} x {file.ratio[1]:.3g}, this "
            f"pair has {scene.sampling.ratio[0]:.3g} x {scene.sampling.ratio[1]:.3g}; estimate it "
            "from this pair"
        )
    try:
        return file.for_bands(scene.guide.names, scene.target.names)
    except SensorError as error:
        raise SensorError(f"{path}: {error}") from None


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


def _masking(levels: Saturation, guide: str, target: str) -> str:
    pan, ms = ("/".join(sorted({f"{v:g}" for v in side})) for side in (levels.guide, levels.target))
    return (
        f"{guide} pixels of {pan} and above and {target} pixels of {ms} and above are masked as "
        "saturated"
    )


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


def describe(request: SceneRequest) -> dict[str, object]:
    """Return what a pair or product is.

    Its sides are called ``pan`` and ``ms``, or ``guide`` and ``target`` where the guide has several
    bands or the target is a cube.
    """
    scene = open_scene(request)
    found = registration.measure(scene)
    doubt = registration.check(found, force=True)
    crs = scene.guide.grid.crs
    plain = registration.called(scene.guide, scene.target) == ("PAN", "MS")
    fine, coarse = ("pan", "ms") if plain else ("guide", "target")
    return {
        fine: scene.guide.label,
        coarse: scene.target.label,
        f"{fine}_size": [scene.guide.grid.width, scene.guide.grid.height],
        f"{coarse}_size": [scene.target.grid.width, scene.target.grid.height],
        "crs": None if crs is None else crs.to_string(),
        "ratio": list(scene.sampling.ratio),
        "phase": list(scene.sampling.phase),
        "fused_size": [scene.grid.width, scene.grid.height],
        **({} if plain else {"guide_bands": list(scene.guide.names)}),
        "bands": list(scene.target.names),
        "dtype": str(scene.target.dtype),
        "nodata": {fine: _text(scene.guide.nodata), coarse: _text(scene.target.nodata)},
        "sensor": scene.sensor.id,
        "registration": {
            "shift_rows": found.shift_rows,
            "shift_cols": found.shift_cols,
            "r2": found.r2,
            "r2_unshifted": found.r2_unshifted,
            "reliable": found.reliable,
        },
        "metadata": dict(scene.metadata),
        "notices": [
            *scene.notices,
            *undeclared(scene),
            *([_UNNAMED] if plain and scene.sensor.id == "generic" else []),
            *([] if doubt is None else [doubt]),
        ],
    }


def _text(nodata: float | None) -> str | None:
    return None if nodata is None else f"{nodata:g}"
