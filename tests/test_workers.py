"""Small pieces of tensor work, several at a time."""

from __future__ import annotations

import pytest
import torch

from pansharpkit.workers import Crew, one_thread, side_by_side


@pytest.mark.parametrize("most", [1, 3])
def test_a_crew_keeps_the_order_and_the_threads(most: int) -> None:
    threads = torch.get_num_threads()
    with Crew(most) as crew:
        assert crew.several == (most > 1)
        for _ in range(3):
            assert crew.map(lambda number: number**2, [3, 1, 2]) == [9, 1, 4]
    assert torch.get_num_threads() == threads


def test_a_crew_raises_what_its_work_raises() -> None:
    with Crew(2) as crew, pytest.raises(ZeroDivisionError):
        crew.map(lambda number: 1 // number, [1, 0])


def test_side_by_side_keeps_the_order() -> None:
    threads = torch.get_num_threads()
    assert list(side_by_side(range(20), lambda number: -number)) == [-n for n in range(20)]
    assert torch.get_num_threads() == threads


def test_one_thread_gives_the_others_back() -> None:
    threads = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
