"""Blur by a PSF of any shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pansharpkit.errors import OptionError
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import spread_by, spread_by_adjoint
from pansharpkit.sampling import Sampling


def _psf(side: int, seed: int, shift: tuple[float, float] = (0.0, 0.0)) -> Psf:
    values = np.random.default_rng(seed).random((side, side))
    values /= values.sum()
    return Psf(tuple(map(tuple, values.tolist())), shift)


def test_is_the_weighted_mean_of_the_pixels_around_each_sample() -> None:
    psf = _psf(8, 1)
    kernel = np.array(psf.values)
    image = np.random.default_rng(2).random((1, 24, 28))
    ours = spread_by(torch.from_numpy(image), Sampling.edge_aligned(4), (6, 7), psf)[0].numpy()
    for row in range(1, 5):
        for col in range(1, 6):
            around = image[0, 4 * row - 2 : 4 * row + 6, 4 * col - 2 : 4 * col + 6]
            assert ours[row, col] == pytest.approx((kernel * around).sum(), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(1, 9),
    ratio=st.sampled_from([2.0, 3.0, 4.0, 2.5, 5.3]),
    phase=st.floats(0, 4),
    shift=st.floats(-1, 1),
)
def test_adjoint_and_constant(side: int, ratio: float, phase: float, shift: float) -> None:
    psf = _psf(side, side, (shift, -shift))
    sampling = Sampling((ratio, ratio), (phase, phase / 2))
    draws = torch.Generator().manual_seed(side)
    x = torch.rand(2, 30, 25, generator=draws, dtype=torch.float64)
    y = torch.rand(2, 5, 4, generator=draws, dtype=torch.float64)
    forward = (spread_by(x, sampling, (5, 4), psf) * y).sum()
    back = (spread_by_adjoint(y, sampling, (30, 25), psf) * x).sum()
    assert float(forward) == pytest.approx(float(back), rel=1e-10)
    ones = torch.ones(1, 30, 25, dtype=torch.float64)
    assert torch.allclose(
        spread_by(ones, sampling, (5, 4), psf), torch.ones(1, 5, 4, dtype=torch.float64), atol=1e-6
    )


def test_shift_moves_samples() -> None:
    """A shift by whole guide pixels is what it is to move the phase by as much."""
    image = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    moved = spread_by(image, Sampling.edge_aligned(4), (8, 8), _psf(5, 3, (1.0, -2.0)))
    plain = spread_by(image, Sampling((4, 4), (2.5, -0.5)), (8, 8), _psf(5, 3))
    assert torch.equal(moved, plain)


@pytest.mark.parametrize("values", [(), ((1.0,), (0.0,)), ((0.5,),), ((float("nan"),),)])
def test_refuses_what_is_no_psf(values: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(OptionError, match="PSF"):
        Psf(values)


@pytest.mark.parametrize("srf", [(), ((),), ((1.0,), (0.5, 0.5)), ((float("inf"),),)])
def test_refuses_what_is_no_response(srf: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(OptionError, match="spectral response"):
        ObservationModel(srf)
