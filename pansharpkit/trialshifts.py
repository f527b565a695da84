"""R² of a blurred PAN on the MS as a function of the shift between them, and where it peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """Blurred PAN of one block, and the MS pixels inside it."""

    pan: NDArray[np.float64]
    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    bands: NDArray[np.float64]
    """[n, C]."""

    def thinned(self, most: int) -> Samples:
        """Keep every k-th MS pixel so that at most `most` remain."""
        step = slice(None, None, max(1, math.ceil(len(self.rows) / most)))
        return Samples(self.pan, self.rows[step], self.cols[step], self.bands[step])


class _Images:
    """The PAN of all blocks, interpolated linearly at all samples; edges go on beyond the edge."""

    def __init__(self, samples: list[Samples]) -> None:
        sizes = [len(s.rows) for s in samples]
        starts = np.cumsum([0, *(s.pan.size for s in samples)])[:-1]
        self._pan = np.concatenate([s.pan.ravel() for s in samples])
        self._start = np.repeat(starts, sizes)
        self._places = [
            np.concatenate([s.rows for s in samples]),
            np.concatenate([s.cols for s in samples]),
        ]
        self._last = [np.repeat([s.pan.shape[i] - 1 for s in samples], sizes) for i in (0, 1)]
        self._width = self._last[1] + 1

    def __call__(self, rows: float, cols: float) -> NDArray[np.float64]:
        """Return the values at the samples, moved."""
        top, bottom, down = self._neighbours(0, rows)
        left, right, across = self._neighbours(1, cols)
        top, bottom = self._start + top * self._width, self._start + bottom * self._width
        above, below = (
            (1 - across) * self._pan[line + left] + across * self._pan[line + right]
            for line in (top, bottom)
        )
        moved: NDArray[np.float64] = (1 - down) * above + down * below
        return moved

    def _neighbours(
        self, axis: int, shift: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the indices before and after each sample, and how far it is beyond the first."""
        place = np.clip(self._places[axis] + shift, 0, self._last[axis])
        before = place.astype(np.int64)
        return before, np.minimum(before + 1, self._last[axis]), place - before


class Score:
    """R² of the PAN on the MS bands as a function of the shift; remembers what it computed."""

    def __init__(self, samples: list[Samples]) -> None:
        self._images = _Images(samples)
        bands = np.concatenate([s.bands for s in samples])
        self._basis = _basis(bands - bands.mean(axis=0))
        self._known: dict[tuple[float, float], float] = {}

    def __call__(self, rows: float, cols: float) -> float:
        """Return R² where the MS is moved by (rows, cols)."""
        key = (round(rows, 4), round(cols, 4))
        if key not in self._known:
            self._known[key] = self._evaluate(rows, cols)
        return self._known[key]

    def _evaluate(self, rows: float, cols: float) -> float:
        # The MS moves by the shift: what it shows lies at its position plus the shift.
        pan = self._images(rows, cols)
        scale = float(np.abs(pan).max())
        pan -= pan.mean()
        total = float(pan @ pan)
        if total <= 1e-12 * len(pan) * scale**2:
            return 0.0
        explained = self._basis.T @ pan
        return float(explained @ explained) / total


def _basis(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return orthonormal columns that span what those of [n, C] do, but for rounding."""
    scaled = columns / np.maximum(np.linalg.norm(columns, axis=0), np.finfo(float).tiny)
    powers, axes = np.linalg.eigh(scaled.T @ scaled)
    kept = powers > powers.max(initial=0.0) * 1e-12
    spanned: NDArray[np.float64] = scaled @ (axes[:, kept] / np.sqrt(powers[kept]))
    return spanned


def climb(score: Score, row: float, col: float, step: float, reach: int) -> tuple[float, float]:
    """Walk uphill in steps until no neighbour is higher."""
    while True:
        near = [
            (score(r, c), r, c)
            for r in (row - step, row, row + step)
            for c in (col - step, col, col + step)
            if max(abs(r), abs(c)) <= reach
        ]
        _, best_row, best_col = max(near)
        if (best_row, best_col) == (row, col):
            return row, col
        row, col = best_row, best_col


def parabola(score: Score, row: float, col: float, step: float) -> tuple[float, float]:
    """Refine the peak by a parabola along each axis."""
    middle = score(row, col)

    def vertex(before: float, after: float) -> float:
        bend = before - 2 * middle + after
        return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) * step

    return (
        row + vertex(score(row - step, col), score(row + step, col)),
        col + vertex(score(row, col - step), score(row, col + step)),
    )
