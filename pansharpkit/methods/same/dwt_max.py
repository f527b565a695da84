"""Blending in wavelets: at every scale and place, the strongest detail of all sources.

The transform is undecimated, so that neither a shift of the image nor a tile changes the choice.

Source: Li, Manjunath, Mitra, "Multisensor image fusion using the wavelet transform", 1995.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.same.same_grid import sources
from pansharpkit.physics import Observation
from pansharpkit.physics.resample import fold
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class DwtMaxOptions:
    """How deep the transform goes."""

    levels: int = 4
    """Scales of detail; the coarsest is 2**levels pixels wide."""

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 8:
            raise OptionError("dwt-max: levels must lie between 1 and 8")


@dataclass(frozen=True)
class DwtMax:
    """Average what is coarse and take the largest Haar coefficients of what is not."""

    options: DwtMaxOptions = DwtMaxOptions()

    def halo(self, sampling: Sampling) -> int:
        """Return the reach of analysis and synthesis together."""
        return _reach(self.options.levels)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> DwtMax:
        """There is nothing to estimate."""
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Blend the sources of each observation."""
        return [self._blended(sources(observation)[0]) for observation in batch]

    def _blended(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        margin = _reach(self.options.levels)
        rows, cols = (
            fold(torch.arange(-margin, side + margin), side, "symmetric").to(images.device)
            for side in (height, width)
        )
        fused = _merged(images[..., rows, :][..., cols], self.options.levels)
        return fused[..., margin : margin + height, margin : margin + width]

    def summary(self) -> Mapping[str, object]:
        """Return nothing."""
        return {}


def _reach(levels: int) -> int:
    return int(2**levels) - 1


def _merged(images: Tensor, levels: int, step: int = 1) -> Tensor:
    """Return the [C, H, W] blend of [n, C, H, W]; pixels near the edges see the opposite ones."""
    if not levels:
        return images.mean(dim=0)
    low, high = _split(images, step, -2)
    (coarse, across), (down, diagonal) = _split(low, step, -1), _split(high, step, -1)
    across, down, diagonal = (_strongest(part) for part in (across, down, diagonal))
    coarse = _merged(coarse, levels - 1, 2 * step)
    return _joined(_joined(coarse, across, step, -1), _joined(down, diagonal, step, -1), step, -2)


def _split(x: Tensor, step: int, axis: int) -> tuple[Tensor, Tensor]:
    """Return half the sum and half the difference of each pixel and the one `step` further."""
    ahead = x.roll(-step, axis)
    return (x + ahead) / 2, (x - ahead) / 2


def _joined(low: Tensor, high: Tensor, step: int, axis: int) -> Tensor:
    """Return the mean of the two values that the pairs of a pixel say it has."""
    return (low + high + (low - high).roll(step, axis)) / 2


def _strongest(details: Tensor) -> Tensor:
    chosen = details.abs().argmax(dim=0, keepdim=True)
    return details.gather(0, chosen)[0]
