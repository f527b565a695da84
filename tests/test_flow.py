"""Work in threads comes back in order, and stops where it fails."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pansharpkit.flow import ahead, in_order


def test_results_come_in_order_however_long_each_takes() -> None:
    def slow(item: int, block: int) -> int:
        time.sleep(0.001 * ((item * 7) % 5))
        return block + 1

    found = list(in_order(range(40), lambda i: 10 * i, slow, workers=4, depth=6))
    assert found == [(i, 10 * i + 1) for i in range(40)]


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_than_depth_items_are_under_way(depth: int) -> None:
    read: list[int] = []
    stream = in_order(range(20), read.append, lambda i, _: i, workers=2, depth=depth)
    for yielded, _ in enumerate(stream, start=1):
        assert len(read) - yielded < depth


def test_a_failure_is_raised_in_its_place_and_ends_the_work() -> None:
    read: list[int] = []

    def work(item: int, _: None) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    stream = in_order(range(1000), read.append, work, workers=2, depth=4)
    assert [item for item, _ in itertools.islice(stream, 5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(stream)
    assert len(read) < 12


def test_a_failure_of_the_reader_is_raised_too() -> None:
    def read(item: int) -> int:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(range(3), read, lambda i, _: i, workers=2, depth=2))


def test_each_working_thread_is_started_once() -> None:
    started: list[int] = []
    list(
        in_order(
            range(30), lambda i: i, lambda i, _: time.sleep(0.001), workers=3, depth=5,
            start=lambda: started.append(threading.get_ident()),
        )
    )  # fmt: skip
    assert 1 <= len(started) == len(set(started)) <= 3


def test_nothing_is_left_running_when_the_reader_of_results_leaves() -> None:
    before = threading.active_count()
    stream = in_order(range(100), lambda i: i, lambda i, _: i, workers=2, depth=4)
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_ahead_keeps_order_and_runs_one_step_ahead() -> None:
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return -item

    for item, value in ahead(make, range(6)):
        assert value == -item
        assert len(made) <= item + 2


def test_an_interrupt_between_two_steps_ends_what_was_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = threading.Event()
    submit = ThreadPoolExecutor.submit

    def interrupted(pool: ThreadPoolExecutor, work: Callable[..., object], *args: object) -> None:
        submit(pool, work, *args)
        if work is not read:
            raise KeyboardInterrupt

    def read(item: int) -> int:
        return item

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    stream = in_order(
        range(3), read, lambda i, _: told.wait(5), workers=1, depth=2, abandon=told.set
    )
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert told.is_set()
