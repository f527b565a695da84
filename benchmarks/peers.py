"""Every quick method beside the other tools on real scenes, by Wald's protocol.

    python benchmarks/peers.py [DATA] [-m brovey,gsa,...]

The pair is degraded once more by its own ratio, and the MS is the reference. The other tools get
the degraded pair as float32 GeoTIFFs with their true georeferencing. The scenes, and what
``-m auto`` chooses on them, are those of `auto_choice.py`. Best figures in bold.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from auto_choice import FIGURES, Figures, ours, peers, scenes
from peer_tools import missing

from pansharpkit.engine import RunOptions
from pansharpkit.evaluate import wald
from pansharpkit.methods import REGISTRY
from pansharpkit.requested import MethodRequest

_DIGITS = dict(zip(FIGURES, (3, 3, 4, 4), strict=True))
_SMALLER = ("ergas", "sam_deg")


def table(rows: dict[str, Figures]) -> None:
    best = {
        key: (min if key in _SMALLER else max)(row[key] or 0.0 for row in rows.values())
        for key in FIGURES
    }
    print("\n| method | ERGAS | SAM | Q2n | Q |\n|---|---|---|---|---|")
    for name, row in rows.items():
        texts = [f"{row[key]:.{digits}f}" for key, digits in _DIGITS.items()]
        bold = [
            f"**{text}**" if row[key] == best[key] else text
            for key, text in zip(FIGURES, texts, strict=True)
        ]
        print(f"| {name} | " + " | ".join(bold) + " |", flush=True)


def main() -> None:
    quick = [name for name, entry in REGISTRY.items() if entry.auto]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("-m", "--methods", default=",".join(quick))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("\n".join(missing()))
    names = [name for name in options.methods.split(",") if name]
    for title, scene in scenes(options.data):
        methods = {name: MethodRequest(name).prepared(scene).method for name in names}
        rows: dict[str, Figures] = {
            row.method: row.indices.values for row in wald(scene, methods, RunOptions())
        }
        rows |= {name: row for name, row in ours(scene).items() if name.startswith("auto")}
        with tempfile.TemporaryDirectory() as folder:
            rows |= dict(peers(scene, Path(folder)))
        print(f"\n## {title}")
        table(rows)


if __name__ == "__main__":
    main()
