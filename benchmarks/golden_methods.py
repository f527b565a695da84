"""Largest deviation of each classical method from a folder of golden arrays, PAN or HS, per case.

    python benchmarks/golden_methods.py GOLDEN_DIR

The folder holds golden.json, CASE_inputs.npz and CASE_fused.npz as described there. Where the
arrays are stored as multiples of a quantum, the methods that made them were fed the stored EXP, so
ours are too ("stored EXP"); the column "own EXP" is the plain run. Where no array is stored for a
method but its RMSE against the ground truth is, that figure is compared. Exits with 1 if any
deviation is above its tolerance.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.operators import ToolboxOperators
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

OPTICS = {
    "L8": Optics((0.55, 0.55, 0.55, 0.53), 0.40, "toolbox"),
    "WV2": Optics((0.35,) * 7 + (0.27,), 0.11, "toolbox"),
}
METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "EXP": ("exp", {}),
    "BROVEY": ("brovey", {"weights": "equal"}),
    "GS": ("gs", {}),
    "GSA": ("gsa", {}),
    "BT_H": ("bt-h", {}),
    "BDSD": ("bdsd", {}),
    "BDSD_PC": ("bdsd-pc", {}),
    "PRACS": ("pracs", {}),
    "SFIM": ("sfim", {}),
    "AWLP": ("awlp", {}),
    "MTF_GLP": ("mtf-glp", {}),
    "MTF_GLP_FS": ("mtf-glp-fs", {}),
    "MTF_GLP_HPM": ("mtf-glp-hpm", {}),
    "MTF_GLP_HPM_R": ("mtf-glp-hpm-r", {}),
    "MTF_GLP_HPM_H": ("mtf-glp-hpm-h", {}),
}
HS_METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "GSA": ("gsa-hs", {}),
    "SFIM_HS": ("sfim-hs", {}),
    "GLP_HS": ("glp-hs", {}),
    "FUSE": ("fuse", {}),
}
"""Methods for a cube and a guide of several bands. CNMF and HySure start from random numbers of
another language: their arrays are not compared."""
HS_QUANTUM = 2**-14
"""Tolerance is half of it for all cases, where arrays are not quantised as well."""
DN = {"GSA": 1e-2, "PRACS": 1e-2, "AWLP": 1e-2}
"""Tolerance in DN where arrays are not quantised; 1e-3 for the others."""
NEARLY_NOTHING = {
    ("wv2a_FR", "MTF_GLP_HPM"),
    ("gddim4_RR", "MTF_GLP_HPM"),
    ("gddim4_RR", "MTF_GLP_HPM_R"),
    ("gddim4_RR", "BT_H"),
}
"""Where some pixels are divided by nearly nothing, up to 3e5 DN: 99.9 % of the pixels of an array
are compared, and no error against the truth."""
QUANTUM = 1 / 16
RMSE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Case:
    name: str
    observation: Observation
    arrays: dict[str, Tensor]
    figures: dict[str, dict[str, float]]
    truth: Tensor | None
    hyperspectral: bool = False

    @property
    def methods(self) -> dict[str, tuple[str, dict[str, object]]]:
        """What can be compared, by the name it has in the case."""
        return HS_METHODS if self.hyperspectral else METHODS

    @property
    def quantised(self) -> bool:
        """Whether the arrays are exact multiples of the quantum."""
        return all(bool((array / QUANTUM % 1 == 0).all()) for array in self.arrays.values())


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases of a PAN and one MS, and those of an MS and one HS."""
    for name, entry in json.loads((folder / "golden.json").read_text())["cases"].items():
        if name.startswith("hs"):
            yield _hyperspectral(folder, name, entry)
            continue
        if entry.get("sensor") not in OPTICS:
            continue
        inputs = {key: _bands(array) for key, array in np.load(folder / entry["inputs"]).items()}
        arrays = {key: _bands(array) for key, array in np.load(folder / entry["fused"]).items()}
        observation = Observation.whole(
            inputs["MS_LR"],
            inputs["PAN"],
            Sampling.toolbox(round(entry["ratio"])),
            OPTICS[entry["sensor"]],
        )
        figures = {key: value["metrics"] for key, value in entry["methods"].items()}
        yield Case(name, observation, arrays, figures, inputs.get("GT"))


def _hyperspectral(folder: Path, name: str, entry: dict[str, Any]) -> Case:
    """Return a case whose guide has several bands and whose response is known."""
    with np.load(folder / entry["inputs"]) as arrays:
        stored = {key: arrays[key] for key in arrays.files}
    srf = stored["R"] if "R" in stored else stored["SRF"]
    model = ObservationModel(tuple(tuple(row) for row in srf.tolist()))
    target = _bands(stored["HSI"])
    observation = Observation.whole(
        target,
        _bands(stored["MSI"]),
        Sampling.edge_aligned(round(entry["ratio"])),
        Optics((0.4,) * len(target), 0.2, "toolbox", model=model),
    )
    fused = {key: _bands(array) for key, array in np.load(folder / entry["fused"]).items()}
    figures = {key: value["metrics"] for key, value in entry["methods"].items()}
    return Case(name, observation, fused, figures, _bands(stored["GT"]), hyperspectral=True)


def _bands(array: np.ndarray) -> Tensor:
    values = torch.from_numpy(array.astype(np.float64))
    return values.permute(2, 0, 1).contiguous() if values.ndim == 3 else values[None]


def fuse(named: tuple[str, dict[str, object]], observation: Observation) -> Tensor:
    """Fit and apply one method to the whole image."""
    name, options = named
    fitted = create(name, options).fit([observation], Context())
    return fitted.apply([observation], Context())[0]


def fuse_stored(named: tuple[str, dict[str, object]], observation: Observation) -> Tensor:
    """Fuse with EXP rounded to the quantum, half away from zero."""
    plain = ToolboxOperators.upsample

    def stored(self: ToolboxOperators, observation: Observation, x: Tensor) -> Tensor:
        result = plain(self, observation, x)
        if x is not observation.target:
            return result
        return torch.floor(result / QUANTUM + 0.5) * QUANTUM

    with patch.object(ToolboxOperators, "upsample", stored):
        return fuse(named, observation)


@dataclass(frozen=True)
class Deviation:
    plain: float
    """With EXP as we compute it."""
    stored: float
    """With EXP as stored; this one has to keep the tolerance."""
    tolerance: float
    what: str


def deviation(case: Case, key: str) -> Deviation | None:
    """Compare one method with what the case holds of it, if anything."""
    if case.hyperspectral:
        return _hyperspectral_deviation(case, key)
    named = case.methods[key]
    plain = fuse(named, case.observation)
    stored = fuse_stored(named, case.observation) if case.quantised else plain
    if key in case.arrays:
        tolerance = QUANTUM / 2 + 1e-6 if case.quantised else DN.get(key, 1e-3)
        share = 0.999 if (case.name, key) in NEARLY_NOTHING else 1.0
        what = f"max |difference|, DN{', of 99.9 %' if share < 1 else ''}"
        found = [_largest(fused - case.arrays[key], share) for fused in (plain, stored)]
        return Deviation(found[0], found[1], tolerance, what)
    if case.truth is None or key not in case.figures or (case.name, key) in NEARLY_NOTHING:
        return None
    wanted = case.figures[key]["RMSE"]
    if case.quantised:
        plain, stored = (torch.floor(fused / QUANTUM + 0.5) * QUANTUM for fused in (plain, stored))
    found = [abs(_rmse(fused, case.truth) - wanted) for fused in (plain, stored)]
    return Deviation(found[0], found[1], RMSE_TOLERANCE, "|difference| of RMSE, DN")


def _hyperspectral_deviation(case: Case, key: str) -> Deviation | None:
    """Compare a method for cubes with its array, or with its error against the truth."""
    assert case.truth is not None
    if key not in case.figures:
        return None
    fused = fuse(case.methods[key], case.observation)
    if key in case.arrays:
        found = _largest(fused - case.arrays[key], 1.0)
        return Deviation(found, found, HS_QUANTUM / 2 + 1e-6, "max |difference|")
    found = abs(_rmse(fused, case.truth) - case.figures[key]["RMSE"])
    return Deviation(found, found, 1e-6, "|difference| of RMSE")


def _largest(difference: Tensor, share: float) -> float:
    """Return the largest of the smallest differences, which make up that share."""
    keep = math.ceil(share * difference.numel())
    return float(difference.abs().flatten().kthvalue(keep).values)


def _rmse(fused: Tensor, truth: Tensor) -> float:
    return float((fused - truth).square().mean().sqrt())


def main(folder: Path) -> int:
    print(f"{'case':15}{'method':15}{'own EXP':>12}{'stored EXP':>12}{'tolerance':>12}  what")
    failures = 0
    largest: dict[str, float] = {}
    for case in cases(folder):
        for key in case.methods:
            if (found := deviation(case, key)) is None:
                continue
            failed = found.stored > found.tolerance
            failures += failed
            if found.what.endswith("|difference|, DN") and not case.quantised:
                largest[key] = max(largest.get(key, 0.0), found.stored)
            print(
                f"{case.name:15}{key:15}{found.plain:12.3g}{found.stored:12.3g}"
                f"{found.tolerance:12.3g}  {found.what}{'  TOO LARGE' if failed else ''}"
            )
    print("\nlargest deviation from arrays in full precision, DN")
    for key, value in largest.items():
        print(f"{key:15}{value:.3g}")
    return 1 if failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    sys.exit(main(asked.folder))
