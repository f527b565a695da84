"""Classical methods against arrays made by the field's reference toolbox on Landsat 8 crops.

The arrays are rounded to 1/16 DN, and the toolbox's methods were fed the rounded EXP: so are ours.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.operators import ToolboxOperators
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

FOLDER = Path(__file__).parent / "golden"
QUANTUM = 1 / 16
TOLERANCE = QUANTUM / 2 + 1e-6
LANDSAT8 = Optics((0.55, 0.55, 0.55, 0.53), 0.40, "toolbox")
CASES = {"l8_RR_r2": 2, "l8_RR_r4": 4, "l8_FR_r2": 2}
METHODS = {
    "GS": "gs",
    "GSA": "gsa",
    "BT_H": "bt-h",
    "BDSD_PC": "bdsd-pc",
    "PRACS": "pracs",
    "AWLP": "awlp",
    "MTF_GLP_FS": "mtf-glp-fs",
    "MTF_GLP_HPM": "mtf-glp-hpm",
}
BY_ERROR: dict[str, tuple[str, dict[str, object]]] = {
    "BROVEY": ("brovey", {"weights": "equal"}),
    "BDSD": ("bdsd", {}),
    "SFIM": ("sfim", {}),
    "MTF_GLP": ("mtf-glp", {}),
    "MTF_GLP_HPM_R": ("mtf-glp-hpm-r", {}),
    "MTF_GLP_HPM_H": ("mtf-glp-hpm-h", {}),
}
"""No array of these is stored, but the error of the rounded array against the truth is."""
CONTEXT = Context()

every_case = pytest.mark.parametrize("case", CASES)


def load(case: str, kind: str, key: str) -> Tensor:
    """Return an array as [C, H, W] float64 DN."""
    with np.load(FOLDER / f"{case}_{kind}.npz") as arrays:
        values = torch.from_numpy(arrays[key].astype(np.float64))
    return values.permute(2, 0, 1).contiguous() if values.ndim == 3 else values[None]


def observation(case: str) -> Observation:
    ms, pan = load(case, "inputs", "MS_LR"), load(case, "inputs", "PAN")
    return Observation.whole(ms, pan, Sampling.toolbox(CASES[case]), LANDSAT8)


def fuse(name: str, scene: Observation, options: dict[str, object] | None = None) -> Tensor:
    return create(name, options).fit([scene], CONTEXT).apply([scene], CONTEXT)[0]


@pytest.fixture
def _stored_exp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round the upsampled target as the stored EXP is rounded, half away from zero."""
    plain = ToolboxOperators.upsample

    def rounded(self: ToolboxOperators, observation: Observation, x: Tensor) -> Tensor:
        result = plain(self, observation, x)
        if x is not observation.target:
            return result
        return torch.floor(result / QUANTUM + 0.5) * QUANTUM

    monkeypatch.setattr(ToolboxOperators, "upsample", rounded)


@every_case
def test_exp_equals_the_toolbox(case: str) -> None:
    deviation = (fuse("exp", observation(case)) - load(case, "fused", "EXP")).abs().max()
    assert float(deviation) <= TOLERANCE


@every_case
@pytest.mark.parametrize("key", METHODS)
@pytest.mark.usefixtures("_stored_exp")
def test_method_equals_the_toolbox(case: str, key: str) -> None:
    deviation = (fuse(METHODS[key], observation(case)) - load(case, "fused", key)).abs().max()
    assert float(deviation) <= TOLERANCE


@pytest.mark.parametrize("case", ["l8_RR_r2", "l8_RR_r4"])
@pytest.mark.parametrize("key", BY_ERROR)
@pytest.mark.usefixtures("_stored_exp")
def test_method_has_the_toolbox_error(case: str, key: str) -> None:
    name, options = BY_ERROR[key]
    fused = torch.floor(fuse(name, observation(case), options) / QUANTUM + 0.5) * QUANTUM
    error = (fused - load(case, "inputs", "GT")).square().mean().sqrt()
    figures = json.loads((FOLDER / "golden.json").read_text())["cases"][case]["methods"]
    assert float(error) == pytest.approx(figures[key]["metrics"]["RMSE"], abs=1e-6)


@every_case
@pytest.mark.parametrize("name", ["exp", *METHODS.values()])
def test_float32_fuses_within_a_tenth_of_a_dn(case: str, name: str) -> None:
    scene = observation(case)
    single = replace(scene, target=scene.target.float(), guide=scene.guide.float())
    assert float((fuse(name, single) - fuse(name, scene)).abs().max()) < 0.1


def _ergas(fused: Tensor, truth: Tensor, ratio: int) -> float:
    relative = (fused - truth).square().mean(dim=(1, 2)) / truth.mean(dim=(1, 2)).square()
    return 100 / ratio * float(relative.mean().sqrt())


# Largest ERGAS to accept of the exact operators, a hundredth above what they reach.
ERGAS = {
    "l8_RR_r2": {"exp": 3.20, "brovey": 2.23, "gsa": 2.01, "bdsd-pc": 2.01, "mtf-glp-fs": 1.99},
    "l8_RR_r4": {"exp": 1.53, "brovey": 1.02, "gsa": 1.00, "bdsd-pc": 0.95, "mtf-glp-fs": 1.00},
}


@pytest.mark.parametrize("case", ERGAS)
def test_exact_operators_are_at_least_as_good(case: str) -> None:
    scene = observation(case)
    exact = replace(scene, optics=replace(scene.optics, compat="none"))
    truth = load(case, "inputs", "GT")
    for name, limit in ERGAS[case].items():
        assert _ergas(fuse(name, exact), truth, CASES[case]) < limit, name
    for name in ("exp", "gsa", "bdsd-pc", "mtf-glp-fs"):
        mine = _ergas(fuse(name, exact), truth, CASES[case])
        assert mine <= 1.001 * _ergas(fuse(name, scene), truth, CASES[case]), name
