"""How long runs were expected to take before they started, beside what they took.

    python benchmarks/time_estimate.py [-m gsa,gdd] [--side 4096] [--clock cpu] [-o preset=fast]

All quick methods of the registry by default, on the demo scene and, with --side, on the same scene
mirrored until it has that many pixels a side. Time is that of fit, tiles, finishing and report.
With ``--clock cpu`` the CPU time of this process is compared instead, which other programs on the
machine disturb less; ``rehearsal`` is what finding out cost, on the same clock.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mirrored import landsat

Row = dict[str, float | str | dict[str, tuple[float, float]] | None]


def measured(files: tuple[str, str], method: str, options: Mapping[str, str], folder: Path) -> Row:
    from pansharpkit import pipeline
    from pansharpkit.estimate import Estimate
    from pansharpkit.intake import SceneRequest
    from pansharpkit.requested import MethodRequest

    marks: dict[str, float] = {}
    said: list[Estimate | None] = []

    def note(stage: str, done: int, total: int) -> None:
        marks.setdefault(stage, time.perf_counter())

    def announce(found: Estimate | None) -> None:
        marks["announced"] = time.perf_counter()
        said.append(found)

    request = pipeline.FuseRequest(
        SceneRequest(files, sensor="landsat8_oli"),
        folder / "out.tif",
        MethodRequest(method, options),
        force=True,
        overwrite=True,
    )
    outcome = pipeline.fuse(request, note, announce)
    took = sum(outcome.run.seconds.values())
    expected = said[0].seconds if said[0] else None
    return {
        "method": method,
        "estimate_s": expected,
        "took_s": took,
        "ratio": None if expected is None else expected / took,
        "rehearsal_s": marks["announced"] - marks["estimate"],
        "stages_s": {
            stage: (seconds, outcome.run.seconds.get(stage, 0.0))
            for stage, seconds in (said[0].stages if said[0] else {}).items()
        },
    }


def scenes(side: int | None, folder: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    from pansharpkit.showcase import demo_files

    pan, ms = demo_files()
    yield "demo scene", (str(pan), str(ms))
    if side is not None:
        pan, ms = landsat(folder, side)
        yield f"mirrored, {side} x {side}", (str(pan), str(ms))


def machine() -> str:
    import torch

    model = platform.processor() or platform.machine()
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load {load:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--methods", help="comma-separated; all quick ones by default")
    parser.add_argument("-o", "--option", action="append", default=[], help="NAME=VALUE for all")
    parser.add_argument("--side", type=int, help="pixels along a side of the mirrored scene")
    parser.add_argument("--only-mirrored", action="store_true", help="leave the demo scene out")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    if given.clock == "cpu":
        time.perf_counter = time.process_time  # before the library takes hold of it
    from pansharpkit.methods import REGISTRY

    quick = [name for name, entry in REGISTRY.items() if entry.auto]
    names = given.methods.split(",") if given.methods else quick
    options = dict(item.split("=", 1) for item in given.option)
    print(f"{machine()}; seconds of {given.clock} time")
    logging.getLogger("pansharpkit").setLevel(logging.ERROR)  # the scene is what it is
    found: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for scene, files in scenes(given.side, Path(folder)):
            if given.only_mirrored and scene.startswith("demo"):
                continue
            print(
                f"\n{scene}\n{'method':14}{'estimate':>10}{'took':>10}{'ratio':>8}{'rehearsal':>11}"
                "  stages: estimate/took"
            )
            for name in names:
                row = measured(files, name, options, Path(folder))
                found.setdefault(scene, []).append(row)
                cells = (row["estimate_s"], row["took_s"], row["ratio"], row["rehearsal_s"])
                text = [f"{x:.2f}" if isinstance(x, float) else "few" for x in cells]
                shown = ", ".join(f"{k} {a:.1f}/{b:.1f}" for k, (a, b) in row["stages_s"].items())
                line = f"{name:14}{text[0]:>10}{text[1]:>10}{text[2]:>8}{text[3]:>11}"
                print(f"{line}  {shown}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps({"machine": machine(), "scenes": found}, indent=2))


if __name__ == "__main__":
    main()
