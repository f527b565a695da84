"""The inputs of the full-resolution protocol, and the rasters that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from pansharpkit.metrics import operators
from pansharpkit.metrics.estimated import observed
from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.noreference import BLOCK
from pansharpkit.metrics.rasters import Area, Raster, Size
from pansharpkit.physics import Optics, PairOptics
from pansharpkit.physics.kernels import Kernels

FINE: Size = (BLOCK, BLOCK)
"""A block of the fine grid."""


@dataclass(frozen=True)
class Inputs:
    """The inputs, and the rasters that follow from them."""

    fused: Raster
    pan: Raster
    ms: Raster
    geometry: Geometry
    optics: Optics
    red_nir: tuple[int, int] | None
    estimated: PairOptics | None = None
    """How MS was observed, as the pair itself says."""
    near: Area | None = None
    """What is in memory, if anything."""

    def around(self, area: Area) -> Inputs:
        """Return the same with what filters see around an area of the fine grid in memory."""
        reach = 2 * operators.KERNEL_REACH
        return replace(
            self,
            fused=self.fused.held(area.pad(reach, reach)),
            pan=self.pan.held(area.pad(2 * reach, 2 * reach)),
            near=area,
        )

    @property
    def ratio(self) -> float:
        """Mean ratio of the two pixel sizes."""
        return self.geometry.sampling.mean_ratio

    @cached_property
    def kernels(self) -> Kernels:
        """The toolbox's MTF kernel of each band."""
        return operators.toolbox_bank(tuple(self.optics.mtf), self.ratio)

    @cached_property
    def exp(self) -> Raster:
        """MS on the fine grid."""
        return operators.expanded_ms(self.ms, self.geometry)

    @cached_property
    def coarse_pan(self) -> Raster:
        """PAN on the coarse grid."""
        return operators.coarse_pan(self.pan, self.geometry)

    @cached_property
    def lowpass(self) -> Raster:
        """PAN on the coarse grid and back."""
        made = operators.upsampled(self.coarse_pan, self.geometry)
        if self.near is None:
            return made
        return made.held(self.near.pad(self._contrasted, self._contrasted))

    @cached_property
    def smooth(self) -> Raster:
        """Fused, each band filtered by its MTF kernel."""
        return operators.smoothed(self.fused, self.kernels)

    @cached_property
    def gains(self) -> list[float]:
        """The gains that differ: PAN is filtered once for each."""
        return sorted(set(self.optics.mtf))

    @cached_property
    def smooth_pan(self) -> Raster:
        """PAN filtered by the kernel of each of `gains`."""
        return operators.smoothed(self.pan, operators.toolbox_bank(tuple(self.gains), self.ratio))

    @cached_property
    def bounds(self) -> Raster:
        """Least and greatest MS sample around each fine pixel."""
        return operators.nearest(operators.local_range(self.ms, 1), self.geometry)

    @cached_property
    def contrast(self) -> Raster:
        """Least and greatest PAN over its low-pass within one and a half MS pixels."""
        return operators.local_range(operators.contrast(self.pan, self.lowpass), self._contrasted)

    @property
    def _contrasted(self) -> int:
        return math.floor(1.5 * self.ratio)

    @cached_property
    def degraded(self) -> Raster:
        """Fused as the MS sensor would see it."""
        return operators.degraded(self.fused, self.optics.mtf, self.geometry)

    @cached_property
    def observed(self) -> Raster | None:
        """Fused as the MS sensor would see it by the estimated optics."""
        if self.estimated is None:
            return None
        return observed(self.fused, self.estimated, self.geometry)

    @property
    def native(self) -> Size:
        """Blocks of the coarse grid that cover the ground of a block of the fine grid."""
        rows, cols = (max(2, round(BLOCK / ratio)) for ratio in self.geometry.sampling.ratio)
        return rows, cols

    @property
    def coarse_step(self) -> Size:
        """Whole blocks of both sizes on the coarse grid."""
        return math.lcm(self.native[0], BLOCK), math.lcm(self.native[1], BLOCK)

    @property
    def fine_cells(self) -> Size:
        """Number of 32-pixel blocks of the fine grid."""
        return _count(self.fused.size, FINE)

    @property
    def coarse_cells(self) -> Size:
        """Number of `native` blocks of the coarse grid."""
        return _count(self.ms.size, self.native)

    @property
    def large_cells(self) -> Size:
        """Cells of 32 coarse samples."""
        return _count(self.ms.size, FINE)


def _count(size: Size, cell: Size) -> Size:
    return -(-size[0] // cell[0]), -(-size[1] // cell[1])
