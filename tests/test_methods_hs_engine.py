"""HS-MS methods through the engine: tiles, gaps and the toolbox mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hs_cubes import BANDS, GAIN, cube, hs_pair, srf
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import FusionError, GridError, OptionError
from pansharpkit.grid import Grid, Window
from pansharpkit.methods.base import Context
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation
from pansharpkit.requested import MethodRequest
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Scene, make_scene
from pansharpkit.sensor import generic_sensor
from pansharpkit.source import ArraySource

SIZE = (240, 200)
METHODS = ("gsa-hs", "sfim-hs", "glp-hs", "fuse", "hysure")
HOLE = (slice(100, 120), slice(60, 90))


class Refusing:
    """A method that can do nothing."""

    def halo(self, sampling: Sampling) -> int:
        return 0

    def overlap(self, sampling: Sampling) -> int:
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Refusing:
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        raise FusionError("no")

    def summary(self) -> Mapping[str, object]:
        return {}


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.values = np.full((BANDS, *SIZE), np.nan, np.float32)

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        self.values[:, *window.slices] = np.where(valid, values, np.nan)


def scene(*, holes: bool = False, moved: float = 0.0) -> Scene:
    """Return a pair of ratio 4 as a scene of arrays, the target moved by guide pixels."""
    seen, _ = hs_pair(Sampling.edge_aligned(4), SIZE, noise=0.002)
    guide, target = seen.guide.float().numpy().copy(), seen.target.float().numpy()
    if holes:
        guide[:, *HOLE] = np.nan
    fine = Grid(*SIZE, Affine(1, 0, 0, 0, -1, 0), None)
    coarse = Grid(SIZE[0] // 4, SIZE[1] // 4, Affine(4, 0, moved, 0, -4, -moved), None)
    names = tuple(f"b{band}" for band in range(BANDS))
    sensor = generic_sensor(BANDS, names)
    sensor = replace(sensor, bands=tuple(replace(b, mtf=GAIN) for b in sensor.bands))
    made = make_scene(
        ArraySource(fine, guide, ("blue", "green", "red"), label="MS"),
        ArraySource(coarse, target, names, label="HS"),
        sensor,
    )
    return replace(made, model=ObservationModel(srf(3)))


def fused(made: Scene, name: str, tile: int, **options: object) -> NDArray[np.float32]:
    sink = Kept()
    method = MethodRequest(name).prepared(made).method
    plain = RunOptions(device="cpu", dtype="float32", nodata=float("nan"), tile=tile)
    run(made, method, sink, replace(plain, **options))  # type: ignore[arg-type]
    return sink.values


@pytest.mark.parametrize("name", METHODS)
def test_tiles_do_not_show(name: str) -> None:
    made = scene()
    whole, tiled = fused(made, name, 512), fused(made, name, 64)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-5)
    error = np.sqrt(np.mean((whole - cube(SIZE).numpy()) ** 2))
    assert error < 0.02


@pytest.mark.parametrize("name", METHODS)
def test_holes_of_the_guide_stay_holes(name: str) -> None:
    values = fused(scene(holes=True), name, 96)
    assert np.isnan(values[:, *HOLE]).all()
    assert np.isfinite(values[:, :90]).all()
    assert np.isfinite(values[:, 130:]).all()


def test_the_toolbox_mode_takes_pairs_with_common_edges() -> None:
    values = fused(scene(), "glp-hs", 64, compat="toolbox")
    assert np.isfinite(values).all()
    with pytest.raises((GridError, OptionError), match="toolbox mode"):
        fused(scene(moved=1.5), "glp-hs", 64, compat="toolbox")


def test_a_tile_that_fails_falls_back_to_a_method_for_its_guide() -> None:
    """Methods for PAN would refuse a guide of several bands, and the run with it."""
    made, sink, plain = scene(), Kept(), Kept()
    options = RunOptions(device="cpu", dtype="float32", nodata=float("nan"), tile=1000)
    result = run(made, Refusing(), sink, options)
    assert [fault.reason for fault in result.faults] == ["fell back to gsa-hs: no"]
    run(made, MethodRequest("gsa-hs").prepared(made).method, plain, options)
    np.testing.assert_array_equal(sink.values, plain.values)
