"""Windows of reference and fused, and the maps whose sums give every reduced-resolution index."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.blocks import BlockMap, q2n_map
from pansharpkit.metrics.local import (
    SSIM_TAPS,
    erode,
    sliding_quality,
    sobel,
    spectral_angle,
    ssim_map,
)
from pansharpkit.metrics.rasters import Area, Raster, Size
from pansharpkit.physics.observation import Compat

BLOCK = 32
"""Side of the blocks of Q2n and of the windows of Q."""


@dataclass(frozen=True)
class Patch:
    """A window of reference and fused with a margin around what it is to account for."""

    reference: Tensor
    """[C, H, W] float64, 0 where masked."""
    fused: Tensor
    mask: Tensor
    """[H, W] bool."""
    area: Area
    """What the patch accounts for, on the raster."""
    outer: Area
    """What its arrays hold, on the raster."""
    size: Size
    """Size of the raster."""

    @classmethod
    def whole(cls, reference: Tensor, fused: Tensor, mask: Tensor | None) -> Patch:
        """Return the patch of two whole arrays."""
        rasters = Raster.of(reference, mask), Raster.of(fused)
        return cls.read(*rasters, Area(0, 0, *rasters[0].size), 0)

    @classmethod
    def read(cls, reference: Raster, fused: Raster, area: Area, margin: int) -> Patch:
        """Read a window of two rasters; a pixel counts if it is valid in both."""
        outer = area.pad(margin, margin).clip(reference.size)
        (x, first), (y, second) = reference.load(outer), fused.load(outer)
        mask = first & second
        return cls(x * mask, y * mask, mask, area, outer, reference.size)

    def crop(self, values: Tensor) -> Tensor:
        """Return the part of [..., H, W] under the area.

        Maps of windows that must lie inside the raster end before its lower and right edges.
        """
        rows, cols = self.area.within(self.outer)
        return values[..., rows, cols]

    @property
    def frame(self) -> Tensor:
        """[H, W] bool, True on the outermost pixels of the raster."""
        rows = torch.arange(self.outer.height, device=self.mask.device) + self.outer.row
        cols = torch.arange(self.outer.width, device=self.mask.device) + self.outer.col
        top_bottom = (rows == 0) | (rows == self.size[0] - 1)
        left_right = (cols == 0) | (cols == self.size[1] - 1)
        return top_bottom[:, None] | left_right[None, :]


def error_map(patch: Patch) -> Tensor:
    """[1 + 2C, h, w]: valid, reference, squared error."""
    reference, fused = patch.crop(patch.reference), patch.crop(patch.fused)
    valid = patch.crop(patch.mask).to(reference)[None]
    return torch.cat([valid, reference, (fused - reference).square()])


def angle_map(patch: Patch) -> Tensor:
    """[2, h, w]: angle, whether there is one."""
    angle, exists = spectral_angle(patch.crop(patch.reference), patch.crop(patch.fused))
    return torch.stack([angle, exists.to(angle)])


def gradient_map(patch: Patch) -> Tensor:
    """[4, h, w]: products of the Sobel magnitudes fr, ff, rr, and whether the pixel counts."""
    total = patch.fused.new_zeros(4, *patch.mask.shape)
    if min(patch.mask.shape) < 3:
        return patch.crop(total)
    frame = patch.frame
    inside = torch.where(frame, 0.0, 1.0).to(patch.fused)
    counts = erode(patch.mask | frame, 1) & ~frame
    total[3] = counts
    for reference, fused in zip(patch.reference, patch.fused, strict=True):
        pair = torch.stack([fused, reference]) * inside
        f, r = functional.pad(sobel(pair), (1, 1, 1, 1)) * counts
        total[0] += f * r
        total[1] += f.square()
        total[2] += r.square()
    return patch.crop(total)


def _window_map(
    patch: Patch, side: int, quality: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
) -> Tensor:
    """[C + 1, h, w]: quality of each band's windows, whether the window counts."""
    bands = len(patch.fused)
    if min(patch.mask.shape) < side:
        return patch.fused.new_zeros(bands + 1, 1, 1)
    maps = []
    for reference, fused in zip(patch.reference, patch.fused, strict=True):
        values, counts = quality(reference, fused, patch.mask)
        maps.append(torch.where(counts, values, 0.0))
    return patch.crop(torch.stack([*maps, counts.to(values)]))


def quality_map(patch: Patch) -> Tensor:
    """[C + 1, h, w]: Q of the 32 x 32 windows that start at each pixel, whether they count."""
    return _window_map(patch, BLOCK, partial(sliding_quality, side=BLOCK))


def similarity_map(patch: Patch, peak: float) -> Tensor:
    """[C + 1, h, w]: SSIM of the 11 x 11 windows that start at each pixel, whether they count."""
    return _window_map(patch, SSIM_TAPS, partial(ssim_map, peak=peak))


def block_map(patch: Patch, *, block: int, shift: int, compat: Compat) -> BlockMap:
    """Q2n of the blocks of the patch's area."""
    return q2n_map(
        patch.crop(patch.reference),
        patch.crop(patch.fused),
        patch.crop(patch.mask),
        block=block,
        shift=shift,
        toolbox=compat == "toolbox",
    )


def means_of(sums: Tensor) -> list[float] | None:
    """Divide by the last entry, the number of contributions; None if there are none."""
    n = float(sums[-1])
    return [float(total) / n for total in sums[:-1]] if n > 0 else None


def mean_of(sums: Tensor) -> float | None:
    """Return the mean over contributions, then over bands."""
    means = means_of(sums)
    return None if means is None else math.fsum(means) / len(means)


def scc_of(sums: Tensor) -> float | None:
    """Return the normalised product from the sums of :func:`gradient_map`."""
    product, fused, reference, n = sums.tolist()
    if n == 0:
        return None
    if fused == 0 or reference == 0:
        return 1.0 if fused == reference else 0.0
    return float(product / math.sqrt(fused) / math.sqrt(reference))


@dataclass(frozen=True)
class Errors:
    """Band means of the reference and mean square errors by band; empty without valid pixels."""

    mean: list[float]
    square: list[float]

    @classmethod
    def of(cls, sums: Tensor) -> Errors:
        """Take the sums of :func:`error_map`."""
        n = float(sums[0])
        means = (sums[1:] / n).tolist() if n > 0 else []
        half = len(means) // 2
        return cls(means[:half], means[half:])

    @property
    def mse(self) -> float | None:
        """Mean square error over all bands."""
        return math.fsum(self.square) / len(self.square) if self.square else None

    @property
    def rmse(self) -> float | None:
        """Root of the mean square error over all bands."""
        return None if self.mse is None else math.sqrt(self.mse)

    def ergas(self, ratio: float) -> float | None:
        """Relative error (Wald 2000); bands of zero mean are left out."""
        terms = [s / m**2 for s, m in zip(self.square, self.mean, strict=True) if m != 0]
        return 100 / ratio * math.sqrt(math.fsum(terms) / len(terms)) if terms else None

    def psnr_db(self, peak: float) -> float | None:
        """Peak signal to noise ratio from the error of all bands."""
        return decibel(peak, self.mse)

    def psnr_bands(self, peak: float) -> tuple[float | None, ...]:
        """Peak signal to noise ratio of each band."""
        return tuple(decibel(peak, square) for square in self.square)

    def psnr_band_mean_db(self, peak: float) -> float | None:
        """Mean of the bands' ratios, None unless every band has one."""
        known = [band for band in self.psnr_bands(peak) if band is not None]
        complete = len(known) == len(self.square) > 0
        return math.fsum(known) / len(known) if complete else None


def decibel(peak: float, square: float | None) -> float | None:
    """Return 10 log10(peak² / square), None without an error."""
    return 10 * math.log10(peak**2 / square) if square else None
