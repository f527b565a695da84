"""How a batch scales with its processes, and what its ledger costs.

    python benchmarks/batch_scaling.py [--scenes 200] [--jobs 1 2] [-m gsa] [--rounds 1]
        [--data FOLDER] [--no-report]

The archive is made of variations of small real scenes: those that `batch` finds in a folder, by
default the demo scene and the Landsat 8 scene of the tests. Each variation is another window of
90 % of the rows and columns, with another gain (within 10 %) and a noise of one DN, so that no two
files are the same.

Every process gets one thread, so that the figures say what processes bring; runs alternate. Scenes
per second are those of the whole command, from its start with nothing loaded to its end with the
catalogue written. "Ledger" is the time inside transactions over that of the batch. A batch of one
scene says what starting costs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import rasterio
from measure import Cost, middle, run

from pansharpkit.archive.find import FindRequest, find
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.scene import Scene
from pansharpkit.showcase import demo_files
from pansharpkit.source import Source

TESTS = Path(__file__).parents[1] / "tests" / "data" / "landsat8_alabama_mini"
SHARE = 0.9


def originals(data: Path | None) -> list[Scene]:
    """Return the scenes that are varied."""
    if data is None:
        inputs = [tuple(map(str, demo_files())), (str(TESTS),)]
    else:
        inputs = [entry.inputs for entry in find(FindRequest(data)).entries]
    return [open_scene(SceneRequest(each)) for each in inputs]


def make_archive(folder: Path, scenes: list[Scene], count: int) -> None:
    """Write variations of scenes, in turn."""
    folder.mkdir()
    for number in range(count):
        scene, rng = scenes[number % len(scenes)], np.random.default_rng(number)
        below = _window(scene.target.grid.window, rng)
        box = scene.target.grid.subset(below).bounds
        above = scene.guide.grid.window_of_bounds(box).clip(scene.guide.grid.window)
        gain = rng.uniform(0.9, 1.1)
        _write(folder / f"s{number:04}_P.tif", scene.guide, above, gain, rng)
        _write(folder / f"s{number:04}_M.tif", scene.target, below, gain, rng)


def _window(whole: Window, rng: np.random.Generator) -> Window:
    height, width = int(SHARE * whole.height), int(SHARE * whole.width)
    row, col = rng.integers(whole.height - height + 1), rng.integers(whole.width - width + 1)
    return Window(int(row), int(col), height, width)


def _write(
    path: Path, source: Source, window: Window, gain: float, rng: np.random.Generator
) -> None:
    values, valid = source.read(window)
    top = np.iinfo(source.dtype).max
    varied = np.rint(values * gain + rng.uniform(-1, 1, values.shape)).clip(1, top) * valid
    grid = source.grid.subset(window)
    with rasterio.open(
        path, "w", driver="GTiff", height=window.height, width=window.width, count=len(values),
        dtype=source.dtype, crs=grid.crs, transform=grid.transform, nodata=0, tiled=True,
        blockxsize=256, blockysize=256, compress="deflate", predictor=2,
    ) as dataset:  # fmt: skip
        dataset.write(varied.astype(source.dtype))
        dataset.descriptions = source.names


@dataclass(frozen=True)
class Measured:
    """One batch."""

    cost: Cost
    ledger: float
    """Share of its time."""


def measured(archive: Path, method: str, jobs: int, more: list[str]) -> Measured:
    """Run a batch in a process of its own.

    Raises
    ------
    RuntimeError
        If it fails, or a scene does.
    """
    out = archive.with_name("out")
    said = archive.with_name("said.json")
    command = [
        sys.executable, "-m", "pansharpkit_cli.app", "batch", str(archive), "--out", str(out),
        "-m", method, "--pair", "PAN=*_P.tif", "MS=*_M.tif", "--jobs", str(jobs),
        "--threads", "1", "--device", "cpu", "--json", "--quiet", *more,
    ]  # fmt: skip
    cost = run(["sh", "-c", f"exec {shlex.join(command)} > {shlex.quote(str(said))}"])
    summary = json.loads(said.read_text().splitlines()[-1])
    if set(summary["states"]) != {"done"}:
        raise RuntimeError(f"{archive}: {summary}")
    shutil.rmtree(out)
    return Measured(cost, summary["ledger_seconds"] / summary["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("-m", "--method", default="gsa")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--no-report", action="store_true")
    asked = parser.parse_args()
    more = ["--no-report"] if asked.no_report else []
    with tempfile.TemporaryDirectory() as scratch:
        archive, few = Path(scratch) / "archive", Path(scratch) / "few"
        scenes = originals(asked.data)
        make_archive(archive, scenes, asked.scenes)
        make_archive(few, scenes, 1)
        found: dict[int, list[Measured]] = {jobs: [] for jobs in asked.jobs}
        for _ in range(asked.rounds):
            for jobs, runs in found.items():
                runs.append(measured(archive, asked.method, jobs, more))
        start = measured(few, asked.method, 1, more)
    print(f"{asked.scenes} scenes, {asked.method}, a batch of one takes {start.cost.wall:.2f} s")
    print(f"{'jobs':>5} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'scenes/s':>9} {'ratio':>6} "
          f"{'ledger %':>9}")  # fmt: skip
    base = median(one.cost.wall for one in found[asked.jobs[0]])
    for jobs, runs in found.items():
        wall, cpu, rss = astuple(middle([one.cost for one in runs]))
        ledger = median(one.ledger for one in runs)
        print(f"{jobs:5} {wall:8.2f} {cpu:8.2f} {rss:8.0f} {asked.scenes / wall:9.2f} "
              f"{base / wall:6.2f} {100 * ledger:9.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
