"""A guide of several bands on the grid of a cube, and a cube on the grid of its guide."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pansharpkit.methods.hs.hyperspectral import observe, observe_adjoint
from pansharpkit.physics import Observation, upsample
from pansharpkit.physics.resample import LAGRANGE_RADIUS
from pansharpkit.sampling import Sampling


def placed(seen: Observation) -> Sampling:
    """Return where the samples of the target lie, its PSF's own offset included."""
    model = seen.optics.model
    if model is None or model.psf is None:
        return seen.sampling
    values = torch.tensor(model.psf.values, dtype=torch.float64)
    taps = torch.arange(model.psf.side, dtype=torch.float64) - (model.psf.side - 1) / 2
    rows, cols = (float(values.sum(dim=axis) @ taps / values.sum()) for axis in (1, 0))
    return seen.sampling.shifted(model.psf.shift[0] + rows, model.psf.shift[1] + cols)


def upsampled(seen: Observation, coarse: Tensor) -> Tensor:
    """Interpolate [n, h, w] to the guide grid, [n, H, W]."""
    return upsample(coarse, placed(seen), seen.size)


def guide_lowpass(seen: Observation) -> Tensor:
    """Return the guide without what the target cannot resolve, [c, H, W].

    It goes through the target's PSF to a target grid that goes on beyond the edges of the target,
    and is interpolated back: so it depends on the guide alone.
    """
    margin, (height, width) = LAGRANGE_RADIUS, seen.target_size
    wide = replace(
        seen,
        sampling=seen.sampling.windowed((0, 0), (-margin, -margin)),
        target=seen.target[:1, :1, :1].expand(1, height + 2 * margin, width + 2 * margin),
    )
    return upsampled(wide, observe(wide, seen.guide))


def noise_gain(seen: Observation) -> float:
    """Return by how much the target's PSF multiplies the variance of white noise in the guide."""
    height, width = seen.target_size
    one = seen.target.new_zeros(1, height, width)
    one[:, height // 2, width // 2] = 1
    return float(observe_adjoint(seen, one).square().sum())


def injected(bands: Tensor, weights: Tensor, detail: Tensor) -> Tensor:
    """Add ``weights @ detail`` to [C, H, W] bands, in their own memory.

    `weights` are [C, c], `detail` is [c, H, W].
    """
    bands.view(len(bands), -1).addmm_(weights.to(bands), detail.flatten(1))
    return bands
