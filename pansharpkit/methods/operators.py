"""The operators that classical methods are made of, exact or as in the reference toolbox.

Each method is written once, on :class:`Operators`; what the reference toolbox does differently
(kernels, borders, decimation) is kept in :class:`ToolboxOperators`.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.physics import (
    Observation,
    Optics,
    decimate,
    degrade,
    lowpass,
    sigma_of_gain,
    upsample,
)
from pansharpkit.physics.kernels import filter2d, pad, toolbox_mtf_kernel
from pansharpkit.physics.resample import GAUSS_REACH, LAGRANGE_RADIUS
from pansharpkit.sampling import Sampling

LOWEST_GAIN = 0.05
"""Halos are computed for this MTF gain, below that of any instrument: the widest PSF to expect."""


class Operators(Protocol):
    """The linear operators that relate the two grids of an observation."""

    def upsample(self, observation: Observation, x: Tensor) -> Tensor:
        """Interpolate [C, h, w] to the guide grid."""
        ...

    def observe(self, observation: Observation, x: Tensor) -> Tensor:
        """Degrade [C, H, W], one MTF gain per target band, to the target grid."""
        ...

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Return the guide on the target grid, [h, w], as sharp as the target is."""
        ...

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Return the guide without what the target cannot resolve, [g, H, W].

        There is one for each of the :func:`distinct_gains`.
        """
        ...

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the observation one scale down, all on the target grid.

        The [C, h, w] bands, the same without what they would lose by one more degradation, and the
        [1, h, w] guide. `exp` is the upsampled target.
        """
        ...


class ExactOperators:
    """Exact Gaussian PSF and 12-point Lagrange interpolation at any ratio and phase."""

    def upsample(self, observation: Observation, x: Tensor) -> Tensor:
        """Interpolate by Lagrange polynomials."""
        return upsample(x, observation.sampling, observation.size)

    def observe(self, observation: Observation, x: Tensor) -> Tensor:
        """Weigh with each band's PSF around the target centres."""
        gains = observation.optics.mtf
        return degrade(x, observation.sampling, observation.target_size, gains)

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Degrade with the mean MTF gain of the target bands."""
        gains = observation.optics.mtf
        mean = (sum(gains) / len(gains),)
        return degrade(pan(observation), observation.sampling, observation.target_size, mean)[0]

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Degrade and upsample, on a target grid that goes on beyond the edges of the target.

        So the low-pass guide depends on the guide alone, and not on where the target ends.
        """
        gains = distinct_gains(observation.optics)
        guides = pan(observation).expand(len(gains), -1, -1)
        margin, size = LAGRANGE_RADIUS, observation.target_size
        wide = observation.sampling.windowed((0, 0), (-margin, -margin))
        small = degrade(guides, wide, (size[0] + 2 * margin, size[1] + 2 * margin), gains)
        return upsample(small, wide, observation.size)

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the target as it is."""
        target, optics, sampling = observation.target, observation.optics, observation.sampling
        gain = (optics.guide_mtf,)
        guide = degrade(pan(observation), sampling, observation.target_size, gain)
        return target, lowpass(target, sampling.ratio, optics.mtf), guide


class ToolboxOperators:
    """What the field's reference toolbox does, to the digit: whole images at one phase only."""

    def upsample(self, observation: Observation, x: Tensor) -> Tensor:
        """Interpolate with the 23-tap half-band and a circular border."""
        try:
            return upsample(x, observation.sampling, observation.size, kernel="toolbox")
        except ValueError as error:
            raise OptionError(
                f"{error}; the toolbox mode fuses whole images at ratio 2, 4 or 8 whose MS sample "
                "k lies at PAN pixel ratio*k + ratio/2: leave it for anything else"
            ) from None

    def observe(self, observation: Observation, x: Tensor) -> Tensor:
        """Filter with the 41-tap kernels and take every ratio-th pixel."""
        blurred = filter2d(x, _kernels(observation.optics.mtf, observation.sampling))
        return decimate(blurred, observation.sampling, observation.target_size)

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Low-pass with undecimated B3-spline wavelets and take every ratio-th pixel."""
        levels = math.ceil(math.log2(observation.sampling.ratio[0]))
        smooth = _spline_lowpass(pan(observation)[0], levels)[None]
        return decimate(smooth, observation.sampling, observation.target_size)[0]

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Filter with the 41-tap kernels, decimate and interpolate."""
        gains = distinct_gains(observation.optics)
        guides = pan(observation).expand(len(gains), -1, -1)
        blurred = filter2d(guides, _kernels(gains, observation.sampling))
        small = decimate(blurred, observation.sampling, observation.target_size)
        return self.upsample(observation, small)

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the upsampled target through a bicubic reduction, which the toolbox centres."""
        optics, sampling = observation.optics, observation.sampling
        centred = Sampling.edge_aligned(sampling.ratio[0])
        size = observation.target_size
        bands = decimate(exp, centred, size, antialias=True, border="symmetric")
        guide = filter2d(pan(observation), _kernels((optics.guide_mtf,), sampling))
        smooth = filter2d(bands, _kernels(optics.mtf, sampling))
        return bands, smooth, decimate(guide, sampling, size)


def operators_of(optics: Optics) -> Operators:
    """Return the operators that the optics ask for."""
    return ToolboxOperators() if optics.compat == "toolbox" else ExactOperators()


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


def interpolation_reach(sampling: Sampling) -> int:
    """Return how far from a guide pixel the target samples lie that it is interpolated from."""
    return math.ceil(LAGRANGE_RADIUS * max(sampling.ratio))


def blur_reach(sampling: Sampling) -> int:
    """Return how far from its centre the PSF of a target sample reaches, in guide pixels."""
    return math.ceil(GAUSS_REACH * sigma_of_gain(LOWEST_GAIN, max(sampling.ratio))) + 1


def _kernels(gains: tuple[float, ...], sampling: Sampling) -> Tensor:
    return torch.stack([toolbox_mtf_kernel(gain, sampling.ratio[0]) for gain in gains])


def _spline_lowpass(x: Tensor, levels: int) -> Tensor:
    """Analyse and synthesise the approximation of an undecimated wavelet transform of [H, W].

    The toolbox convolves with the same 5-tap B3 spline at every level, each time after extending
    what the level before left, margins included, symmetrically.
    """
    spline = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    kernel = torch.outer(spline, spline)[None, None]
    for _ in range(levels):
        x = functional.conv2d(pad(x, 4, "symmetric")[None, None], kernel)[0, 0]
    for _ in range(levels):
        x = functional.conv2d(x[None, None], kernel)[0, 0]
    return x
