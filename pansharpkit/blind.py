"""From a pair on disk to the model of how it was observed: read, estimate, write, draw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit.errors import InputError, OptionError, PansharpkitError
from pansharpkit.intake import SceneRequest, input_files, open_scene
from pansharpkit.model import Rows
from pansharpkit.model_file import ModelFile, write_model
from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics.blind import BLIND_METHODS, BlindEstimate, BlindMethod, estimate_model
from pansharpkit.physics.blind_gradient import STEPS, Descent
from pansharpkit.provenance import versions
from pansharpkit.scene import Scene
from pansharpkit.writer.preflight import check_folder, check_no_input

_REACH = 2  # target pixels around a block, so that samples at its edge have their surroundings


@dataclass(frozen=True)
class BlindRequest:
    """Which pair, and where its model goes."""

    scene: SceneRequest
    """Guide and target in either order."""
    output: Path
    """JSON to write."""
    plot: Path | None = None
    """Picture to write beside."""
    method: str = "filters"
    """One of `BLIND_METHODS`."""
    overwrite: bool = False
    steps: int = STEPS
    """Of ``cycfusion``."""
    seed: int = 0
    """Of ``cycfusion``."""


@dataclass(frozen=True)
class BlindOutcome:
    """What was estimated and written."""

    file: ModelFile
    estimate: BlindEstimate
    preset: Rows | None
    """[c, C] what presets say of the SRF; None if nothing."""
    notices: tuple[str, ...]
    """What the pair's reader has to say."""

    def describe(self) -> Mapping[str, object]:
        """Return what was found as JSON-ready values."""
        rows, cols = self.estimate.centre
        tall, wide = self.estimate.width
        names = self.file.guide_bands
        return {
            "method": self.file.method,
            "target pixels": self.estimate.samples,
            "psf centre (rows, cols), guide px": [round(rows, 3), round(cols, 3)],
            "psf sigma (rows, cols), guide px": [round(tall, 3), round(wide, 3)],
            "residual": {n: round(r, 5) for n, r in zip(names, self.file.residual, strict=True)},
            "kind": dict(zip(names, self.estimate.kind, strict=True)),
        }


def estimate_to_file(request: BlindRequest) -> BlindOutcome:
    """Estimate SRF and PSF of a pair, write them, and draw them if asked.

    Raises
    ------
    InputError
        Naming what is wrong with the pair.
    OutputError
        If a file cannot be written.
    OptionError
        If a file exists and may not be replaced, or there is no such method.
    """
    method = _method(request.method)
    _check_outputs(request)
    scene, scene_request = _either_order(request.scene)
    outcome = estimate(scene, method, Descent(request.steps, seed=request.seed))
    source = {"inputs": list(map(str, scene_request.inputs)), "versions": versions()}
    outcome = replace(outcome, file=replace(outcome.file, provenance=source))
    write_model(request.output, outcome.file, overwrite=request.overwrite)
    if request.plot is not None:
        from pansharpkit.report.observation import draw_model

        draw_model(request.plot, outcome.file, outcome.preset)
    return outcome


def _check_outputs(request: BlindRequest) -> None:
    """Refuse files that cannot or must not be written, before anything is computed."""
    path, inputs = request.output, input_files(request.scene)
    if path.suffix.lower() != ".json":
        raise OptionError(f"{path}: a model is JSON; give a name that ends in .json")
    check_no_input(path, inputs)
    if path.exists() and not request.overwrite:
        raise OptionError(f"{path} exists; pass --overwrite to replace it")
    check_folder(path)
    if request.plot is not None:
        from pansharpkit.report.bandplot import check_plot  # loads matplotlib

        check_plot(request.plot, overwrite=request.overwrite, inputs=inputs)


def estimate(
    scene: Scene, method: BlindMethod = "filters", descent: Descent | None = None
) -> BlindOutcome:
    """Estimate SRF and PSF of an opened pair from blocks of it; `descent` is for ``cycfusion``.

    Raises
    ------
    FusionError
        If too few target pixels are valid with their surroundings.
    """
    halo = math.ceil(_REACH * max(scene.sampling.ratio))
    sample = FitSample(Observer.of(scene), halo)
    centres = [band.center_nm for band in scene.sensor.bands]
    known = None if None in centres else centres
    widths = None if known is None else [band.fwhm_nm for band in scene.sensor.bands]
    found = estimate_model(sample, known, widths, method=method, descent=descent)
    file = ModelFile(
        found.model,
        scene.guide.names,
        scene.target.names,
        tuple(centres),
        scene.sampling.ratio,
        method,
        found.residual,
        found.srf_spread,
    )
    preset = None if scene.model is None else scene.model.srf
    return BlindOutcome(file, found, preset, scene.notices)


def _method(name: str) -> BlindMethod:
    for known in BLIND_METHODS:
        if known == name.lower():
            return known
    raise OptionError(
        f"no way to estimate is called {name!r}: there are {', '.join(BLIND_METHODS)}"
    )


def _either_order(request: SceneRequest) -> tuple[Scene, SceneRequest]:
    """Open a pair given as guide and target, or the other way round."""
    try:
        return open_scene(request), request
    except InputError:
        if len(request.inputs) != 2:
            raise
        turned = replace(request, inputs=request.inputs[::-1])
        try:
            return open_scene(turned), turned
        except PansharpkitError:
            pass
        raise
