"""SRF and PSF as HySure estimates them: two ridge regressions, no shape assumed.

Simões, Bioucas-Dias, Almeida and Chanussot, IEEE TGRS 53 (2015): both images are blurred so far
that the PSF no longer matters, the SRF is fitted to them with weights that change little from band
to band, and with the SRF the PSF is fitted to the images as they are. The weights of the penalties
are the published ones, for values of about 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve

from pansharpkit.model import Psf
from pansharpkit.physics.blind_psf import Aperture
from pansharpkit.physics.blind_sample import REACH, BlindSample, Floats, Part, patches

PENALTY = 10.0
"""Weight of the squared differences between neighbours, for SRF and PSF alike."""
_BLUR = 1.0  # target pixels, the σ of both images once they are blurred
_USUAL = 0.45  # target pixels, the σ that the target has anyway


def ridge(sample: BlindSample, roughness: Floats) -> tuple[Floats, Psf, Floats]:
    """Return SRF [c, C], PSF, and the share of each guide band [c] that they miss."""
    srf = _srf(sample, roughness)
    psf, missed = _psf(sample, srf)
    return srf, psf, missed


def _srf(sample: BlindSample, roughness: Floats) -> Floats:
    wide = Aperture((_BLUR, _BLUR), 0.0, (0.0, 0.0))
    guide = np.concatenate([wide.degraded(part) for part in sample.parts], axis=1)
    target = np.concatenate([_blurred(part) for part in sample.parts], axis=1)
    return np.array([_solved(target @ target.T, target @ band, roughness) for band in guide])


def _blurred(part: Part) -> Floats:
    """Return [C, n]: the target blurred as far as the guide is."""
    sigma = math.sqrt(_BLUR**2 - _USUAL**2)
    rows, cols = (_gaussian(count, sigma) for count in part.target_size)
    blurred: Floats = (rows @ part.target @ cols.T)[:, part.used].numpy()
    return blurred


def _gaussian(count: int, sigma: float) -> torch.Tensor:
    at = torch.arange(count, dtype=torch.float64)
    weights = torch.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)


def _psf(sample: BlindSample, srf: Floats) -> tuple[Psf, Floats]:
    side = _side(sample.parts[0])
    both, cross = np.zeros((side**2, side**2)), np.zeros(side**2)
    count, shift = 0, (0.0, 0.0)
    mixed = srf @ sample.target
    scale = np.maximum(mixed.std(axis=1), 1e-12)
    taken: list[Floats] = []
    for part in sample.parts:
        found, shift = patches(part, side)
        stop = count + found.shape[1]
        values = found.reshape(len(srf), -1, side**2).numpy() / scale[:, None, None]
        wanted = (mixed / scale[:, None])[:, count:stop]
        both += np.einsum("cnk,cnl->kl", values, values, optimize=True)
        cross += np.einsum("cnk,cn->k", values, wanted, optimize=True)
        taken.append(values)
        count = stop
    weights = _solved(both, cross, _flatness(side))
    weights /= weights.sum()
    seen = np.concatenate([values @ weights for values in taken], axis=1) * scale[:, None]
    missed = np.sqrt(np.square(mixed - seen).mean(axis=1) / np.square(seen).mean(axis=1))
    table = tuple(map(tuple, weights.reshape(side, side).tolist()))
    return Psf(table, shift), missed


def _side(part: Part) -> int:
    """Return the side of the PSF: as far as the surroundings of samples are known to be valid."""
    reach = REACH * min(part.sampling.ratio)
    even = all(abs(p % 1 - 0.5) < 0.25 for p in part.sampling.phase)
    return 2 * math.ceil(reach) if even else 2 * math.floor(reach) + 1


def _solved(both: Floats, cross: Floats, penalty: Floats) -> Floats:
    slight = 1e-12 * np.trace(both) / len(both) * np.eye(len(both))
    found: Floats = cho_solve(cho_factor(both + PENALTY * penalty + slight), cross)
    return found


def _flatness(side: int) -> Floats:
    """Return the sum of squared differences between neighbours of a [side, side] table."""
    line = np.diff(np.eye(side), axis=0)
    one, eye = line.T @ line, np.eye(side)
    found: Floats = np.kron(one, eye) + np.kron(eye, one) + 1e-4 * np.eye(side**2)
    return found
