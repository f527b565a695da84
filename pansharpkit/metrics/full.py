"""The full-resolution protocol over rasters of any size: PAN and MS instead of a reference.

The fine grid is passed once for all that compares fused with PAN and EXP, the coarse grid once for
all that compares with MS as it was delivered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics import blockmaps, guards
from pansharpkit.metrics.blockmaps import Maps
from pansharpkit.metrics.blocks import pair_quality, q2n_map
from pansharpkit.metrics.fullvalues import DEFINITIONS, RULES, FullValues
from pansharpkit.metrics.geometry import Geometry
from pansharpkit.metrics.indices import Indices, QualityMap
from pansharpkit.metrics.inputs import FINE, Inputs
from pansharpkit.metrics.local import erode, local_correlation, spectral_angle
from pansharpkit.metrics.noreference import BLOCK, correlation_reach, pair_sums
from pansharpkit.metrics.patches import Errors
from pansharpkit.metrics.rasters import (
    Area,
    Raster,
    Step,
    Told,
    areas,
    counted,
    lattice_of,
    window_side,
)
from pansharpkit.metrics.tally import Tally, cell_sums, intervals
from pansharpkit.physics import Optics, PairOptics
from pansharpkit.sampling import Sampling
from pansharpkit.workers import side_by_side

_MAP = "1 - d_lambda_k"
_FINE_RASTERS = ("fused", "pan", "exp", "lowpass", "smooth", "smooth_pan", "bounds", "contrast")
"""What is compared on the fine grid, by its name in :class:`Inputs`."""


def full_resolution(
    fused: Raster,
    pan: Raster,
    ms: Raster,
    sampling: Sampling,
    optics: Optics,
    *,
    red_nir: tuple[int, int] | None = None,
    estimated: PairOptics | None = None,
    window: int | None = None,
    most: int | None = None,
    told: Told | None = None,
) -> Indices:
    """Judge a fused raster by its PAN and MS, window by window.

    Keys: ``d_lambda``, ``d_lambda_alparone2008``, ``d_s``, ``d_s_alparone2008``, ``qnr``,
    ``d_lambda_k``, ``hqnr``, ``d_rho``; the consistency family ``r_q2n``, ``r_sam_deg``,
    ``r_ergas``; the guards ``detail_correlation``, ``ripple_percent``, ``pan_ripple_percent``,
    ``consistency_error_percent``, ``ndvi_drift``, ``overshoot_percent``, and
    ``consistency_error_estimated_percent``, ``ndvi_drift_estimated``.

    Parameters
    ----------
    fused, pan
        Rasters of the fine grid, C bands and 1 band.
    ms
        Raster of the coarse grid, C bands.
    sampling
        How all of `ms` samples all of `pan`.
    optics
        MTF gain of each band. With ``optics.compat == "toolbox"`` the sampling is taken to be the
        toolbox's, whatever `sampling` says, as the toolbox does.
    red_nir
        Indices of the red and near-infrared band; without them ``ndvi_drift`` is None.
    estimated
        How each band was observed, as estimated from the pair; without it what is computed with
        it is None.
    window
        Side of the windows read, in fine pixels; chosen from the number of bands by default. The
        result does not depend on it if all are read.
    most
        Values of the fused raster, over all bands, to judge at most: of a larger one, windows
        spread evenly over it. Confidence intervals say what that costs.
    told
        Hears how many windows are done.

    Raises
    ------
    OptionError
        If sizes or bands do not fit each other, or the toolbox cannot handle them.
    """
    _check(fused, pan, ms, optics, red_nir)
    geometry = Geometry.of(fused.size, ms.size, sampling, optics.compat)
    scene = Inputs(fused, pan, ms, geometry, optics, red_nir, estimated)
    tally = Tally(scene.fine_cells, scene.coarse_cells, scene.large_cells)
    side = window or window_side(fused.bands)
    share = 1.0 if most is None else most / (fused.bands * fused.size[0] * fused.size[1])
    fine = lattice_of(list(areas(fused.size, FINE, side)), share)
    coarse_side = max(1, round(side / max(geometry.sampling.ratio)))
    coarse = lattice_of(list(areas(ms.size, scene.coarse_step, coarse_side)), share)
    step = counted((fine, coarse), told)
    maps = _pass_fine(scene, fine, tally, step), _pass_coarse(scene, coarse, tally, step)
    return _indices(scene, tally, _quality_map(scene, tally, *maps), fine)


def _pass_fine(scene: Inputs, fine: Sequence[Area], tally: Tally, step: Step) -> Maps:
    """Tally all that compares fused with PAN and EXP, and return its maps."""
    maps = Maps(scene.fine_cells)
    found = side_by_side(fine, lambda area: _Fine(scene.around(area), area).found())
    for area, (sums, local) in zip(fine, found, strict=True):
        place = area.row // BLOCK, area.col // BLOCK
        maps.put(local, place)
        for name, parts in sums.items():
            tally.add(name, parts, place, scene.fine_cells)
        step()
    return maps


def _pass_coarse(scene: Inputs, coarse: Sequence[Area], tally: Tally, step: Step) -> Maps:
    """Tally all that compares with MS as it was delivered, and return its maps."""
    maps = Maps(scene.coarse_cells)
    found = side_by_side(coarse, lambda area: _coarse(scene, area))
    for area, (native, sums, local) in zip(coarse, found, strict=True):
        place = area.row // scene.native[0], area.col // scene.native[1]
        tally.add("native", native, place, scene.coarse_cells)
        maps.put(local, place)
        for name, parts in sums.items():
            tally.add(name, parts, (area.row // BLOCK, area.col // BLOCK), scene.large_cells)
        step()
    return maps


@dataclass(frozen=True)
class _Fine:
    """What one area of the fine grid contributes."""

    scene: Inputs
    area: Area

    @cached_property
    def images(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Values and masks under the area, by name."""
        loaded = {name: getattr(self.scene, name).load(self.area) for name in _FINE_RASTERS}
        return (
            {name: values for name, (values, _) in loaded.items()},
            {name: mask for name, (_, mask) in loaded.items()},
        )

    @cached_property
    def mask(self) -> Tensor:
        """Where fused, PAN and their counterparts made from the inputs are all valid."""
        return torch.stack(list(self.images[1].values())).all(dim=0)

    def found(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the sums of the area by name, and its parts of the maps."""
        values, mask = self.images[0], self.mask
        fine = pair_quality(torch.cat([values["fused"], values["pan"]]), mask, FINE)
        below = pair_quality(torch.cat([values["exp"], values["lowpass"]]), mask, FINE)
        khan = q2n_map(
            values["exp"] * mask, values["smooth"] * mask, mask,
            toolbox=self.scene.optics.compat == "toolbox",
        )  # fmt: skip
        sums = {
            "fine": pair_sums(fine),
            "expanded": pair_sums(below),
            "khan": torch.stack([khan.values, khan.counted.to(khan.values)]),
            "levels": guards.level_sums(values["fused"], values["pan"], mask, FINE),
            **self._details(),
            "overshoot": guards.overshoot_sums(
                values["fused"], values["bounds"], values["contrast"], mask, FINE
            ),
            "rho": self._correlation(),
        }
        quality = torch.where(khan.counted, khan.values, torch.nan)
        return sums, {_MAP: quality, **blockmaps.distortions(fine, below)}

    def _details(self) -> dict[str, Tensor]:
        """High-pass of the bands and of PAN with the same filters: correlation and ripple."""
        scene, values = self.scene, self.images[0]
        totals = scene.kernels.sums.to(values["pan"])
        lookup = [scene.gains.index(gain) for gain in scene.optics.mtf]
        fused = values["fused"] - values["smooth"] / totals[:, None, None]
        pan = values["pan"] - values["smooth_pan"][lookup] / totals[:, None, None]
        return {
            "detail": guards.detail_sums(fused, pan, self.mask, FINE),
            "ripple": guards.ripple_sums(fused, pan, self._flatness(), self.mask, FINE),
        }

    def _flatness(self) -> Tensor:
        half = math.ceil(self.scene.ratio)
        outer = self.area.pad(half, half).clip(self.scene.pan.size)
        pan, mask = self.scene.pan.load(outer)
        rows, cols = self.area.within(outer)
        return guards.flatness_bins(pan[0], mask, 2 * half + 1)[rows, cols]

    def _correlation(self) -> Tensor:
        half = correlation_reach(self.scene.ratio)
        outer = self.area.pad(2 * half, 2 * half).clip(self.scene.fused.size)
        (fused, first), (pan, second) = (r.load(outer) for r in (self.scene.fused, self.scene.pan))
        valid = first & second
        counts = erode(valid, 2 * half) & valid
        rows, cols = self.area.within(outer)
        parts = (1 - local_correlation(fused * valid, pan * valid, half)) * counts
        both = torch.cat([parts, counts.to(parts)[None]])[:, rows, cols]
        return cell_sums(both, FINE)


def _coarse(scene: Inputs, area: Area) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return what an area of the coarse grid contributes: to its own blocks, by name, to maps."""
    (ms, first), (pan, second), (below, third) = (
        raster.load(area) for raster in (scene.ms, scene.coarse_pan, scene.degraded)
    )
    mask = first & second & third
    ms, below = ms * mask, below * mask
    pairs = pair_quality(torch.cat([ms, pan * mask]), mask, scene.native)
    quality = q2n_map(ms, below, mask, toolbox=scene.optics.compat == "toolbox")
    angle, exists = spectral_angle(ms, below)
    sums = {
        "again": torch.stack([quality.values, quality.counted.to(quality.values)]),
        "angle": cell_sums(torch.stack([angle, exists.to(angle)]), FINE),
        "consistency": guards.consistency_sums(below, ms, mask, FINE),
    }
    local = {"squares": blockmaps.mean_squares(below, ms, mask, scene.native)}
    if scene.red_nir is not None:
        sums["ndvi"] = guards.ndvi_sums(below, ms, mask, scene.red_nir, FINE)
        local["ndvi_drift"] = blockmaps.ndvi_drift(below, ms, mask, scene.red_nir, scene.native)
    return pair_sums(pairs), sums | _estimated(scene, area, ms, mask), local


def _estimated(scene: Inputs, area: Area, ms: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return what an area contributes with the estimated optics, if there are any."""
    if scene.observed is None:
        return {}
    below, seen = scene.observed.load(area)
    mask = mask & seen
    below, ms = below * mask, ms * mask
    sums = {"consistency_estimated": guards.consistency_sums(below, ms, mask, FINE)}
    if scene.red_nir is not None:
        sums["ndvi_estimated"] = guards.ndvi_sums(below, ms, mask, scene.red_nir, FINE)
    return sums


def _quality_map(scene: Inputs, tally: Tally, fine: Maps, coarse: Maps) -> QualityMap:
    """Return the map of Q2n with the others, all on the blocks of the fine grid."""
    means = Errors.of(tally.total["consistency"]).mean
    below = {"consistency_error_percent": blockmaps.relative_percent(coarse["squares"], means)}
    if "ndvi_drift" in coarse:
        below["ndvi_drift"] = coarse["ndvi_drift"][0]
    sampling, count = scene.geometry.sampling, scene.fine_cells
    others = {name: fine[name].numpy() for name in ("d_lambda", "d_s") if name in fine}
    for name, values in below.items():
        others[name] = blockmaps.on_blocks(values, scene.native, sampling, BLOCK, count)
    return QualityMap(_MAP, BLOCK, fine[_MAP].numpy(), others)


def _indices(scene: Inputs, tally: Tally, quality: QualityMap, judged: Sequence[Area]) -> Indices:
    formulas = FullValues(scene.ratio)
    total = tally.total
    n = int(total["levels"][0])
    pixels = sum(area.height * area.width for area in judged)
    share = pixels / (scene.fused.size[0] * scene.fused.size[1])
    return Indices(
        values=formulas.values(total),
        intervals=intervals(tally, formulas.values, "levels"),
        per_band=formulas.per_band(total),
        quality_map=quality,
        n_pixels=n,
        masked_fraction=1 - n / pixels,
        definitions={
            **DEFINITIONS,
            **RULES[scene.optics.compat],
            "judged": "all pixels" if share == 1 else f"{share:.3g} of the pixels, spread evenly",
            "estimated": "none" if scene.estimated is None else scene.estimated.describe(),
        },
    )


def _check(
    fused: Raster, pan: Raster, ms: Raster, optics: Optics, red_nir: Sequence[int] | None
) -> None:
    if fused.size != pan.size:
        raise OptionError(
            f"fused is {fused.size}, PAN {pan.size}: both must lie on the PAN grid; crop one"
        )
    if pan.bands != 1:
        raise OptionError(f"PAN has {pan.bands} bands instead of 1")
    if not fused.bands == ms.bands == len(optics.mtf):
        raise OptionError(
            f"fused has {fused.bands} bands, MS {ms.bands}, the sensor {len(optics.mtf)} MTF "
            "gains: choose the bands that belong together"
        )
    if red_nir is not None and not all(0 <= band < ms.bands for band in red_nir):
        raise OptionError(f"red and NIR bands {tuple(red_nir)}: there are only {ms.bands} bands")
