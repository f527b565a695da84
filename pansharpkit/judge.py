"""Judge files: a fused raster with its pair or a reference, or methods on a pair."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pansharpkit import evaluate, registration
from pansharpkit.engine import RunOptions
from pansharpkit.errors import OptionError
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import method_names
from pansharpkit.methods.base import Progress
from pansharpkit.physics import Compat
from pansharpkit.readers import ReadOptions, open_geotiff
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import Scene

log = logging.getLogger(__name__)


def assess(
    request: SceneRequest, fused: Path, *, compat: Compat = "none"
) -> dict[str, float | None]:
    """Return the full-resolution indices of a fused raster."""
    scene = _open(request)
    source = open_geotiff(fused, request.read)
    return dict(evaluate.assess(scene, source, compat=compat).values)


def compare(
    reference: Path,
    fused: Path,
    ratio: float,
    *,
    read: ReadOptions | None = None,
    peak: float | None = None,
    compat: Compat = "none",
) -> dict[str, object]:
    """Return the reduced-resolution indices of a fused raster against its reference."""
    truth, source = open_geotiff(reference, read), open_geotiff(fused, read)
    return dict(evaluate.compare(truth, source, ratio, peak=peak, compat=compat).values)


def wald(
    request: SceneRequest,
    names: Sequence[str],
    *,
    method: MethodRequest,
    run: RunOptions,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, object]]:
    """Yield a row for each method: the Wald protocol on a pair.

    Raises
    ------
    OptionError
        If a method is unknown or named twice, or options are given to more than one.
    """
    wanted = _requests(names, method)
    opened = _open(request)
    prepared = {each.name: each.prepared(opened, run.compat) for each in wanted}
    scene = prepared[names[0]].scene  # the same for all: it lacks the bands to be left out
    methods = {name: each.method for name, each in prepared.items()}
    for row in evaluate.wald(scene, methods, run, peak=peak, progress=progress):
        values: dict[str, object] = dict(row.indices.values)
        yield {
            "method": row.method,
            **values,
            "peak": row.peak,
            "seconds": round(sum(row.run.seconds.values()), 3),
        }


def _open(request: SceneRequest) -> Scene:
    """Open a scene and say what should be known about it: indices depend on its registration."""
    scene = open_scene(request)
    doubt = registration.check(registration.measure(scene), force=True)
    for text in (*scene.notices, *([doubt] if doubt else [])):
        log.warning(text)
    return scene


def _requests(names: Sequence[str], wanted: MethodRequest) -> list[MethodRequest]:
    if not names or len(set(names)) < len(names):
        raise OptionError(f"-m needs different methods out of {', '.join(method_names())}")
    if len(names) > 1 and wanted.options:
        raise OptionError("--option goes with a single method; evaluate one method at a time")
    requests = [replace(wanted, name=name) for name in names]
    for request in requests:
        request.create()  # mistakes are told before a file is opened
    return requests
