"""Independent pieces of work, as many at a time as PyTorch has threads, one thread each.

Many small operators gain nothing from several threads each, and on a busy machine such threads wait
for one another most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypeVar

import torch

from pansharpkit.flow import in_order
from pansharpkit.methods.base import Context

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(
    stage: str, items: Sequence[Item], work: Callable[[Item], Made], context: Context
) -> Generator[Made, None, None]:
    """Yield what `work` makes of each item, in their order, as a stage of the context.

    One thread takes the items from the sequence, which may read when asked. On a device other than
    the CPU there is one worker.
    """
    threads = torch.get_num_threads()
    workers = 1 if context.device != "cpu" else threads
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
            for _, (_, made) in zip(context.steps(stage, len(items)), stream, strict=False):
                yield made
    finally:
        torch.set_num_threads(threads)
