"""What methods with a guide of several bands ask of an observation: how bands mix and blur."""

from __future__ import annotations

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.physics import Observation, degrade, degrade_adjoint, spread_by, spread_by_adjoint


def srf_of(seen: Observation) -> Tensor:
    """Return the spectral response of the guide's bands on the target's, [c, C].

    Raises
    ------
    FusionError
        If nobody knows it.
    """
    model = seen.optics.model
    if model is None:
        raise FusionError(
            "this method needs the spectral response of the guide's bands; name the sensors' "
            "presets, or let `pansharpkit estimate` find it"
        )
    return torch.tensor(model.srf, dtype=seen.target.dtype, device=seen.target.device)


def project(srf: Tensor, cube: Tensor) -> Tensor:
    """Return what the guide's camera sees of [C, ...]: [c, ...]."""
    mixed: Tensor = torch.tensordot(srf, cube, dims=1)
    return mixed


def observe(seen: Observation, cube: Tensor) -> Tensor:
    """Degrade [n, H, W] to the target grid by the target's PSF, [n, h, w].

    Without a PSF, each band of a whole cube is blurred by its own MTF, and anything else, such as
    abundances or coefficients of a subspace, by the mean one.
    """
    model, optics = seen.optics.model, seen.optics
    if model is not None and model.psf is not None:
        return spread_by(cube, seen.sampling, seen.target_size, model.psf)
    return degrade(cube, seen.sampling, seen.target_size, _gains(optics.mtf, len(cube)))


def observe_adjoint(seen: Observation, coarse: Tensor) -> Tensor:
    """Apply the transpose of :func:`observe` to [n, h, w], giving [n, H, W]."""
    model, optics = seen.optics.model, seen.optics
    if model is not None and model.psf is not None:
        return spread_by_adjoint(coarse, seen.sampling, seen.size, model.psf)
    return degrade_adjoint(coarse, seen.sampling, seen.size, _gains(optics.mtf, len(coarse)))


def _gains(mtf: tuple[float, ...], count: int) -> tuple[float, ...]:
    return mtf if count == len(mtf) else (sum(mtf) / len(mtf),) * count
