"""CNMF, NSSR and CSTF through the engine: tiles and gaps."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hs_cubes import cube
from numpy.typing import NDArray
from test_methods_hs_engine import HOLE, SIZE, Kept, scene

from pansharpkit.engine import RunOptions, run
from pansharpkit.requested import MethodRequest

OPTIONS = {
    "cnmf": {"endmembers": "6", "iterations": "20", "rounds": "1"},
    "nssr": {"iterations": "15", "structure": "0", "atoms": "12"},
    "cstf": {"iterations": "4"},
}
"""Few steps, for speed."""
APART = {"cnmf": 2e-5, "nssr": 4e-3, "cstf": 4e-2}
"""How far tiles may be from the whole, of a range of values of about 1."""


@cache
def fused(name: str, tile: int, holes: bool = False) -> NDArray[np.float32]:
    made, sink = scene(holes=holes), Kept()
    method = MethodRequest(name, OPTIONS[name]).prepared(made).method
    run(made, method, sink, RunOptions(tile, 0, "cpu", dtype="float32", nodata=float("nan")))
    return sink.values


@pytest.mark.parametrize("name", APART)
def test_tiles_hardly_show(name: str) -> None:
    whole, tiled = fused(name, 512), fused(name, 128)
    assert np.isfinite(whole).all()
    assert np.isfinite(tiled).all()
    for values in (whole, tiled):
        assert np.sqrt(np.mean((values - cube(SIZE).numpy()) ** 2)) < 0.05
    assert np.abs(tiled - whole).max() < APART[name]


@pytest.mark.parametrize("name", APART)
def test_holes_of_the_guide_stay_holes(name: str) -> None:
    values = fused(name, 512, holes=True)
    assert np.isnan(values[:, *HOLE]).all()
    assert np.isfinite(values[:, :90]).all()
    assert np.isfinite(values[:, 130:]).all()
