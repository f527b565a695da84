"""What a wrong observation model costs the HS-MS methods, on simulated pairs.

    python benchmarks/hs_wrong_model.py DATA [--cubes jasper] [--ratios 4] [--methods fuse]

The pairs are those of `hs_scenes.py`; the methods are told the truth, a PSF a fifth wider or
narrower than it is, or no spectral response. Prints Markdown: PSNR in dB and SAM in degrees.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from hs_quality import Entrant, figures
from hs_scenes import CUBES, HsScene, scenes
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.physics import Observation

TOLD: Mapping[str, float | None] = {
    "true model": 1.0, "PSF 20 % wider": 1.2, "PSF 20 % narrower": 0.8, "no response": None,
}  # fmt: skip
"""Width of the PSF that is told, over the true one; None withholds the response."""


def told(scene: HsScene, width: float | None) -> Observation:
    """Return the observation of somebody with that belief."""
    if width is None:
        return scene.blind()
    seen = scene.observation
    gains = tuple(math.exp(width**2 * math.log(gain)) for gain in seen.optics.mtf)
    return replace(seen, optics=replace(seen.optics, mtf=gains))


def fused(seen: Observation, entrant: Entrant) -> Tensor:
    """Run a method."""
    context = Context(0)
    return entrant.method().fit([seen], context).apply([seen], context)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the cubes")
    parser.add_argument("--cubes", nargs="+", default=list(CUBES), choices=list(CUBES))
    parser.add_argument("--ratios", nargs="+", type=int, default=[4])
    parser.add_argument("--srfs", nargs="+", default=["worldview2"])
    parser.add_argument("--methods", nargs="+", default=["glp-hs", "fuse", "scenenet-hs"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| scene | method | " + " | ".join(TOLD) + " |")
    print("|---|---|" + "---|" * len(TOLD))
    for scene in scenes(
        args.data, cubes=args.cubes, ratios=args.ratios, srfs=args.srfs, dtype=torch.float32
    ):
        for text in args.methods:
            cells = []
            for width in TOLD.values():
                row = figures(scene, fused(told(scene, width), Entrant.parse(text)))
                cells.append(f"{row['psnr_db']:.2f} / {row['sam_deg']:.2f}")
            print(f"| {scene.name} | {text} | " + " | ".join(cells) + " |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
