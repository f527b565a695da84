"""What a look at some pixels of a cube shows: dead bands, missing values, undeclared gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.source import Source, measured

ENOUGH = 0.5
"""Share of a pixel's live bands that must be measured for it to count as measured."""
_DEAD = 0.01  # share of covered pixels below which a band counts as dead
_WHOLE_BYTES = 2**25  # cubes up to this are looked at as a whole
_SPOTS, _SIDE = 3, 32  # else as many spots along rows and columns, this wide
_FEW = 16  # pixels below which a constant band says nothing
_ZEROS = 0.01  # share of pixels that are zero in every band from which that is worth a word


def known_values(values: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_] | None:
    """Return which [C, h, w] values are measured; None if all are bound to be."""
    if values.dtype.kind != "f" and nodata is None:
        return None
    known = measured(values)
    if nodata is not None and np.isfinite(nodata):
        known &= values != values.dtype.type(nodata)
    return known


@dataclass(frozen=True)
class Look:
    """What some pixels of a cube show."""

    dead: frozenset[int]
    """Bands without an image."""
    sparse: frozenset[int]
    """Bands that hold a value in less than half of the covered pixels."""
    partial: float
    """Share of covered pixels that lack some of the other bands."""
    zeros: float
    """Share of covered pixels that are zero in all other bands."""
    nodata: float | None

    def remarks(self, label: str) -> tuple[str, ...]:
        """Return what the user should know, one line each."""
        said = []
        if self.partial > 0:
            said.append(f"{label}: about {max(self.partial, 1e-3):.1%} of the pixels lack some "
                        "bands; these are interpolated along the spectrum")  # fmt: skip
        if self.zeros >= _ZEROS and self.nodata is None:
            said.append(f"{label}: about {self.zeros:.0%} of the pixels are 0 in every band; pass "
                        "--nodata 0 if they are gaps")  # fmt: skip
        return tuple(said)


def look_at(source: Source, chosen: Sequence[int]) -> Look:
    """Look at some spots of a cube, or at all of it if it is small or the spots show nothing."""
    bands = list(chosen)
    if not bands:
        return Look(frozenset(), frozenset(), 0.0, 0.0, source.nodata)
    pixels = np.concatenate([_pixels(source, w, bands) for w in _spots(source)], axis=1)
    if not _any_known(pixels, source.nodata):
        for strip in _strips(source):
            pixels = _pixels(source, strip, bands)
            if _any_known(pixels, source.nodata):
                break
    known = known_values(pixels, source.nodata)
    if known is None:
        known = np.ones(pixels.shape, bool)
    ever = known.any(1)
    if not ever.any():
        return Look(frozenset(bands), frozenset(), 0.0, 0.0, source.nodata)
    covered = known[ever].mean(0) >= ENOUGH
    pixels, known = pixels[:, covered], known[:, covered]
    share = known.mean(1)
    dead = (share < _DEAD) | _constant(pixels, known)
    sparse = (share < ENOUGH) & ~dead
    rest, there = pixels[~(dead | sparse)], known[~(dead | sparse)]
    if not len(rest):
        return Look(frozenset(bands), frozenset(), 0.0, 0.0, source.nodata)
    return Look(
        frozenset(np.array(bands)[dead].tolist()),
        frozenset(np.array(bands)[sparse].tolist()),
        float((~there).any(0).mean()),
        float((rest == 0).all(0).mean()),
        source.nodata,
    )


def _any_known(pixels: NDArray[np.generic], nodata: float | None) -> bool:
    known = known_values(pixels, nodata)
    return bool((pixels != 0).any()) if known is None else bool(known.any())


def _constant(pixels: NDArray[np.generic], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return [C]: bands with one value everywhere, such as those of switched-off detectors."""
    if pixels.shape[1] < _FEW:
        return np.zeros(len(pixels), bool)
    high = np.where(known, pixels, pixels.min()).max(1)
    low = np.where(known, pixels, pixels.max()).min(1)
    same: NDArray[np.bool_] = high <= low
    return same


def _pixels(source: Source, window: Window, bands: Sequence[int]) -> NDArray[np.generic]:
    """Return [C, n] pixels of a window that are not masked."""
    values, valid = source.read(window)
    return values[list(bands)][:, valid]


def _spots(source: Source) -> Iterator[Window]:
    grid = source.grid
    size = grid.height * grid.width * len(source.names) * source.dtype.itemsize
    if size <= _WHOLE_BYTES:
        yield grid.window
        return
    height, width = min(grid.height, _SIDE), min(grid.width, _SIDE)
    for i in range(_SPOTS):
        for j in range(_SPOTS):
            row = (grid.height - height) * (2 * i + 1) // (2 * _SPOTS)
            col = (grid.width - width) * (2 * j + 1) // (2 * _SPOTS)
            yield Window(row, col, height, width)


def _strips(source: Source) -> Iterator[Window]:
    grid = source.grid
    line = grid.width * len(source.names) * source.dtype.itemsize
    rows = max(1, _WHOLE_BYTES // line)
    for row in range(0, grid.height, rows):
        yield Window(row, 0, rows, grid.width).clip(grid.window)
