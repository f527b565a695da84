"""What back-projection gains at reduced resolution, and what it costs at full resolution.

    python benchmarks/back_projection.py DATA [--scenes S1 S2 S3 S6] [--side 384]
        [--json FILE]

DATA is the folder of quality_scenes.py. Three methods are followed by the plain iteration, damped
by D, and by soft steps, on crops of real scenes. "gain" is by how much ERGAS falls at reduced
resolution: "exact" where the target was made with the operator that is assumed, "wrong" the mean
over four others. The other columns belong to full resolution and say what changes against the
method alone: ripple and consistency error in per cent of themselves, detail correlation, HQNR and
overshoot (percentage points) by difference. All figures are means over the three methods.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from quality_scenes import OPERATORS, Pair, load, reduced
from torch import Tensor

from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Method
from pansharpkit.metrics import Raster, full_resolution
from pansharpkit.metrics.reference import ergas
from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics import Observation
from pansharpkit.scene import Scene

METHODS = ("gsa", "mtf-glp-fs", "bdsd-pc")
WRONG = ("mtf x0.7", "mtf x1.3", "bicubic", "bands .3 px")
STEPS: tuple[tuple[int, float | None], ...] = (
    (1, 0.3), (1, 0.5), (1, 1.0), (10, 1.0), (1, None), (2, None), (3, None), (10, None),
)  # fmt: skip
COLUMNS = ("exact %", "wrong %", "ripple %", "detail", "consist. %", "HQNR", "overshoot")


def variants(name: str) -> Iterator[Method]:
    """Yield a method alone, and followed by each kind of back-projection."""
    yield create(name)
    for steps, damping in STEPS:
        yield BackProjected(create(name), steps, damping)


def fuse(method: Method, observation: Observation) -> Tensor:
    return method.fit([observation], Context()).apply([observation], Context())[0]


def observed(scene: Scene) -> tuple[Observation, float]:
    """Return the whole scene in double precision, and what one DN is in it."""
    observer = Observer.of(scene)
    one = FitSample(observer, 0)[0]
    unit = float(observer.working.to_working(np.ones((1, 1, 1), np.float32))[0, 0, 0])
    return replace(one, target=one.target.double(), guide=one.guide.double()), unit


def central(scene: Scene, side: int) -> Scene:
    """Return the middle of the part that is fused."""
    around = scene.domain
    high, wide = min(side, around.height), min(side, around.width)
    window = Window(
        around.row + (around.height - high) // 2,
        around.col + (around.width - wide) // 2,
        high,
        wide,
    )
    return replace(scene, domain=window, extent=window)


def at_full_resolution(scene: Scene, name: str) -> np.ndarray:
    """Return [variant, figure]: ripple, detail, consistency error, HQNR, overshoot."""
    seen, _ = observed(scene)
    rows = []
    for method in variants(name):
        fused = Raster.of(fuse(method, seen))
        found = full_resolution(
            fused, Raster.of(seen.guide), Raster.of(seen.target), seen.sampling, seen.optics
        ).values
        rows.append([
            found["ripple_percent"], found["detail_correlation"],
            found["consistency_error_percent"], found["hqnr"], found["overshoot_percent"],
        ])  # fmt: skip
    return np.array(rows, dtype=float)


def at_reduced_resolution(pair: Pair, operator: str, name: str, side: int) -> np.ndarray:
    """Return the ERGAS of each variant."""
    box = (slice(None), slice(0, side), slice(0, side))
    truth = replace(
        pair.truth, bands=pair.truth.bands[box], guide=pair.truth.guide[box],
        valid=pair.truth.valid[box[1:]],
    )  # fmt: skip
    scene, reference = reduced(truth, OPERATORS[operator], seed=0)
    seen, unit = observed(scene)
    values, valid = reference.read(scene.guide.grid.window)
    wanted = torch.from_numpy(np.where(valid, values, 0.0)) * unit
    mask = torch.from_numpy(valid)
    found = [
        ergas(wanted, fuse(method, seen), mask, ratio=truth.ratio) for method in variants(name)
    ]
    return np.array(found, dtype=float)


def changes(pair: Pair, scene: Scene, side: int) -> np.ndarray:
    """Return [variant, column], the mean over the methods."""
    tables = []
    for name in METHODS:
        errors = {
            operator: at_reduced_resolution(pair, operator, name, side // 2)
            for operator in ("exact", *WRONG)
        }
        gains = {operator: 100 * (1 - e / e[0]) for operator, e in errors.items()}
        full = at_full_resolution(scene, name)
        relative = 100 * (full / full[0] - 1)
        added = full - full[0]
        wrong = np.mean([gains[operator] for operator in WRONG], axis=0)
        tables.append(np.stack([
            gains["exact"], wrong, relative[:, 0], added[:, 1], relative[:, 2], added[:, 3],
            added[:, 4],
        ], axis=1))  # fmt: skip
    return np.mean(tables, axis=0)


def show(title: str, table: np.ndarray) -> None:
    print(f"\n{title}\n{'':16}" + "".join(f"{column:>12}" for column in COLUMNS))
    for row in rows(table):
        print(f"{row['steps']:16}" + "".join(f"{row[c]:12.3f}" for c in COLUMNS), flush=True)


def rows(table: np.ndarray) -> list[dict[str, object]]:
    """Return the variants of a table, each with its figures by name."""
    labels = [f"{n} x {'soft' if damping is None else f'{damping:g}'}" for n, damping in STEPS]
    return [
        {"steps": label, **dict(zip(COLUMNS, np.round(values, 4).tolist(), strict=True))}
        for label, values in zip(labels, table[1:], strict=True)
    ]


def main(data: Path, scenes: Sequence[str], side: int) -> dict[str, object]:
    """Print the tables and return what they hold."""
    tables, found = [], {}
    for name in scenes:
        pair = load(name, data)
        if pair.full is None:
            continue
        tables.append(changes(pair, central(pair.full, side), side))
        show(f"{name}: {pair.data}", tables[-1])
        found[f"{name} {pair.data}"] = rows(tables[-1])
    show("mean", np.mean(tables, axis=0))
    return {"scenes": found, "mean": rows(np.mean(tables, axis=0))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", nargs="+", default=["S1", "S2", "S3", "S6"])
    parser.add_argument("--side", type=int, default=384, help="PAN pixels along the side of a crop")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures = main(given.data, given.scenes, given.side)
    if given.json is not None:
        given.json.write_text(json.dumps(figures))
