"""What a fusion method gets to see: one guide, one target, and how the target was observed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from pansharpkit.model import ObservationModel
from pansharpkit.sampling import Sampling

Compat = Literal["none", "toolbox"]
"""``"toolbox"`` reproduces the field's reference toolbox: its kernels, phases and borders."""


@dataclass(frozen=True)
class Optics:
    """The instrument as far as the observation model needs it."""

    mtf: tuple[float, ...]
    """MTF gain of each target band at the coarse Nyquist frequency, in (0, 1)."""
    guide_mtf: float
    """MTF gain of the guide at its own Nyquist frequency once it is degraded by the ratio."""
    compat: Compat = "none"
    sharp_as: Literal["guide", "target"] = "guide"
    """Whose camera the fused image is to look like. The truth of Wald's protocol was taken by the
    target's; at full resolution nobody can tell from PAN what that would have seen."""

    model: ObservationModel | None = None
    """How guide bands mix target bands, and the target's PSF if it is no Gaussian; None for PAN."""

    def subset(self, bands: list[int]) -> Optics:
        """Return the optics of some of the target bands, by index; they no longer make a guide."""
        return replace(self, mtf=tuple(self.mtf[b] for b in bands), model=None)


@dataclass(frozen=True)
class Observation:
    """One pair of guide and target arrays over the same ground, without gaps.

    Invalid pixels have been filled, so that every operator may run on whole arrays; the masks say
    which pixels may enter statistics and losses.
    """

    target: Tensor
    """[C, h, w] coarse bands, working range."""
    guide: Tensor
    """[c, H, W] fine bands, working range; c = 1 for PAN."""
    sampling: Sampling
    """How target samples sit on the guide pixels of these two arrays."""
    optics: Optics
    target_mask: Tensor
    """[h, w] bool, True where a target sample counts."""
    guide_mask: Tensor
    """[H, W] bool, True where a guide pixel counts."""
    index: int = 0
    """Number of the tile, so that seeds depend on the tile and on nothing else."""
    origin: tuple[int, int] = (0, 0)
    """Row and column of the first guide pixel in the scene, for what is counted in patches."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the guide, and of the result."""
        return int(self.guide.shape[-2]), int(self.guide.shape[-1])

    @property
    def target_size(self) -> tuple[int, int]:
        """Height and width of the target."""
        return int(self.target.shape[-2]), int(self.target.shape[-1])

    @classmethod
    def whole(
        cls, target: Tensor, guide: Tensor, sampling: Sampling, optics: Optics
    ) -> Observation:
        """Return an observation in which every pixel counts."""
        device = target.device
        return cls(
            target,
            guide,
            sampling,
            optics,
            torch.ones(target.shape[-2:], dtype=torch.bool, device=device),
            torch.ones(guide.shape[-2:], dtype=torch.bool, device=device),
        )

    def to(self, device: torch.device | str) -> Observation:
        """Return the observation on another device."""
        return replace(
            self,
            target=self.target.to(device),
            guide=self.guide.to(device),
            target_mask=self.target_mask.to(device),
            guide_mask=self.guide_mask.to(device),
        )
