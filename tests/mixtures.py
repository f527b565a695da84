"""Small pairs of a coarse cube and a fine image whose truth is a mixture of a few materials."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pansharpkit.methods.hs.hyperspectral import observe, project, srf_of
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class Mixture:
    """A scene with everything known."""

    truth: Tensor
    """[C, H, W]."""
    spectra: Tensor
    """[C, M]."""
    shares: Tensor
    """[M, H, W], of sum 1."""
    seen: Observation

    def error(self, fused: Tensor) -> float:
        """Return the relative error of a fused image."""
        return float((fused - self.truth).norm() / self.truth.norm())


def mixture(
    materials: int = 3,
    bands: int = 24,
    guides: int = 4,
    size: tuple[int, int] = (48, 56),
    sampling: Sampling | None = None,
    psf: Psf | None = None,
    seed: int = 0,
    pure: bool = True,
    patch: float = 1.0,
) -> Mixture:
    """Return a scene without noise: smooth spectra, patches of pure materials and mixed edges.

    With `pure` false every pixel is a smooth mixture. Patches grow with `patch`.
    """
    sampling = sampling or Sampling.edge_aligned(4)
    draws = np.random.default_rng(seed)
    spectra = _spectra(draws, bands, materials)
    shares = _shares(draws, materials, size, pure, patch)
    truth = torch.einsum("cm,mhw->chw", spectra, shares)
    model = ObservationModel(_srf(bands, guides), psf)
    coarse = [
        int((full - 1 - phase) // ratio) + 1
        for full, phase, ratio in zip(size, sampling.phase, sampling.ratio, strict=True)
    ]
    optics = Optics((0.3,) * bands, 0.3, model=model)
    blank = Observation.whole(
        truth.new_zeros(bands, *coarse), truth.new_zeros(guides, *size), sampling, optics
    )
    seen = replace(blank, target=observe(blank, truth), guide=project(srf_of(blank), truth))
    return Mixture(truth, spectra, shares, seen)


def _spectra(draws: np.random.Generator, bands: int, materials: int) -> Tensor:
    waves = np.linspace(0, 1, bands)
    made = [
        0.1 + sum(draws.uniform(0.1, 0.5) * np.exp(-(((waves - c) / 0.2) ** 2)) for c in centres)
        for centres in draws.uniform(0, 1, (materials, 2))
    ]
    return torch.from_numpy(np.stack(made, axis=1))


def _shares(
    draws: np.random.Generator, materials: int, size: tuple[int, int], pure: bool, patch: float
) -> Tensor:
    rows, cols = np.mgrid[: size[0], : size[1]]
    waves = [
        np.sin(rows / patch / a + b) + np.cos(cols / patch / c + d)
        for a, b, c, d in draws.uniform(1, 7, (materials, 4))
    ]
    sharp = np.exp(np.stack(waves) * (20 if pure else 1.5))
    return torch.from_numpy(sharp / sharp.sum(axis=0))


def _srf(bands: int, guides: int) -> tuple[tuple[float, ...], ...]:
    waves = np.linspace(0, 1, bands)
    rows = np.exp(-(((waves - np.linspace(0.1, 0.9, guides)[:, None]) / (0.6 / guides)) ** 2))
    return tuple(map(tuple, (rows / rows.sum(axis=1, keepdims=True)).tolist()))
