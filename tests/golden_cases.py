"""Access to the reference figures and arrays in ``tests/golden``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
GAINS = {"L8": (0.55, 0.55, 0.55, 0.53), "WV2": (0.35,) * 7 + (0.27,)}
"""MTF gains that the reference runs used."""


@dataclass(frozen=True)
class GoldenCase:
    """One scene, its inputs, fused arrays and the figures of each method."""

    name: str
    folder: Path
    ratio: int
    gains: tuple[float, ...]
    peak: float | None
    figures: Mapping[str, Mapping[str, float | None]]
    """By method, then by index."""

    def input(self, key: str) -> Tensor:
        """Return an input as [C, H, W] float64."""
        return _load(self.folder / f"{self.name}_inputs.npz", key)

    def fused(self, method: str) -> Tensor:
        """Return a stored fused array as [C, H, W] float64."""
        return _load(self.folder / f"{self.name}_fused.npz", method)

    @property
    def methods(self) -> list[str]:
        """Methods whose arrays are stored."""
        with np.load(self.folder / f"{self.name}_fused.npz") as arrays:
            return [name for name in arrays.files if name in self.figures]


def _load(path: Path, key: str) -> Tensor:
    with np.load(path) as arrays:
        values = torch.from_numpy(np.atleast_3d(arrays[key]).astype(np.float64))
    return values.permute(2, 0, 1).contiguous()


def cases(folder: Path = FOLDER) -> dict[str, GoldenCase]:
    """Return all cases of a folder with a ``golden.json``."""
    table = json.loads((folder / "golden.json").read_text())
    found = {}
    for name, entry in table["cases"].items():
        bits = entry.get("L_bits")
        found[name] = GoldenCase(
            name,
            folder,
            int(entry["ratio"]),
            GAINS.get(entry.get("sensor", ""), ()),
            float(2**bits - 1) if bits else entry.get("peak"),
            {method: row["metrics"] for method, row in entry["methods"].items()},
        )
    return found
