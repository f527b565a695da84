"""Quality and cost of the methods that blend images of one resolution.

    python benchmarks/blending.py DATA [--kinds vis-ir medical] [--crop 256] [--out blend]
    python benchmarks/blending.py DATA --methods pca-gain dip-fusion:copies=1 --seeds 3

DATA holds one folder for each kind of pair (``vis-ir``, ``medical``, ...), in it, at any depth, two
folders of grey 8-bit pictures of equal names: ``vis`` and ``ir``, ``mri`` and ``pet``, ``far`` and
``near``, ``oe`` and ``ue``. A method is ``name[:option=value,...]``; its result is rounded to 8
bits, as the command would write it, and judged by all indices of `pansharpkit.metrics.fusion`.
Prints Markdown: means for each kind, over all pairs, and on how many indices each method is ahead
of each other one. ``--out NAME`` also writes NAME.md and NAME.json, ``--pictures FOLDER`` the fused
images. CPU s is the time of all threads of this process in fit and apply; on a GPU read wall s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hs_quality import Entrant
from PIL import Image
from torch import Tensor

from pansharpkit.errors import PansharpkitError
from pansharpkit.methods.base import Context
from pansharpkit.metrics.fusion import NAMES, fusion_indices
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

SIDES = (("vis", "ir"), ("mri", "pet"), ("far", "near"), ("oe", "ue"))
"""Names of the two folders of a pair; the first holds the first source."""
METHODS = ("mean", "pca-gain", "dwt-max", "dip-fusion:copies=1", "dip-fusion:copies=10")
FOUR = ("q_abf_bristol", "mi_renyi", "q_piella", "q_cvejic")
"""The indices of the paper on DIP fusion."""
TITLES = {
    "q_abf_bristol": "Pe", "mi_renyi": "MI Rényi", "q_piella": "Q", "q_cvejic": "Q_C",
    "q_abf": "Q_AB/F", "mi": "MI", "mi_normalised": "NMI", "q_piella_w": "Q_W",
    "q_piella_e": "Q_E", "entropy_bits": "entropy", "scd": "SCD",
    "cpu_s": "CPU s", "wall_s": "wall s",
}  # fmt: skip
COLUMNS = (*FOUR, *(name for name in NAMES if name not in FOUR), "cpu_s", "wall_s")
SEEDLESS = ("mean", "pca-gain", "dwt-max")
"""Methods that are run with one seed only."""

Row = dict[str, float | str]


@dataclass(frozen=True)
class Pair:
    """Two pictures of one place."""

    kind: str
    name: str
    sources: tuple[Tensor, Tensor]
    """[1, H, W] uint8 each."""

    @property
    def observation(self) -> Observation:
        """The pair as methods see it, in 0 ... 1."""
        first, second = (source.float() / 255 for source in self.sources)
        sampling = Sampling((1.0, 1.0), (0.0, 0.0))
        return Observation.whole(first, second, sampling, Optics((0.3,), 0.15))


def pairs(data: Path, kinds: Sequence[str] | None, crop: int | None) -> Iterator[Pair]:
    """Find the pairs, crop them at their middle, and leave out what has no partner."""
    for first, second in SIDES:
        for folder in sorted(data.rglob(first)):
            kind = folder.relative_to(data).parts[0]
            if kinds and kind not in kinds:
                continue
            for path in sorted(folder.iterdir()):
                other = folder.parent / second / path.name
                if other.is_file():
                    both = _grey(path, crop), _grey(other, crop)
                    yield Pair(kind, f"{folder.parent.name}-{path.stem}", both)


def _grey(path: Path, crop: int | None) -> Tensor:
    values = torch.from_numpy(np.array(Image.open(path).convert("L")))[None]
    if crop is None:
        return values
    height, width = (min(crop, side) for side in values.shape[1:])
    top, left = (values.shape[1] - height) // 2, (values.shape[2] - width) // 2
    return values[:, top : top + height, left : left + width]


def blended(pair: Pair, entrant: Entrant, seed: int, device: str) -> tuple[Tensor, Row]:
    """Return the fused picture, [1, H, W] uint8, and what it cost."""
    seen = pair.observation.to(device)
    context = Context(seed, device)
    cpu, wall = time.process_time(), time.perf_counter()
    fused = entrant.method().fit([seen], context).apply([seen], context)[0].cpu()
    cost: Row = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    return (255 * fused + 0.5).floor().clamp(0, 255).to(torch.uint8), cost


def rows(
    found: Iterable[Pair], entrants: Sequence[Entrant], args: argparse.Namespace
) -> Iterator[Row]:
    """Yield the figures of every method on every pair and seed."""
    for pair in found:
        for entrant in entrants:
            for seed in range(1 if entrant.name in SEEDLESS else args.seeds):
                label: Row = {
                    "kind": pair.kind, "pair": pair.name, "method": entrant.label, "seed": seed
                }  # fmt: skip
                try:
                    fused, cost = blended(pair, entrant, seed, args.device)
                except PansharpkitError as error:
                    print(f"{pair.name}, {entrant.label}: {error}", file=sys.stderr)
                    continue
                indices = fusion_indices(pair.sources, fused)
                row = {**label, **{n: v for n, v in indices.items() if v is not None}, **cost}
                print(
                    f"{pair.kind:15} {pair.name:13} {entrant.label:32} {_told(row)}",
                    file=sys.stderr,
                )
                if args.pictures:
                    _save(args.pictures, pair, entrant, seed, fused)
                yield row


def _save(folder: Path, pair: Pair, entrant: Entrant, seed: int, fused: Tensor) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    label = entrant.label.replace(":", "_").replace(",", "_").replace("=", "-")
    Image.fromarray(fused[0].numpy()).save(folder / f"{pair.name}_{label}_{seed}.png")


def _told(row: Row) -> str:
    return " ".join(f"{TITLES[name]} {row[name]:.4f}" for name in (*FOUR, "cpu_s"))


def means(found: Sequence[Row], kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return each method's figures: the mean over seeds, then over the pairs of some kinds."""
    table: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(str(row["method"]) for row in found):
        own = [row for row in found if row["method"] == method and row["kind"] in kinds]
        names = dict.fromkeys(str(row["pair"]) + str(row["kind"]) for row in own)
        each = [
            [row for row in own if str(row["pair"]) + str(row["kind"]) == name] for name in names
        ]
        if each:
            table[method] = {
                column: statistics.fmean(
                    statistics.fmean(float(row[column]) for row in runs) for runs in each
                )
                for column in COLUMNS
            }
    return table


def document(found: Sequence[Row]) -> str:
    """Return the tables as Markdown."""
    kinds = list(dict.fromkeys(str(row["kind"]) for row in found))
    lines: list[str] = []
    for title, chosen in [*((kind, [kind]) for kind in kinds), ("all pairs", kinds)]:
        table = means(found, chosen)
        count = len({(row["kind"], row["pair"]) for row in found if row["kind"] in chosen})
        lines += [f"\n{title}: {count} pairs, means", *_table(table), *_ahead(table)]
    return "\n".join(lines).strip()


def _table(table: dict[str, dict[str, float]]) -> list[str]:
    lines = ["", "| method | " + " | ".join(TITLES[name] for name in COLUMNS) + " |"]
    lines.append("|---|" + "---|" * len(COLUMNS))
    best = {name: max(row[name] for row in table.values()) for name in NAMES}
    for method, row in table.items():
        cells = []
        for name in COLUMNS:
            text = f"{row[name]:.2f}" if name.endswith("_s") else f"{row[name]:.4f}"
            cells.append(f"**{text}**" if row[name] == best.get(name) else text)
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def _ahead(table: dict[str, dict[str, float]]) -> list[str]:
    """On how many of the paper's four indices, and of all, a method is ahead of each other one."""
    lines = ["", "ahead of, on how many of the first four indices (of all eleven):", ""]
    lines += ["| method | " + " | ".join(table) + " |", "|---|" + "---|" * len(table)]
    for method, row in table.items():
        counts = [
            "–" if other is row else f"{_wins(row, other, FOUR)} ({_wins(row, other, NAMES)})"
            for other in table.values()
        ]
        lines.append(f"| {method} | " + " | ".join(counts) + " |")
    return lines


def _wins(row: dict[str, float], other: dict[str, float], names: Sequence[str]) -> int:
    return sum(row[name] > other[name] for name in names)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with one folder for each kind of pair")
    parser.add_argument("--kinds", nargs="+", help="kinds of pairs; all by default")
    parser.add_argument("--crop", type=int, help="side of the middle of each picture, pixels")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--also", nargs="+", default=(), help="further methods")
    parser.add_argument("--seeds", type=int, default=1, help="for methods that depend on it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pictures", type=Path, help="folder for the fused pictures")
    parser.add_argument("--out", type=Path, help="write NAME.md and NAME.json")
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    entrants = [Entrant.parse(text) for text in [*args.methods, *args.also]]
    found = list(rows(pairs(args.data, args.kinds, args.crop), entrants, args))
    text = document(found)
    print(text)
    if args.out:
        args.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
        args.out.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
