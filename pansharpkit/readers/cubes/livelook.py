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
_SPOTS = (3, 8)  # else as many spots along rows and columns; more if these show a dead band
_SIDE = 32  # pixels along a spot
_FEW = 16  # pixels below which a constant band says nothing
_MANY = 0.01  # share of pixels without a spectrum from which that is worth a word


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
    flat: float
    """Share of covered pixels that hold one and the same value in all other bands."""
    level: float
    """The value that most of these hold."""
    nodata: float | None

    def remarks(self, label: str) -> tuple[str, ...]:
        """Return what the user should know, one line each."""
        said = []
        if self.partial > 0:
            said.append(f"{label}: about {max(self.partial, 1e-3):.1%} of the pixels lack some "
                        "bands; these are interpolated along the spectrum")  # fmt: skip
        if self.flat >= _MANY and self.nodata is None:
            said.append(f"{label}: about {self.flat:.0%} of the pixels are {self.level:g} in every "
                        f"band; pass --nodata {self.level:g} if they are gaps")  # fmt: skip
        return tuple(said)


def look_at(source: Source, chosen: Sequence[int]) -> Look:
    """Look at some spots of a cube, or at all of it if it is small or the spots show nothing.

    No band is given up for a few spots: over water many hold one value.
    """
    bands = list(chosen)
    nothing = Look(frozenset(bands), frozenset(), 0.0, 0.0, 0.0, source.nodata)
    if not bands:
        return nothing
    look = nothing
    for spots in _SPOTS:
        windows = _spots(source, spots)
        pixels = np.concatenate([_pixels(source, w, bands) for w in windows], axis=1)
        look = _judged(pixels, bands, source.nodata) or nothing
        if not (look.dead or look.sparse) or windows == [source.grid.window]:
            return look
    if look is not nothing:
        return look
    found = (_judged(_pixels(source, w, bands), bands, source.nodata) for w in _strips(source))
    return next((look for look in found if look is not None), nothing)


def _judged(pixels: NDArray[np.generic], bands: Sequence[int], nodata: float | None) -> Look | None:
    """Return what [C, n] pixels show; None if none of them shows anything."""
    known = known_values(pixels, nodata)
    if known is None:
        known = np.ones(pixels.shape, bool)
    ever = known.any(1)
    if not ever.any() or not (pixels[known] != 0).any():
        return None
    covered = known[ever].mean(0) >= ENOUGH
    if not covered.any():
        covered = known.any(0)
    pixels, known = pixels[:, covered], known[:, covered]
    share = known.mean(1)
    dead = (share < _DEAD) | _constant(pixels, known)
    sparse = (share < ENOUGH) & ~dead
    rest, there = pixels[~(dead | sparse)], known[~(dead | sparse)]
    return Look(
        frozenset(np.array(bands)[dead].tolist()),
        frozenset(np.array(bands)[sparse].tolist()),
        float((~there).any(0).mean()),
        *_flat(rest),
        nodata,
    )


def _flat(pixels: NDArray[np.generic]) -> tuple[float, float]:
    """Return the share of [C, n] pixels that are one value in every band, most of them this one."""
    levels = pixels[0][(pixels == pixels[0]).all(0)] if len(pixels) else pixels
    if not levels.size:
        return 0.0, 0.0
    values, counts = np.unique(levels, return_counts=True)
    return float(counts.max()) / pixels.shape[1], float(values[counts.argmax()])


def _constant(pixels: NDArray[np.generic], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return [C]: bands with one value everywhere, such as those of switched-off detectors."""
    if pixels.shape[1] < _FEW:
        return np.zeros(len(pixels), bool)
    some = pixels[known]
    high = np.where(known, pixels, some.min()).max(1)
    low = np.where(known, pixels, some.max()).min(1)
    same: NDArray[np.bool_] = high <= low
    return same


def _pixels(source: Source, window: Window, bands: Sequence[int]) -> NDArray[np.generic]:
    """Return [C, n] pixels of a window that are not masked."""
    values, valid = source.read(window)
    return values[list(bands)][:, valid]


def _spots(source: Source, count: int) -> list[Window]:
    """Return `count` windows along rows and columns each, or the whole of a small cube."""
    grid = source.grid
    size = grid.height * grid.width * len(source.names) * source.dtype.itemsize
    if size <= _WHOLE_BYTES:
        return [grid.window]
    height, width = min(grid.height, _SIDE), min(grid.width, _SIDE)
    rows = [(grid.height - height) * (2 * i + 1) // (2 * count) for i in range(count)]
    cols = [(grid.width - width) * (2 * j + 1) // (2 * count) for j in range(count)]
    return [Window(row, col, height, width) for row in rows for col in cols]


def _strips(source: Source) -> Iterator[Window]:
    grid = source.grid
    line = grid.width * len(source.names) * source.dtype.itemsize
    rows = max(1, _WHOLE_BYTES // line)
    for row in range(0, grid.height, rows):
        yield Window(row, 0, rows, grid.width).clip(grid.window)
