"""FUSE as the field's comparison toolbox runs it (Yokoya et al. 2017, GRSM 5), to the digit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.methods.hs.toolbox import FWHM, whole_ratio
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.psf import psf_pairs
from pansharpkit.sampling import Sampling

DIMENSION = 15
PRIOR = 1e-3
"""Precision of the prior of components that are scaled to unit power."""


def fuse(seen: Observation) -> Tensor:
    """Solve a Sylvester equation in scaled principal components, at two phases for even ratios.

    Unit noise in both images, a short Gaussian with circular borders as PSF, and a weak prior
    around the target interpolated by splines.
    """
    ratio = whole_ratio(seen)
    first = round(ratio / 2) - 1
    starts = (first, first + 1) if ratio % 2 == 0 else (first,)
    return torch.stack([_posterior(seen, ratio, start) for start in starts]).mean(dim=0)


def _posterior(seen: Observation, ratio: int, start: int) -> Tensor:
    """Return the most probable cube if sample k is centred on guide pixel ratio * k + start."""
    flat = seen.target.flatten(1).double()
    vectors, power, _ = torch.linalg.svd(flat @ flat.T / flat.shape[1])
    size = min(DIMENSION, len(flat))
    scale = power[:size].sqrt()
    basis = vectors[:, :size] * scale
    joint = Joint.of(
        basis,
        torch.ones(len(flat), dtype=flat.dtype),
        srf_of(seen).double() @ basis,
        torch.ones(len(seen.guide), dtype=flat.dtype),
        PRIOR * torch.eye(size, dtype=flat.dtype),
    )
    # Sample k lies on a pixel; the image before the first one comes from beyond the last.
    pair = [torch.roll(_splines(count, ratio), start, 0) for count in seen.target_size]
    scores = (vectors[:, :size].T @ flat / scale[:, None]).reshape(size, *seen.target_size)
    best = joint.best(seen, _spread(seen, start))
    return mixed(basis, best(apply_pair(scores, *pair)))


def _spread(seen: Observation, start: int) -> Spread:
    ratio = seen.sampling.ratio[0]
    half = round(ratio / 2)
    taps = torch.arange(-half, half + 1, dtype=torch.float64)
    line = torch.exp(-0.5 * (taps * FWHM / ratio) ** 2)
    line = line / line.sum()
    psf = Psf(tuple(tuple(row) for row in torch.outer(line, line).tolist()))
    sampling = Sampling((ratio, ratio), (float(start), float(start)))
    pairs = psf_pairs(seen.size, sampling, seen.target_size, psf, "circular")
    return Spread.by(pairs, slice(None), slice(None))


@lru_cache(maxsize=16)
def _splines(count: int, ratio: int) -> Tensor:
    """Return [count * ratio, count] cubic splines through a line with both ends repeated."""
    from scipy.interpolate import CubicSpline

    padded = np.pad(np.eye(count), ((1, 1), (0, 0)), mode="edge")
    spline = CubicSpline(np.arange(count + 2), padded, bc_type="not-a-knot")
    return torch.from_numpy(spline(1 + np.arange(count * ratio) / ratio))
