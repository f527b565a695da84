"""What archives of a thousand, a hundred thousand and ten million scenes take, from measurements.

    python benchmarks/sizing.py [--side 4096] [-m gsa] [--pixels 15000] [--cores 64] [--json FILE]

Measured here: `fuse` on two large scenes with one thread, the demo mirrored, which gives the cost
of a scene as a part per scene and a part per pixel; two batches of small scenes, whose difference
gives what a scene adds to ledger and catalogue; and what the plan of a batch keeps in memory.

Computed from it: archives of scenes of --pixels x --pixels, with MS of half the resolution and four
bands, processed on --cores cores that do not wait for one another. What is not measured, such as a
GPU, or the rate at which a bucket gives objects, is not computed either: the table says what rate
the bucket must have.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import tracemalloc
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch_scaling import make_archive, originals
from measure import Cost, run
from mirrored import landsat

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.plan import Planned

_GB = 1e9
_FEW, _MORE = 2, 18
_ENTRIES = 20_000
_RING = ((-1.0, 42.0), (1.0, 42.0), (1.0, 44.0), (-1.0, 44.0), (-1.0, 42.0))


@dataclass(frozen=True)
class PerScene:
    """What one scene takes."""

    cpu_s: float
    peak_mb: float
    input_mb: float
    output_mb: float
    ledger_bytes: float
    catalogue_bytes: float
    """In collection.json and catalog.json, which are single files."""
    files: float
    memory_bytes: float
    """In the process that runs the batch."""


def _cli(*args: str) -> Cost:
    command = [sys.executable, "-m", "pansharpkit_cli.app", *args]
    return run(["sh", "-c", f"exec {shlex.join(command)} > /dev/null"])


@dataclass(frozen=True)
class _Fused:
    pixels: int
    cost: Cost
    input_bytes: int
    output_bytes: int


def _fused(folder: Path, side: int, method: str) -> _Fused:
    pair, out = landsat(folder, side), folder / f"fused{side}.tif"
    cost = _cli("fuse", *map(str, pair), "-o", str(out), "-m", method, "--threads", "1",
                "--device", "cpu", "--quiet")  # fmt: skip
    read = sum(path.stat().st_size for path in pair)
    return _Fused(side * side, cost, read, out.stat().st_size)


@dataclass(frozen=True)
class _Left:
    """What a batch leaves besides rasters."""

    ledger: int
    catalogue: int
    files: int


def _batch(folder: Path, count: int, method: str) -> _Left:
    archive, out = folder / f"archive{count}", folder / f"out{count}"
    make_archive(archive, originals(None), count)
    _cli("batch", str(archive), "--out", str(out), "-m", method, "--pair", "PAN=*_P.tif",
         "MS=*_M.tif", "--threads", "1", "--device", "cpu", "--quiet")  # fmt: skip
    single = [out / name for name in ("collection.json", "catalog.json")]
    return _Left(
        (out / "ledger.sqlite").stat().st_size,
        sum(path.stat().st_size for path in single if path.exists()),
        sum(path.is_file() for path in out.rglob("*")),
    )


def planned_bytes() -> float:
    """Return what a scene of a plan takes in memory."""
    tracemalloc.start()
    kept = [
        Planned(
            SceneEntry(
                f"LC08_{number:08}",
                (f"/archive/{number:08}/pan.tif", f"/archive/{number:08}/ms.tif"),
                "pair", datetime(2020, 1, 1, tzinfo=UTC),
                tuple((lon + number * 1e-6, lat) for lon, lat in _RING),
                f"/archive/{number:08}",
            ),
            "new",
        )
        for number in range(_ENTRIES)
    ]  # fmt: skip
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(kept)


def measured(folder: Path, side: int, pixels: int, method: str) -> PerScene:
    """Measure, and scale to scenes of `pixels` x `pixels`."""
    small, large = (_fused(folder, each, method) for each in (side // 2, side))
    few, more = (_batch(folder, count, method) for count in (_FEW, _MORE))

    def at(first: float, second: float) -> float:
        slope = (second - first) / (large.pixels - small.pixels)
        return second + slope * (pixels * pixels - large.pixels)

    def each(first: int, second: int) -> float:
        return (second - first) / (_MORE - _FEW)

    return PerScene(
        at(small.cost.cpu, large.cost.cpu),
        large.cost.rss_mb,
        at(small.input_bytes, large.input_bytes) / 1e6,
        at(small.output_bytes, large.output_bytes) / 1e6,
        each(few.ledger, more.ledger),
        each(few.catalogue, more.catalogue),
        each(few.files, more.files),
        planned_bytes(),
    )


def sized(scenes: int, scene: PerScene, cores: int) -> Mapping[str, str]:
    """Return what an archive takes."""
    core_s = scenes * scene.cpu_s
    rate = (scene.input_mb + scene.output_mb) / scene.cpu_s
    return {
        "scenes": f"{scenes:,}",
        "core hours": f"{core_s / 3600:,.0f}",
        f"days on {cores} cores": f"{core_s / 86400 / cores:,.1f}",
        "cores for a week": f"{max(1, core_s / 86400 / 7):,.0f}",
        "to read, TB": f"{scenes * scene.input_mb / 1e6:,.2f}",
        "to write, TB": f"{scenes * scene.output_mb / 1e6:,.2f}",
        f"bucket, MB/s for {cores} cores": f"{rate * cores:,.0f}",
        "files": f"{scenes * scene.files:,.0f}",
        "ledger, GB": f"{scenes * scene.ledger_bytes / _GB:,.3f}",
        "collection.json, GB": f"{scenes * scene.catalogue_bytes / _GB:,.3f}",
        "memory of the batch, GB": f"{scenes * scene.memory_bytes / _GB:,.2f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("-m", "--method", default="gsa")
    parser.add_argument("--pixels", type=int, default=15000)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scene = measured(Path(scratch), asked.side, asked.pixels, asked.method)
    print(f"{asked.method}, scenes of {asked.pixels} x {asked.pixels}, each:")
    for name, value in asdict(scene).items():
        print(f"  {name:<16} {value:,.1f}")
    table = [sized(10**power, scene, asked.cores) for power in (3, 5, 7)]
    for name in table[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in table) + " |")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"scene": asdict(scene), "table": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
