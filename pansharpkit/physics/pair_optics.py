"""Estimate how the target was observed from the pair itself: each band's blur and sub-pixel shift.

A band is compared with the guide as an instrument of some blur and shift would have sampled it.
Both are high-passed and compared cell by cell, each cell with a slope of its own, so that neither
the level nor the sign of their relation matters, only where detail lies and how sharp it is. Blur
and shift are right where band and guide tell most of each other. Nothing is interpolated: the PSF
is evaluated at the exact sub-pixel places.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.physics.dependence import (
    Part,
    gain_of_width,
    noise_of,
    parts_of,
    width_of_gain,
)
from pansharpkit.physics.observation import Observation
from pansharpkit.physics.resample import degrade
from pansharpkit.sampling import Pair, Sampling
from pansharpkit.workers import Crew

WIDTH_STEP = 0.04
"""Step of the search in the σ of the PSF, in target pixels."""
SHIFT_STEP = 1 / 16
"""Step of the search in the shift, in target pixels."""
WIDTHS = (5, 19)
"""Least and greatest σ looked for, in steps: MTF gains of .82 and .058."""
_FIRST = tuple(itertools.product((9, 13), (-8, -4, 0, 4, 8), (-8, -4, 0, 4, 8)))
_FAR = 16  # steps, the largest shift looked for: one target pixel
_APART_PX = 1.0  # guide pixels; a band further from the others has locked on to something else
_SPREAD = (0.03, 0.15, 0.15)
"""By how much bands differ from what they have in common: σ in target, shifts in guide pixels."""
_DRIFT = (0.1, 2.0, 2.0)
"""By how much what they have in common differs from the preset, in the same units."""

Node = tuple[int, int, int]
"""σ of the PSF, shift in rows and shift in columns, in steps."""


@dataclass(frozen=True)
class PairOptics:
    """What the pair says about how each target band was observed."""

    mtf: tuple[float, ...]
    """MTF gain of each band at the coarse Nyquist frequency, relative to the guide's own."""
    shift: tuple[Pair, ...]
    """Guide pixels (rows, cols) by which each band lies beyond where the grids put it."""
    confidence: tuple[float, ...]
    """Share of the band's own measurement in these figures, in [0, 1]; the rest comes from the
    other bands and the preset."""
    noise: tuple[float, ...]
    """Standard deviation of what the guide does not explain in the calmest tenth of the scene, in
    the target's units: the band's noise, or a little more."""

    def describe(self) -> str:
        """Return gain and shift of each band in one line."""
        bands = [
            f"{gain:.3f} at ({rows:+.2f}, {cols:+.2f})"
            for gain, (rows, cols) in zip(self.mtf, self.shift, strict=True)
        ]
        return "MTF gain at (rows, cols) in PAN pixels: " + ", ".join(bands)

    def observed(self, observation: Observation, image: Tensor) -> Tensor:
        """Degrade [C, H, W] to the observation's target, each band with its own blur and place."""
        return self.degraded(image, observation.sampling, observation.target_size)

    def degraded(self, image: Tensor, sampling: Sampling, size: tuple[int, int]) -> Tensor:
        """Degrade [C, H, W] to [C, *size], as nominally sampled but each band in its own way."""
        bands = [
            degrade(band[None], sampling.shifted(*shift), size, (gain,))
            for band, gain, shift in zip(image, self.mtf, self.shift, strict=True)
        ]
        return torch.cat(bands)


def estimate(sample: Sequence[Observation]) -> PairOptics:
    """Estimate the optics of a pair from at most four parts of 512 x 512 guide pixels.

    What a band does not show by itself, because it has little in common with the guide, it takes
    from the others; and what none shows is the preset's, unshifted.

    Parameters
    ----------
    sample
        Blocks of the scene, read lazily; only samples whose mask is true are used.
    """
    optics, ratio = sample[0].optics, sample[0].sampling.ratio
    bands = len(optics.mtf)
    parts = parts_of(sample)
    here = not parts or parts[0].bands.device.type == "cpu"
    with Crew(max(1, len(parts)) if here else 1) as crew:
        peaks = _Search(parts, bands, crew).peaks()
    units = torch.tensor([1.0, ratio[0], ratio[1]], dtype=torch.float64)
    measured = torch.stack([peak.place * units for peak in peaks])
    variance = torch.stack([peak.variance * units.square() for peak in peaks])
    preset = torch.zeros(bands, 3, dtype=torch.float64)
    preset[:, 0] = torch.tensor([width_of_gain(gain) for gain in optics.mtf])
    places, own = _shrunk(measured - preset, variance)
    places = places + preset
    noise = [
        noise_of(parts, band, float(place[0]), _pair(place[1:] / units[1:]))
        for band, place in enumerate(places)
    ]
    return PairOptics(
        tuple(gain_of_width(float(width)) for width in places[:, 0]),
        tuple(_pair(place[1:]) for place in places),
        tuple(float(share) for share in own.amin(dim=1)),
        tuple(noise),
    )


def _pair(values: Tensor) -> Pair:
    return float(values[0]), float(values[1])


def _shrunk(found: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Draw [C, 3] deviations from the preset towards each other, and together towards none.

    Normal priors of known spread at both levels; an infinite variance means not measured. Returns
    the means of the posterior and the share of each band's own measurement in them.
    """
    spread = torch.tensor(_SPREAD, dtype=found.dtype).square()
    drift = torch.tensor(_DRIFT, dtype=found.dtype).square()
    precision = 1 / (variance + spread)
    common = (found * precision).sum(dim=0) / (precision.sum(dim=0) + 1 / drift)
    own = spread * precision
    return common + own * (found - common), own


@dataclass(frozen=True)
class _Peak:
    """Where a band and the guide tell most of each other, in target pixels."""

    place: Tensor
    """[3] σ of the PSF, shift in rows and in columns."""
    variance: Tensor
    """[3] of the place; infinite where there is no peak."""


class _Search:
    """Climbs to the peaks on a common lattice, and remembers what it evaluated."""

    def __init__(self, parts: Sequence[Part], bands: int, crew: Crew) -> None:
        self.parts = parts
        self._bands = bands
        self._crew = crew
        self._known: dict[Node, Tensor] = {}

    def __call__(self, node: Node) -> Tensor:
        """Return the dependence of each band in each cell at a node, [C, cells]."""
        if node not in self._known:
            width, rows, cols = node[0] * WIDTH_STEP, node[1] * SHIFT_STEP, node[2] * SHIFT_STEP
            found = self._crew.map(lambda part: part.dependence(width, (rows, cols)), self.parts)
            self._known[node] = torch.cat(found, dim=1)
        return self._known[node]

    def peaks(self) -> list[_Peak]:
        """Climb with all bands together first, then on from there with each."""
        if not self.parts:
            nothing = torch.zeros(3, dtype=torch.float64)
            return [_Peak(nothing, nothing + math.inf)] * self._bands
        first = max(_FIRST, key=lambda node: float(self(node).sum()))
        start = self._climb(lambda node: float(self(node).sum()), first, (0, 0), _FAR)
        return [self._peak(band, start) for band in range(self._bands)]

    def _peak(self, band: int, start: Node) -> _Peak:
        reach = math.ceil(_APART_PX / SHIFT_STEP / max(self.parts[0].sampling.ratio))
        node = self._climb(lambda near: float(self(near)[band].sum()), start, start[1:], reach)
        values = torch.stack([self(near)[band] for near in _around(node)])
        peak = _vertex(node, values)
        if _apart(node, start[1:]) == reach:
            return _Peak(peak.place, torch.full_like(peak.variance, math.inf))
        return peak

    def _climb(
        self, height: Callable[[Node], float], node: Node, middle: tuple[int, int], reach: int
    ) -> Node:
        """Walk uphill until no neighbour is higher, not further than `reach` from the middle."""
        while True:
            near = [n for n in _around(node) if _apart(n, middle) <= reach]
            best = max((n for n in near if WIDTHS[0] <= n[0] <= WIDTHS[1]), key=height)
            if height(best) <= height(node):
                return node
            node = best


_OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=3))


def _around(node: Node) -> list[Node]:
    return [(node[0] + w, node[1] + r, node[2] + c) for w, r, c in _OFFSETS]


def _apart(node: Node, middle: tuple[int, int]) -> int:
    return max(abs(node[1] - middle[0]), abs(node[2] - middle[1]))


def _vertex(node: Node, values: Tensor) -> _Peak:
    """Refine a peak by the quadratic through the [27, cells] values around its node.

    The variance is the sandwich estimate: how much the cells disagree about the place.
    """
    at = torch.tensor(_OFFSETS, dtype=torch.float64)
    products = torch.stack([at[:, i] * at[:, j] for i, j in _UPPER], dim=1)
    design = torch.cat([torch.ones(27, 1, dtype=torch.float64), at, products], dim=1)
    terms = torch.linalg.pinv(design) @ values
    slopes, bends = terms[1:4], _symmetric(terms[4:])
    bend = bends.sum(dim=0)
    steps = torch.tensor([WIDTH_STEP, SHIFT_STEP, SHIFT_STEP], dtype=torch.float64)
    centre = torch.tensor(node, dtype=torch.float64)
    if float(torch.linalg.eigvalsh(bend)[-1]) >= 0:
        return _Peak(centre * steps, torch.full((3,), math.inf, dtype=torch.float64))
    inverse = torch.linalg.inv(bend)
    place = (-inverse @ slopes.sum(dim=1)).clamp(-1, 1)
    pulls = slopes.T + bends @ place
    variance = (inverse @ (pulls.T @ pulls) @ inverse).diagonal()
    return _Peak((centre + place) * steps, variance * steps.square())


_UPPER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _symmetric(terms: Tensor) -> Tensor:
    """Return the [cells, 3, 3] second derivatives from the [6, cells] quadratic terms."""
    bends = torch.zeros(terms.shape[1], 3, 3, dtype=terms.dtype)
    for term, (i, j) in zip(terms, _UPPER, strict=True):
        bends[:, i, j] += term
        bends[:, j, i] += term
    return bends
