from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn

from pansharpkit.errors import FusionError
from pansharpkit.methods.optimise import CHECK_EVERY, Schedule, mixed_seed, optimise


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


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_returns_the_running_average_of_the_outputs(ema: float) -> None:
    outputs: list[Tensor] = []
    found = optimise(
        Bowl,
        Schedule(25, ema=ema),
        seed=(0,),
        watch=lambda done, output, average: outputs.append(output.clone()),
    )
    expected = outputs[0]
    for output in outputs[1:]:
        expected = ema * expected + (1 - ema) * output
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
