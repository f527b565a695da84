"""Judge files: a fused raster with its pair or a reference, or methods on a pair."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit import evaluate, registration
from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions
from pansharpkit.errors import OptionError
from pansharpkit.gaps import undeclared
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods.base import Progress
from pansharpkit.metrics import Indices
from pansharpkit.modelled import modelled, needs_model
from pansharpkit.physics import Compat
from pansharpkit.readers import ReadOptions
from pansharpkit.readers.written import centers_of, open_unplaced, open_written
from pansharpkit.registration import Registration
from pansharpkit.report import Selection
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import Scene
from pansharpkit.selection import choose

if TYPE_CHECKING:  # matplotlib takes long to load, and few ask for a picture
    from pansharpkit.report.bandplot import PerBand

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assessed:
    """How good a fused raster is, and how well its inputs fitted."""

    indices: dict[str, float | None]
    registration: Registration


@dataclass(frozen=True)
class Picture:
    """Where the error of each band is to be drawn."""

    path: Path
    """PNG, SVG or PDF."""
    overwrite: bool = False

    def check(self) -> None:
        """Refuse a name that will not do, before anything is computed."""
        from pansharpkit.report.bandplot import check_plot

        check_plot(self.path, overwrite=self.overwrite)

    def draw(self, centers_nm: Sequence[float | None], found: Mapping[str, PerBand]) -> None:
        """Draw a curve for each of those found."""
        from pansharpkit.report.bandplot import draw_bands

        draw_bands(self.path, centers_nm, found)


def assess(
    request: SceneRequest,
    fused: Path,
    *,
    compat: Compat = "none",
    progress: Progress | None = None,
) -> Assessed:
    """Return the full-resolution indices of a fused raster."""
    scene, found = _open(request)
    if len(scene.guide.names) > 1:
        scene = _told(scene, modelled(scene, request.model))
    source = open_written(fused, request.read)
    indices = evaluate.assess(scene, source, compat=compat, progress=progress)
    return Assessed(dict(indices.values), found)


def compare(
    reference: Path,
    fused: Path,
    ratio: float,
    *,
    read: ReadOptions | None = None,
    peak: float | None = None,
    compat: Compat = "none",
    plot: Picture | None = None,
) -> dict[str, object]:
    """Return the reduced-resolution indices of a fused raster against its reference."""
    if plot is not None:
        plot.check()
    truth, source = open_unplaced(reference, read), open_unplaced(fused, read)
    found = evaluate.compare(truth, source, ratio, peak=peak, compat=compat)
    if plot is not None:
        centres = centers_of(reference, read) or centers_of(fused, read)
        plot.draw(centres or (None,) * len(truth.names), {source.label: found.per_band})
    return {**found.values, "per_band": _by_band(found, truth.names)}


def _by_band(found: Indices, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    return {
        name: {index: values[i] for index, values in found.per_band.items()}
        for i, name in enumerate(names)
    }


def wald(
    request: SceneRequest,
    names: Sequence[str],
    *,
    method: MethodRequest,
    run: RunOptions,
    peak: float | None = None,
    progress: Progress | None = None,
    plot: Picture | None = None,
) -> Iterator[dict[str, object]]:
    """Yield a row for each method: the Wald protocol on a pair; the picture comes last.

    Raises
    ------
    OptionError
        If a method is unknown or named twice, options are given to more than one, or the picture
        exists and may not be replaced.
    OutputError
        If the picture cannot be written.
    """
    if plot is not None:
        plot.check()
    wanted = _requests(names, method)
    opened, _ = _open(request)
    bands = len(opened.guide.names)
    if any(needs_model(opened, each.for_guide(bands).name) for each in wanted if not each.is_auto):
        opened = _told(opened, modelled(opened, request.model))
    chosen = {each.name: _chosen(each, opened, run, progress) for each in wanted}
    prepared = {name: each.request.prepared(opened, run.compat) for name, each in chosen.items()}
    scene = prepared[names[0]].scene  # the same for all: it lacks the bands to be left out
    methods = {name: each.method for name, each in prepared.items()}
    curves: dict[str, PerBand] = {}
    for row in evaluate.wald(scene, methods, run, peak=peak, progress=progress):
        values: dict[str, object] = dict(row.indices.values)
        selection = chosen[row.method].selection
        curves[row.method] = row.indices.per_band
        yield {
            "method": row.method,
            **({} if selection is None else {"chosen": selection.chosen, "why": selection.why}),
            **values,
            "peak": row.peak,
            "seconds": round(sum(row.run.seconds.values()), 3),
            "per_band": _by_band(row.indices, scene.target.names),
        }
    if plot is not None:
        plot.draw([band.center_nm for band in scene.sensor.bands], curves)


def _open(request: SceneRequest) -> tuple[Scene, Registration]:
    """Open a scene and say what should be known about it: indices depend on its registration."""
    scene = open_scene(request)
    found = registration.measure(scene)
    doubt = registration.check(found, force=True)
    for text in (*scene.notices, *undeclared(scene), *([doubt] if doubt else [])):
        log.warning(text)
    return scene, found


def _told(before: Scene, after: Scene) -> Scene:
    """Return a scene after saying what is new about it."""
    for text in after.notices[len(before.notices) :]:
        log.warning(text)
    return after


@dataclass(frozen=True)
class _Chosen:
    request: MethodRequest
    selection: Selection | None = None


def _chosen(
    request: MethodRequest, scene: Scene, run: RunOptions, progress: Progress | None
) -> _Chosen:
    """Return the request; for ``auto`` what it chooses on the pair that the protocol fuses.

    That is the degraded pair, which is degraded once more to choose: the reference stays unseen.
    """
    request = request.for_guide(len(scene.guide.names))
    if not request.is_auto:
        return _Chosen(request)
    coarse, _ = degraded_scene(scene)
    choice = choose(coarse, request, compat=run.compat, seed=run.seed, progress=progress)
    return _Chosen(choice.request, choice.selection)


def _requests(names: Sequence[str], wanted: MethodRequest) -> list[MethodRequest]:
    if not names or len(set(names)) < len(names):
        raise OptionError(
            f"-m {','.join(names)}: name at least one method, none twice; `pansharpkit methods` "
            "lists all"
        )
    if len(names) > 1 and wanted.options:
        raise OptionError("--option goes with a single method; evaluate one method at a time")
    requests = [replace(wanted, name=name) for name in names]
    for request in requests:
        request.stand_in().create()  # mistakes are told before a file is opened
    return requests
