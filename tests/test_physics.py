"""The observation model: every operator goes through every test that it can pass."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from linear_operators import (
    BORDERS,
    GAINS,
    Operator,
    Size,
    every_operator,
    matrix,
    noise,
    samplings,
    sizes,
    target_size,
)

from pansharpkit.physics import decimate, degrade, degrade_adjoint, upsample
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.resample import Axis, Border, Interpolation, cubic_matrix
from pansharpkit.sampling import Sampling

# --- what holds for every operator ------------------------------------------------------------


@every_operator
@given(sampling=samplings, fine=sizes)
def test_constants_are_kept(operator: Operator, sampling: Sampling, fine: Size) -> None:
    """Partition of unity, whatever the border, also on arrays smaller than the kernel."""
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    levels = torch.tensor([2.5, -0.75], dtype=torch.float64)[:, None, None]
    found = operator.apply(levels.expand(2, *before), sampling, fine, coarse)
    torch.testing.assert_close(found, levels.expand(2, *after), rtol=1e-12, atol=0)


@every_operator
@given(sampling=samplings, seed=st.integers(0, 99))
def test_linearity_and_shape(operator: Operator, sampling: Sampling, seed: int) -> None:
    fine = (23, 31)
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    x, y = noise(2, before, seed), noise(2, before, seed + 100)
    image = operator.apply(2 * x - 3 * y, sampling, fine, coarse)
    parts = [operator.apply(part, sampling, fine, coarse) for part in (x, y)]
    assert image.shape == (2, *after)
    torch.testing.assert_close(image, 2 * parts[0] - 3 * parts[1], rtol=1e-11, atol=1e-11)


@every_operator
def test_autograd_gives_the_adjoint(operator: Operator) -> None:
    """<A x, y> = <x, A' y> for every x, where A' y is a gradient taken somewhere else."""
    sampling, fine = Sampling((2.5, 3.0), (0.4, -0.6)), (24, 29)
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    x, y, elsewhere = noise(2, before, 1), noise(2, after, 2), noise(2, before, 3)
    image = operator.apply(elsewhere.requires_grad_(), sampling, fine, coarse)
    (back,) = torch.autograd.grad(image, elsewhere, y)
    there = (operator.apply(x, sampling, fine, coarse) * y).sum()
    torch.testing.assert_close((x * back).sum(), there, rtol=1e-12, atol=0)


@every_operator
def test_rows_are_bounded(operator: Operator) -> None:
    """No operator amplifies: rows sum to one, and to little more in absolute value."""
    sampling, fine = Sampling((2.5, 2.0), (0.4, 0.9)), (9, 8)
    rows = matrix(operator, sampling, fine, target_size(sampling, fine))
    ones = torch.ones(len(rows), dtype=torch.float64)
    torch.testing.assert_close(rows.sum(dim=1), ones)
    assert float(rows.abs().sum(dim=1).max()) < 3.5


@every_operator
def test_precision_of_the_input_is_kept(operator: Operator) -> None:
    sampling, fine = Sampling.toolbox(4), (32, 40)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    single = operator.apply(x.float(), sampling, fine, coarse)
    assert single.dtype == torch.float32
    exact = operator.apply(x, sampling, fine, coarse)
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-6)


@every_operator
@pytest.mark.parametrize("ratio", [(2.0, 2.0), (2.5, 2.5), (3.0, 2.2)])
def test_a_tile_equals_the_whole(operator: Operator, ratio: tuple[float, float]) -> None:
    """Away from the cut, by more than any kernel reaches."""
    sampling, fine = Sampling(ratio, (0.7, -0.4)), (150, 140)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    whole = operator.apply(x, sampling, fine, coarse)
    first, count = (7, 6), (37, 34)  # of the target
    origin = tuple(math.floor(first[i] * ratio[i] + sampling.phase[i]) for i in (0, 1))
    size = tuple(math.ceil(count[i] * ratio[i]) for i in (0, 1))
    part = sampling.windowed((origin[0], origin[1]), first)
    down = slice(origin[0], origin[0] + size[0]), slice(origin[1], origin[1] + size[1])
    small = slice(first[0], first[0] + count[0]), slice(first[1], first[1] + count[1])
    x_part = x[:, *small] if operator.up else x[:, *down]
    expected = whole[:, *small] if not (operator.up or operator.same) else whole[:, *down]
    found = operator.apply(x_part, part, (size[0], size[1]), count)
    reach = 8 if not (operator.up or operator.same) else 24
    inner = slice(reach, -reach)
    torch.testing.assert_close(
        found[:, inner, inner], expected[:, inner, inner], rtol=0, atol=1e-12
    )


@every_operator
def test_axes_are_rows_then_columns(operator: Operator) -> None:
    sampling = Sampling((2.0, 3.0), (0.5, 1.0))
    turned = Sampling((3.0, 2.0), (1.0, 0.5))
    fine = (24, 36)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    plain = operator.apply(x, sampling, fine, coarse)
    across = operator.apply(x.mT.contiguous(), turned, fine[::-1], coarse[::-1])
    torch.testing.assert_close(across.mT, plain, rtol=0, atol=1e-13)


# --- the written adjoint ----------------------------------------------------------------------


@pytest.mark.parametrize("border", BORDERS)
@given(sampling=samplings, fine=sizes)
def test_degrade_adjoint(border: Border, sampling: Sampling, fine: Size) -> None:
    coarse = target_size(sampling, fine)
    x, y = noise(2, fine, 1), noise(2, coarse, 2)
    left = (degrade(x, sampling, coarse, GAINS, border=border) * y).sum()
    right = (x * degrade_adjoint(y, sampling, fine, GAINS, border=border)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-13)


# --- phase ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["lagrange", "cubic"])
@pytest.mark.parametrize("phase", [(0.0, 1.0), (2.0, 3.0), (-1.0, 0.0)])
def test_upsample_passes_through_the_samples(
    kernel: Interpolation, phase: tuple[float, float]
) -> None:
    sampling, x = Sampling((4.0, 4.0), phase), noise(1, (9, 8))
    fine = upsample(x, sampling, (40, 40), kernel=kernel)
    for row in range(1, 9):
        for col in range(1, 8):
            here = fine[0, 4 * row + int(phase[0]), 4 * col + int(phase[1])]
            assert float(here) == pytest.approx(float(x[0, row, col]), abs=1e-12)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0, 3.0])
def test_decimate_takes_the_pixel_at_the_phase(phase: float) -> None:
    x = noise(1, (32, 32))
    found = decimate(x, Sampling((4.0, 4.0), (phase, 3 - phase)), (8, 8))
    assert torch.equal(found, x[:, int(phase) :: 4, 3 - int(phase) :: 4])


@given(samplings)
def test_a_spot_is_seen_where_it_is(sampling: Sampling) -> None:
    """The centre of mass of a degraded spot lies at the spot, in guide pixels."""
    fine = (120, 120)
    coarse = target_size(sampling, fine)
    x = torch.zeros(2, *fine, dtype=torch.float64)
    x[:, 61, 57] = 1
    spot = degrade_adjoint(degrade(x, sampling, coarse, GAINS), sampling, fine, GAINS)[0]
    spot = spot / spot.sum()
    grid = torch.arange(120, dtype=torch.float64)
    assert float((spot.sum(dim=1) * grid).sum()) == pytest.approx(61, abs=0.35)
    assert float((spot.sum(dim=0) * grid).sum()) == pytest.approx(57, abs=0.35)


@given(samplings)
def test_up_and_down_stay_in_place(sampling: Sampling) -> None:
    """A smooth image degraded and interpolated back lies where it was: no net shift."""
    fine = (160, 160)
    rows = torch.arange(160, dtype=torch.float64)[:, None]
    cols = torch.arange(160, dtype=torch.float64)[None, :]
    x = torch.sin(2 * math.pi * (rows / 48 + 0.1)) + torch.cos(2 * math.pi * cols / 40)
    coarse = target_size(sampling, fine)
    back = upsample(degrade(x[None], sampling, coarse, (0.4,)), sampling, fine)[0]
    inner = slice(56, 104), slice(60, 100)  # one whole period, so that a loss of contrast cancels
    for slope in torch.gradient(x):
        shift = float(((back - x) * slope)[inner].sum() / slope[inner].square().sum())
        assert abs(shift) < 5e-3


def test_large_arrays_get_the_same_from_bands_of_a_matrix() -> None:
    x = torch.randn(2, 40, 300, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    sampling = Sampling((2.0, 2.5), (0.5, 0.75))
    large = upsample(x, sampling, (80, 750))
    part = upsample(x[..., :30], sampling, (80, 40))
    torch.testing.assert_close(large[..., :40], part)
    far = degrade_adjoint(torch.ones(1, 2, 2, dtype=torch.float64), sampling, (200, 200), (0.3,))
    assert float(far[..., 100:, :].abs().max()) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("before", "after"), [((150, 90), (601, 359)), ((601, 359), (150, 90))])
def test_bands_of_matrices_are_the_matrices(before: Size, after: Size, dtype: torch.dtype) -> None:
    """With and without gradients, up and down, the short cuts give what the matrices say."""
    x = noise(3, before).to(dtype)
    rows, cols = (
        cubic_matrix(Axis(before[i], after[i], 0.3, before[i] / after[i], "replicate"), 1.5)
        for i in (0, 1)
    )
    expected = rows.to(dtype) @ x @ cols.to(dtype).T
    torch.testing.assert_close(apply_pair(x, rows, cols), expected)
    torch.testing.assert_close(apply_pair(x.clone().requires_grad_(), rows, cols), expected)
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(apply_pair(strided, rows, cols), expected)
    assert apply_pair(x[0], rows, cols).shape == after
