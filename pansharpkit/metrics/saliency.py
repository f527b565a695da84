"""Structural indices of fusion: the quality Q of windows, weighted by what each source shows there.

Q is Wang and Bovik's universal quality index of a source and the fused image in a window. Piella
and Heijmans weight it by saliency, the variance of the sources in the window; Cvejic et al. by
their covariance with the fused image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.blocks import FULL, universal_quality
from pansharpkit.metrics.local import box_sum
from pansharpkit.metrics.tally import cell_sums

WINDOW = 8
"""Side of Piella's windows, one starting at every pixel."""
BLOCK = 4
"""Side of Cvejic's blocks, side by side."""
_ROUNDING = 1e-12
"""A variance below this share of the mean square is what rounding left of 0."""


@dataclass(frozen=True)
class Windows:
    """Moments of the valid pixels of sources and fused image in windows."""

    mean: Tensor
    """[N + 1, h, w], fused last."""
    variance: Tensor
    covariance: Tensor
    """[N, h, w], of each source with the fused image."""
    counted: Tensor
    """[h, w] bool: at least half of the window's pixels that are in the raster are valid."""

    @classmethod
    def sliding(cls, images: Tensor, mask: Tensor) -> Windows:
        """Return the windows of 8 x 8 inside [N + 1, H, W], or the one around a smaller image."""
        missing = (0, max(0, WINDOW - mask.shape[1]), 0, max(0, WINDOW - mask.shape[0]))
        within = functional.pad(torch.ones_like(mask), missing)
        images, mask = functional.pad(images, missing), functional.pad(mask, missing)
        return cls._of(images, mask, within, lambda x: box_sum(x, WINDOW))

    @classmethod
    def blocks(cls, images: Tensor, mask: Tensor) -> Windows:
        """Return the blocks of 4 x 4 side by side, those cut by the edge included."""
        return cls._of(images, mask, torch.ones_like(mask), lambda x: cell_sums(x, (BLOCK, BLOCK)))

    @classmethod
    def _of(
        cls, images: Tensor, mask: Tensor, within: Tensor, add: Callable[[Tensor], Tensor]
    ) -> Windows:
        weights = mask.to(images.dtype)
        n = add(weights[None])
        number = n.clamp(min=1)
        # Moments are taken about one value per image, or small variances drown in large means.
        origin = (images * weights).sum(dim=(1, 2), keepdim=True) / weights.sum().clamp(min=1)
        centred = (images - origin) * weights
        mean, square = add(centred) / number, add(centred.square()) / number
        variance = square - mean.square()
        variance = torch.where(variance > _ROUNDING * square, variance, 0.0)
        covariance = add(centred[:-1] * centred[-1:]) / number - mean[:-1] * mean[-1:]
        varies = (variance[:-1] > 0) & (variance[-1:] > 0)
        counted = (n >= FULL * add(within.to(images.dtype)[None]))[0] & (n > 0)[0]
        return cls(mean + origin, variance, covariance.where(varies, 0.0), counted)

    @property
    def quality(self) -> Tensor:
        """Q of each source and the fused image, [N, h, w]."""
        return universal_quality(
            (self.mean[:-1], self.mean[-1:]),
            (self.variance[:-1], self.variance[-1:]),
            self.covariance,
        )

    @property
    def saliency(self) -> Tensor:
        """Variance of the sources, [N, h, w]."""
        return self.variance[:-1]

    def first(self, rows: int, cols: int) -> Windows:
        """Return the windows of the first rows and columns."""
        cut = (..., slice(rows), slice(cols))
        return Windows(*(x[cut] for x in self._tensors))

    @property
    def _tensors(self) -> tuple[Tensor, ...]:
        return self.mean, self.variance, self.covariance, self.counted


def _shared(weights: Tensor) -> Tensor:
    """Scale weights [N, h, w] to a sum of 1 in each window; equal where there are none."""
    total = weights.sum(dim=0)
    equal = torch.full_like(weights, 1 / len(weights))
    return torch.where(total > 0, weights / total.where(total > 0, 1.0), equal)


def saliency_sums(windows: Windows) -> Tensor:
    """Return what windows add to Piella's indices: [4].

    Sums of the quality, of 1, of the quality times the greatest saliency, and of that saliency.
    """
    quality = (_shared(windows.saliency) * windows.quality).sum(dim=0)[windows.counted]
    greatest = windows.saliency.amax(dim=0)[windows.counted]
    count = quality.new_tensor(len(quality))
    return torch.stack([quality.sum(), count, (quality * greatest).sum(), greatest.sum()])


def piella_q(sums: Tensor) -> float | None:
    """Return Q: the mean over the windows."""
    quality, count, _, _ = sums.tolist()
    return quality / count if count else None


def piella_q_w(sums: Tensor) -> float | None:
    """Return Q_W: windows weighted by their greatest saliency; equally where there is none."""
    _, _, weighted, weight = sums.tolist()
    return weighted / weight if weight > 0 else piella_q(sums)


def piella_q_e(image: Tensor, edges: Tensor) -> float | None:
    """Return Q_E: Q_W of the images times that of their Sobel magnitudes."""
    parts = piella_q_w(image), piella_q_w(edges)
    return None if parts[0] is None or parts[1] is None else parts[0] * parts[1]


def similarity_sums(windows: Windows) -> Tensor:
    """Return what blocks add to Cvejic's index: [2], sums of the quality and of 1.

    The weight of a source is its covariance with the fused image over the sum of all sources'
    covariances, clipped at 0: for two sources, the published one.
    """
    total = windows.covariance.sum(dim=0)
    share = windows.covariance / total.where(total != 0, 1.0)
    weights = _shared(torch.where(total != 0, share, 0.0).clamp(min=0))
    quality = (weights * windows.quality).sum(dim=0)[windows.counted]
    return torch.stack([quality.sum(), quality.new_tensor(len(quality))])


def cvejic_q_c(sums: Tensor) -> float | None:
    """Return Q_C: the mean over the blocks."""
    quality, count = sums.tolist()
    return quality / count if count else None
