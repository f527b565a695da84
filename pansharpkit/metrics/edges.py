"""Q_AB/F: how much of the edges of the sources is in the fused image (Xydeas and Petrovic 2000).

Each pixel of a source has an edge of strength g, the Sobel magnitude, and of orientation α, modulo
half a turn. With G the lesser strength over the greater and A the agreement of the orientations,
1 at best, a source's edge is preserved to

    Q = (Q_g(G) · Q_α(A)) ^ power,     Q_x(v) = ceiling / (1 + exp(slope · (middle - v))),

and the index is the mean of Q over pixels and sources, weighted by the strength of the source's
edge. Where no source has an edge anywhere, all weights are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.metrics.local import erode, sobel_parts


@dataclass(frozen=True)
class Sigmoid:
    """A soft step from 0 to `ceiling`."""

    ceiling: float
    slope: float
    middle: float

    def __call__(self, v: Tensor) -> Tensor:
        """Return the step at each value."""
        return self.ceiling * torch.sigmoid(self.slope * (v - self.middle))


@dataclass(frozen=True)
class EdgeModel:
    """Constants of a variant of Q_AB/F."""

    strength: Sigmoid
    orientation: Sigmoid
    power: float
    """Of the product of the two."""
    circular: bool
    """Whether orientations of +90° and -90° agree, as they do, or count as opposite."""

    @property
    def best(self) -> float:
        """The value of an image against itself: below 1, for the sigmoids are."""
        one = torch.ones((), dtype=torch.float64)
        return float((self.strength(one) * self.orientation(one)) ** self.power)

    def preserved(self, source: Edges, fused: Edges) -> Tensor:
        """Return how much of each edge of the source is in the fused image, 0 ... 1."""
        lesser = torch.minimum(source.strength, fused.strength)
        greater = torch.maximum(source.strength, fused.strength)
        ratio = torch.where(greater > 0, lesser / greater.where(greater > 0, 1.0), 1.0)
        turn = (source.orientation - fused.orientation).abs() / (math.pi / 2)
        agreement = (turn - 1).abs() if self.circular else 1 - turn
        return (self.strength(ratio) * self.orientation(agreement)) ** self.power


XYDEAS_PETROVIC = EdgeModel(
    Sigmoid(0.9994, 15, 0.5), Sigmoid(0.9879, 22, 0.8), power=1.0, circular=False
)
"""As published (Electronics Letters 36, 2000) and as most toolboxes have it."""
BRISTOL = EdgeModel(Sigmoid(1.0, 11, 0.7), Sigmoid(1.0, 24, 0.8), power=0.5, circular=True)
"""As the authors of DIP fusion report it: the geometric mean of steeper steps."""


@dataclass(frozen=True)
class Edges:
    """Sobel edges of images, inside their frame."""

    strength: Tensor
    """[..., H-2, W-2]."""
    orientation: Tensor
    """Radians in (-π/2, π/2]; π/2 where the gradient has no part along the rows."""

    @classmethod
    def of(cls, images: Tensor) -> Edges:
        """Return the edges of [N, H, W]."""
        across, down = sobel_parts(images)
        level = across == 0
        angle = torch.atan(down / across.where(~level, 1.0))
        return cls(torch.hypot(across, down), angle.where(~level, math.pi / 2))

    def __getitem__(self, index: int) -> Edges:
        """Return the edges of one image."""
        return Edges(self.strength[index], self.orientation[index])


def inside(mask: Tensor) -> Tensor:
    """Return where the 3 x 3 surroundings of a pixel of [H, W] are valid: [H-2, W-2]."""
    return (erode(mask, 1) & mask)[1:-1, 1:-1]


def edge_sums(edges: Edges, valid: Tensor, model: EdgeModel) -> Tensor:
    """Return what pixels add to Q_AB/F: [4] weighted and plain sums of Q, and of the weights.

    `edges` are those of the sources and, last, of the fused image; `valid` says which pixels count.
    """
    total = edges.strength.new_zeros(4)
    for source in range(edges.strength.shape[0] - 1):
        kept = model.preserved(edges[source], edges[-1])[valid]
        weight = edges.strength[source][valid]
        total += torch.stack(
            [(kept * weight).sum(), weight.sum(), kept.sum(), weight.new_tensor(len(weight))]
        )
    return total


def edge_value(sums: Tensor) -> float | None:
    """Return Q_AB/F, or None where no pixel counts."""
    weighted, weight, plain, count = (float(total) for total in sums)
    if not count:
        return None
    return weighted / weight if weight > 0 else plain / count
