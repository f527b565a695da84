"""The full-resolution protocol for cubes: guide and target instead of a reference, any bands.

A cube is judged by its two sides. Blurred and decimated it must be the target again, band by band
and spectrum by spectrum; mixed by the guide's spectral response it must show what the guide shows.
Indices over pairs of bands (QNR and its like) are left to sensors of few bands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics import blockmaps, guards
from pansharpkit.metrics.blockmaps import Maps
from pansharpkit.metrics.blocks import q2n_map
from pansharpkit.metrics.cubevalues import CubeValues, correlations
from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.indices import Indices, QualityMap
from pansharpkit.metrics.local import spectral_angle
from pansharpkit.metrics.noreference import BLOCK
from pansharpkit.metrics.operators import covered
from pansharpkit.metrics.patches import Errors
from pansharpkit.metrics.rasters import (
    Area,
    Raster,
    Size,
    Told,
    areas,
    counted,
    fill,
    lattice_of,
    window_side,
)
from pansharpkit.metrics.tally import Sums, Tally, cell_sums, intervals
from pansharpkit.physics import Optics, degrade, lowpass, sigma_of_gain, spread_by
from pansharpkit.physics.resample import GAUSS_REACH
from pansharpkit.sampling import Sampling

CELL: Size = (BLOCK, BLOCK)
DEFINITIONS: Mapping[str, str] = {
    "r_q2n, r_sam_deg, r_ergas": "fused degraded to the target's grid against the target",
    "consistency_error_percent": "RMSE of degraded fused against the target over the band mean, "
    "mean over bands of positive mean",
    "guide_correlation": "fused, mixed by the guide's spectral response, against the guide: "
    "correlation over all pixels, mean over the guide's bands",
    "guide_error_percent": "what is left of the guide beside a gain and an offset of that mixture, "
    "RMS over the band mean",
    "detail_correlation": "as guide_correlation, of the high-pass by the target's mean MTF",
    "masks": "masked pixels left out, gaps filled before filters; a block counts if half valid",
    "interval": "95 %, delete-one-group jackknife over at most 8 x 8 groups of blocks",
}
_SMALL: Size = (8, 8)  # samples of the target that have a place of their own in maps
_CHUNK = 16  # bands degraded at a time
_REACH = 3.0  # target pixels around a window whose high-pass is taken


def cube_resolution(
    fused: Raster,
    guide: Raster,
    target: Raster,
    sampling: Sampling,
    optics: Optics,
    srf: Tensor,
    *,
    window: int | None = None,
    most: int | None = None,
    told: Told | None = None,
) -> Indices:
    """Judge a fused cube by its guide and its target, window by window.

    Keys: ``r_q2n``, ``r_sam_deg``, ``r_ergas``, ``consistency_error_percent``,
    ``guide_correlation``, ``guide_error_percent``, ``detail_correlation``.

    Parameters
    ----------
    fused, guide
        Rasters of the fine grid, C and c bands.
    target
        Raster of the coarse grid, C bands.
    sampling
        How all of `target` samples all of `guide`.
    optics
        MTF gain of each target band, and the PSF that stands in for them, if there is one.
    srf
        [c, C] weights of fused bands that make a guide band. Their scale does not matter.
    window
        Side of the windows read, in fine pixels; chosen from the number of bands by default. The
        result does not depend on it if all are read.
    most
        Values of the fused raster, over all bands, to judge at most: of a larger one, windows
        spread evenly over it.
    told
        Hears how many windows are done.

    Raises
    ------
    OptionError
        If sizes or bands do not fit each other.
    """
    _check(fused, guide, target, optics, srf)
    sides = _Sides(fused, guide, target, sampling, optics, srf)
    tally = Tally(sides.fine_cells, sides.coarse_cells)
    fine_maps, coarse_maps = Maps(sides.fine_cells), Maps(_count(target.size, _SMALL))
    side = window or window_side(fused.bands)
    share = 1.0 if most is None else most / (fused.bands * fused.size[0] * fused.size[1])
    fine = lattice_of(list(areas(fused.size, CELL, side)), share)
    coarse_side = max(1, round(side / max(sampling.ratio)))
    coarse = lattice_of(list(areas(target.size, CELL, coarse_side)), share)
    step = counted((fine, coarse), told)
    for area in fine:
        _add_fine(sides, area, tally, fine_maps)
        step()
    for area in coarse:
        _add_coarse(sides, area, tally, coarse_maps)
        step()
    quality = _quality_map(sides, tally.total, fine_maps, coarse_maps)
    return _indices(tally, sampling.mean_ratio, quality, fine)


@dataclass(frozen=True)
class _Sides:
    """The inputs, and the rasters that follow from them."""

    fused: Raster
    guide: Raster
    target: Raster
    sampling: Sampling
    optics: Optics
    srf: Tensor

    @cached_property
    def degraded(self) -> Raster:
        """Fused as the target's camera would see it."""
        geometry = Geometry(self.fused.size, self.target.size, self.sampling, "none")
        model, gains = self.optics.model, self.optics.mtf
        psf = None if model is None else model.psf
        sigma = sigma_of_gain(min(gains), max(self.sampling.ratio))
        reach = psf.reach if psf else math.ceil(GAUSS_REACH * sigma) + 1

        def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
            area, size = Area(row, col, height, width), (height, width)
            outer = geometry.pixels_under(area, self.sampling, (2 * reach, 2 * reach))
            outer = outer.clip(self.fused.size)
            values, mask = self.fused.read(outer.row, outer.col, outer.height, outer.width)
            mask = mask & torch.isfinite(values).all(dim=0)
            local = self.sampling.windowed((outer.row, outer.col), (row, col))
            coarse = []
            for first in range(0, len(values), _CHUNK):
                part = values[first : first + _CHUNK].double()
                part = fill(torch.where(mask, part, 0.0), mask, reach)
                coarse.append(
                    spread_by(part, local, size, psf)
                    if psf
                    else degrade(part, local, size, gains[first : first + _CHUNK])
                )
            return torch.cat(coarse), covered(mask, local, size)

        return Raster(read, self.fused.bands, self.target.size)

    @cached_property
    def gains(self) -> tuple[float, ...]:
        """Mean MTF gain, for each guide band."""
        return (math.fsum(self.optics.mtf) / len(self.optics.mtf),) * self.guide.bands

    @property
    def fine_cells(self) -> Size:
        """Number of blocks of the fine grid."""
        return _count(self.fused.size)

    @property
    def coarse_cells(self) -> Size:
        """Number of blocks of the coarse grid."""
        return _count(self.target.size)


def _count(size: Size, cell: Size = CELL) -> Size:
    return -(-size[0] // cell[0]), -(-size[1] // cell[1])


def _quality_map(sides: _Sides, sums: Sums, fine: Maps, coarse: Maps) -> QualityMap:
    """Return the map of the guide's correlation with the others, on blocks of the fine grid."""
    means = Errors.of(sums["consistency"]).mean
    below = {
        "consistency_error_percent": blockmaps.relative_percent(coarse["squares"], means),
        "r_sam_deg": coarse["angle"][0],
    }
    others = {
        name: blockmaps.on_blocks(values, _SMALL, sides.sampling, BLOCK, sides.fine_cells)
        for name, values in below.items()
    }
    return QualityMap("guide_correlation", BLOCK, fine["guide"].numpy(), others)


def _indices(tally: Tally, ratio: float, quality: QualityMap, judged: Sequence[Area]) -> Indices:
    formulas = CubeValues(ratio)
    total = tally.total
    n = int(total["guide"][-1])
    return Indices(
        values=formulas.values(total),
        intervals=intervals(tally, formulas.values, "count"),
        per_band=formulas.per_band(total),
        quality_map=quality,
        n_pixels=n,
        masked_fraction=1 - n / sum(area.height * area.width for area in judged),
        definitions=DEFINITIONS,
    )


def _add_fine(sides: _Sides, area: Area, tally: Tally, maps: Maps) -> None:
    """Compare fused, as the guide would see it, with the guide."""
    margin = math.ceil(_REACH * max(sides.sampling.ratio))
    outer = area.pad(margin, margin).clip(sides.fused.size)
    (fused, first), (guide, second) = sides.fused.load(outer), sides.guide.load(outer)
    mask = first & second
    pair = torch.cat([torch.tensordot(sides.srf.to(fused), fused, dims=1), guide])
    pair = fill(torch.where(mask, pair, 0.0), mask, margin)
    high = pair - lowpass(pair, sides.sampling.ratio, (*sides.gains, *sides.gains))
    rows, cols = area.within(outer)
    inside = mask[rows, cols]
    start = area.row // BLOCK, area.col // BLOCK
    count = cell_sums(inside[None].double(), CELL)
    tally.add("count", count, start, sides.fine_cells)
    for name, images in (("guide", pair), ("detail", high)):
        seen, there = images[:, rows, cols].chunk(2)
        sums = guards.detail_sums(seen, there, inside, CELL)
        tally.add(name, sums, start, sides.fine_cells)
        if name == "guide":
            found = correlations(sums).mean(dim=0)
            found = torch.where(count[0] >= BLOCK * BLOCK / 2, found, torch.nan)
            maps.put({"guide": found}, start)


def _add_coarse(sides: _Sides, area: Area, tally: Tally, maps: Maps) -> None:
    """Compare fused, as the target's camera would see it, with the target."""
    (target, first), (below, second) = sides.target.load(area), sides.degraded.load(area)
    mask = first & second
    target, below = target * mask, below * mask
    quality = q2n_map(target, below, mask, toolbox=False)
    angle, exists = spectral_angle(target, below)
    sums = {
        "again": torch.stack([quality.values, quality.counted.to(quality.values)]),
        "angle": cell_sums(torch.stack([angle, exists.to(angle)]), CELL),
        "consistency": guards.consistency_sums(below, target, mask, CELL),
    }
    for name, parts in sums.items():
        start = area.row // BLOCK, area.col // BLOCK
        tally.add(name, parts, start, sides.coarse_cells)
    local = {
        "squares": blockmaps.mean_squares(below, target, mask, _SMALL),
        "angle": blockmaps.mean_of_cells(angle, exists, _SMALL),
    }
    maps.put(local, (area.row // _SMALL[0], area.col // _SMALL[1]))


def _check(fused: Raster, guide: Raster, target: Raster, optics: Optics, srf: Tensor) -> None:
    if fused.size != guide.size:
        raise OptionError(
            f"fused is {fused.size}, the guide {guide.size}: both must lie on one grid; crop one"
        )
    if not fused.bands == target.bands == len(optics.mtf):
        raise OptionError(
            f"fused has {fused.bands} bands, the target {target.bands}, the sensor "
            f"{len(optics.mtf)} MTF gains: choose the bands that belong together"
        )
    if tuple(srf.shape) != (guide.bands, fused.bands):
        raise OptionError(
            f"the spectral response makes {srf.shape[0]} bands of {srf.shape[1]}, but the guide "
            f"has {guide.bands} and fused {fused.bands}"
        )
