"""The operators between the two grids with a blur and a place for each band, as a pair shows them.

Presets say how an instrument was built; products say how their pixels came out. Where a method
compares bands with PAN detail by detail, the latter counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.guides import pan
from pansharpkit.physics import Observation, degrade, upsample
from pansharpkit.physics.resample import CUBIC_RADIUS, LAGRANGE_RADIUS, Interpolation
from pansharpkit.sampling import Pair, Sampling

FARTHEST = 1.0
"""Guide pixels: a band that seems to lie further off is a matter of registration."""


@dataclass(frozen=True)
class PairOperators:
    """Each band with its own MTF gain and its own sub-pixel place."""

    gains: tuple[float, ...]
    """MTF gain of each band at the coarse Nyquist frequency."""
    shifts: tuple[Pair, ...]
    """Guide pixels (rows, cols) by which each band lies beyond where the grids put it."""

    @classmethod
    def bounded(cls, gains: Sequence[float], shifts: Sequence[Pair]) -> PairOperators:
        """Return the operators with shifts of at most :data:`FARTHEST`, the reach of the halo."""
        held = [_held(shift) for shift in shifts]
        return cls(tuple(gains), tuple(held))

    def aligned(self) -> PairOperators:
        """Return the same blur without shifts."""
        return PairOperators(self.gains, ((0.0, 0.0),) * len(self.gains))

    def upsample(self, seen: Observation, x: Tensor) -> Tensor:
        """Interpolate [C, h, w] to the guide grid, by 12-point Lagrange."""
        return self._raised(x, seen.sampling, seen.size, "lagrange")

    def spread(self, seen: Observation, x: Tensor) -> Tensor:
        """Interpolate [C, h, w] to the guide grid by the shorter cubic kernel."""
        return self._raised(x, seen.sampling, seen.size, "cubic")

    def observe(self, seen: Observation, image: Tensor) -> Tensor:
        """Degrade [C, H, W] to the target grid."""
        return self._lowered(image, seen.sampling, seen.target_size)

    def guide_lowpass(self, seen: Observation) -> Tensor:
        """Return the guide without what each band cannot resolve, [C, H, W].

        It is degraded to a target grid that goes on beyond the target's edges, so that the result
        depends on the guide alone.
        """
        guides = pan(seen).expand(len(self.gains), -1, -1)
        margin, size = LAGRANGE_RADIUS, seen.target_size
        wide = seen.sampling.windowed((0, 0), (-margin, -margin))
        small = self._lowered(guides, wide, (size[0] + 2 * margin, size[1] + 2 * margin))
        return self._raised(small, wide, seen.size, "lagrange")

    def _raised(
        self, x: Tensor, sampling: Sampling, size: tuple[int, int], kernel: Interpolation
    ) -> Tensor:
        bands = zip(x, self.shifts, strict=True)
        return torch.cat(
            [upsample(b[None], sampling.shifted(*s), size, kernel=kernel) for b, s in bands]
        )

    def _lowered(self, x: Tensor, sampling: Sampling, size: tuple[int, int]) -> Tensor:
        bands = zip(x, self.gains, self.shifts, strict=True)
        return torch.cat([degrade(b[None], sampling.shifted(*s), size, (g,)) for b, g, s in bands])


def spread_reach(sampling: Sampling) -> int:
    """Return how far from a guide pixel the target samples lie that it is spread from."""
    return math.ceil(CUBIC_RADIUS * max(sampling.ratio) + FARTHEST)


def _held(shift: Pair) -> Pair:
    far = max(abs(shift[0]), abs(shift[1]))
    scale = min(1.0, FARTHEST / far) if far > 0 else 1.0
    return shift[0] * scale, shift[1] * scale
