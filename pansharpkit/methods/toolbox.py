"""What the field's reference toolbox does, kept to the digit."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.errors import OptionError
from pansharpkit.methods.guides import distinct_gains, pan
from pansharpkit.physics import Observation, decimate, upsample
from pansharpkit.physics.kernels import filter2d, pad, toolbox_mtf_kernel
from pansharpkit.sampling import Sampling


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

    def spread(self, observation: Observation, x: Tensor, softness: float = 0.0) -> Tensor:
        """Interpolate: the toolbox has no adjoint."""
        return self.upsample(observation, x)

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Low-pass with undecimated B3-spline wavelets and take every ratio-th pixel."""
        smooth = self.guide_spline(observation)
        return decimate(smooth, observation.sampling, observation.target_size)[0]

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Filter with the 41-tap kernels, decimate and interpolate."""
        gains = distinct_gains(observation.optics)
        guides = pan(observation).expand(len(gains), -1, -1)
        blurred = filter2d(guides, _kernels(gains, observation.sampling))
        small = decimate(blurred, observation.sampling, observation.target_size)
        return self.upsample(observation, small)

    def lowpass_sums(self, observation: Observation) -> Tensor:
        """Return the sums of the kernels, which are not normalised."""
        return _kernels(distinct_gains(observation.optics), observation.sampling).sum(dim=(1, 2))

    def guide_spread(self, observation: Observation) -> Tensor:
        """Filter with a 41-tap Gaussian of gain 0.3, the same for all bands."""
        smooth = _gauss_lowpass(observation)
        return smooth.expand(len(distinct_gains(observation.optics)), -1, -1)

    def guide_spline(self, observation: Observation) -> Tensor:
        """Low-pass with undecimated B3-spline wavelets, the same taps at every level."""
        levels = math.ceil(math.log2(observation.sampling.ratio[0]))
        return _spline_lowpass(pan(observation)[0], levels)[None]

    def resolved(self, observation: Observation, x: Tensor) -> Tensor:
        """Reduce and enlarge bicubically, edges aligned."""
        centred = Sampling.edge_aligned(observation.sampling.ratio[0])
        small = decimate(x, centred, observation.target_size, antialias=True, border="symmetric")
        return upsample(small, centred, observation.size, kernel="cubic", border="symmetric")

    def equally_sharp(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Take the upsampled target, and the guide through the Gaussian of gain 0.3."""
        exp = self.upsample(observation, observation.target)
        return torch.cat([exp, _gauss_lowpass(observation)]), observation.guide_mask

    def ratio(self, above: Tensor, below: Tensor, floor: Tensor) -> Tensor:
        """Divide by whatever there is."""
        return above / (below + torch.finfo(torch.float64).eps)

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the upsampled target through a bicubic reduction, which the toolbox centres."""
        optics, sampling = observation.optics, observation.sampling
        centred = Sampling.edge_aligned(sampling.ratio[0])
        size = observation.target_size
        bands = decimate(exp, centred, size, antialias=True, border="symmetric")
        guide = filter2d(pan(observation), _kernels((optics.guide_mtf,), sampling))
        smooth = filter2d(bands, _kernels(optics.mtf, sampling))
        return bands, smooth, decimate(guide, sampling, size)


def _gauss_lowpass(observation: Observation) -> Tensor:
    """Return the guide through the toolbox's general low-pass filter, [1, H, W].

    It is an MTF kernel but for one thing: its width is 41 frequencies over the ratio, not 40.
    """
    kernel = toolbox_mtf_kernel(0.3, observation.sampling.ratio[0] * 40 / 41)
    return filter2d(pan(observation), kernel[None])


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
