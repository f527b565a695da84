"""The reduced-resolution (Wald) protocol over rasters of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics.indices import Indices, QualityMap
from pansharpkit.metrics.patches import (
    BLOCK,
    Errors,
    Patch,
    angle_map,
    block_map,
    error_map,
    gradient_map,
    mean_of,
    means_of,
    quality_map,
    scc_of,
    similarity_map,
)
from pansharpkit.metrics.rasters import Raster, Size, areas, window_side
from pansharpkit.metrics.tally import Sums, Tally, Values, cell_sums, intervals
from pansharpkit.physics.observation import Compat

MARGIN = BLOCK
"""Pixels read around a window: the widest sliding window."""
DEFINITIONS: Mapping[str, str] = {
    "q2n": "blocks of 32 px side by side, completed by mirroring; mean over blocks",
    "q": "32 x 32 uniform windows, stride 1, inside only; mean over windows, then bands",
    "sam_deg": "degrees; mean over pixels, zero spectra left out",
    "ergas": "100/ratio, band means of the reference; bands of zero mean left out",
    "scc": "Sobel magnitudes of the image trimmed by 1 px, zeros beyond; one normalised product",
    "psnr_db": "peak² over the mean square error of all bands; None where the error is 0",
    "ssim": "11 x 11 Gaussian of σ 1.5, K = (0.01, 0.03), inside only; mean over windows, bands",
    "masks": "masked pixels left out; a block or window counts if half its pixels are valid",
    "interval": "95 %, delete-one-group jackknife over at most 8 x 8 groups of blocks",
}
ROUNDING: Mapping[Compat, str] = {
    "none": "no rounding",
    "toolbox": "q2n casts to uint16: half away from zero, clipped to 0 ... 65535",
}


def reduced_resolution(
    reference: Raster,
    fused: Raster,
    *,
    ratio: float,
    peak: float,
    compat: Compat = "none",
    window: int | None = None,
) -> Indices:
    """Compare a fused raster with its reference, window by window.

    Keys: ``q2n``, ``q``, ``sam_deg``, ``ergas``, ``scc``, ``psnr_db``, ``psnr_band_mean_db``,
    ``ssim``, ``rmse``.

    Parameters
    ----------
    reference, fused
        Rasters of the same size and bands; a pixel counts if both have it.
    ratio
        Coarse over fine pixel size, above 1.
    peak
        Largest value that the data can take, such as 2^11 - 1, or 10000 for scaled reflectance.
    compat
        ``"toolbox"`` rounds as the field's reference toolbox does.
    window
        Side of the windows read, pixels; chosen from the number of bands by default. The result
        does not depend on it.

    Raises
    ------
    OptionError
        If the rasters differ in size or bands, or `ratio` or `peak` make no sense.
    """
    _check(reference, fused, ratio, peak)
    cells = _cells(reference.size)
    tally = Tally(cells)
    blocks = torch.full(cells, torch.nan, dtype=torch.float64)
    side = window or window_side(reference.bands)
    for area in areas(reference.size, (BLOCK, BLOCK), side):
        patch = Patch.read(reference, fused, area, MARGIN)
        first = (area.row // BLOCK, area.col // BLOCK)
        quality = block_map(patch, block=BLOCK, shift=BLOCK, compat=compat)
        part = blocks[first[0] :, first[1] :][: quality.values.shape[0], : quality.values.shape[1]]
        part.copy_(torch.where(quality.counted, quality.values, torch.nan))
        tally.add("q2n", torch.stack([quality.values, quality.counted.double()]), first, cells)
        for name, values in _maps(patch, peak).items():
            tally.add(name, cell_sums(values, (BLOCK, BLOCK)), first, cells)
    return _indices(tally, _Scale(ratio, peak), blocks.numpy(), reference.size, compat)


@dataclass(frozen=True)
class _Scale:
    ratio: float
    peak: float

    def values(self, sums: Sums) -> Values:
        errors = Errors.of(sums["errors"])
        return {
            "q2n": mean_of(sums["q2n"]),
            "q": mean_of(sums["q"]),
            "sam_deg": mean_of(sums["angle"]),
            "ergas": errors.ergas(self.ratio),
            "scc": scc_of(sums["gradient"]),
            "psnr_db": errors.psnr_db(self.peak),
            "psnr_band_mean_db": errors.psnr_band_mean_db(self.peak),
            "ssim": mean_of(sums["ssim"]),
            "rmse": errors.rmse,
        }

    def per_band(self, sums: Sums) -> dict[str, tuple[float | None, ...]]:
        errors = Errors.of(sums["errors"])
        bands: dict[str, Sequence[float | None] | None] = {
            "rmse": [square**0.5 for square in errors.square],
            "psnr_db": errors.psnr_bands(self.peak),
            "q": means_of(sums["q"]),
            "ssim": means_of(sums["ssim"]),
        }
        return {name: tuple(values) for name, values in bands.items() if values}


def _maps(patch: Patch, peak: float) -> dict[str, Tensor]:
    return {
        "errors": error_map(patch),
        "angle": angle_map(patch),
        "gradient": gradient_map(patch),
        "q": quality_map(patch),
        "ssim": similarity_map(patch, peak),
    }


def _indices(
    tally: Tally, scale: _Scale, blocks: NDArray[np.float64], size: Size, compat: Compat
) -> Indices:
    total = tally.total
    n = int(total["errors"][0])
    return Indices(
        values=scale.values(total),
        intervals=intervals(tally, scale.values, "errors"),
        per_band=scale.per_band(total),
        quality_map=QualityMap("q2n", BLOCK, blocks),
        n_pixels=n,
        masked_fraction=1 - n / (size[0] * size[1]),
        definitions={**DEFINITIONS, "rounding": ROUNDING[compat]},
    )


def _cells(size: Size) -> Size:
    return -(-size[0] // BLOCK), -(-size[1] // BLOCK)


def _check(reference: Raster, fused: Raster, ratio: float, peak: float) -> None:
    if (reference.size, reference.bands) != (fused.size, fused.bands):
        raise OptionError(
            f"reference is {reference.bands} x {reference.size}, fused {fused.bands} x "
            f"{fused.size}: they must have the same bands and size; crop or reproject one of them"
        )
    if ratio <= 1:
        raise OptionError(f"ratio {ratio}: give coarse over fine pixel size, above 1")
    if peak <= 0:
        raise OptionError(f"peak {peak}: give the largest value that the data can take")
