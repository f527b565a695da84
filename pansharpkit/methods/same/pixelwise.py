"""Blending pixel by pixel: the mean, and what explains all sources best by local gains.

The model is that source i is ``gain_i * X + noise`` of one image X. The gains are estimated from
patches, as directions in which the sources vary together; the X with the smallest squared error is
then ``sum(gain_i * x_i) / sum(gain_i ** 2)``.

Source: Sharma, Leen, Pavel, "Probabilistic image sensor fusion", NIPS 1999, for the model; Ma,
Hill, Anantrasirichai, Achim for the patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.moments import gather
from pansharpkit.methods.same.same_grid import sources
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

GainsFrom = Literal["patch", "scene"]
Level = Literal["unit", "largest"]
_ALIKE = 1e-6  # difference of two eigenvalues, of their sum, below which no direction is principal


@dataclass(frozen=True)
class MeanOptions:
    """The mean has no options."""


@dataclass(frozen=True)
class Mean:
    """Average the sources."""

    options: MeanOptions = MeanOptions()

    def halo(self, sampling: Sampling) -> int:
        """Every pixel for itself."""
        return 0

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Mean:
        """There is nothing to estimate."""
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Return the mean of the sources of each observation."""
        return [sources(observation)[0].mean(dim=0) for observation in batch]

    def summary(self) -> Mapping[str, object]:
        """Return nothing."""
        return {}


@dataclass(frozen=True)
class PcaGainOptions:
    """Where the gains come from, and how they are scaled."""

    gains: GainsFrom = "patch"
    """Gains of small patches, as published, or one for each source and band of the scene."""
    patch: int = 2
    """Pixels along the side of a patch; patches do not overlap."""
    level: Level = "largest"
    """Scale of the gains: the largest is 1, so that sources that agree are kept as they are, or, as
    published, their squares sum to 1, which makes what two sources share 1.4 times as bright."""

    def __post_init__(self) -> None:
        if self.patch < 1:
            raise OptionError("pca-gain: patch must be at least 1")


@dataclass(frozen=True)
class PcaGain:
    """Blend by gains from a principal component analysis of patches."""

    options: PcaGainOptions = PcaGainOptions()

    def halo(self, sampling: Sampling) -> int:
        """Patches are counted from the scene's corner, so that tiles cut some of them."""
        return self.options.patch - 1 if self.options.gains == "patch" else 0

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedPcaGain:
        """Estimate the scene's gains, where they are asked for.

        Raises
        ------
        FusionError
            If no pixel is valid.
        """
        if self.options.gains == "patch":
            return FittedPcaGain(self.options)
        return FittedPcaGain(self.options, scene_gains(sample, self.options.level, context))


@dataclass(frozen=True)
class FittedPcaGain:
    """The gains of the scene, or how to find those of a patch."""

    options: PcaGainOptions
    gains: Tensor | None = None
    """[n, C], where the scene has one set."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Return the image that explains the sources of each observation best."""
        return [self._blended(observation) for observation in batch]

    def _blended(self, observation: Observation) -> Tensor:
        images, _ = sources(observation)
        return best_blend(images, self.on(observation)).to(images.dtype)

    def on(self, observation: Observation) -> Tensor:
        """Return the gains of each source at each pixel, [n, C, H, W] or [n, C, 1, 1]."""
        images, mask = sources(observation)
        if self.gains is not None:
            return self.gains.to(images)[:, :, None, None]
        return patch_gains(images, mask, observation.origin, self.options.patch, self.options.level)

    def summary(self) -> Mapping[str, object]:
        """Return the scene's gains, by source and band."""
        return {} if self.gains is None else {"gains": self.gains.tolist()}


def best_blend(images: Tensor, gains: Tensor) -> Tensor:
    """Return the [C, H, W] that minimises ``sum((x_i - gain_i * X) ** 2)`` at every pixel.

    `images` are [n, C, H, W] and `gains` broadcast with them.
    """
    above = (gains * images).sum(dim=0)
    below: Tensor = gains.square().sum(dim=0)
    return above / below


def scene_gains(sample: Sequence[Observation], level: Level, context: Context) -> Tensor:
    """Return one gain for each source and band, [n, C] in float64.

    Raises
    ------
    FusionError
        If no pixel is valid.
    """

    def measured(observation: Observation) -> tuple[tuple[Tensor, Tensor], ...]:
        images, mask = sources(observation)
        return tuple((band, mask) for band in images.unbind(dim=1))

    moments = gather(sample, measured, context)
    return torch.stack([principal(found.second, level) for found in moments], dim=-1)


def patch_gains(
    images: Tensor, mask: Tensor, origin: tuple[int, int], patch: int, level: Level
) -> Tensor:
    """Return [n, C, H, W] gains, equal within patches counted from the scene's first pixel.

    Pixels outside the mask do not enter; a patch without any other has gains of 1.
    """
    size = (int(images.shape[-2]), int(images.shape[-1]))
    before = [start % patch for start in origin]
    after = [-(side + cut) % patch for side, cut in zip(size, before, strict=True)]
    margins = (before[1], after[1], before[0], after[0])
    counted = functional.pad(images * mask, margins)
    products = [
        functional.avg_pool2d(one * other, patch)
        for one in counted.unbind(0)
        for other in counted.unbind(0)
    ]
    n = len(images)
    stacked = torch.stack(products, dim=-1)
    scatter = stacked.reshape(*stacked.shape[:-1], n, n)
    gains = principal(scatter, level).movedim(-1, 0)
    spread = gains.repeat_interleave(patch, dim=-2).repeat_interleave(patch, dim=-1)
    return spread[..., before[0] : before[0] + size[0], before[1] : before[1] + size[1]]


def principal(scatter: Tensor, level: Level) -> Tensor:
    """Return the absolute principal eigenvectors [..., n] of [..., n, n] symmetric matrices.

    Where two directions are as good as each other, all are 1.
    """
    if scatter.shape[-1] == 2:
        vector, apart = _principal_of_two(scatter)
    else:
        values, vectors = torch.linalg.eigh(scatter)
        vector, apart = vectors[..., -1].abs(), values[..., -1] - values[..., -2]
    power = scatter.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    if level == "largest":
        vector = vector / vector.amax(dim=-1, keepdim=True)
    clear = apart > _ALIKE * power
    return torch.where(clear[..., None], vector, torch.ones_like(vector))


def _principal_of_two(scatter: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvector of the larger eigenvalue, and by how much that is larger."""
    difference = scatter[..., 0, 0] - scatter[..., 1, 1]
    twice = 2 * scatter[..., 0, 1]
    angle = torch.atan2(twice, difference) / 2
    vector = torch.stack([angle.cos(), angle.sin()], dim=-1).abs()
    return vector, torch.hypot(twice, difference)
