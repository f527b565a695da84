"""What methods ask of an observation's guide and geometry before they compute anything."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.physics import Observation, Optics, sigma_of_gain
from pansharpkit.physics.resample import GAUSS_REACH, LAGRANGE_RADIUS
from pansharpkit.sampling import Sampling

LOWEST_GAIN = 0.05
"""Halos are computed for this MTF gain, below that of any instrument: the widest PSF to expect."""


def pan(observation: Observation) -> Tensor:
    """Return the guide, [1, H, W].

    Raises
    ------
    FusionError
        If it has more than one band.
    """
    bands = int(observation.guide.shape[0])
    if bands != 1:
        raise FusionError(
            f"this method sharpens with one PAN band, the guide has {bands}; choose one of them"
        )
    return observation.guide


def distinct_gains(optics: Optics) -> tuple[float, ...]:
    """Return the MTF gains that occur among the target bands, in order of first occurrence."""
    return tuple(dict.fromkeys(optics.mtf))


def gain_index(optics: Optics) -> list[int]:
    """Return for each target band the place of its MTF gain among the distinct gains."""
    gains = distinct_gains(optics)
    return [gains.index(gain) for gain in optics.mtf]


def mean_gain(optics: Optics) -> float:
    """Return the mean MTF gain of the target bands."""
    return sum(optics.mtf) / len(optics.mtf)


def softened(gains: tuple[float, ...], softness: float) -> tuple[float, ...]:
    """Return the MTF gains of PSFs after a blur of σ = `softness` target pixels.

    Examples
    --------
    >>> [round(gain, 3) for gain in softened((0.3,), 0.5)]
    [0.087]
    """
    return tuple(gain * math.exp(-((math.pi * softness) ** 2) / 2) for gain in gains)


def interpolation_reach(sampling: Sampling) -> int:
    """Return how far from a guide pixel the target samples lie that it is interpolated from."""
    return math.ceil(LAGRANGE_RADIUS * max(sampling.ratio))


def blur_reach(sampling: Sampling, softness: float = 0.0) -> int:
    """Return how far from its centre the PSF of a target sample reaches, in guide pixels.

    `softness`, in target pixels, is the σ of a further blur.
    """
    (gain,) = softened((LOWEST_GAIN,), softness)
    return math.ceil(GAUSS_REACH * sigma_of_gain(gain, max(sampling.ratio))) + 1


def inside(observation: Observation) -> Tensor:
    """Return [h, w], 1 where a target sample is centred on the guide array, else 0.

    A sample beyond the guide cannot be compared with anything.
    """
    sampling, sides = observation.sampling, []
    for axis in (0, 1):
        centre = sampling.phase[axis] + sampling.ratio[axis] * torch.arange(
            observation.target_size[axis], dtype=torch.float64
        )
        sides.append((centre > -0.5) & (centre < observation.size[axis] - 0.5))
    found = sides[0][:, None] & sides[1][None, :]
    return found.to(observation.target.device, observation.target.dtype)
