"""Matrices that are remembered up to so many bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from pansharpkit.physics.remembered import MATRICES, Memory
from pansharpkit.physics.resample import upsample
from pansharpkit.sampling import Sampling

ROW = 8 * 10  # bytes


@pytest.fixture
def made() -> list[int]:
    return []


def row_maker(memory: Memory, made: list[int]):  # type: ignore[no-untyped-def]
    @memory.keeps
    def row(number: int) -> Tensor:
        made.append(number)
        return torch.full((10,), float(number), dtype=torch.float64)

    return row


def test_the_same_arguments_give_the_same_tensor(made: list[int]) -> None:
    row = row_maker(Memory(10 * ROW), made)
    assert row(1) is row(1)
    assert made == [1]
    assert row(2)[0] == 2


def test_what_was_asked_for_longest_ago_is_forgotten(made: list[int]) -> None:
    memory = Memory(2 * ROW)
    row = row_maker(memory, made)
    for number in (1, 2, 1, 3, 1, 2):
        row(number)
    assert made == [1, 2, 3, 2]
    assert memory.held == 2 * ROW


def test_a_tensor_larger_than_the_memory_is_kept_alone(made: list[int]) -> None:
    memory = Memory(ROW // 2)
    row = row_maker(memory, made)
    row(1)
    row(2)
    assert row(2) is row(2)
    assert made == [1, 2]
    assert memory.held == ROW


def test_functions_do_not_answer_for_one_another(made: list[int]) -> None:
    memory = Memory(10 * ROW)
    first, second = row_maker(memory, made), row_maker(memory, made)
    assert first(1) is not second(1)


def test_threads_agree_on_how_much_is_held(made: list[int]) -> None:
    memory = Memory(5 * ROW)
    row = row_maker(memory, made)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(row, [number % 9 for number in range(400)]))
    assert [int(x[0]) for x in found] == [number % 9 for number in range(400)]
    assert memory.held == 5 * ROW


def test_operators_stay_within_their_share_of_memory() -> None:
    for step in range(40):  # no two windows share a matrix where the ratio is not whole
        sampling = Sampling((2.01, 2.01), (step / 50, step / 60))
        upsample(torch.rand(1, 40, 50), sampling, (80, 100))
    assert 0 < MATRICES.held <= MATRICES.most
