"""What -m auto chooses on real scenes, and how that compares with the other tools.

    python benchmarks/auto_choice.py [DATA] [--json FILE]

The two Landsat 8 scenes that come with this repository and, with a folder DATA that holds
``vhr_zhengzhou_4band/``, ``vhr_unina/imgWV2.mat`` and ``sn6_rotterdam_wv2/``, three of very high
resolution. First the choice on the scene as it is, with CPU seconds, and the guards of the whole
scene beside those of the default method. Then the Wald protocol: the
degraded pair is fused by ``auto``, which chooses on that pair degraded once more, by the default
method and by the peers, given the same pair as float32 files. Where a peer is better in ERGAS, SAM
or Q2n, the row of ``auto`` says so, and the program ends with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
import scipy.io
import torch
from affine import Affine
from peer_runs import Figures, by_wald
from peer_tools import missing

from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions, run
from pansharpkit.evaluate import assess, estimated_optics, scratch, wald
from pansharpkit.grid import Grid
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.physics import PairOptics
from pansharpkit.report.selection import GUARDS
from pansharpkit.requested import AUTO, YARDSTICK, MethodRequest
from pansharpkit.scene import Scene, make_scene
from pansharpkit.selection import Choice, choose
from pansharpkit.sensor import load_sensor
from pansharpkit.showcase import demo_files
from pansharpkit.source import ArraySource

ALABAMA = Path(__file__).parents[1] / "tests" / "data" / "landsat8_alabama_mini"
FIGURES = ("ergas", "sam_deg", "q2n", "q")
WHOLE = ("hqnr", *GUARDS)
JUDGED = ("ergas", "sam_deg", "q2n")


def scenes(data: Path | None) -> Iterator[tuple[str, Scene]]:
    """Yield the scenes by name, those that are here."""
    pair = tuple(str(path) for path in demo_files())
    yield "Pamplona, Landsat 8", open_scene(SceneRequest(pair, "landsat8_oli"))
    yield "Alabama, Landsat 8", open_scene(SceneRequest((str(ALABAMA),)))
    if data is None:
        return
    zhengzhou = tuple(str(data / "vhr_zhengzhou_4band" / name) for name in ("pan.tif", "ms.tif"))
    names = ("blue", "green", "red", "nir")
    yield "Zhengzhou, 4 bands, ratio 4", open_scene(SceneRequest(zhengzhou, band_names=names))
    yield "WorldView-2, 8 bands", worldview(data / "vhr_unina" / "imgWV2.mat")
    tile = data / "sn6_rotterdam_wv2"
    rotterdam = (str(tile / "tile1_pan_0.5m.tif"), str(tile / "tile1_ms_2m.tif"))
    yield "Rotterdam, shifted by 1 PAN px", open_scene(SceneRequest(rotterdam))


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
        return _picked(assess(scene, fused, estimated=estimated).values, WHOLE)


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


def guard_figures(scene: Scene, choice: Choice) -> dict[str, Figures]:
    """Return the guards of the chosen method and of the default one on the whole scene."""
    estimated = estimated_optics(scene)
    requests = {choice.selection.chosen: choice.request, YARDSTICK: MethodRequest()}
    return {name: whole(scene, request, estimated) for name, request in requests.items()}


def studied(name: str, scene: Scene) -> dict[str, object]:
    """Choose on a scene and on its degraded pair; return everything that is found."""
    started = time.process_time()
    choice = choose(scene, MethodRequest(AUTO))
    seconds = time.process_time() - started
    guards, rows, others = guard_figures(scene, choice), ours(scene), by_wald(scene)
    lost = beaten(next(iter(rows.values())), others)
    show(f"{name}\n\n{choice.selection.why} ({seconds:.1f} CPU s)", guards, rows | others)
    if others:
        print(f"\nauto against the peers: {'; '.join(lost) or 'better in all three on this scene'}")
    return {
        "scene": name, "chosen": choice.selection.chosen, "why": choice.selection.why,
        "cpu_s": round(seconds, 2), "guards": guards,
        "wald": {tool: _picked(row, FIGURES) for tool, row in (rows | others).items()},
        "peers_ahead": lost,
    }  # fmt: skip


def _picked(row: Figures, keys: Sequence[str]) -> Figures:
    return {key: row[key] for key in keys}


def show(title: str, guards: Mapping[str, Figures], rows: Mapping[str, Figures]) -> None:
    """Print the two tables of a scene."""
    print(f"\n## {title}\n\n| full resolution | " + " | ".join(WHOLE) + " |")
    print("|---" * (len(WHOLE) + 1) + "|")
    for name, found in guards.items():
        print(f"| {name} | " + " | ".join(f"{found[key]:.4g}" for key in WHOLE) + " |")
    print("\n| | ERGAS | SAM | Q2n | Q |\n|---|---|---|---|---|")
    for name, found in rows.items():
        digits = zip(FIGURES, (3, 3, 4, 4), strict=True)
        cells = " | ".join(f"{found[key]:.{n}f}" for key, n in digits)
        print(f"| {name} | {cells} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("\n".join(missing()))
    found = [studied(name, scene) for name, scene in scenes(asked.data)]
    if asked.json is not None:
        asked.json.write_text(json.dumps({"scenes": found}))
    return 1 if any(scene["peers_ahead"] for scene in found) else 0


if __name__ == "__main__":
    sys.exit(main())
