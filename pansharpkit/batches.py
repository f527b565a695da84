"""Several tiles at once on a GPU: how many memory takes, and how pixels get there meanwhile."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context, Fitted
from pansharpkit.physics import Observation

log = logging.getLogger(__name__)

MOST = 16
"""Tiles in a batch at most; more of the usual size keep no GPU busier."""
_SHARE = 0.8  # of the free memory that a batch may take

Item = TypeVar("Item")


@runtime_checkable
class Batched(Protocol):
    """A fitted method that is faster with several tiles of the same shape than with each alone.

    What it makes of one may depend on the others by no more than rounding.
    """

    batched: bool


def batch_limit(fitted: Fitted, device: str, overlap: int) -> int:
    """Return how many tiles are read for one call: several on a GPU, if the method wants them."""
    wanted = isinstance(fitted, Batched) and fitted.batched
    return MOST if wanted and not overlap and torch.device(device).type == "cuda" else 1


def groups(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in tuples of `size`; the last one may be shorter.

    >>> list(groups("abcde", 2))
    [('a', 'b'), ('c', 'd'), ('e',)]
    """
    remaining = iter(items)
    while group := tuple(itertools.islice(remaining, size)):
        yield group


def affordable(free: int, each: int, most: int = MOST) -> int:
    """Return how many tiles of `each` bytes fit into `free` ones: a power of two up to `most`.

    >>> affordable(10_000, 900), affordable(10_000, 90_000)
    (8, 1)
    """
    fitting = max(1, min(most, int(_SHARE * free / max(each, 1))))
    return int(1 << (fitting.bit_length() - 1))


class Batches:
    """Applies a method to groups of tiles in batches that fit into memory.

    The first tile, alone, tells what one needs. When memory runs out all the same, batches are
    halved for good.
    """

    def __init__(self, fitted: Fitted, context: Context) -> None:
        self._fitted = fitted
        self._context = context
        self._size: int | None = None

    def apply(self, observations: Sequence[Observation]) -> dict[int, Tensor]:
        """Return results by the observations' index, without those that failed.

        What is missing has to be tried alone: it does not fit into memory, or the method refuses a
        tile of its batch.
        """
        made: dict[int, Tensor] = {}
        for waiting in _alike(observations):
            while waiting:
                size = min(self._size or 1, len(waiting))
                found = self._tried(waiting[:size])
                if found is None and size > 1:
                    self._size = size // 2
                    torch.cuda.empty_cache()
                    log.info("GPU memory is short: %d tiles at once from here on", self._size)
                    continue
                made |= {seen.index: x for seen, x in zip(waiting, found or (), strict=False)}
                del waiting[:size]
        return made

    def _tried(self, batch: list[Observation]) -> list[Tensor] | None:
        """Return what the method makes of a batch; nothing if it fails, None if memory is short."""
        try:
            if self._size is None:
                return self._measured(batch)
            return self._fitted.apply(batch, self._context)
        except torch.cuda.OutOfMemoryError:
            return None
        except (FusionError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]
            return []

    def _measured(self, batch: list[Observation]) -> list[Tensor]:
        """Apply the method to a first tile, and choose the size of batches by what that takes."""
        device = torch.device(self._context.device)
        if device.type != "cuda":
            self._size = MOST
            return self._fitted.apply(batch, self._context)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        found = self._fitted.apply(batch, self._context)
        each = torch.cuda.max_memory_allocated(device) - before
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        self._size = affordable(torch.cuda.mem_get_info(device)[0] + cached, each)
        log.info("%d MB for a tile: %d at once", each >> 20, self._size)
        return found


def _alike(observations: Sequence[Observation]) -> list[list[Observation]]:
    """Return the observations by their shape, in order."""
    found: dict[tuple[tuple[int, int], tuple[int, int]], list[Observation]] = {}
    for seen in observations:
        found.setdefault((seen.size, seen.target_size), []).append(seen)
    return list(found.values())


@dataclass(frozen=True)
class Uploaded:
    """An observation on its way to a GPU."""

    observation: Observation
    arrived: torch.cuda.Event

    def ready(self) -> Observation:
        """Return the observation, for work that is given to the GPU from here on."""
        stream = torch.cuda.current_stream(self.observation.target.device)
        stream.wait_event(self.arrived)
        seen = self.observation
        for tensor in (seen.target, seen.guide, seen.target_mask, seen.guide_mask):
            tensor.record_stream(stream)
        return seen


class Uploader:
    """Copies observations to a GPU beside what it computes, on a stream of its own."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def __call__(self, observation: Observation) -> Uploaded:
        """Begin to copy an observation that lies in the memory of the host."""
        with torch.cuda.stream(self._stream):
            moved = replace(
                observation,
                target=self._sent(observation.target),
                guide=self._sent(observation.guide),
                target_mask=self._sent(observation.target_mask),
                guide_mask=self._sent(observation.guide_mask),
            )
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._stream)
        return Uploaded(moved, arrived)

    def _sent(self, tensor: Tensor) -> Tensor:
        return tensor.pin_memory().to(self._device, non_blocking=True)
