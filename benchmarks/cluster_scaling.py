"""What further dask workers bring to one large scene, and what its tiles cost the scheduler.

    python benchmarks/cluster_scaling.py [--side 16384] [-m mtf-glp-fs scenenet] [--workers 1 2]
        [--back-projection 0] [--plain] [--rounds 1] [--tiles 100 1000 10000] [--json FILE]

The scene is the demo, mirrored until it is as large as wanted. Every run is a command in a process
of its own, `fuse --n-workers N --no-report`, from its start to the COG; runs alternate. Each worker
has one thread; the command itself fits the method and writes the raster beside them, on the same
processors. "Workers' part" is the time from the first tile to the last. With `--plain` the raster
is neither compressed nor made a COG, which is most of what the command does by itself.

The scheduler's memory is that of a scheduler in a process of its own over scenes of more and more
tiles of 16 x 16 pixels, with the method that costs least: before, at its peak, and after.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from statistics import median

import psutil
from measure import Cost, middle, run
from mirrored import landsat

from pansharpkit.cluster import ClusterRequest, connected
from pansharpkit.intake import SceneRequest
from pansharpkit.pipeline import FuseRequest, fuse
from pansharpkit.requested import MethodRequest
from pansharpkit.runs import RunOptions
from pansharpkit.tilecluster import Tiles

_TINY = 16  # pixels along the side of a tile
_MB = 1 << 20


@dataclass(frozen=True)
class Fusion:
    """One scene on so many workers."""

    cost: Cost
    apply: float
    """Seconds from the first tile to the last."""


def fused(pair: tuple[Path, Path], method: str, workers: int, more: list[str]) -> Fusion:
    """Fuse a scene by the command line.

    Raises
    ------
    RuntimeError
        If that fails.
    """
    out, said = pair[0].with_name("fused.tif"), pair[0].with_name("said.json")
    command = [
        sys.executable, "-m", "pansharpkit_cli.app", "fuse", *map(str, pair), "-o", str(out),
        "-m", method, "--n-workers", str(workers), "--device", "cpu", "--no-report", "--json",
        *more,
    ]  # fmt: skip
    cost = run(["sh", "-c", f"exec {shlex.join(command)} > {shlex.quote(str(said))}"])
    out.unlink()
    return Fusion(cost, json.loads(said.read_text())["seconds"]["apply"])


@dataclass(frozen=True)
class Memory:
    """What a scheduler takes, MB."""

    tiles: int
    before: float
    peak: float
    after: float
    seconds: float


@contextmanager
def scheduler_with(workers: int, folder: Path) -> Iterator[tuple[Path, psutil.Process]]:
    """Start a scheduler and workers as processes of their own; give its file and process."""
    file = folder / "scheduler.json"
    here = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    one = ["worker", *here, "--nworkers", "1", "--nthreads", "1"]
    commands = [["scheduler", *here, "--port", "0"], *[one] * workers]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *args], stderr=subprocess.DEVNULL
        )
        for what, *args in commands
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        yield file, psutil.Process(started[0].pid)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait()


def memory(tiles: int, file: Path, scheduler: psutil.Process, folder: Path) -> Memory:
    """Fuse a scene of so many tiny tiles and watch the scheduler."""
    side = _TINY * round(tiles**0.5)
    pan, ms = landsat(folder, side)
    request = FuseRequest(
        SceneRequest((str(pan), str(ms))), folder / f"tiny{side}.tif", MethodRequest("exp"),
        RunOptions(tile=_TINY, device="cpu", threads=1), report=False,
    )  # fmt: skip
    before = scheduler.memory_info().rss / _MB
    with _watched(scheduler) as seen:
        started = time.perf_counter()
        outcome = fuse(
            request, workers=Tiles(lambda: connected(ClusterRequest(scheduler_file=file)))
        )
        seconds = time.perf_counter() - started
    after = scheduler.memory_info().rss / _MB
    return Memory(outcome.run.tiles, before, max(seen), after, seconds)


@contextmanager
def _watched(process: psutil.Process) -> Iterator[list[float]]:
    """Note a process's memory, MB, ten times a second."""
    seen, stop = [process.memory_info().rss / _MB], threading.Event()

    def look() -> None:
        while not stop.wait(0.1):
            seen.append(process.memory_info().rss / _MB)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    stop.set()
    thread.join()


def scaling(asked: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Measure and print what workers bring."""
    pair = landsat(folder, asked.side)
    rows: dict[str, object] = {}
    more = ["--back-projection", str(asked.back_projection)]
    more += ["--no-cog", "--co", "COMPRESS=NONE"] if asked.plain else []
    print(f"{asked.side} x {asked.side} pixels, 4 bands")
    print(f"{'method':<12} {'workers':>7} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'ratio':>6} "
          f"{'tiles s':>8} {'ratio':>6}")  # fmt: skip
    for method in asked.method:
        found: dict[int, list[Fusion]] = {workers: [] for workers in asked.workers}
        for _ in range(asked.rounds):
            for workers, runs in found.items():
                runs.append(fused(pair, method, workers, more))
        first = found[asked.workers[0]]
        for workers, runs in found.items():
            wall, cpu, rss = astuple(middle([one.cost for one in runs]))
            base = median(one.cost.wall for one in first)
            apply = median(one.apply for one in runs)
            ratio = median(one.apply for one in first) / apply
            print(f"{method:<12} {workers:7} {wall:8.1f} {cpu:8.1f} {rss:8.0f} {base / wall:6.2f} "
                  f"{apply:8.1f} {ratio:6.2f}", flush=True)  # fmt: skip
            rows[f"{method} {workers}"] = {"wall": wall, "cpu": cpu, "rss_mb": rss, "apply": apply}
    return rows


def scheduler_memory(asked: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Measure and print what tiles cost the scheduler."""
    rows: list[dict[str, object]] = []
    print(f"{'tiles':>7} {'before MB':>10} {'peak MB':>8} {'after MB':>9} {'s':>7}")
    with scheduler_with(2, folder) as (file, process):
        for tiles in (asked.tiles[0], *asked.tiles):  # the first run is warming up
            made = memory(tiles, file, process, Path(tempfile.mkdtemp(dir=folder)))
            print(f"{made.tiles:7} {made.before:10.1f} {made.peak:8.1f} {made.after:9.1f} "
                  f"{made.seconds:7.1f}", flush=True)  # fmt: skip
            rows.append(asdict(made))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("-m", "--method", nargs="*", default=["mtf-glp-fs", "scenenet"])
    parser.add_argument("--back-projection", type=int, default=0, help="more work for each tile")
    parser.add_argument("--plain", action="store_true", help="no compression, no COG")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tiles", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found: dict[str, object] = {"side": asked.side}
        if asked.method:
            found["scaling"] = scaling(asked, folder)
        if asked.tiles:
            found["scheduler"] = scheduler_memory(asked, folder)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
