"""Independent pieces of work as a stage of a context, side by side or one after another."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypeVar

from pansharpkit import workers
from pansharpkit.methods.base import Context

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(
    stage: str, items: Sequence[Item], work: Callable[[Item], Made], context: Context
) -> Generator[Made, None, None]:
    """Yield what `work` makes of each item, in their order, as a stage of the context.

    See :func:`pansharpkit.workers.side_by_side`. On a device other than the CPU there is one
    worker.
    """
    stream = workers.side_by_side(items, work, 1 if context.device != "cpu" else None)
    with closing(stream):
        for _, made in zip(context.steps(stage, len(items)), stream, strict=False):
            yield made


def in_turn(
    stage: str, items: Sequence[Item], work: Callable[[Item], Made], context: Context
) -> Generator[Made, None, None]:
    """Yield the same one after another, in this thread and with no other of PyTorch's.

    For items so small that threads would do little but wait for one another's Python.
    """
    with workers.one_thread():
        for number in context.steps(stage, len(items)):
            yield work(items[number])
