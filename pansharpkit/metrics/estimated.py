"""The fused raster as the MS sensor would see it by what the pair says, not the preset."""

from __future__ import annotations

import math

from torch import Tensor

from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.operators import covered
from pansharpkit.metrics.rasters import Area, Raster, fill
from pansharpkit.physics import PairOptics, sigma_of_gain
from pansharpkit.physics.resample import GAUSS_REACH


def observed(fused: Raster, optics: PairOptics, geometry: Geometry) -> Raster:
    """Return the fused raster as the coarse sensor would see it, as estimated from the pair.

    A sample counts if all pixels that it would nominally cover are valid.
    """
    sampling = geometry.sampling
    moved = max(abs(place) for shift in optics.shift for place in shift)
    sigma = sigma_of_gain(min(optics.mtf), max(sampling.ratio))
    reach = math.ceil(GAUSS_REACH * sigma + moved) + 1

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        area = Area(row, col, height, width)
        outer = geometry.pixels_under(area, sampling, (2 * reach, 2 * reach)).clip(fused.size)
        values, mask = fused.load(outer)
        local = sampling.windowed((outer.row, outer.col), (row, col))
        coarse = optics.degraded(fill(values, mask, reach), local, (height, width))
        return coarse, covered(mask, local, (height, width))

    return Raster(read, fused.bands, geometry.target_size)
