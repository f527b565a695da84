"""Quality and CPU time of CycFusion: its presets, and the published schedule cut short.

    python benchmarks/cycfusion_curve.py DATA [--cube jasper] [--ratio 4] [--side 48]
        [--iterations 1000 4000] [--presets fast balanced quality] [--blind] [--json FILE]

The pair is one of `hs_scenes.py`, cut to its first `side` x `side` pixels, with the responses of
Landsat 8. Each number of iterations is a run of its own of the preset `reference`, with a one-
cycle schedule of that length: a point on a curve that the published 30,000 iterations end, which
take 23 CPU minutes for 32 x 32 guide pixels. The iterations of the other presets are those of
their networks; their time holds the rehearsal and the base as well. Known PSF and SRF unless
`--blind`; then `reference` pre-trains a third as many iterations and the other presets estimate
the camera. CPU time is that of all threads, fit and tile; the last column is how many times longer
the published schedule would take, from the time of the longest run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from hs_scenes import CUBES, Cube, HsScene, load_cube, simulate

from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.method import CycFusion, CycFusionOptions
from pansharpkit.methods.cycfusion.options import PRESETS
from pansharpkit.methods.hs.fuse import Fuse
from pansharpkit.metrics import reference as indices

PUBLISHED = PRESETS["reference"].iterations + PRESETS["reference"].pretraining
Row = dict[str, object]


def scene_of(args: argparse.Namespace) -> HsScene:
    """Return the pair that the command line asks for."""
    whole: Cube = load_cube(args.cube, args.data)
    cut = replace(whole, values=whole.values[:, : args.side, : args.side].contiguous())
    return simulate(
        cut, args.ratio, "landsat8_oli", args.noise, args.degradation, torch.float32, args.seed
    )


def entrants(args: argparse.Namespace) -> Iterator[tuple[str, int, CycFusion | Fuse]]:
    """Yield label, iterations in all, and method."""
    yield "fuse", 0, Fuse()
    for name in args.presets:
        chosen = PRESETS[name]
        yield name, chosen.members * chosen.shared, CycFusion(CycFusionOptions(preset=name))
    for count in args.iterations:
        first = count // 3 if args.blind else 0
        options = CycFusionOptions(preset="reference", iterations=count, pretraining=first)
        yield "reference", count + first, CycFusion(options)


def judged(scene: HsScene, method: CycFusion | Fuse, args: argparse.Namespace) -> Row:
    """Run a method and return what it is worth and what it took."""
    seen = (scene.blind() if args.blind else scene.observation).to(args.device)
    context = Context(args.seed, args.device)
    cpu, wall = time.process_time(), time.perf_counter()
    made = method.fit([seen], context).apply([seen], context)[0].cpu().double()
    cost = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    truth = scene.truth.double()
    return {
        "psnr_db": indices.psnr_db(truth, made, peak=1.0),
        "sam_deg": indices.sam_deg(truth, made),
        "ergas": indices.ergas(truth, made, ratio=scene.ratio),
        **cost,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the cubes")
    parser.add_argument("--cube", default="jasper", choices=list(CUBES))
    parser.add_argument("--ratio", type=int, default=4)
    parser.add_argument("--side", type=int, default=48)
    parser.add_argument("--noise", type=float, help="signal-to-noise ratio in dB")
    parser.add_argument("--degradation", choices=("gaussian", "block"), default="gaussian")
    parser.add_argument("--iterations", nargs="*", type=int, default=[1000, 4000])
    parser.add_argument("--presets", nargs="*", default=["fast", "balanced", "quality"])
    parser.add_argument("--blind", action="store_true", help="withhold SRF and PSF")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write everything here as well")
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    scene = scene_of(args)
    print(f"{scene.name}, {args.side} x {args.side} guide pixels, {len(scene.truth)} bands")
    print(f"{'':<12}{'iterations':>11}{'PSNR':>8}{'SAM':>7}{'ERGAS':>8}{'CPU s':>9}")
    rows: list[Row] = []
    for label, count, method in entrants(args):
        row = {"method": label, "iterations": count, **judged(scene, method, args)}
        rows.append(row)
        print(
            f"{label:<12}{count:>11}{row['psnr_db']:>8.2f}{row['sam_deg']:>7.2f}"
            f"{row['ergas']:>8.3f}{row['cpu_s']:>9.1f}",
            flush=True,
        )
    longest = rows[-1]
    if longest["method"] == "reference":
        pace = float(str(longest["cpu_s"])) / int(str(longest["iterations"]))
        print(f"published schedule: {PUBLISHED} x {pace:.4f} = {PUBLISHED * pace:.0f} CPU s")
        for row in rows[:-1]:
            print(f"{row['method']:<12} {PUBLISHED * pace / float(str(row['cpu_s'])):9.0f} times")
    if args.json:
        args.json.write_text(json.dumps({"scene": scene.name, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
