from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError
from pansharpkit.methods.networks.muon import orthogonal
from pansharpkit.methods.networks.optimise import (
    CHECK_EVERY,
    Schedule,
    Settled,
    mixed_seed,
    optimise,
)


class Bowl:
    """Minimise (x - 3)^2 from a random start; the loss may break at an iteration."""

    def __init__(self, seed: int, breaks_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = nn.Parameter(torch.randn(2, generator=generator))
        self.evaluations = 0
        self._breaks_at = breaks_at

    def parameters(self) -> Iterable[nn.Parameter]:
        return [self.x]

    def evaluate(self) -> tuple[Tensor, Tensor]:
        self.evaluations += 1
        loss = (self.x - 3).square().sum()
        if self.evaluations == self._breaks_at:
            loss = loss * torch.nan
        return loss, 2 * self.x


def test_finds_the_minimum() -> None:
    found = optimise(Bowl, Schedule(400, rate=0.1), seed=(0,))
    assert found.output == pytest.approx(torch.tensor([6.0, 6.0]), abs=1e-3)
    assert found.loss == pytest.approx(0, abs=1e-5)
    assert found.starts == 1
    assert not found.output.requires_grad


@pytest.mark.parametrize("ema", [0.0, 0.7, 0.9])
def test_returns_the_running_average_of_the_outputs(ema: float) -> None:
    outputs: list[Tensor] = []
    found = optimise(
        Bowl,
        Schedule(25, ema=ema),
        seed=(0,),
        watch=lambda done, output, average: outputs.append(output.clone()),
    )
    expected = outputs[0]
    for number, output in enumerate(outputs[1:], start=2):
        decay = min(ema, (number - 1) / (number + 4))
        expected = decay * expected + (1 - decay) * output
    assert found.output == pytest.approx(expected, abs=1e-6)


def test_watch_sees_every_iteration() -> None:
    watched: list[int] = []
    optimise(
        Bowl,
        Schedule(3 * CHECK_EVERY + 1),
        seed=(0,),
        watch=lambda done, output, average: watched.append(done),
    )
    n = 3 * CHECK_EVERY + 1
    assert watched == list(range(1, n + 1))


def test_ends_with_the_steps_it_is_given() -> None:
    watched: list[int] = []
    found = optimise(
        Bowl,
        Schedule(1000, ema=0.5),
        seed=(0,),
        steps=lambda total: range(min(total, 3)),
        watch=lambda done, output, average: watched.append(done),
    )
    assert watched == [1, 2, 3]
    assert found.output.isfinite().all()


def test_starts_again_with_another_seed_when_the_loss_breaks() -> None:
    seeds: list[int] = []

    def start(seed: int) -> Bowl:
        seeds.append(seed)
        return Bowl(seed, breaks_at=5 if len(seeds) == 1 else None)

    found = optimise(start, Schedule(40), seed=(7, 3))
    assert seeds == [mixed_seed(7, 3, 0), mixed_seed(7, 3, 1)]
    assert found.starts == 2
    assert torch.equal(
        found.output, optimise(lambda _: Bowl(seeds[1]), Schedule(40), seed=()).output
    )


def test_a_broken_start_ends_at_the_next_look() -> None:
    made: list[Bowl] = []

    def start(seed: int) -> Bowl:
        made.append(Bowl(seed, breaks_at=1))
        return made[-1]

    with pytest.raises(FusionError, match="2 random starts"):
        optimise(start, Schedule(1000, starts=2), seed=(0,))
    assert [bowl.evaluations for bowl in made] == [CHECK_EVERY, CHECK_EVERY]


def test_does_not_touch_the_global_random_state() -> None:
    before = torch.get_rng_state()
    optimise(Bowl, Schedule(5), seed=(0,))
    assert torch.equal(before, torch.get_rng_state())


def test_mixed_seeds_differ_and_fit_a_generator() -> None:
    seeds = {mixed_seed(user, tile) for user in range(20) for tile in range(20)}
    assert len(seeds) == 400
    for seed in seeds:
        torch.Generator().manual_seed(seed)


def test_a_loss_that_grows_beyond_measure_is_lost() -> None:
    class Exploding(Bowl):
        def evaluate(self) -> tuple[Tensor, Tensor]:
            loss, output = super().evaluate()
            return loss * 10.0**self.evaluations, output

    with pytest.raises(FusionError, match="diverged"):
        optimise(Exploding, Schedule(100), seed=(0,))


def test_stops_once_the_output_has_settled() -> None:
    asked = Schedule(4000, rate=0.1, ema=0.9, tolerance=1e-4)
    found = optimise(Tilted, asked, seed=(0,))
    assert CHECK_EVERY * 3 <= found.iterations < 1000
    assert found.output == pytest.approx(torch.tensor([6.0, 2.0]), abs=0.05)
    assert optimise(Tilted, Schedule(50, rate=0.1), seed=(0,)).iterations == 50


def test_an_output_that_keeps_moving_is_not_settled() -> None:
    settled = Settled(0.01)
    wave = torch.linspace(0, 1, 50)
    assert not any(settled(10 * k, wave + 0.1 * k) for k in range(1, 20))
    assert [settled(200 + 10 * k, wave) for k in range(3)] == [False, False, True]
    assert not Settled(0.0)(10, wave)


class Tilted(Bowl):
    """The same bowl with two unequal outputs, so that they have a standard deviation."""

    def evaluate(self) -> tuple[Tensor, Tensor]:
        loss, _ = super().evaluate()
        return loss, self.x * torch.tensor([2.0, 2 / 3])


class Layer:
    """Find a matrix by its products with badly scaled inputs."""

    def __init__(self, seed: int) -> None:
        draws = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(32, 200, generator=draws) * torch.logspace(0, -1.5, 32)[:, None]
        self.outputs = torch.randn(24, 32, generator=draws) @ self.inputs
        self.weight = nn.Parameter(torch.zeros(24, 32, 1, 1))
        self.bias = nn.Parameter(torch.zeros(24))

    def parameters(self) -> Iterable[nn.Parameter]:
        return [self.weight, self.bias, nn.Parameter(torch.zeros(20, 20, 1, 1))]

    def evaluate(self) -> tuple[Tensor, Tensor]:
        made = self.weight[:, :, 0, 0] @ self.inputs + self.bias[:, None]
        return (made - self.outputs).square().mean(), made


def test_muon_brings_a_badly_scaled_layer_down_and_repeats_itself() -> None:
    asked = Schedule(200, rate=0.02, optimiser="muon")
    found = optimise(Layer, asked, seed=(0,))
    first, _ = Layer(0).evaluate()
    assert found.loss < 0.01 * float(first.detach())
    assert torch.equal(found.output, optimise(Layer, asked, seed=(0,)).output)


@pytest.mark.parametrize("shape", [(16, 144), (64, 64), (40, 20)])
def test_orthogonal_keeps_singular_vectors_and_levels_their_values(shape: tuple[int, int]) -> None:
    draws = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, generator=draws)
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape
    assert float(values.max()) < 1.25
    assert float(values.median()) > 0.6
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ found @ right.T
    assert float((inside - torch.diag(inside.diagonal())).abs().max()) < 1e-3


def test_muon_takes_nothing_from_a_gradient_of_zero() -> None:
    assert torch.equal(orthogonal(torch.zeros(16, 20)), torch.zeros(16, 20))
