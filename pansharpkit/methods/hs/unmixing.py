"""Spectra as mixtures of others: how much there is of each, and steps towards better ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pansharpkit.physics import Observation

TINY = 1e-12
"""Below this, in working range, a factor is nothing and divides nothing."""


def counted_spectra(seen: Sequence[Observation]) -> Tensor:
    """Return the target's valid pixels as columns, negatives cut, [C, N] float64."""
    return torch.cat([each.target[:, each.target_mask].double() for each in seen], dim=1).clamp(0)


def lowered(factor: Tensor, wanted: Tensor, made: Tensor) -> Tensor:
    """Return one multiplicative step of a nonnegative factor (Lee and Seung 2001).

    `wanted` and `made` are the negative and positive parts of the gradient. The squared error never
    grows, and what is 0 stays 0.
    """
    return factor * (wanted / made.clamp_min(TINY))


def sparse_codes(
    dictionary: Tensor, columns: Tensor, sparsity: float, steps: int, start: Tensor | None = None
) -> Tensor:
    """Return nonnegative codes [K, N] that make columns [C, N] of a dictionary [C, K].

    Minimum of ``|columns - dictionary @ codes|^2 / 2 + sparsity * sum(codes)`` by the accelerated
    proximal gradient (Beck and Teboulle 2009), restarted where momentum leads uphill.
    """
    gram, target = dictionary.T @ dictionary, dictionary.T @ columns
    step = 1 / float(torch.linalg.matrix_norm(gram, 2).clamp_min(TINY))
    codes = torch.zeros_like(target) if start is None else start
    ahead, momentum = codes, 1.0
    for _ in range(steps):
        moved = (ahead - step * (gram @ ahead - target + sparsity)).clamp_min(0)
        uphill = float(((ahead - moved) * (moved - codes)).sum()) > 0
        following = 1.0 if uphill else (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = moved + (0.0 if uphill else (momentum - 1) / following) * (moved - codes)
        codes, momentum = moved, following
    return codes
