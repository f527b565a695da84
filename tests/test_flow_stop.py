"""Work that has begun ends when the walk over it does."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from pansharpkit.flow import in_order
from pansharpkit.methods.base import Context, Stopped


def test_loops_end_once_the_run_is_given_up() -> None:
    context = Context()
    loop = context.steps("long", 1_000_000)
    assert [next(loop) for _ in range(3)] == [0, 1, 2]
    context.stop.set()
    with pytest.raises(Stopped):
        next(loop)


def test_a_walk_that_ends_early_does_not_wait_for_endless_work() -> None:
    context, begun = Context(), threading.Event()

    def work(item: int, _: int) -> int:
        if item:
            begun.set()
            for _step in context.steps("endless", 10**12):
                pass
        return item

    walk = in_order(range(3), lambda item: item, work, workers=2, depth=3, abandon=context.stop.set)
    with closing(walk):
        assert next(walk) == (0, 0)
        assert begun.wait(30)
    assert context.stop.is_set()


def test_a_walk_to_the_end_gives_nothing_up() -> None:
    context = Context()
    walk = in_order(
        range(3), lambda item: item, lambda item, _: item, workers=2, depth=2,
        abandon=context.stop.set,
    )  # fmt: skip
    assert [made for _, made in walk] == [0, 1, 2]
    assert not context.stop.is_set()
