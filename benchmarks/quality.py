"""Quality of the methods on real scenes: with a reference, with a wrong operator, without either.

    python benchmarks/quality.py DATA [--scenes S1 S3] [--methods gsa gsa+10bp scenenet] [--seeds 3]
    python benchmarks/quality.py DATA --also gdd:iterations=300+10bp --out quality

Four questions, since a good answer to one can hide a bad one to another:

reduced
    The MS is the reference, the pair is degraded once more by its own ratio, with exactly the
    operator that the methods assume (the preset's MTF gains at the grids' own places).
mismatched
    The same, but the target is made otherwise than the methods are told: other MTF gains, bicubic,
    each band moved by .3 px in a direction of its own, all bands moved by .5 px (pixels of PAN). Or
    PAN is: by bicubic reduction, which leaves it sharper than its preset.
guards
    The guards of the next, where the truth is known: what does a perfect result score?
full
    No reference: HQNR and the guards, on a crop of the pair as delivered; the consistency error
    both by the preset's operator and by the one estimated from the pair.

A method is ``name[:option=value,...][+Nbp]``; ``+Nbp`` adds N undamped back-projections. Methods
that the registry lacks are named and passed over. Prints Markdown; ``--out NAME`` also writes
NAME.md and NAME.json. CPU s is the time of all threads of this process in the run of the method
(fit and apply). On one core the default takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from quality_scenes import NAMES, OPERATORS, Pair, load, reduced
from quality_tables import document
from rasterio.errors import RasterioIOError

from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import PansharpkitError
from pansharpkit.evaluate import assess, compare, estimated_optics
from pansharpkit.methods import method_names
from pansharpkit.methods.base import Method
from pansharpkit.metrics import Indices
from pansharpkit.provenance import versions
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import Scene
from pansharpkit.scratch import scratch
from pansharpkit.source import ArraySource

METHODS = (
    "exp", "brovey", "gsa", "bdsd-pc", "mtf-glp-fs",
    "brovey+10bp", "gsa+10bp", "bdsd-pc+10bp", "mtf-glp-fs+10bp", "scenenet",
)  # fmt: skip
SEEDED = ("scenenet", "gdd")
"""Methods whose result depends on the seed."""
REDUCED = ("psnr_db", "sam_deg", "ergas", "q2n")
FULL = (
    "detail_correlation", "ripple_percent", "pan_ripple_percent", "consistency_error_percent",
    "consistency_error_estimated_percent", "ndvi_drift", "ndvi_drift_estimated", "hqnr",
    "overshoot_percent",
)  # fmt: skip

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
        steps = int(tail.removesuffix("bp")) if tail else 0
        return cls(text, name, options, steps)

    def method(self, scene: Scene) -> Method:
        """Return the method as ``fuse`` would run it, bands outside PAN apart."""
        damping = 1.0 if self.steps else None
        request = MethodRequest(self.name, self.options, self.steps, damping)
        return request.prepared(scene).method


def judged(
    scene: Scene,
    entrant: Entrant,
    options: RunOptions,
    judge: Callable[[ArraySource], Indices],
    keys: Sequence[str],
) -> Row:
    """Run a method on a scene and return what it cost and how it is judged."""
    with scratch(scene.grid, scene.target.names) as (sink, source):
        start = time.process_time()
        try:
            result = run(scene, entrant.method(scene), sink, options)
        except PansharpkitError as error:
            return {"error": str(error)}
        seconds = time.process_time() - start
        values = judge(source).values
    row: Row = {key: values.get(key) for key in keys}
    return {**row, "cpu_s": round(seconds, 3), "warnings": list(result.warnings)}


def runs(entrants: Sequence[Entrant], seeds: int) -> Iterator[tuple[Entrant, RunOptions]]:
    """Yield every run: several seeds where they matter."""
    for entrant in entrants:
        for seed in range(seeds if entrant.name in SEEDED else 1):
            yield entrant, RunOptions(seed=seed, device="cpu", dtype="float32", nodata=math.nan)


def with_reference(
    pair: Pair, operator: str, entrants: Sequence[Entrant], seeds: int
) -> Iterator[Row]:
    """Judge the methods at reduced resolution, the target made by one of the operators."""
    scene, reference = reduced(pair.truth, OPERATORS[operator], seed=0)

    def judge(source: ArraySource) -> Indices:
        return compare(reference, source, pair.truth.ratio)

    for entrant, options in runs(entrants, seeds):
        row = judged(scene, entrant, options, judge, REDUCED)
        yield {"operator": operator, **_who(pair, entrant, options), **row}


def without_reference(pair: Pair, entrants: Sequence[Entrant], seeds: int) -> Iterator[Row]:
    """Judge the methods on the pair as delivered."""
    scene = pair.full
    if scene is None:
        return
    optics = estimated_optics(scene)

    def judge(source: ArraySource) -> Indices:
        return assess(scene, source, estimated=optics)

    for entrant, options in runs(entrants, seeds):
        row = judged(scene, entrant, options, judge, FULL)
        yield {**_who(pair, entrant, options), **row}


def guards_with_reference(pair: Pair, entrants: Sequence[Entrant]) -> Iterator[Row]:
    """Judge by the guards where the truth is known: the reference itself, then the methods.

    Guards look for artefacts; this says how much of what they find is in a perfect result.
    """
    scene, reference = reduced(pair.truth, OPERATORS["exact"], seed=0)
    optics = estimated_optics(scene)

    def judge(source: ArraySource) -> Indices:
        return assess(scene, source, estimated=optics)

    values = judge(reference).values
    yield {"scene": pair.name, "method": "reference", **{key: values.get(key) for key in FULL}}
    for entrant, options in runs(entrants, 1):
        yield {**_who(pair, entrant, options), **judged(scene, entrant, options, judge, FULL)}


def _who(pair: Pair, entrant: Entrant, options: RunOptions) -> Row:
    return {"scene": pair.name, "method": entrant.label, "seed": options.seed}


def described(pair: Pair) -> Row:
    """Return what a scene is, and how its preset differs from what the pair shows."""
    truth = pair.truth
    row: Row = {
        "scene": pair.name,
        "data": pair.data,
        "sensor": truth.sensor.id,
        "reduced": f"{truth.bands.shape[2]} x {truth.bands.shape[1]}, ratio {truth.ratio}",
        "full": None,
        "preset_mtf": truth.sensor.mtf,
    }
    if pair.full is None:
        return row
    extent = pair.full.extent
    found = asdict(estimated_optics(pair.full))
    full = f"{extent.width} x {extent.height}, ratio {pair.full.ratio:.3f}"
    return {**row, "full": full, "estimated": found}


def machine() -> Row:
    """Return what the figures depend on besides the data."""
    info = Path("/proc/cpuinfo")
    models = (
        [x for x in info.read_text().splitlines() if "model name" in x] if info.exists() else []
    )
    cpu = models[0].partition(":")[2].strip() if models else platform.processor()
    return {"cpu": cpu, "threads": torch.get_num_threads(), **versions()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the scenes")
    parser.add_argument("--scenes", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--also", nargs="+", default=(), help="further methods")
    parser.add_argument("--operators", nargs="+", default=tuple(OPERATORS), choices=OPERATORS)
    parser.add_argument("--seeds", type=int, default=1, help="for methods that depend on it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("reduced", "full"), help="one half of the benchmark")
    parser.add_argument("--out", type=Path, help="write NAME.md and NAME.json")
    return parser.parse_args()


def entrants_of(texts: Sequence[str]) -> list[Entrant]:
    """Return the methods that there are, and say which there are not."""
    found = [Entrant.parse(text) for text in texts]
    known = method_names()
    for entrant in found:
        if entrant.name not in known:
            print(f"{entrant.label}: not in the registry, passed over", file=sys.stderr)
    return [entrant for entrant in found if entrant.name in known]


def pairs_of(names: Sequence[str], folder: Path) -> list[Pair]:
    """Load the scenes that there are, and say which there are not."""
    found = []
    for name in names:
        try:
            found.append(load(name, folder))
        except (FileNotFoundError, RasterioIOError) as error:
            print(f"{name}: not in {folder}, passed over: {error}", file=sys.stderr)
    return found


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    entrants = entrants_of([*args.methods, *args.also])
    pairs = pairs_of(args.scenes, args.data)
    result: dict[str, object] = {
        "machine": machine(),
        "seeds": args.seeds,
        "shift_seed": 0,
        "scenes": [described(pair) for pair in pairs],
    }
    rows: dict[str, list[Row]] = {"reduced": [], "guards": [], "full": []}
    for pair in pairs:
        started = time.process_time()
        if args.only != "full":
            for operator in args.operators:
                rows["reduced"] += with_reference(pair, operator, entrants, args.seeds)
            rows["guards"] += guards_with_reference(pair, entrants)
        if args.only != "reduced":
            rows["full"] += without_reference(pair, entrants, args.seeds)
        print(f"{pair.name}: {time.process_time() - started:.0f} CPU s", file=sys.stderr)
    result |= rows
    text = document(result)
    print(text)
    if args.out:
        args.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        args.out.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
