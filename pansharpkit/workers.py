"""Independent pieces of tensor work, as many at a time as PyTorch has threads, one thread each.

Many small operators gain nothing from several threads each, and on a busy machine such threads wait
for one another most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
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
