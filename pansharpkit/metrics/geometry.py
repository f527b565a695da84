"""How the fine and the coarse grid lie on each other, and which windows belong together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pansharpkit.errors import OptionError
from pansharpkit.metrics.rasters import Area, Size
from pansharpkit.physics.observation import Compat
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class Geometry:
    """Fine and coarse grid, and how they lie on each other."""

    size: Size
    """Height and width of the fine raster."""
    target_size: Size
    sampling: Sampling
    compat: Compat

    @classmethod
    def of(cls, size: Size, target_size: Size, sampling: Sampling, compat: Compat) -> Geometry:
        """Return the geometry; the toolbox knows one sampling only and assumes it.

        Raises
        ------
        OptionError
            If the toolbox cannot handle the ratio or the sizes.
        """
        if compat == "none":
            return cls(size, target_size, sampling, compat)
        ratio = round(sampling.mean_ratio)
        if ratio < 2 or ratio & (ratio - 1) or size != tuple(ratio * n for n in target_size):
            raise OptionError(
                f"compat 'toolbox' needs a ratio of 2, 4, 8, ... and a PAN of exactly ratio x MS "
                f"pixels, not {size} over {target_size}: crop both rasters, or use compat 'none'"
            )
        return cls(size, target_size, Sampling.toolbox(ratio), compat)

    def targets_around(self, area: Area, reach: int) -> Area:
        """Return the coarse samples between which a fine area lies, and `reach` more each side."""
        ends = []
        for axis, (start, n) in enumerate(((area.row, area.height), (area.col, area.width))):
            ratio, phase = self.sampling.ratio[axis], self.sampling.phase[axis]
            first = math.floor((start - phase) / ratio) - reach
            last = math.ceil((start + n - 1 - phase) / ratio) + reach
            ends.append((first, last - first + 1))
        return Area(ends[0][0], ends[1][0], ends[0][1], ends[1][1])

    def pixels_under(self, area: Area, sampling: Sampling, reach: tuple[int, int]) -> Area:
        """Return the fine pixels at the samples of a coarse area, and `reach` more each side."""
        ends = []
        for axis, (start, n) in enumerate(((area.row, area.height), (area.col, area.width))):
            ratio, phase = sampling.ratio[axis], sampling.phase[axis]
            first = math.floor(ratio * start + phase) - reach[axis]
            last = math.ceil(ratio * (start + n - 1) + phase) + reach[axis]
            ends.append((first, last - first + 1))
        return Area(ends[0][0], ends[1][0], ends[0][1], ends[1][1])
