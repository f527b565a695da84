"""Entropy and mutual information of images, from histograms of 256 levels.

How values become levels: see :class:`Levels`. Entropies are in bits. With p the share of the pixels
that have a pair of levels, p_s and p_f the shares of its members,

    Shannon   I(S; F)  = Σ p log2( p / (p_s p_f) )
    Rényi     I_a(S; F) = 1 / (a - 1) · log2 Σ p^a (p_s p_f)^(1 - a),   a = 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 256
RENYI_ORDER = 0.5


@dataclass(frozen=True)
class Levels:
    """How the values of an image become one of 256 levels.

    The lowest value has level 0, the highest level 255; between them levels are rounded half up,
    beyond them clipped. With 0 and 255 the values of 8-bit data are their levels.
    """

    lowest: float
    highest: float

    def of(self, values: Tensor) -> Tensor:
        """Return the levels, int64; all 0 where the range is empty."""
        span = self.highest - self.lowest
        if not span > 0:
            return torch.zeros_like(values, dtype=torch.int64)
        # The quotient first: the product of two large numbers may overflow.
        scaled = (values - self.lowest) / span * (LEVELS - 1)
        return torch.floor(scaled + 0.5).clamp(0, LEVELS - 1).long()


def joint_histograms(levels: Tensor, valid: Tensor) -> Tensor:
    """Count the pairs of levels of each source and the fused image: [N, 256, 256].

    `levels` is [N + 1, H, W], fused last; `valid` [H, W] says which pixels count.
    """
    fused = levels[-1][valid]
    counts = [
        torch.bincount(source[valid] * LEVELS + fused, minlength=LEVELS * LEVELS)
        for source in levels[:-1]
    ]
    return torch.stack(counts).reshape(-1, LEVELS, LEVELS)


@dataclass(frozen=True)
class Information:
    """What sources and a fused image tell of each other."""

    joint: Tensor
    """[N, 256, 256] float64, shares of pixels by the levels of source and fused."""

    @classmethod
    def of(cls, counts: Tensor) -> Information | None:
        """Return what follows from joint histograms; None without a pixel."""
        total = counts[0].sum()
        return cls(counts.double() / total) if total else None

    @property
    def entropy(self) -> float:
        """Entropy of the fused image, bits."""
        return _entropy(self.joint[0].sum(dim=0))

    @property
    def shannon(self) -> float:
        """Mutual information of source and fused, bits, over all sources (Qu et al. 2002)."""
        return sum(_shannon(joint) for joint in self.joint)

    @property
    def normalised(self) -> float:
        """The same, each divided by the mean of the two entropies (Hossny et al. 2008).

        Two constant images, which have no information to share, count as equal: 1.
        """
        total = 0.0
        for joint in self.joint:
            both = _entropy(joint.sum(dim=0)) + _entropy(joint.sum(dim=1))
            total += 2 * _shannon(joint) / both if both > 0 else 1.0
        return total

    @property
    def renyi(self) -> float:
        """Mean over the sources of Rényi's mutual information of order 1/2, bits."""
        return sum(_renyi(joint) for joint in self.joint) / len(self.joint)


def _entropy(shares: Tensor) -> float:
    return max(0.0, -float(torch.special.xlogy(shares, shares).sum()) / math.log(2))


def _shannon(joint: Tensor) -> float:
    sides = joint.sum(dim=0), joint.sum(dim=1)
    return max(0.0, _entropy(sides[0]) + _entropy(sides[1]) - _entropy(joint))


def _renyi(joint: Tensor) -> float:
    independent = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    overlap = (joint**RENYI_ORDER * independent ** (1 - RENYI_ORDER)).sum()
    return max(0.0, float(torch.log2(overlap)) / (RENYI_ORDER - 1))
