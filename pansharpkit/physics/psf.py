"""Blur and decimation by a PSF of any shape, at any ratio and phase, and the adjoint.

A PSF is the sum of a few separable ones (its singular value decomposition), and each of those is a
pair of small matrices as everything else between the two grids. Where a tap falls between two
pixels it is shared between them.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pansharpkit.model import Psf
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.remembered import MATRICES
from pansharpkit.physics.resample import Axis, Border, axes_down, fold
from pansharpkit.sampling import Sampling

_NEGLIGIBLE = 1e-7  # singular value beside the largest


def spread_by(
    x: Tensor,
    sampling: Sampling,
    target_size: tuple[int, int],
    psf: Psf,
    *,
    border: Border = "replicate",
) -> Tensor:
    """Blur [C, H, W] with the PSF and sample it at the target centres, [C, h, w]."""
    pairs = psf_pairs((int(x.shape[-2]), int(x.shape[-1])), sampling, target_size, psf, border)
    return torch.stack([apply_pair(x, rows, cols) for rows, cols in pairs]).sum(dim=0)


def spread_by_adjoint(
    y: Tensor,
    sampling: Sampling,
    size: tuple[int, int],
    psf: Psf,
    *,
    border: Border = "replicate",
) -> Tensor:
    """Apply the transpose of :func:`spread_by` to [C, h, w], giving [C, H, W]."""
    pairs = psf_pairs(size, sampling, (int(y.shape[-2]), int(y.shape[-1])), psf, border)
    return torch.stack([apply_pair(y, rows.T, cols.T) for rows, cols in pairs]).sum(dim=0)


def psf_pairs(
    size: tuple[int, int],
    sampling: Sampling,
    target_size: tuple[int, int],
    psf: Psf,
    border: Border = "replicate",
) -> list[tuple[Tensor, Tensor]]:
    """Return the separable terms of :func:`spread_by`, [h, H] and [w, W] each, float64."""
    rows, cols = axes_down(size, target_size, sampling.shifted(*psf.shift), border)
    return [(_matrix(rows, down), _matrix(cols, across)) for down, across in _terms(psf)]


@lru_cache
def _terms(psf: Psf) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """Return the column and row profiles whose products add up to the PSF."""
    left, values, right = torch.linalg.svd(torch.tensor(psf.values, dtype=torch.float64))
    return tuple(
        (tuple((left[:, k] * value).tolist()), tuple(right[k].tolist()))
        for k, value in enumerate(values)
        if value > _NEGLIGIBLE * values[0]
    )


@MATRICES.keeps
def _matrix(axis: Axis, profile: tuple[float, ...]) -> Tensor:
    """Return [n_out, n_in] with the profile around each output's centre, shared between pixels."""
    taps = torch.arange(len(profile), dtype=torch.float64) - (len(profile) - 1) / 2
    places = axis.centres[:, None] + taps
    below = torch.floor(places + 1e-9)
    share = (places - below).clamp(min=0)
    weights = torch.tensor(profile, dtype=torch.float64)
    dense = torch.zeros(axis.n_out, axis.n_in, dtype=torch.float64)
    for index, part in ((below, 1 - share), (below + 1, share)):
        dense.scatter_add_(1, fold(index.long(), axis.n_in, axis.border), part * weights)
    return dense
