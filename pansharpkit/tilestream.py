"""The tiles of a run in order: one thread reads, several compute, finished ones are kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import torch

from pansharpkit.batches import groups
from pansharpkit.flow import in_order
from pansharpkit.parts import Fused, Keeper
from pansharpkit.resources import AHEAD
from pansharpkit.tiles import Tile
from pansharpkit.tilework import Read, TileWork


def finished(
    tiles: Iterable[Tile],
    work: TileWork,
    parts: Keeper | None,
    workers: int,
    abandon: Callable[[], None],
) -> Generator[tuple[Tile, Fused], None, None]:
    """Yield the tiles in order as they are finished; those that were kept, as they are.

    Closing the generator calls `abandon`, which has to make the work in progress end.
    """

    def give_up() -> None:
        abandon()
        if parts is not None:
            parts.abandon()

    threads = torch.get_num_threads()
    inner = 1 if workers > 1 else threads
    kept = _Kept(work, parts)
    stream = in_order(
        groups(tiles, work.batch),
        kept.read,
        kept.fuse,
        workers=workers,
        depth=workers + AHEAD,
        start=lambda: torch.set_num_threads(inner),
        abandon=give_up,
    )
    try:
        with closing(stream):
            for group, made in stream:
                yield from zip(group, made, strict=True)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Kept:
    """The work on tiles, less what was done before."""

    work: TileWork
    parts: Keeper | None

    def read(self, tiles: tuple[Tile, ...]) -> list[Read | Fused]:
        """Return each tile as it was kept, or its pixels."""
        found = [None if self.parts is None else self.parts.get(tile.index) for tile in tiles]
        return [
            self.work.read(tile) if kept is None else kept
            for tile, kept in zip(tiles, found, strict=True)
        ]

    def fuse(self, tiles: tuple[Tile, ...], reads: list[Read | Fused]) -> list[Fused]:
        """Fuse and keep the tiles that were not kept before."""
        done = {t.index: read for t, read in zip(tiles, reads, strict=True)
                if isinstance(read, Fused)}  # fmt: skip
        fresh = [(tile, read) for tile, read in zip(tiles, reads, strict=True)
                 if isinstance(read, Read)]  # fmt: skip
        if fresh:
            made = self.work.fuse(tuple(t for t, _ in fresh), [read for _, read in fresh])
            for (tile, _), fused in zip(fresh, made, strict=True):
                done[tile.index] = fused
                if self.parts is not None:
                    self.parts.put(tile.index, fused)
        return [done[tile.index] for tile in tiles]
