"""Every index against figures from the field's own toolboxes."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from golden_cases import FOLDER, GoldenCase, cases
from golden_figures import deviations

CASES = cases()
TOLERANCE = 1e-10
SINGLE = 1e-5
"""For D_rho, which the toolbox computes from integral images in single precision."""
STORED = [(case, method) for case in CASES.values() for method in case.methods]


@pytest.mark.parametrize(
    ("case", "method"), STORED, ids=[f"{case.name}-{method}" for case, method in STORED]
)
def test_figures_equal_the_toolbox(case: GoldenCase, method: str) -> None:
    found = deviations(case, method)
    known = {name for name, value in case.figures[method].items() if value is not None}
    assert known == set(found)
    for name, deviation in found.items():
        assert deviation < (SINGLE if name == "D_rho" else TOLERANCE), name


def test_arrays_are_those_the_figures_were_made_from() -> None:
    sums = json.loads((FOLDER / "golden.json").read_text())["sha256"]
    assert len(sums) == 8
    for name, expected in sums.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected


def test_reference_against_itself_is_perfect() -> None:
    from pansharpkit.metrics import Raster, reduced_resolution

    truth = Raster.of(CASES["l8_RR_r4"].input("GT"))
    values = reduced_resolution(truth, truth, ratio=4, peak=10000, compat="toolbox").values
    figures = CASES["l8_RR_r4"].figures["GT"]
    assert values["psnr_db"] is None
    assert figures["PSNR_global"] is None
    assert values["q2n"] == pytest.approx(figures["Q2n_32"], abs=1e-12)
    assert values["sam_deg"] == figures["SAM"] == 0
    assert torch.tensor(values["scc"]).item() == pytest.approx(figures["SCC"], abs=1e-12)
