"""Independent pieces of tensor work, as many at a time as PyTorch has threads, one thread each.

Many small operators gain nothing from several threads each, and on a busy machine such threads wait
for one another most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from types import TracebackType
from typing import TypeVar

import torch

from pansharpkit.flow import in_order

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(
    items: Sequence[Item], work: Callable[[Item], Made], workers: int | None = None
) -> Generator[Made, None, None]:
    """Yield what `work` makes of each item, in their order.

    One thread takes the items from the sequence, which may read when asked.
    """
    threads = torch.get_num_threads()
    workers = workers or threads
    stream = in_order(
        range(len(items)),
        items.__getitem__,
        lambda _, item: work(item),
        workers=workers,
        depth=workers + 1,
        start=lambda: torch.set_num_threads(1 if workers > 1 else threads),
    )
    try:
        with closing(stream):
            for _, made in stream:
                yield made
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch take no other thread for a while: for operators too small to be shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Crew:
    """Threads that share small pieces of work again and again, where starting them would count.

    What is made of a piece does not depend on how many there are.
    """

    def __init__(self, most: int) -> None:
        """Keep at most as many as PyTorch has threads."""
        self.several = most > 1
        self._threads = torch.get_num_threads()
        size = min(most, self._threads)
        self._pool = ThreadPoolExecutor(size, initializer=lambda: torch.set_num_threads(1))

    def __enter__(self) -> Crew:
        """Start."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what was begun."""
        self._pool.shutdown()
        torch.set_num_threads(self._threads)

    def map(self, work: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """Return what `work` makes of each item, in their order."""
        if not self.several:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))
