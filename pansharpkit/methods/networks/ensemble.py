"""How far an image would have been another one, had its networks begun elsewhere.

The method is fitted and applied again with other seeds. The first result is the image, untouched;
how far the others lie from it is what comes after its bands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pansharpkit.methods.base import Context, Fitted, Method, Progress
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

MEMBERS = 4
"""Results in all, the image among them."""
REACH = 2
"""Pixels to each side over which variances are averaged: so few results say little of one pixel."""
_OTHERS = 0x5EED  # keeps the seeds of the other results from those within a method


@dataclass(frozen=True)
class Ensemble:
    """A method, and the same again with other seeds.

    The image, the halo and the overlap are those of the method. The variances of pixels within
    `REACH` of a tile's edge are averaged over a few that lie in its halo's last pixels.
    """

    method: Method
    again: Method
    """The method without its side effects, such as a file of weights."""
    members: int = MEMBERS
    uncertain: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """Return that of the method: what it makes must not depend on being asked for more."""
        return self.method.halo(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Return that of the method."""
        return self.method.overlap(sampling)

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedEnsemble:
        """Fit all members, the image's first.

        Raises
        ------
        FusionError
            As the method does.
        """
        first = self.method.fit(sample, context)
        others = [
            self.again.fit(sample, of_member(context, member, self.members))
            for member in range(1, self.members)
        ]
        return FittedEnsemble((first, *others))


@dataclass(frozen=True)
class FittedEnsemble:
    """All members of a scene."""

    fits: tuple[Fitted, ...]
    """That of the image first."""

    @property
    def batched(self) -> bool:
        """Whether several tiles at once are faster, as the method says."""
        return bool(getattr(self.fits[0], "batched", False))

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Return the fused bands, [C, H, W], and their standard deviations after them.

        Raises
        ------
        FusionError
            As the method does.
        """
        images = self.fits[0].apply(batch, context)
        squares = [torch.zeros_like(image) for image in images]
        for member, fitted in enumerate(self.fits[1:], start=1):
            found = fitted.apply(batch, of_member(context, member, len(self.fits)))
            for square, image, other in zip(squares, images, found, strict=True):
                square += (other - image).square_()
        return [
            torch.cat([image, deviation(square / (2 * (len(self.fits) - 1)), seen.guide_mask)])
            for image, square, seen in zip(images, squares, batch, strict=True)
        ]

    def summary(self) -> Mapping[str, object]:
        """Return what the image's fit says of itself, and how many others there are."""
        return {**self.fits[0].summary(), "uncertainty": {"members": len(self.fits)}}


def of_member(context: Context, member: int, members: int = MEMBERS) -> Context:
    """Return the context of a member; the first one's is as it was given."""
    if not member:
        return context
    return replace(
        context,
        seed=mixed_seed(context.seed, _OTHERS, member),
        progress=_named(context.progress, f" ({member + 1} of {members})"),
    )


def _named(progress: Progress | None, suffix: str) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{stage}{suffix}", done, total)


def deviation(variance: Tensor, mask: Tensor, reach: int = REACH) -> Tensor:
    """Return the root of variances, [C, H, W], averaged over neighbours that are valid, [H, W]."""
    counts = mask.to(variance)
    side = 2 * reach + 1
    summed = avg_pool2d(variance * counts, side, stride=1, padding=reach)
    share = avg_pool2d(counts[None], side, stride=1, padding=reach)
    return torch.where(share > 0, summed / share, variance).clamp(min=0).sqrt()
