"""Exact operators between the two grids, at any ratio and phase."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.methods.guides import distinct_gains, mean_gain, pan, softened
from pansharpkit.physics import Observation, degrade, lowpass, upsample
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.resample import LAGRANGE_RADIUS, degrade_pair
from pansharpkit.sampling import Sampling


class ExactOperators:
    """Exact Gaussian PSF and 12-point Lagrange interpolation at any ratio and phase."""

    def upsample(self, observation: Observation, x: Tensor) -> Tensor:
        """Interpolate by Lagrange polynomials."""
        return upsample(x, observation.sampling, observation.size)

    def observe(self, observation: Observation, x: Tensor) -> Tensor:
        """Weigh with each band's PSF around the target centres."""
        gains = observation.optics.mtf
        return degrade(x, observation.sampling, observation.target_size, gains)

    def spread(self, observation: Observation, x: Tensor, softness: float = 0.0) -> Tensor:
        """Take the adjoint of :meth:`observe`, divided by that of ones: constants stay."""
        small = (int(x.shape[-2]), int(x.shape[-1]))
        pairs = [
            _spread_pair(observation.size, observation.sampling, small, gain)
            for gain in softened(observation.optics.mtf, softness)
        ]
        return torch.stack([apply_pair(band, *pair) for band, pair in zip(x, pairs, strict=True)])

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Degrade with the mean MTF gain of the target bands."""
        gain = (mean_gain(observation.optics),)
        return degrade(pan(observation), observation.sampling, observation.target_size, gain)[0]

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Degrade and upsample, on a target grid that goes on beyond the edges of the target.

        So the low-pass guide depends on the guide alone, and not on where the target ends.
        """
        gains = distinct_gains(observation.optics)
        return _there_and_back(observation, pan(observation).expand(len(gains), -1, -1), gains)

    def lowpass_sums(self, observation: Observation) -> Tensor:
        """Return ones."""
        return torch.ones(len(distinct_gains(observation.optics)), dtype=torch.float64)

    def guide_spread(self, observation: Observation) -> Tensor:
        """Take the low-pass guide of each band."""
        return self.guide_lowpass(observation)

    def guide_spline(self, observation: Observation) -> Tensor:
        """Convolve with the B-spline whose variance is that of the dyadic cascade.

        Level j of an undecimated transform adds a variance of 4 ** j, hence (ratio ** 2 - 1) / 3
        in all: that goes on between powers of two.
        """
        x = pan(observation)[None]
        for axis, ratio in enumerate(observation.sampling.ratio):
            taps = _spline_taps(ratio).to(x.device, x.dtype)
            half = len(taps) // 2
            around = (0, 0, half, half) if axis == 0 else (half, half, 0, 0)
            shape = (1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1)
            x = functional.conv2d(functional.pad(x, around, mode="replicate"), taps.reshape(shape))
        return x[0]

    def resolved(self, observation: Observation, x: Tensor) -> Tensor:
        """Degrade with the mean MTF gain of the target bands and interpolate back."""
        return _there_and_back(observation, x, (mean_gain(observation.optics),) * len(x))

    def equally_sharp(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Take the target, and the guide degraded to it."""
        guide = self.guide_as_target(observation)[None]
        return torch.cat([observation.target, guide]), observation.target_mask

    def ratio(self, above: Tensor, below: Tensor, floor: Tensor) -> Tensor:
        """Divide by the floor where the divisor is below it."""
        return above / torch.maximum(below, floor)

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the target as it is."""
        target, optics, sampling = observation.target, observation.optics, observation.sampling
        gain = (optics.guide_mtf,)
        guide = degrade(pan(observation), sampling, observation.target_size, gain)
        return target, lowpass(target, sampling.ratio, optics.mtf), guide


def _there_and_back(observation: Observation, x: Tensor, gains: tuple[float, ...]) -> Tensor:
    """Degrade [n, H, W] and interpolate back, on a target grid that goes on beyond the edges."""
    margin, size = LAGRANGE_RADIUS, observation.target_size
    wide = observation.sampling.windowed((0, 0), (-margin, -margin))
    small = degrade(x, wide, (size[0] + 2 * margin, size[1] + 2 * margin), gains)
    return upsample(small, wide, observation.size)


@lru_cache(maxsize=16)
def _spline_taps(ratio: float) -> Tensor:
    """Sample the cubic B-spline of variance (ratio ** 2 - 1) / 3 at whole pixels; the sum is 1."""
    scale = math.sqrt(ratio**2 - 1)
    half = max(1, math.ceil(2 * scale) - 1)
    d = (torch.arange(-half, half + 1, dtype=torch.float64) / scale).abs()
    near = 2 / 3 - d**2 + d**3 / 2
    taps = torch.where(d < 1, near, (2 - d).clamp_min(0) ** 3 / 6)
    return taps / taps.sum()


@lru_cache(maxsize=64)
def _spread_pair(
    size: tuple[int, int], sampling: Sampling, small: tuple[int, int], gain: float
) -> tuple[Tensor, Tensor]:
    """Return the matrices of a band's spreading, [H, h] and [W, w], whose rows have the sum 1.

    Rows of pixels that no sample sees are 0.
    """
    pair = degrade_pair(size, sampling, small, gain, "replicate")
    nothing = torch.finfo(torch.float64).tiny
    rows, cols = (matrix.T / matrix.sum(dim=0).clamp_min(nothing)[:, None] for matrix in pair)
    return rows, cols
