"""Indices of whole arrays against a reference of the same size.

Each is the sum of a map of :mod:`pansharpkit.metrics.patches`, which
:func:`pansharpkit.metrics.reduced_resolution` sums window by window instead. All compute in double
precision, leave masked pixels out, and return None where nothing is left.
"""

from __future__ import annotations

from torch import Tensor

from pansharpkit.metrics.patches import (
    BLOCK,
    Errors,
    Patch,
    angle_map,
    block_map,
    error_map,
    gradient_map,
    mean_of,
    quality_map,
    scc_of,
    similarity_map,
)
from pansharpkit.physics.observation import Compat


def _sum(values: Tensor) -> Tensor:
    return values.sum(dim=(1, 2))


def q2n(
    reference: Tensor,
    fused: Tensor,
    mask: Tensor | None = None,
    *,
    block: int = BLOCK,
    shift: int = BLOCK,
    compat: Compat = "none",
) -> float | None:
    """Return Q2n (Q4, Q8, ...) of two [C, H, W] images, 1 at best.

    Parameters
    ----------
    mask
        [H, W] bool, True where a pixel counts.
    block, shift
        Side of the blocks and their distance, pixels.
    compat
        ``"toolbox"`` rounds to uint16 first.
    """
    patch = Patch.whole(reference, fused, mask)
    return block_map(patch, block=block, shift=shift, compat=compat).mean


def q(reference: Tensor, fused: Tensor, mask: Tensor | None = None) -> float | None:
    """Return the universal quality index of two [C, H, W] images, 1 at best (Wang, Bovik 2002)."""
    return mean_of(_sum(quality_map(Patch.whole(reference, fused, mask))))


def ssim(
    reference: Tensor, fused: Tensor, mask: Tensor | None = None, *, peak: float
) -> float | None:
    """Return the structural similarity of two [C, H, W] images, 1 at best (Wang et al. 2004)."""
    return mean_of(_sum(similarity_map(Patch.whole(reference, fused, mask), peak)))


def sam_deg(reference: Tensor, fused: Tensor, mask: Tensor | None = None) -> float | None:
    """Return the mean spectral angle of two [C, H, W] images, degrees (Yuhas et al. 1992)."""
    return mean_of(_sum(angle_map(Patch.whole(reference, fused, mask))))


def scc(reference: Tensor, fused: Tensor, mask: Tensor | None = None) -> float | None:
    """Return the spatial correlation of two [C, H, W] images' Sobel magnitudes, 1 at best.

    1 if neither image has a gradient, 0 if only one has.
    """
    return scc_of(_sum(gradient_map(Patch.whole(reference, fused, mask))))


def _errors(reference: Tensor, fused: Tensor, mask: Tensor | None) -> Errors:
    return Errors.of(_sum(error_map(Patch.whole(reference, fused, mask))))


def ergas(
    reference: Tensor, fused: Tensor, mask: Tensor | None = None, *, ratio: float
) -> float | None:
    """Return ERGAS of two [C, H, W] images, 0 at best (Wald 2000).

    `ratio` is coarse over fine pixel size, above 1.
    """
    return _errors(reference, fused, mask).ergas(ratio)


def rmse(reference: Tensor, fused: Tensor, mask: Tensor | None = None) -> float | None:
    """Return the root mean square error over all bands of two [C, H, W] images."""
    return _errors(reference, fused, mask).rmse


def psnr_db(
    reference: Tensor, fused: Tensor, mask: Tensor | None = None, *, peak: float
) -> float | None:
    """Return the PSNR of two [C, H, W] images from the error of all bands; None if it is 0."""
    return _errors(reference, fused, mask).psnr_db(peak)


def psnr_band_mean_db(
    reference: Tensor, fused: Tensor, mask: Tensor | None = None, *, peak: float
) -> float | None:
    """Return the mean of the bands' PSNR; None if a band has no error."""
    return _errors(reference, fused, mask).psnr_band_mean_db(peak)
