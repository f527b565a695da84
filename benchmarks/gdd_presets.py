"""Quality and CPU time of the Guided Deep Decoder's presets at reduced resolution.

    python benchmarks/gdd_presets.py DATA [--scenes S5 S2 S3] [--presets fast balanced quality]
    python benchmarks/gdd_presets.py DATA --scenes S5 --presets balanced --seeds 3 \\
        --pretrain S1 --pretrain-steps 400 --option shared=0 --option iterations=120 \\
        --option rate=0.005 --option mu=30
    python benchmarks/gdd_presets.py DATA --scenes S2 --presets reference --option iterations=900

DATA is the folder of quality_scenes.py. S5 is the GDD authors' scene, with its bicubic reduction;
S2 (VHR, ratio 4) and S3 (Landsat 8, ratio 2) are degraded with the sensors' MTF, which GDD is told.
Of each the central 200 pixels are used, of S5 all. `--pretrain` fits a shared network to the same
pixels of another scene of as many bands first, or with `--pretrain-full` to crops of that scene at
full resolution, and starts from it. With `--seeds` every run is repeated, pretraining included.

The last column is the CPU time of 900 iterations of the reference, from a few of them on the same
pixels and threads, over the CPU time of the preset. CPU time is that of all threads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from gdd_curve import PUBLISHED, machine
from quality_scenes import Truth, load
from torch import Tensor

from pansharpkit.engine import resolve_device
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import GddOptions
from pansharpkit.methods.gdd.options import PRESETS
from pansharpkit.methods.gdd.problem import PansharpeningProblem
from pansharpkit.methods.networks.optimise import Schedule, optimise
from pansharpkit.metrics import reference as indices
from pansharpkit.observe import Observer
from pansharpkit.physics import Observation, Optics, decimate, degrade
from pansharpkit.sampling import Sampling

SIDE = 200
"""Pixels along the side of a test area, at most; S5 is taken whole."""
REFERENCE_ITERATIONS = 900
"""At which the published program's quality is known on the authors' scene."""
MU = 10.0
"""The published weight of the data term in tests at reduced resolution."""
TIMED = 4
SCHEDULE = ("members", "channels", "shared", "iterations")
"""What tables say of a preset."""


@dataclass(frozen=True)
class Case:
    """A pair at reduced resolution, and its truth."""

    name: str
    observation: Observation
    truth: Tensor
    degradation: str
    peak: float

    def scores(self, fused: Tensor) -> dict[str, float]:
        ratio = self.observation.sampling.mean_ratio
        return {
            "psnr_db": indices.psnr_db(self.truth, fused, peak=self.peak),
            "sam_deg": indices.sam_deg(self.truth, fused),
            "ergas": indices.ergas(self.truth, fused, ratio=ratio),
            "q2n": indices.q2n(self.truth, fused),
        }


def case(name: str, folder: Path) -> Case:
    truth = load(name, folder).truth
    if name == "S5":
        bands, guide, peak = truth.bands.float(), truth.guide.float(), 1.0
    else:
        bands, guide, peak = _centre(truth)
    sampling = Sampling.edge_aligned(truth.ratio)
    size = (bands.shape[1] // truth.ratio, bands.shape[2] // truth.ratio)
    gains = truth.sensor.mtf
    if name == "S5":
        target = decimate(bands, sampling, size, antialias=True, border="symmetric")
    else:
        target = degrade(bands, sampling, size, gains, border="symmetric")
    observation = Observation.whole(
        target, guide, sampling, Optics(gains, truth.sensor.pan_mtf, sharp_as="target")
    )
    return Case(name, observation, bands, "bicubic" if name == "S5" else "mtf", peak)


def _centre(truth: Truth) -> tuple[Tensor, Tensor, float]:
    """Return the central bands and guide, scaled to [0, 1] by the largest value of the bands."""
    corners = [max(0, (n - SIDE) // 2) for n in truth.bands.shape[1:]]
    rows, cols = (slice(c, c + SIDE) for c in corners)
    bands, guide = truth.bands[:, rows, cols], truth.guide[:, rows, cols]
    peak = float(bands.max())
    return (bands / peak).float(), (guide / peak).float(), 1.0


def reference_pace(one: Case, context: Context) -> float:
    """Return CPU seconds per iteration of the reference on this case."""
    options = GddOptions(preset="reference", mu=MU)
    marks: list[float] = []
    optimise(
        lambda seed: PansharpeningProblem(one.observation, options, context.device, seed),
        Schedule(TIMED + 1),
        seed=(0,),
        watch=lambda done, output, average: marks.append(time.process_time()),
    )
    return (marks[-1] - marks[0]) / TIMED


def run(
    one: Case, preset: str, given: Mapping[str, object], context: Context
) -> tuple[dict[str, float], dict[str, object]]:
    """Return scores with the CPU seconds of fit and apply, and the schedule."""
    options: dict[str, object] = {"preset": preset, "degradation": one.degradation, **given}
    if preset == "reference":
        options = {"mu": MU, **options}
    method = create("gdd", options)
    started = time.process_time()
    fitted = method.fit([one.observation], context)
    between = time.process_time()
    (fused,) = fitted.apply([one.observation], context)
    spent = {"fit_cpu_s": between - started, "apply_cpu_s": time.process_time() - between}
    chosen = fitted.summary()
    return one.scores(fused) | spent, {key: chosen[key] for key in SCHEDULE}


def pretrained(
    seen: Observation, path: Path, options: Mapping[str, object], context: Context
) -> float:
    """Fit a shared network to another scene, and return the CPU seconds."""
    started = time.process_time()
    method = create("gdd", {**options, "save_weights": str(path), "degradation": "mtf"})
    method.fit([seen], context)
    return time.process_time() - started


def at_full_resolution(name: str, folder: Path) -> Observation:
    """Return a scene's crop as it was delivered."""
    scene = load(name, folder).full
    assert scene is not None
    observer = Observer.of(scene)
    return observer.observation(observer.read(scene.domain, 0), scene.domain, 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", nargs="+", default=["S5", "S2", "S3"])
    known = list(PRESETS)
    parser.add_argument(
        "--presets", nargs="+", choices=known, default=[p for p in known if p != "reference"]
    )
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE, for all presets")
    parser.add_argument("--pretrain", help="scene whose network all others start from")
    parser.add_argument("--pretrain-steps", type=int, default=240)
    parser.add_argument(
        "--pretrain-full", action="store_true", help="at that scene's full resolution"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write everything here as well")
    return parser.parse_args()


class Bench:
    """All runs of one seed."""

    def __init__(self, args: argparse.Namespace, seed: int, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.context = Context(seed, resolve_device(args.device))
        self.given: dict[str, object] = dict(item.split("=", 1) for item in args.option)

    def rows(self) -> Iterator[dict[str, object]]:
        """Run every preset on every scene, print it and yield it."""
        for name in self.args.scenes:
            one = case(name, self.args.data)
            pace = reference_pace(one, self.context)
            for preset in self.args.presets:
                found, chosen = run(one, preset, self.given | self.start(preset), self.context)
                spent = found["fit_cpu_s"] + found["apply_cpu_s"]
                faster = REFERENCE_ITERATIONS * pace / spent
                figures = "{psnr_db:7.2f}{sam_deg:7.2f}{ergas:8.3f}{q2n:8.4f}".format(**found)
                print(f"{name:<6}{preset:<12}{figures}{spent:9.1f}{faster:9.1f}", flush=True)
                yield {
                    "scene": name, "preset": preset, "seed": self.context.seed, **found, **chosen,
                    "reference_cpu_s_per_iteration": pace,
                }  # fmt: skip

    def start(self, preset: str) -> dict[str, object]:
        """Return the option that names the weights of another scene, if some are wanted."""
        args = self.args
        if not args.pretrain:
            return {}
        path = self.folder / f"{preset}{self.context.seed}.safetensors"
        if not path.exists():
            name, data = args.pretrain, args.data
            whole = args.pretrain_full
            seen = at_full_resolution(name, data) if whole else case(name, data).observation
            width = {key: self.given[key] for key in ("channels",) if key in self.given}
            first = {"preset": preset, "shared": args.pretrain_steps, **width}
            spent = pretrained(seen, path, first, self.context)
            print(f"{args.pretrain:<6}{preset:<12}{'pretraining':>30}{spent:>9.1f}", flush=True)
        return {"weights": str(path)}


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    about = machine(resolve_device(args.device))
    print(json.dumps(about, indent=1))
    print(f"{'':<6}{'':<12}{'PSNR':>7}{'SAM':>7}{'ERGAS':>8}{'Q2n':>8}{'CPU s':>9}{'faster':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            row for seed in range(args.seeds) for row in Bench(args, seed, Path(scratch)).rows()
        ]
    if args.json:
        published = PUBLISHED[REFERENCE_ITERATIONS, "average"]
        theirs = {"scene": "S5", "iterations": REFERENCE_ITERATIONS, **published}
        args.json.write_text(
            json.dumps({"machine": about, "published": theirs, "rows": rows}) + "\n"
        )


if __name__ == "__main__":
    main()
