"""How a coarse cube was observed, beside the fine image: what mixes its bands, what blurs them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pansharpkit.errors import OptionError
from pansharpkit.sampling import Pair

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Psf:
    """A point spread on guide pixels, of any shape."""

    values: Rows = field(repr=False)
    """[k, k], sum 1. Its middle, between pixels where k is even, is the centre of a sample."""
    shift: Pair = (0.0, 0.0)
    """Guide pixels (rows, cols) by which samples lie beyond where the grids put them."""

    def __post_init__(self) -> None:
        side = len(self.values)
        if not side or any(len(row) != side for row in self.values):
            raise OptionError("a PSF must be a square table of numbers")
        if not all(math.isfinite(v) for row in self.values for v in row):
            raise OptionError("a PSF must hold finite numbers")
        total = sum(map(sum, self.values))
        if abs(total - 1) > 1e-3:
            raise OptionError(f"a PSF must have a sum of 1, not {total:g}")

    @property
    def side(self) -> int:
        """Guide pixels along a side."""
        return len(self.values)

    @property
    def centre(self) -> Pair:
        """Centroid, the shift included, guide pixels (rows, cols) beyond where the grids put it."""
        taps = [index - (self.side - 1) / 2 for index in range(self.side)]
        rows = math.fsum(tap * sum(row) for tap, row in zip(taps, self.values, strict=True))
        cols = math.fsum(tap * v for row in self.values for tap, v in zip(taps, row, strict=True))
        return rows + self.shift[0], cols + self.shift[1]

    @property
    def reach(self) -> int:
        """How far from the centre that the grids give the PSF reaches, in guide pixels."""
        return math.ceil(self.side / 2 + max(abs(self.shift[0]), abs(self.shift[1]))) + 1


@dataclass(frozen=True)
class ObservationModel:
    """Spectral response of the guide on the target's bands, and PSF of the target."""

    srf: Rows = field(repr=False)
    """[c, C]: guide band = weighted sum of target bands; rows sum to 1 where nothing was estimated.
    """
    psf: Psf | None = None
    """None for the Gaussian of each band's MTF gain."""

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.srf}
        if len(widths) != 1 or widths == {0}:
            raise OptionError("a spectral response must be a table with a row for each guide band")
        if not all(math.isfinite(v) for row in self.srf for v in row):
            raise OptionError("a spectral response must hold finite numbers")
