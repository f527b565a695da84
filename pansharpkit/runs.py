"""What a run is asked for, and what it did."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.physics import Compat
from pansharpkit.resources import RAM_MB, cores

log = logging.getLogger(__name__)

_CLIPPED = 0.01  # share of a band's pixels beyond which clipping deserves a warning


class Sink(Protocol):
    """Where fused pixels go."""

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        """Take [C, h, w] pixels in the output type and their [h, w] validity."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """How a method is run; nothing here changes what it computes beyond rounding."""

    tile: int = 512
    """Side of a tile, in guide pixels."""
    seed: int = 0
    device: str = "auto"
    """``auto`` takes CUDA where there is one."""
    compat: Compat = "none"
    dtype: str | None = None
    """Output type; that of the target by default."""
    nodata: float | None = None
    """Output value of missing pixels, declared and given to them."""
    bit_depth: int | None = None
    """Clip at this many bits instead of the type's own limit."""
    threads: int | None = None
    """Tiles computed at the same time; as many as there are cores by default."""
    ram_mb: int = RAM_MB
    """Memory to aim at. Tiles whose neighbours agree become smaller to stay below it."""

    @property
    def workers(self) -> int:
        """Tiles computed at the same time, where they can be."""
        return self.threads or cores()


@dataclass(frozen=True)
class TileFault:
    """A tile that did not go the ordinary way."""

    index: int
    window: tuple[int, int, int, int]
    """Row, column, height and width in the output."""
    reason: str
    """What failed, and what was done instead."""


@dataclass(frozen=True)
class RunResult:
    """What a run did."""

    fit: Mapping[str, object]
    """Coefficients that the method estimated."""
    device: str
    tiles: int
    valid: int
    """Output pixels with a result."""
    total: int
    low: tuple[int, ...]
    """Per band, pixels clipped at the lower limit."""
    high: tuple[int, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    faults: tuple[TileFault, ...] = ()
    """Tiles on which the method failed, in order."""


def clipping(result: RunResult, options: RunOptions) -> tuple[str, ...]:
    """Return a warning if more than a few dark or bright pixels did not fit the output type."""
    most = max(low + high for low, high in zip(result.low, result.high, strict=True))
    share = most / max(result.valid, 1)
    if share <= _CLIPPED:
        return ()
    limit = options.dtype if options.bit_depth is None else f"{options.bit_depth} bits"
    side = "below" if sum(result.low) > sum(result.high) else "above"
    text = (
        f"up to {share:.0%} of a band's pixels lie {side} what {limit} holds and were clipped; "
        "--dtype float32 keeps them"
    )
    log.warning(text)
    return (text,)
