"""Every quick method beside the other tools on real scenes: Wald's protocol, and HQNR.

    python benchmarks/peers.py [DATA] [-m brovey,gsa,...] [--also scenenet] [--jobs 2]
        [--json FILE]

Wald: the pair is degraded once more by its own ratio, and the MS is the reference. HQNR: the pair
as delivered. The other tools get both as float32 GeoTIFFs with their true georeferencing. The
scenes, and what ``-m auto`` chooses on them, are those of `auto_choice.py`. Best figures in bold.
"""

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from auto_choice import FIGURES, ours, scenes
from peer_runs import Figures, as_delivered, by_wald
from peer_tools import missing

from pansharpkit.engine import RunOptions, run
from pansharpkit.evaluate import assess, scratch, wald
from pansharpkit.methods import REGISTRY
from pansharpkit.requested import AUTO, MethodRequest
from pansharpkit.scene import Scene
from pansharpkit.selection import choose

COLUMNS = {"ergas": "ERGAS", "sam_deg": "SAM", "q2n": "Q2n", "q": "Q", "hqnr": "HQNR"}
_DIGITS = dict(zip(COLUMNS, (3, 3, 4, 4, 4), strict=True))
_SMALLER = ("ergas", "sam_deg")


def reduced(scene: Scene, names: list[str]) -> dict[str, Figures]:
    """Return the figures by Wald's protocol: our methods, ``auto``, the other tools."""
    methods = {name: MethodRequest(name).prepared(scene).method for name in names}
    rows: dict[str, Figures] = {
        row.method: row.indices.values for row in wald(scene, methods, RunOptions())
    }
    chosen = {name: row for name, row in ours(scene).items() if name.startswith(AUTO)}
    return rows | chosen | by_wald(scene)


def hqnr(scene: Scene, request: MethodRequest) -> float | None:
    """Fuse the pair as delivered and return its HQNR."""
    with scratch(scene.grid, scene.target.names) as (sink, fused):
        run(
            scene,
            request.prepared(scene).method,
            sink,
            RunOptions(dtype="float32", nodata=math.nan),
        )
        return assess(scene, fused).values["hqnr"]


def delivered(scene: Scene, names: list[str]) -> dict[str, float | None]:
    """Return the HQNR of our methods, of ``auto`` and of the other tools."""
    requests = {name: MethodRequest(name) for name in names}
    requests[AUTO] = choose(scene, MethodRequest(AUTO)).request
    found = {name: hqnr(scene, request) for name, request in requests.items()}
    return found | {name: row.values["hqnr"] for name, row in as_delivered(scene).items()}


def study(data: Path | None, names: list[str], title: str) -> list[dict[str, object]]:
    """Return a row for each method and tool on a scene."""
    torch.set_num_threads(1)
    scene = next(scene for name, scene in scenes(data) if name == title)
    whole = delivered(scene, names)
    return [
        {
            "method": name,
            **{key: row[key] for key in FIGURES},
            "hqnr": whole[name.partition(":")[0]],
        }
        for name, row in reduced(scene, names).items()
    ]


def show(title: str, rows: list[dict[str, object]]) -> None:
    """Print the rows of a scene as Markdown."""
    print(f"\n## {title}\n\n| method | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    values = {key: [float(str(row[key])) for row in rows] for key in COLUMNS}
    best = {key: (min if key in _SMALLER else max)(column) for key, column in values.items()}
    for i, row in enumerate(rows):
        texts = {key: f"{values[key][i]:.{digits}f}" for key, digits in _DIGITS.items()}
        cells = [f"**{t}**" if values[k][i] == best[k] else t for k, t in texts.items()]
        print(f"| {row['method']} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    quick = [name for name, entry in REGISTRY.items() if entry.auto]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("-m", "--methods", default=",".join(quick))
    parser.add_argument("--also", default="", help="further methods, comma-separated")
    parser.add_argument("--jobs", type=int, default=1, help="scenes at the same time")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    print("\n".join(missing()))
    names = [name for name in f"{asked.methods},{asked.also}".split(",") if name]
    titles = [title for title, _ in scenes(asked.data)]
    found = []
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        studies = pool.map(partial(study, asked.data, names), titles)
        for title, rows in zip(titles, studies, strict=True):
            show(title, rows)
            found.append({"scene": title, "rows": rows})
    if asked.json is not None:
        asked.json.write_text(json.dumps({"scenes": found}))


if __name__ == "__main__":
    main()
