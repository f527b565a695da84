"""What -m auto chooses on real scenes, and how that compares with the other tools.

    python benchmarks/auto_choice.py [DATA]

The two Landsat 8 scenes that come with this repository and, with a folder DATA that holds
``vhr_zhengzhou_4band/``, ``vhr_unina/imgWV2.mat`` and ``sn6_rotterdam_wv2/``, three of very high
resolution. First the choice on the scene as it is, with CPU seconds, and the guards of the whole
scene beside those of the default method. Then the Wald protocol: the
degraded pair is fused by ``auto``, which chooses on that pair degraded once more, by the default
method and by the peers, given the same pair as float32 files. Where a peer is better in ERGAS, SAM
or Q2n, the row of ``auto`` says so, and the program ends with 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import rasterio
import scipy.io
import torch
from affine import Affine
from peer_tools import GDAL, OTB, OTB_METHODS, gdal, here, missing, otb, otb_environment

from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions, run
from pansharpkit.evaluate import (
    assess,
    default_peak,
    estimated_optics,
    raster_of,
    scratch,
    wald,
)
from pansharpkit.grid import Grid, Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.metrics import reduced_resolution
from pansharpkit.physics import PairOptics
from pansharpkit.report.selection import GUARDS
from pansharpkit.requested import AUTO, YARDSTICK, MethodRequest
from pansharpkit.scene import Scene, make_scene
from pansharpkit.selection import Choice, choose
from pansharpkit.sensor import load_sensor
from pansharpkit.showcase import demo_files
from pansharpkit.source import ArraySource, Source

ALABAMA = Path(__file__).parents[1] / "tests" / "data" / "landsat8_alabama_mini"
FIGURES = ("ergas", "sam_deg", "q2n", "q")
WHOLE = ("hqnr", *GUARDS)
JUDGED = ("ergas", "sam_deg", "q2n")
Figures = Mapping[str, float | None]


def scenes(data: Path | None) -> Iterator[tuple[str, Scene]]:
    """Yield the scenes by name, those that are here."""
    pair = tuple(str(path) for path in demo_files())
    yield "pamplona (Landsat 8)", open_scene(SceneRequest(pair, "landsat8_oli"))
    yield "alabama (Landsat 8)", open_scene(SceneRequest((str(ALABAMA),)))
    if data is None:
        return
    zhengzhou = tuple(str(data / "vhr_zhengzhou_4band" / name) for name in ("pan.tif", "ms.tif"))
    names = ("blue", "green", "red", "nir")
    yield "zhengzhou (VHR)", open_scene(SceneRequest(zhengzhou, band_names=names))
    yield "imgWV2 (WorldView-2)", worldview(data / "vhr_unina" / "imgWV2.mat")
    tile = data / "sn6_rotterdam_wv2"
    rotterdam = (str(tile / "tile1_pan_0.5m.tif"), str(tile / "tile1_ms_2m.tif"))
    yield "rotterdam (VHR, shifted)", open_scene(SceneRequest(rotterdam))


def worldview(path: Path) -> Scene:
    arrays = scipy.io.loadmat(path)
    pan, ms = arrays["I_PAN"][None], arrays["I_MS"].transpose(2, 0, 1)
    crs = rasterio.crs.CRS.from_epsg(32633)  # the file has none; any will do
    fine = Grid(*pan.shape[1:], Affine(0.5, 0, 5e5, 0, -0.5, 4.5e6), crs)
    coarse = Grid(*ms.shape[1:], fine.transform @ Affine.scale(4), crs)
    sensor = load_sensor("worldview2")
    return make_scene(
        ArraySource(fine, pan, ("PAN",), label="imgWV2 PAN"),
        ArraySource(coarse, ms, sensor.names, label="imgWV2 MS"),
        sensor,
    )


def ours(scene: Scene) -> dict[str, Figures]:
    """Return the Wald figures of ``auto`` and of the default method."""
    choice = choose(degraded_scene(scene)[0], MethodRequest(AUTO))
    methods = {
        f"auto: {choice.selection.chosen}": choice.request.prepared(scene).method,
        YARDSTICK: MethodRequest().prepared(scene).method,
    }
    return {row.method: row.indices.values for row in wald(scene, methods, RunOptions())}


def whole(scene: Scene, request: MethodRequest, estimated: PairOptics) -> Figures:
    """Fuse the whole scene and return its full-resolution figures."""
    with scratch(scene.grid, scene.target.names) as (sink, fused):
        run(scene, request.prepared(scene).method, sink, RunOptions(dtype="float32", nodata=np.nan))
        return assess(scene, fused, estimated=estimated).values


def guards(scene: Scene, choice: Choice) -> None:
    """Print the guards of the chosen method and of the default one on the whole scene."""
    estimated = estimated_optics(scene)
    requests = {choice.selection.chosen: choice.request, YARDSTICK: MethodRequest()}
    print("\n| full resolution | " + " | ".join(WHOLE) + " |\n" + "|---" * (len(WHOLE) + 1) + "|")
    for name, request in requests.items():
        figures = whole(scene, request, estimated)
        print(f"| {name} | " + " | ".join(f"{figures[key]:.4g}" for key in WHOLE) + " |")


def peers(scene: Scene, folder: Path) -> Iterator[tuple[str, Figures]]:
    """Fuse the degraded pair with each of the other tools that is here."""
    coarse, truth = degraded_scene(scene)
    pan, ms = (
        written(source, folder / f"{name}.tif")
        for name, source in (("pan", coarse.guide), ("ms", coarse.target))
    )
    area = coarse.extent
    reference = Window(truth.row + area.row, truth.col + area.col, area.height, area.width)
    commands = {}
    if here(OTB):
        commands |= {
            f"OTB {method}": otb(pan, ms, folder / f"{method}.tif", method, pixel="float")
            for method in OTB_METHODS
        }
    if here(GDAL):
        commands["GDAL"] = gdal(pan, ms, folder / "gdal.tif", threads=1, options=())
    for name, command in commands.items():
        environment = {**os.environ, **otb_environment(1)}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        with rasterio.open(folder / f"{name.split()[-1].lower()}.tif") as dataset:
            fused = dataset.read()[:, *area.slices]
        source = ArraySource(coarse.grid, fused, coarse.target.names, label=name)
        yield (
            name,
            reduced_resolution(
                raster_of(scene.target, reference),
                raster_of(source),
                ratio=scene.ratio,
                peak=default_peak(scene.target),
            ).values,
        )


def written(source: Source, path: Path) -> Path:
    """Write a raster as float32, gaps as 0."""
    values, valid = source.read(source.grid.window)
    grid = source.grid
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": len(values),
        "dtype": "float32", "crs": grid.crs, "transform": grid.transform,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.where(valid, values, 0).astype(np.float32))
    return path


def beaten(auto: Figures, others: Mapping[str, Figures]) -> list[str]:
    """Return where a peer is better than ``auto``."""
    found = []
    for name, figures in others.items():
        for key in JUDGED:
            mine, theirs = auto[key], figures[key]
            assert mine is not None
            assert theirs is not None
            if theirs > mine if key == "q2n" else theirs < mine:
                found.append(f"{name} in {key}")
    return found


def table(scene: Scene) -> bool:
    """Print the Wald figures of a scene; return whether no peer is better than ``auto``."""
    rows = ours(scene)
    with tempfile.TemporaryDirectory() as folder:
        others = dict(peers(scene, Path(folder)))
    lost = beaten(next(iter(rows.values())), others)
    print("\n| | ERGAS | SAM | Q2n | Q |\n|---|---|---|---|---|")
    for name, figures in (rows | others).items():
        digits = zip(FIGURES, (3, 3, 4, 4), strict=True)
        print(f"| {name} | " + " | ".join(f"{figures[key]:.{n}f}" for key, n in digits) + " |")
    if others:
        print(f"\nauto against the peers: {'; '.join(lost) or 'better in all three on this scene'}")
    return not lost


def main(data: Path | None) -> int:
    torch.set_num_threads(1)
    print("\n".join(missing()))
    fine = True
    for name, scene in scenes(data):
        started = time.process_time()
        choice = choose(scene, MethodRequest(AUTO))
        seconds = time.process_time() - started
        print(f"\n## {name}\n\n{choice.selection.why} ({seconds:.1f} CPU s)", flush=True)
        guards(scene, choice)
        fine &= table(scene)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
