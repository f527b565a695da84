"""Products with the matrices of short kernels, which are zero nearly everywhere."""

from __future__ import annotations

from collections.abc import MutableMapping

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

BAND = 64
"""Rows of a matrix that are multiplied together."""

Bands = tuple[tuple[Tensor, slice], ...]
"""Groups of rows of a matrix, each with the columns that it uses."""

_known: MutableMapping[Tensor, dict[torch.dtype, Bands]] = WeakIdKeyDictionary()


def apply_pair(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Return ``rows @ x @ cols.T`` for [..., H, W] x, in x's dtype and device.

    Kernels are short, so that on the CPU the matrices are applied in bands, which saves most of
    the work of a large array. On a GPU one product is faster than several small ones.
    """
    if x.device.type != "cpu":
        return rows.to(x.device, x.dtype) @ x @ cols.to(x.device, x.dtype).T
    down, across = _bands(rows, x.dtype), _bands(cols, x.dtype)
    if x.requires_grad and torch.is_grad_enabled():
        half = torch.cat([band @ x[..., used, :] for band, used in down], dim=-2)
        return torch.cat([half[..., used] @ band.T for band, used in across], dim=-1)
    images = x.reshape(-1, *x.shape[-2:])
    if len(rows) > x.shape[-2]:  # the larger product comes last, and along the rows of memory
        fused = _down(_across(images, across, len(cols)), down, len(rows))
    else:
        fused = _across(_down(images, down, len(rows)), across, len(cols))
    return fused.reshape(*x.shape[:-2], len(rows), len(cols))


def _bands(matrix: Tensor, dtype: torch.dtype) -> Bands:
    """Cut a matrix into bands of a dtype; remembered as long as the matrix lives."""
    known = _known.setdefault(matrix, {})
    if dtype not in known:
        found = []
        for group in torch.split(matrix, BAND):
            used = (group != 0).any(dim=0).nonzero()
            columns = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
            found.append((group[:, columns].to(dtype).contiguous(), columns))
        known[dtype] = tuple(found)
    return known[dtype]


def _down(images: Tensor, bands: Bands, height: int) -> Tensor:
    """Apply bands to the columns of [n, H, W] images, giving [n, height, W]."""
    made = images.new_empty(images.shape[0], height, images.shape[2])
    for image, out in zip(images, made, strict=True):
        row = 0
        for band, used in bands:
            torch.mm(band, image[used], out=out[row : row + len(band)])
            row += len(band)
    return made


def _across(images: Tensor, bands: Bands, width: int) -> Tensor:
    """Apply bands to the rows of [n, H, W] images, giving [n, H, width]."""
    lines = images.reshape(-1, images.shape[2])
    made = lines.new_empty(len(lines), width)
    col = 0
    for band, used in bands:
        torch.mm(lines[:, used], band.T, out=made[:, col : col + len(band)])
        col += len(band)
    return made.reshape(*images.shape[:2], width)
