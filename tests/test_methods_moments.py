from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch import Tensor

from pansharpkit.methods import moments
from pansharpkit.methods.moments import (
    Moments,
    least_squares,
    nonnegative_least_squares,
    quotient,
)


def values(variables: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(variables, variables, generator=generator, dtype=torch.float64)
    noise = torch.randn(variables, height * width, generator=generator, dtype=torch.float64)
    return (mixing @ noise + 3).reshape(variables, height, width)


@given(st.integers(0, 1000), st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_any_partition_gives_the_same_moments(seed: int, cuts: list[int]) -> None:
    data = values(3, 12, 7, seed)
    mask = torch.rand(12, 7, generator=torch.Generator().manual_seed(seed)) < 0.7
    whole = Moments.of(data, mask)
    total = Moments.empty(3)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 12]):
        total = total.merged(Moments.of(data[:, start:stop], mask[start:stop]))
    assert total.count == whole.count == int(mask.sum())
    torch.testing.assert_close(total.mean, whole.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(total.comoment, whole.comoment, rtol=1e-11, atol=1e-11)


def test_moments_equal_numpy() -> None:
    data = values(4, 30, 20)
    found = Moments.of(data, torch.ones(30, 20, dtype=torch.bool))
    flat = data.reshape(4, -1).numpy()
    np.testing.assert_allclose(found.mean.numpy(), flat.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.covariance.numpy(), np.cov(flat, bias=True), rtol=1e-12)
    np.testing.assert_allclose(found.second.numpy(), flat @ flat.T / flat.shape[1], rtol=1e-12)


def test_large_images_are_summed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data, mask = values(2, 40, 25), torch.ones(40, 25, dtype=torch.bool)
    whole = Moments.of(data, mask)
    monkeypatch.setattr(moments, "_CHUNK", 64)
    torch.testing.assert_close(Moments.of(data, mask).comoment, whole.comoment, rtol=1e-12, atol=0)


def test_a_large_offset_costs_no_accuracy() -> None:
    data, mask = values(2, 50, 50), torch.ones(50, 50, dtype=torch.bool)
    near, far = Moments.of(data, mask), Moments.of(data + 1e6, mask)
    torch.testing.assert_close(far.covariance, near.covariance, rtol=1e-8, atol=0)


def test_float32_is_summed_in_float64() -> None:
    ramp = torch.full((1, 1000, 1000), 0.1)
    found = Moments.of(ramp, torch.ones(1000, 1000, dtype=torch.bool))
    assert found.mean.dtype == torch.float64
    assert float(found.mean) == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


def test_rounding_noise_is_no_variance() -> None:
    mask = torch.ones(64, 64, dtype=torch.bool)
    noise = values(1, 64, 64) - 3
    data = torch.cat([values(1, 64, 64, 1), 0.3 * (1 + 1e-8 * noise)])
    covariance = Moments.of(data, mask).covariance
    assert float(covariance[0, 0]) > 0
    assert covariance[1].tolist() == [0, 0]
    assert covariance[:, 1].tolist() == [0, 0]


def test_least_squares_equals_a_direct_solution() -> None:
    design, answer = values(5, 60, 1)[..., 0].T, values(1, 60, 1, 9)[0]
    found = least_squares(design.T @ design, (design.T @ answer)[:, 0])
    expected = torch.linalg.lstsq(design, answer).solution[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_least_squares_shares_weight_among_identical_variables() -> None:
    one = values(1, 60, 1)[0]
    design = torch.cat([one, one, torch.zeros_like(one)], dim=1)
    found = least_squares(design.T @ design, (design.T @ one)[:, 0])
    torch.testing.assert_close(found, torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64))


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_nonnegative_solution_is_the_best_of_all_supports(seed: int, variables: int) -> None:
    design = values(variables, 40, 1, seed)[..., 0].T
    answer = values(1, 40, 1, seed + 1)[0, :, 0]
    gram, moment = design.T @ design, design.T @ answer
    found = nonnegative_least_squares(gram, moment)

    def cost(w: Tensor) -> float:
        return float(w @ gram @ w - 2 * w @ moment)

    best = 0.0
    for size in range(1, variables + 1):
        for support in itertools.combinations(range(variables), size):
            w = torch.zeros(variables, dtype=torch.float64)
            rows = list(support)
            w[rows] = torch.linalg.solve(gram[rows][:, rows], moment[rows])
            if bool((w >= 0).all()):
                best = min(best, cost(w))
    assert bool((found >= 0).all())
    assert cost(found) == pytest.approx(best, rel=1e-7, abs=1e-7 * float(gram.diagonal().max()))


@pytest.mark.parametrize("variables", [2, 8, 30])
@pytest.mark.parametrize("seed", range(6))
def test_nonnegative_solution_is_that_of_scipy(variables: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(60, variables)) * 10.0 ** rng.uniform(-3, 3, variables)
    design += 3.0 * (seed % 2)
    answer = rng.normal(size=60)
    gram, moment = (torch.from_numpy(design.T @ x) for x in (design, answer))
    found = nonnegative_least_squares(gram, moment).numpy()
    _, residual = nnls(design, answer)
    assert np.linalg.norm(design @ found - answer) == pytest.approx(residual, rel=1e-9)


def test_moments_of_a_cropped_mask_are_those_of_a_scattered_one() -> None:
    table = values(3, 40, 50)
    mask = torch.zeros(40, 50, dtype=torch.bool)
    mask[5:30, 7:41] = True
    framed = Moments.of(table, mask)
    mask[12, 20] = False
    holed = Moments.of(table, mask)
    assert framed.count == holed.count + 1
    picked = Moments.of(table[:, mask][..., None], torch.ones(holed.count, 1, dtype=torch.bool))
    torch.testing.assert_close(holed.comoment, picked.comoment)
    torch.testing.assert_close(framed.mean, table[:, 5:30, 7:41].double().mean(dim=(1, 2)))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
def test_nonnegative_solution_survives_singular_systems(scale: float) -> None:
    one = values(1, 60, 1)[0] * scale
    design = torch.cat([one, one, torch.zeros_like(one), -one], dim=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = nonnegative_least_squares(design.T @ design, (design.T @ one)[:, 0])
        nothing = torch.zeros(4, 4, dtype=torch.float64)
        empty = nonnegative_least_squares(nothing, nothing[0])
    assert float(found[0] + found[1] - found[3]) == pytest.approx(1, abs=1e-6)
    assert bool((found >= 0).all())
    assert empty.tolist() == [0, 0, 0, 0]


def test_quotient_is_zero_where_nothing_divides() -> None:
    above = torch.tensor([1.0, 1.0, -1.0, 0.0])
    below = torch.tensor([2.0, 0.0, -1.0, 0.0])
    assert quotient(above, below).tolist() == [0.5, 0, 0, 0]
