"""SCD: the sum of the correlations of differences (Aslantas and Bendes 2015).

What the fused image holds beyond the other sources ought to be what a source brought:

    SCD = Σ_i r(F - S_others, S_i),   S_others the mean of the other sources

and r the correlation over all pixels, 0 where either side is constant. With two sources that is the
published r(F - S_2, S_1) + r(F - S_1, S_2).
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDING = 1e-12
"""A variance below this share of its parts' is what rounding left of 0."""


def product_sums(images: Tensor, valid: Tensor, origin: Tensor) -> Tensor:
    """Return what pixels of [N + 1, H, W] add to the products about `origin` [N + 1].

    The result is [N + 2, N + 2], with the number of pixels and the sums of the values last.
    """
    values = images[:, valid] - origin[:, None]
    values = torch.cat([values, torch.ones_like(values[:1])])
    return values @ values.T


def scd(sums: Tensor) -> float | None:
    """Return SCD from :func:`product_sums`, fused last; None where no pixel counts."""
    count = sums[-1, -1]
    if not count:
        return None
    mean = sums[-1, :-1] / count
    covariance = sums[:-1, :-1] / count - mean[:, None] * mean[None, :]
    n = len(covariance) - 1
    differences = torch.zeros(n, n + 1).to(covariance)
    differences[:, :n] = -(1 - torch.eye(n).to(covariance)) / max(1, n - 1)
    differences[:, n] = 1
    parts = (differences.square() * covariance.diagonal()).sum(dim=1)
    spread = (differences @ covariance @ differences.T).diagonal()
    variance = covariance.diagonal()[:n]
    varies = (spread > _ROUNDING * parts) & (variance > 0)
    shared = (differences @ covariance[:, :n]).diagonal()
    correlation = shared / (spread * variance).where(varies, 1.0).sqrt()
    return float(correlation.where(varies, 0.0).clamp(-1, 1).sum())
