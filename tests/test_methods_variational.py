"""The variational methods: the solver minimises what it should, and the models help."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from classical_methods import CONTEXT, fuse
from synthetic_pairs import GEOMETRIES, pair
from torch import Tensor

from pansharpkit.methods import create
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.classical.multiresolution import MtfGlpFs
from pansharpkit.methods.classical.variational import FittedSirf, Sirf, SirfOptions, Tv
from pansharpkit.methods.exact import ExactOperators
from pansharpkit.methods.primal_dual import (
    GradientPrior,
    gradient,
    gradient_adjoint,
    minimise,
)
from pansharpkit.physics import Observation, degrade
from pansharpkit.sampling import Sampling


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("size", [(7, 9), (1, 5), (6, 1)])
def test_the_adjoint_is_the_transpose(size: tuple[int, int]) -> None:
    x, q = noise(3, *size), noise(2, 3, *size, seed=1)
    assert float((gradient(x) * q).sum()) == pytest.approx(float((x * gradient_adjoint(q)).sum()))


def test_a_constant_has_no_gradient() -> None:
    assert not bool(gradient(torch.full((2, 5, 6), 3.0)).any())


@pytest.mark.parametrize("joint", [False, True])
def test_the_solver_finds_the_minimum(joint: bool) -> None:
    """Denoising: no change of the result lowers the cost."""
    seen = noise(2, 12, 10)
    prior = GradientPrior(gradient(noise(2, 12, 10, seed=2)), 0.3, joint)
    found = minimise(lambda x: x - seen, 1.0, prior, seen, 3000)

    def cost(x: Tensor) -> float:
        axes = (0, 1) if joint else 0
        length = (gradient(x) - prior.wanted).square().sum(dim=axes).sqrt()
        return float(0.5 * (x - seen).square().sum() + prior.weight * length.sum())

    least = cost(found)
    for seed in range(20):
        for size in (1e-3, 1e-2, 0.1):
            assert cost(found + size * noise(2, 12, 10, seed=seed + 3)) > least


def test_a_heavy_prior_leaves_the_wanted_gradient_and_the_mean() -> None:
    seen, shape = noise(1, 9, 8), noise(1, 9, 8, seed=1)
    found = minimise(
        lambda x: x - seen, 1.0, GradientPrior(gradient(shape), 50.0, True), seen, 9000
    )
    expected = shape - shape.mean() + seen.mean()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())
@pytest.mark.parametrize("softness", [0.0, 0.5])
def test_spreading_keeps_constants(sampling: Sampling, softness: float) -> None:
    observation, _ = pair(sampling)
    spread = ExactOperators().spread(observation, torch.ones_like(observation.target), softness)
    torch.testing.assert_close(spread, torch.ones_like(spread))


@pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_sirf_is_better_and_more_consistent_than_where_it_starts(sampling: Sampling) -> None:
    observation, fine = pair(sampling, (120, 104))
    inner = (slice(None), slice(8, -8), slice(8, -8))

    def errors(fused: Tensor) -> tuple[float, float]:
        down = degrade(fused, sampling, observation.target_size, observation.optics.mtf)
        gap = (down - observation.target)[:, observation.target_mask]
        return float((fused - fine)[inner].square().mean()), float(gap.square().mean())

    start, refined = errors(fuse(MtfGlpFs(), observation)), errors(fuse(Sirf(), observation))
    assert refined[0] < 0.9 * start[0]
    assert refined[1] < 0.5 * start[1]


def test_bands_that_are_pan_times_a_factor_are_found() -> None:
    observation, fine = pair(Sampling.toolbox(4), (96, 96), weights=(1.0, 0.0, 0.0, 0.0))
    factors = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=torch.float64)[:, None, None]
    grey = replace(observation, target=_degraded(fine[:1] * factors, observation))
    fitted = FittedSirf(factors[:, 0, 0], 0.1, 200)
    fused = fitted.apply([grey], CONTEXT)[0]
    inner = (slice(None), slice(8, -8), slice(8, -8))
    floor = (fuse(Exp(), grey) - fine[:1] * factors)[inner].square().mean().sqrt()
    error = (fused - fine[:1] * factors)[inner].square().mean().sqrt()
    assert float(error) < 0.02 * float(floor)


def _degraded(fine: Tensor, observation: Observation) -> Tensor:
    return degrade(fine, observation.sampling, observation.target_size, observation.optics.mtf)


def test_tv_gives_pan_back() -> None:
    """The weighted mean of the bands is closer to PAN than that of EXP."""
    observation, _ = pair(Sampling.edge_aligned(2))
    fitted = Tv().fit([observation], CONTEXT)
    fused = fitted.apply([observation], CONTEXT)[0]
    wanted = fitted.scale * observation.guide[0] - fitted.offset

    def gap(image: Tensor) -> float:
        mean = (fitted.weights[:, None, None] * image).sum(dim=0)
        return float((mean - wanted).square().mean().sqrt())

    assert gap(fused) < 0.1 * gap(fuse(Exp(), observation))
    assert float(fitted.weights.sum()) == pytest.approx(1)


def test_options_reach_the_solver() -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    strict = create("sirf", {"sparsity": "0.5", "iterations": "3"})
    assert strict == Sirf(SirfOptions(0.5, 3))
    assert not torch.equal(fuse(strict, observation), fuse(Sirf(), observation))
