"""Quality and cost of the HS-MS methods on simulated pairs whose truth is known.

    python benchmarks/hs_quality.py DATA [--cubes jasper paris] [--ratios 4] [--methods gsa-hs fuse]
    python benchmarks/hs_quality.py DATA --also cycfusion:iterations=500 --seeds 3 --out hs

The pairs are those of `hs_scenes.py`. A method is ``name[:option=value,...][+Nbp]``; ``+Nbp`` adds
N undamped back-projections. By default every method of the registry that takes several guide bands
runs, with EXP as the floor. ``--blind`` withholds SRF and PSF. Prints Markdown; ``--out NAME``
also writes NAME.md and, after every row, NAME.json: a run that ended, or that ``--minutes`` of CPU
time ended, goes on from there with the same command, and other methods and pairs are added to it.
``--again METHOD`` runs a method anew whose rows are there. PSNR is over all bands with a peak of 1
(the 99.5th percentile of the cube), CPU s the time of all threads of this process in fit and apply.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from hs_scenes import CUBES, NOISES, PANS, RATIOS, SRFS, HsScene, scenes
from hs_tables import COLUMNS, DIGITS, document
from torch import Tensor

from pansharpkit.errors import PansharpkitError
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Method
from pansharpkit.metrics import reference as rr

FLOOR = "exp"
DETERMINISTIC = (FLOOR, "gsa-hs", "sfim-hs", "glp-hs", "fuse", "hysure")
"""Methods that are run with one seed only."""
Row = dict[str, object]


@dataclass(frozen=True)
class Entrant:
    """A method as it is named on the command line."""

    label: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    """Back-projections after it."""

    @classmethod
    def parse(cls, text: str) -> Entrant:
        """Read ``name[:option=value,...][+Nbp]``."""
        body, _, tail = text.partition("+")
        name, _, listed = body.partition(":")
        options = dict(part.split("=", 1) for part in listed.split(",") if part)
        return cls(text, name, options, int(tail.removesuffix("bp")) if tail else 0)

    def method(self) -> Method:
        """Return the method."""
        plain = create(self.name, self.options)
        return BackProjected(plain, self.steps, 1.0) if self.steps else plain


def default_methods() -> list[str]:
    """Return the floor and every method that takes a guide of several bands."""
    able = [name for name, entry in REGISTRY.items() if entry.takes(4)]
    return list(dict.fromkeys([FLOOR, *able]))


def figures(scene: HsScene, fused: Tensor) -> Row:
    """Return what the fused cube is worth."""
    truth, made = scene.truth.double(), fused.double().cpu()
    return {
        "psnr_db": rr.psnr_db(truth, made, peak=1.0),
        "sam_deg": rr.sam_deg(truth, made),
        "ergas": rr.ergas(truth, made, ratio=scene.ratio),
        "ssim": rr.ssim(truth, made, peak=1.0),
    }


def judged(scene: HsScene, entrant: Entrant, seed: int, *, blind: bool, device: str) -> Row:
    """Run a method on a pair and return what it cost and how good it is."""
    seen = (scene.blind() if blind else scene.observation).to(device)
    context = Context(seed, device)
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        fused = entrant.method().fit([seen], context).apply([seen], context)[0].cpu()
    except PansharpkitError as error:
        return {"error": str(error)}
    cost: Row = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    return {**figures(scene, fused), **cost}


class Kept:
    """Rows that were found, in a file after every one of them, so that a run may be continued."""

    def __init__(self, path: Path | None, conditions: Row) -> None:
        self._path, self._conditions = path, conditions
        self.rows: dict[tuple[str, str], Row] = {}
        if path is not None and path.exists():
            before = json.loads(path.read_text())
            if {key: before[key] for key in conditions} != conditions:
                raise SystemExit(f"{path} holds a run with other options; give another --out")
            self.rows = {(row["scene"], row["method"]): row for row in before["rows"]}

    def add(self, row: Row) -> None:
        """Take a row, and put all of them into the file."""
        self.rows[str(row["scene"]), str(row["method"])] = row
        if self._path is None:
            return
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        whole = {**self._conditions, "peak_memory_mb": peak, "rows": list(self.rows.values())}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(whole, indent=1) + "\n")
        partial.replace(self._path)


def run(
    pairs: Iterable[HsScene], entrants: Sequence[Entrant], kept: Kept, asked: argparse.Namespace
) -> None:
    """Judge every method on every pair, the mean over seeds, but for what is known already."""
    for scene in pairs:
        for entrant in entrants:
            if (scene.name, entrant.label) in kept.rows and entrant.label not in asked.again:
                continue
            if asked.minutes is not None and time.process_time() > 60 * asked.minutes:
                return
            once = 1 if entrant.name in DETERMINISTIC else asked.seeds
            row = averaged(
                [
                    judged(scene, entrant, seed, blind=asked.blind, device=asked.device)
                    for seed in range(once)
                ]
            )
            print(f"{scene.name:32} {entrant.label:24} {_told(row)}", file=sys.stderr, flush=True)
            kept.add(
                {
                    "scene": scene.name, "cube": scene.cube, "ratio": scene.ratio,
                    "srf": scene.srf_name, "noise_db": scene.noise, "method": entrant.label, **row,
                }
            )  # fmt: skip


def averaged(runs: Sequence[Row]) -> Row:
    """Return the mean of each figure over runs with several seeds, and the range of the PSNR."""
    for run in runs:
        if "error" in run:
            return run
    mean: Row = {key: statistics.fmean(float(str(run[key])) for run in runs) for key in runs[0]}
    if len(runs) > 1:
        found = [float(str(run["psnr_db"])) for run in runs]
        mean["psnr_range_db"] = max(found) - min(found)
    return mean


def _told(row: Row) -> str:
    if "error" in row:
        return str(row["error"])
    return " ".join(f"{title} {row[key]:.{DIGITS[key]}f}" for key, title in COLUMNS.items())


def _noise(text: str) -> float | None:
    return None if text == "none" else float(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the cubes")
    parser.add_argument("--cubes", nargs="+", default=list(CUBES), choices=list(CUBES))
    parser.add_argument("--ratios", nargs="+", type=int, default=list(RATIOS))
    parser.add_argument("--srfs", nargs="+", default=list(SRFS), choices=[*SRFS, *PANS])
    parser.add_argument("--noises", nargs="+", type=_noise, default=list(NOISES), help="dB or none")
    parser.add_argument("--degradation", choices=("gaussian", "block"), default="gaussian")
    parser.add_argument("--methods", nargs="+", default=None)
    parser.add_argument("--also", nargs="+", default=(), help="further methods")
    parser.add_argument("--seeds", type=int, default=1, help="for methods that depend on it")
    parser.add_argument("--blind", action="store_true", help="withhold SRF and PSF")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="write NAME.md and NAME.json, and go on there")
    parser.add_argument("--again", nargs="+", default=(), help="methods to run anew")
    parser.add_argument("--minutes", type=float, help="of CPU time, after which no row is begun")
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    entrants = [Entrant.parse(text) for text in [*(args.methods or default_methods()), *args.also]]
    pairs = scenes(
        args.data, cubes=args.cubes, ratios=args.ratios, srfs=args.srfs, noises=args.noises,
        degradation=args.degradation, dtype=torch.float32,
    )  # fmt: skip
    conditions: Row = {
        "seeds": args.seeds, "blind": args.blind, "threads": args.threads, "device": args.device
    }  # fmt: skip
    kept = Kept(args.out and args.out.with_suffix(".json"), conditions)
    run(pairs, entrants, kept, args)
    text = document(list(kept.rows.values()))
    print(text)
    if args.out:
        args.out.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
