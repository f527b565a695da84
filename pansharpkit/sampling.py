"""Where coarse samples sit on the fine grid: the one piece of geometry that the maths needs."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[float, float]
"""One number for rows and one for columns, in that order."""


@dataclass(frozen=True)
class Sampling:
    """Target sample ``k`` is centred on guide index ``ratio * k + phase``, on each axis.

    Index 0 is the *centre* of the first pixel of the array at hand, so that the same raster has
    another phase in every window.

    Examples
    --------
    Two edge-aligned grids of ratio 4, as Maxar delivers them:

    >>> Sampling.edge_aligned(4).phase
    (1.5, 1.5)
    """

    ratio: Pair
    """Guide pixels per target pixel, > 1, not necessarily an integer."""
    phase: Pair
    """Guide index of the centre of target sample 0, in guide pixels."""

    @classmethod
    def edge_aligned(cls, ratio: float) -> Sampling:
        """Return the sampling of two square grids that share their outer edges."""
        return cls((ratio, ratio), ((ratio - 1) / 2, (ratio - 1) / 2))

    @classmethod
    def toolbox(cls, ratio: int) -> Sampling:
        """Return the sampling of the field's reference toolbox: sample k at ratio*k + ratio/2."""
        return cls((float(ratio), float(ratio)), (ratio // 2, ratio // 2))

    @classmethod
    def one_grid(cls) -> Sampling:
        """Return the sampling of two rasters that share their pixels."""
        return cls((1.0, 1.0), (0.0, 0.0))

    @property
    def is_one_grid(self) -> bool:
        """Whether target and guide share their pixels."""
        return self.ratio == (1.0, 1.0) and self.phase == (0.0, 0.0)

    @property
    def mean_ratio(self) -> float:
        """Geometric mean of the two axis ratios, the `ratio` of indices such as ERGAS."""
        return float((self.ratio[0] * self.ratio[1]) ** 0.5)

    def windowed(self, guide_origin: tuple[int, int], target_origin: tuple[int, int]) -> Sampling:
        """Return the sampling between sub-windows that start at the given (row, col) indices."""
        phase = (
            self.ratio[0] * target_origin[0] + self.phase[0] - guide_origin[0],
            self.ratio[1] * target_origin[1] + self.phase[1] - guide_origin[1],
        )
        return Sampling(self.ratio, phase)

    def shifted(self, rows: float, cols: float) -> Sampling:
        """Return the sampling after the target moved by (rows, cols) guide pixels."""
        return Sampling(self.ratio, (self.phase[0] + rows, self.phase[1] + cols))
