"""Work that flows through threads: read ahead, computed side by side, handed on in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[tuple[Item, Made]]:
    """Yield each item with what `make` returns for it, made one step ahead in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting: tuple[Item, Future[Made]] | None = None
        for item in items:
            following = (item, pool.submit(make, item))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def in_order(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    work: Callable[[Item, Read], Made],
    *,
    workers: int,
    depth: int,
    start: Callable[[], None] | None = None,
    abandon: Callable[[], None] | None = None,
) -> Generator[tuple[Item, Made], None, None]:
    """Yield each item with its result, in the order of the items.

    One thread reads in that order, `workers` threads work on what was read; at most `depth` items
    are between being read and being yielded. `start` is called once in each working thread. What
    fails is raised where its result would have come, and nothing further is begun; before what has
    begun is waited for, `abandon` is called, which may tell it to end.
    """

    def after(item: Item, block: Future[Read]) -> Made:
        return work(item, block.result())

    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(workers, initializer=start or _nothing) as pool,
    ):
        begun: deque[tuple[Item, Future[Made]]] = deque()
        ended = False
        try:
            for item in items:
                if len(begun) >= depth:
                    yield begun[0][0], begun[0][1].result()
                    begun.popleft()
                begun.append((item, pool.submit(after, item, reader.submit(read, item))))
            while begun:
                yield begun[0][0], begun[0][1].result()
                begun.popleft()
            ended = True
        finally:
            for _, future in begun:
                future.cancel()
            if not ended and abandon is not None:  # Ctrl-C may leave what was begun out of `begun`
                abandon()


def _nothing() -> None:
    return None
