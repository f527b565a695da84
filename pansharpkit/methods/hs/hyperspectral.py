"""What methods with a guide of several bands ask of an observation: how bands mix and blur."""

from __future__ import annotations

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.physics import Observation, degrade, degrade_adjoint, spread_by, spread_by_adjoint

_SOME, _NEARLY_ALL = 0.5, 0.95  # shares of a PSF
_ENOUGH = 0.7  # share of samples that must be left for those at the edge to be left out


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


def shown(seen: Observation) -> Tensor:
    """Return [h, w]: target samples that count and see only ground that the guide shows.

    What surrounds the guide or fills its holes is made up, and so is what :func:`observe` makes of
    it there. Where samples at the edge are too many to be done without, they count as well.
    """
    ground = seen.guide_mask.to(seen.guide.dtype, copy=True)
    for axis, size in enumerate(seen.size):  # around a block that counts there is ground, too
        first, last = _counted(seen, axis)
        ground.narrow(axis, 0, first).fill_(1)
        ground.narrow(axis, last + 1, size - last - 1).fill_(1)
    some = seen.target_mask & (observe(seen, ground[None])[0] >= _SOME)
    for edge in (ground[0], ground[-1], ground[:, 0], ground[:, -1]):
        edge.zero_()
    whole = some & (observe(seen, ground[None])[0] >= _NEARLY_ALL)
    if int(whole.sum()) >= _ENOUGH * int(some.sum()) > 0:
        return whole
    return some if bool(some.any()) else seen.target_mask


def _counted(seen: Observation, axis: int) -> tuple[int, int]:
    """Return the first and the last line of the guide where a pixel or a sample's centre counts."""
    fine, coarse = (
        mask.any(dim=1 - axis).nonzero()[:, 0] for mask in (seen.guide_mask, seen.target_mask)
    )
    centres = seen.sampling.ratio[axis] * coarse + seen.sampling.phase[axis]
    lines = torch.cat([fine, centres.round()]).clamp(0, seen.size[axis] - 1)
    return (int(lines.min()), int(lines.max())) if len(lines) else (0, seen.size[axis] - 1)


def observe_adjoint(seen: Observation, coarse: Tensor) -> Tensor:
    """Apply the transpose of :func:`observe` to [n, h, w], giving [n, H, W]."""
    model, optics = seen.optics.model, seen.optics
    if model is not None and model.psf is not None:
        return spread_by_adjoint(coarse, seen.sampling, seen.size, model.psf)
    return degrade_adjoint(coarse, seen.sampling, seen.size, _gains(optics.mtf, len(coarse)))


def _gains(mtf: tuple[float, ...], count: int) -> tuple[float, ...]:
    return mtf if count == len(mtf) else (sum(mtf) / len(mtf),) * count
