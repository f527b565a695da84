"""Made-up pairs of a cube and a guide of several bands, with a known truth."""

from __future__ import annotations

from functools import lru_cache

import torch
from synthetic_pairs import target_size, truth
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics, degrade, spread_by
from pansharpkit.sampling import Sampling

CONTEXT = Context()
BANDS = 16
GAIN = 0.3


@lru_cache(maxsize=8)
def srf(guides: int) -> tuple[tuple[float, ...], ...]:
    """Return overlapping responses of a guide's bands, rows of sum 1."""
    wave = torch.linspace(0, 1, BANDS, dtype=torch.float64)
    centres = (torch.arange(guides, dtype=torch.float64) + 0.5) / guides
    table = torch.exp(-(((wave - centres[:, None]) * guides / 0.9) ** 2))
    return tuple(tuple(row) for row in (table / table.sum(dim=1, keepdim=True)).tolist())


@lru_cache(maxsize=8)
def cube(size: tuple[int, int], pure: int = 5) -> Tensor:
    """Return [C, H, W] mixtures of a few smooth spectra; cached, do not write into it."""
    wave = torch.linspace(0, 1, BANDS, dtype=torch.float64)[:, None]
    centre = torch.linspace(0.0, 1.0, pure, dtype=torch.float64)
    spectra = 0.15 + torch.exp(-(((wave - centre) / 0.25) ** 2))
    return torch.tensordot(spectra, truth(pure, size), dims=1) / 2


def hs_pair(
    sampling: Sampling,
    size: tuple[int, int] = (83, 71),
    *,
    guides: int = 3,
    noise: float = 0.0,
    psf: Psf | None = None,
    known: bool = True,
) -> tuple[Observation, Tensor]:
    """Return an observation of a cube and a guide made by a known model, and the true cube.

    `noise` is the standard deviation of white noise in both.
    """
    fine = cube(size)
    responses = srf(guides)
    guide = torch.tensordot(torch.tensor(responses, dtype=fine.dtype), fine, dims=1)
    small = target_size(sampling, size)
    gains = (GAIN,) * BANDS
    if psf is None:
        target = degrade(fine, sampling, small, gains)
    else:
        target = spread_by(fine, sampling, small, psf)
    random = torch.Generator().manual_seed(4)
    target = target + noise * torch.randn(target.shape, generator=random, dtype=fine.dtype)
    guide = guide + noise * torch.randn(guide.shape, generator=random, dtype=fine.dtype)
    model = ObservationModel(responses, psf) if known else None
    seen = Observation.whole(target, guide, sampling, Optics(gains, 0.2, model=model))
    for axis in (0, 1):
        if sampling.phase[axis] < -0.5:
            seen.target_mask.select(axis, 0).fill_(False)
    return seen, fine


def fuse(method: Method, seen: Observation) -> Tensor:
    """Fit and apply."""
    return fused(method.fit([seen], CONTEXT), seen)


def fused(fitted: Fitted, seen: Observation) -> Tensor:
    """Apply."""
    return fitted.apply([seen], CONTEXT)[0]
