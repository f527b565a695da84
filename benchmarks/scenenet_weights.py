"""How many steps scenenet needs from weights of the same sensor.

    python benchmarks/scenenet_weights.py DATA [--steps 0 10 20 40 80] [--seeds 3]
    python benchmarks/scenenet_weights.py DATA --only Rotterdam

The weights are trained in full on one scene and brought to another one of the same sensor and
bands: both tiles of Rotterdam (WorldView-2), both scenes of Alabama (Landsat 8, one of them under
clouds), and the two halves of a WorldView-2 scene. All at reduced resolution, PSNR in dB beside
what the same steps give from scratch; the base, MTF-GLP-FS, stands beside them. One thread.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from quality import Entrant, judged, machine
from quality_scenes import OPERATORS, WV2_RGBN, Truth, load, reduced, tif, truth_of

from pansharpkit.engine import RunOptions
from pansharpkit.evaluate import compare
from pansharpkit.scene import Scene, make_scene
from pansharpkit.sensor import load_sensor
from pansharpkit.source import ArraySource

Problem = tuple[Scene, ArraySource, int]


def problem(truth: Truth) -> Problem:
    """Return the degraded pair, its reference and the ratio."""
    return *reduced(truth, OPERATORS["exact"], seed=0), truth.ratio


def couples(data: Path) -> Iterator[tuple[str, Truth, Truth]]:
    """Yield a name, where the weights come from, and where they are used."""
    tiles = [_rotterdam(data, number) for number in (1, 3)]
    yield "Rotterdam 1 to 3", *tiles
    yield "Rotterdam 3 to 1", *tiles[::-1]
    clear, cloudy = (load(name, data).truth for name in ("S7", "S8"))
    yield "Alabama clear to cloudy", clear, cloudy
    yield "Alabama cloudy to clear", cloudy, clear
    halves = _halves(load("S1", data).truth)
    yield "imgWV2 upper to lower half", *halves
    yield "imgWV2 lower to upper half", *halves[::-1]


def _rotterdam(data: Path, number: int) -> Truth:
    folder = data / "sn6_rotterdam_wv2"
    scene = make_scene(
        tif(folder / f"tile{number}_pan_0.5m.tif", ("PAN",), 0),
        tif(folder / f"tile{number}_ms_2m.tif", WV2_RGBN, 0),
        load_sensor("worldview2").subset(WV2_RGBN),
    )
    return truth_of(scene)


def _halves(truth: Truth) -> tuple[Truth, Truth]:
    middle = truth.bands.shape[1] // 2 // truth.ratio * truth.ratio
    parts = (slice(0, middle), slice(middle, 2 * middle))
    upper, lower = (
        replace(
            truth,
            bands=truth.bands[:, part],
            guide=truth.guide[:, part],
            valid=truth.valid[part],
            sharp_guide=None,
        )
        for part in parts
    )
    return upper, lower


def psnr(task: Problem, seed: int, method: str, **options: object) -> float:
    """Return what a method reaches."""
    scene, reference, ratio = task
    entrant = Entrant(method, method, {name: str(value) for name, value in options.items()})
    run = RunOptions(seed=seed, device="cpu", dtype="float32", nodata=math.nan)
    row = judged(scene, entrant, run, lambda found: compare(reference, found, ratio), ("psnr_db",))
    if "error" in row:
        raise SystemExit(str(row["error"]))
    return float(str(row["psnr_db"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 10, 20, 40, 80])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="what the names of the couples begin with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}\n")
    print("| scene | from | base | " + " | ".join(map(str, options.steps)) + " |")
    print("|" + "---|" * (3 + len(options.steps)))
    for name, source, target in couples(options.data):
        if not name.startswith(options.only):
            continue
        there, here = problem(source), problem(target)
        warm: list[list[float]] = []
        cold: list[list[float]] = []
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / "weights.safetensors"
                psnr(there, seed, "scenenet", save_weights=weights)
                warm.append(
                    [psnr(here, seed, "scenenet", steps=n, weights=weights) for n in options.steps]
                )
            cold.append(
                [psnr(here, seed, "scenenet", steps=n) if n else math.nan for n in options.steps]
            )
        base = psnr(here, 0, "mtf-glp-fs")
        for kind, runs in (("weights", warm), ("scratch", cold)):
            means = [mean(column) for column in zip(*runs, strict=True)]
            cells = " | ".join(f"{value:.2f}" for value in means)
            print(f"| {name} | {kind} | {base:.2f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
