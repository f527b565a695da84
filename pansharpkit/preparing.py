"""A request to fuse a scene, and all that is checked and found out before anything is fused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit import registration
from pansharpkit.engine import RunOptions, resolve_device
from pansharpkit.gaps import undeclared
from pansharpkit.intake import SceneRequest, input_files, open_scene
from pansharpkit.methods.base import Progress
from pansharpkit.modelled import modelled, needs_model
from pansharpkit.output import (
    output_dtype,
    output_nodata,
    output_profile,
    rounding,
    uncertainty_path,
    uncertainty_profile,
)
from pansharpkit.provenance import versions
from pansharpkit.registration import Registration
from pansharpkit.requested import MethodRequest, Prepared
from pansharpkit.scene import Scene
from pansharpkit.warned import Warned
from pansharpkit.writer import OutputProfile, RasterWriter, is_envi, lineage_tags, open_output

if TYPE_CHECKING:  # loaded when it is needed: that takes longer than many a scene
    from pansharpkit.report import Selection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FuseRequest:
    """Everything that says what is to be fused, how, and where to."""

    scene: SceneRequest
    output: Path
    method: MethodRequest = field(default_factory=MethodRequest)
    run: RunOptions = field(default_factory=RunOptions)
    correct_shift: bool = False
    force: bool = False
    """Go on although guide and target seem to show other ground."""
    overwrite: bool = False
    cog: bool = True
    creation_options: Mapping[str, str] = field(default_factory=dict)
    report: bool = True
    judge_all: bool = False
    """Whether the report judges every pixel of a large scene, instead of a part spread over it."""
    resume: bool = False
    """Keep finished tiles beside the output, and go on from those of a run that ended early."""


@dataclass(frozen=True)
class Job:
    """A request after every check that needs no fusion."""

    method: Prepared
    options: RunOptions
    profile: OutputProfile
    registration: Registration
    warned: Warned
    """What the user should read."""
    selection: Selection | None = None
    """How the method was chosen, if that was left to us."""


def prepare(request: FuseRequest, progress: Progress | None = None) -> Job:
    """Check the request, cheapest things first, measure the registration, choose the method.

    Raises
    ------
    PansharpkitError
        If it cannot be done; nothing is written by then.
    """
    early = request.method.stand_in()
    early.create()
    begin("open", progress)
    resolve_device(request.run.device)
    opened = open_scene(request.scene)
    request = replace(request, method=request.method.for_guide(len(opened.guide.names)))
    method = request.method.stand_in().prepared(opened, request.run.compat)
    scene = method.scene
    dtype = output_dtype(scene, request.run.dtype)
    maskable = not is_envi(request.output)
    nodata = output_nodata(scene, dtype, request.run.nodata, maskable=maskable)
    options = replace(request.run, dtype=str(dtype), nodata=nodata)
    profile = output_profile(
        scene, dtype, nodata,
        tags=_lineage(method, request, options), creation_options=request.creation_options,
    )  # fmt: skip
    fused_writer(request, profile).check()
    if (beside := deviations_writer(request, profile)) is not None:
        beside.check()
    warned = Warned()
    with warned.listening():
        for text in (*undeclared(opened), *rounding(scene, dtype)):
            warned.say(text)
        found = registration.measure(opened)
        opened = _registered(opened, found, request, warned)
        chosen, selection = _chosen(request, opened, progress)
        if needs_model(opened, chosen.name):
            before, opened = len(opened.notices), modelled(opened, request.scene.model)
            for text in opened.notices[before:]:
                warned.say(text)
    method = chosen.prepared(opened, options.compat)  # the scene may have moved
    tags = {**profile.tags, **_lineage(method, request, options, selection)}
    return Job(method, options, replace(profile, tags=tags), found, warned, selection)


def _chosen(
    request: FuseRequest, scene: Scene, progress: Progress | None
) -> tuple[MethodRequest, Selection | None]:
    """Return the method requested, or the one that is best for the scene and why."""
    if not request.method.is_auto:
        return request.method, None
    from pansharpkit.selection import choose

    options = request.run
    choice = choose(
        scene, request.method, compat=options.compat, seed=options.seed, progress=progress
    )
    return choice.request, choice.selection


def fused_writer(request: FuseRequest, profile: OutputProfile) -> RasterWriter:
    """Return what writes the fused raster."""
    return open_output(
        request.output,
        profile,
        overwrite=request.overwrite,
        inputs=input_files(request.scene),
        cog=request.cog,
        threads=request.run.threads,
    )


def deviations_writer(request: FuseRequest, fused: OutputProfile) -> RasterWriter | None:
    """Return what writes the standard deviations beside the output, if they are asked for."""
    if not request.method.uncertainty:
        return None
    return open_output(
        uncertainty_path(request.output),
        uncertainty_profile(fused, request.output),
        overwrite=request.overwrite,
        inputs=input_files(request.scene),
        cog=request.cog,
        threads=request.run.threads,
    )


def _registered(scene: Scene, found: Registration, request: FuseRequest, warned: Warned) -> Scene:
    """Correct or refuse the scene as asked, and say what should be known about it."""
    said = list(scene.notices)
    log.info(found.describe())
    doubt = registration.check(found, force=request.force)
    if request.correct_shift and found.reliable:
        rows, cols = registration.correction(scene, found)
        scene = scene.moved((rows, cols))
        said.append(
            f"{found.target} moved by {rows:+.2f} rows, {cols:+.2f} cols ({found.guide} px)"
        )
    elif doubt is not None:
        said.append(doubt)
    for text in said:
        warned.say(text)
    return scene


def _lineage(
    method: Prepared,
    request: FuseRequest,
    options: RunOptions,
    selection: Selection | None = None,
) -> dict[str, str]:
    used: dict[str, object] = {
        **method.options,
        "sensor": method.scene.sensor.id,
        "shift": list(method.scene.shift),
        "seed": options.seed,
        "tile": options.tile,
        "compat": options.compat,
        "toa": request.scene.read.toa,
    }
    if selection is not None:
        used["auto"] = {"why": selection.why, "scores": selection.scores}
    return lineage_tags(
        version=versions()["pansharpkit"],
        method=method.name,
        options=used,
        inputs={Path(name).name: None for name in request.scene.inputs},
    )


def begin(stage: str, progress: Progress | None) -> None:
    """Tell of a stage of which nobody knows yet how long it is."""
    if progress is not None:
        progress(stage, 0, 1)
