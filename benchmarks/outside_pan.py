"""Bands that PAN does not see, on Landsat 8: PAN in all bands alike, or kept out of them.

    python benchmarks/outside_pan.py [--methods brovey gsa ...] [--scenes pamplona alabama]

Two scenes that come with this repository. ``alike`` treats all bands as if PAN saw them,
``regression`` (the default) and ``exp`` are what --outside-pan offers. Wald: the MS is the
reference, ERGAS, SAM and Q2n over all bands, mean error of NDVI, then the RMSE of each band
outside PAN. Full resolution: HQNR, NDVI drift, then D_s, consistency error and ripple of each band
outside PAN.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions, run
from pansharpkit.evaluate import assess, estimated_optics, wald
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.metrics import Indices
from pansharpkit.physics import PairOptics
from pansharpkit.readers import ReadOptions
from pansharpkit.requested import MethodRequest, seen_bands
from pansharpkit.scene import Scene
from pansharpkit.scratch import scratch
from pansharpkit.showcase import demo_files

ALABAMA = Path(__file__).parents[1] / "tests" / "data" / "landsat8_alabama_mini"
REFLECTIVE = ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
METHODS = ("brovey", "gsa", "bdsd-pc", "mtf-glp-fs", "mtf-glp-hpm")
WAYS = ("alike", "regression", "exp")


def scenes() -> dict[str, SceneRequest]:
    pair = tuple(str(path) for path in demo_files())
    return {
        "pamplona": SceneRequest(pair, "landsat8_oli"),
        "alabama": SceneRequest((str(ALABAMA),), read=ReadOptions(bands=REFLECTIVE)),
    }


def requested(name: str, way: str, scene: Scene) -> MethodRequest:
    """Return the request of a method; all bands are references where they are treated alike."""
    if way == "alike":
        return MethodRequest(name, reference_bands=scene.target.names)
    return MethodRequest(name, outside="exp" if way == "exp" else "regression")


def full(scene: Scene, request: MethodRequest, estimated: PairOptics) -> Indices:
    """Fuse a scene and judge the result without a reference."""
    method = request.prepared(scene).method
    with scratch(scene.grid, scene.target.names) as (sink, fused):
        run(scene, method, sink, RunOptions(dtype="float32", nodata=math.nan))
        return assess(scene, fused, estimated=estimated)


def ndvi_error(scene: Scene, request: MethodRequest) -> float:
    """Return the mean absolute error of NDVI against the MS, one scale down."""
    coarse, truth = degraded_scene(scene)
    method = request.prepared(scene).method
    with scratch(coarse.grid, coarse.target.names) as (sink, fused):
        run(coarse, method, sink, RunOptions(dtype="float32", nodata=math.nan))
        ours, valid = fused.read(fused.grid.window)
    area = coarse.extent
    window = Window(truth.row + area.row, truth.col + area.col, area.height, area.width)
    theirs, known = scene.target.read(window)
    names = [band.common_name for band in scene.sensor.bands]
    red, nir = names.index("red"), names.index("nir")
    both = [image.astype(np.float64) for image in (ours, theirs)]
    first, second = ((b[nir] - b[red]) / (b[nir] + b[red]) for b in both)
    return float(np.abs(first - second)[valid & known].mean())


def cell(values: tuple[float | None, ...], places: list[int], digits: int) -> str:
    return " / ".join("–" if (v := values[i]) is None else f"{v:.{digits}f}" for i in places)


def report(name: str, scene: Scene, methods: list[str]) -> None:
    inside = seen_bands(scene)
    places = [i for i in range(len(scene.target.names)) if i not in inside]
    outside = ", ".join(scene.target.names[i] for i in places)
    print(f"\n{name}: bands outside PAN {outside}\n")
    print(f"| method | outside PAN | ERGAS | SAM | Q2n | NDVI error | RMSE of {outside} "
          "| HQNR | NDVI drift | D_s | consistency % | ripple % |")  # fmt: skip
    print("|---" * 12 + "|")
    asked = {(m, way): requested(m, way, scene) for m in methods for way in WAYS}
    named = {f"{m}|{way}": request for (m, way), request in asked.items()}
    ready = {key: request.prepared(scene).method for key, request in named.items()}
    estimated = estimated_optics(scene)
    for row in wald(scene, ready, RunOptions()):
        v, bands = row.indices.values, row.indices.per_band
        found = full(scene, named[row.method], estimated)
        drift = found.values["ndvi_drift"]
        print(
            f"| {row.method.replace('|', ' | ')} | {v['ergas']:.3f} | {v['sam_deg']:.3f} "
            f"| {v['q2n']:.4f} | {ndvi_error(scene, named[row.method]):.5f} "
            f"| {cell(bands['rmse'], places, 1)} | {found.values['hqnr']:.4f} "
            f"| {math.nan if drift is None else drift:.5f} "
            f"| {cell(found.per_band['d_s'], places, 3)} "
            f"| {cell(found.per_band['consistency_error_percent'], places, 2)} "
            f"| {cell(found.per_band['ripple_percent'], places, 2)} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--scenes", nargs="+", default=list(scenes()), choices=list(scenes()))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.scenes:
        report(name, open_scene(scenes()[name]), options.methods)


if __name__ == "__main__":
    main()
