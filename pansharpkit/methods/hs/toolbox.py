"""HS-MS injection of detail as in the comparison toolbox of Yokoya et al. (2017, GRSM 5).

Whole images at one phase: a target sample is centred on its block of guide pixels. Everything here
is a function from an observation to the fused cube, nothing is estimated before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.moments import least_squares, quotient
from pansharpkit.physics import Observation, decimate, upsample
from pansharpkit.physics.banded import apply_pair
from pansharpkit.physics.resample import axes_down, linear_matrix
from pansharpkit.sampling import Sampling

FWHM = 2.35482
"""Full width at half maximum over σ, as the toolbox rounds it."""
TAPS = 45
"""Of the interpolator of the pyramid."""


@dataclass(frozen=True)
class FittedToolbox:
    """A method of the toolbox, ready."""

    fuse: Callable[[Observation], Tensor]

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse whole images."""
        return [self.fuse(seen) for seen in batch]

    def summary(self) -> Mapping[str, object]:
        """Return nothing: nothing was estimated before."""
        return {}


def whole_ratio(seen: Observation) -> int:
    """Return the ratio of an observation that the toolbox can fuse.

    Raises
    ------
    OptionError
        If the ratio is not whole, or the target does not cover the guide exactly.
    """
    ratio = round(seen.sampling.ratio[0])
    covered = (seen.target_size[0] * ratio, seen.target_size[1] * ratio)
    centred = Sampling.edge_aligned(ratio)
    if seen.sampling != centred or seen.size != covered:
        raise OptionError(
            f"the toolbox mode fuses whole images of a whole ratio with common edges, not "
            f"{seen.sampling} at size {seen.size}: leave it for anything else"
        )
    return ratio


def gsa(seen: Observation) -> Tensor:
    """Adaptive Gram-Schmidt for the bands that correlate best with the same guide band."""
    whole_ratio(seen)
    groups = _correlations(seen.target, _linear(seen)).argmax(dim=1)
    exp = upsample(seen.target, seen.sampling, seen.size, kernel="cubic", border="symmetric")
    target, wide = _centred(seen.target), _centred(exp)
    guide = _centred(seen.guide)
    small = decimate(guide, seen.sampling, seen.target_size, antialias=True, border="symmetric")
    fused = exp.clone()
    for band in sorted(set(groups.tolist())):
        own = groups == band
        bands, fine = target[own].flatten(1).double(), wide[own].flatten(1).double()
        wanted = small[band].flatten().double()
        weights = torch.linalg.lstsq(bands.T, (wanted - wanted.mean())[:, None]).solution[:, 0]
        intensity = weights @ fine
        gains = quotient(fine @ intensity, intensity @ intensity)
        detail = guide[band].flatten().double() - intensity
        fused[own] += torch.outer(gains, detail).to(exp).reshape(fused[own].shape)
    return fused


def sfim(seen: Observation) -> Tensor:
    """Modulate the nearest target samples by a regressed guide over its mean around them."""
    ratio = whole_ratio(seen)
    slopes, offsets = _regressed(seen)
    small = torch.tensordot(slopes, _linear(seen), dims=1) + offsets
    fine = torch.tensordot(slopes, seen.guide, dims=1) + offsets
    share = _share(seen.target, small)
    rows: Tensor = share.repeat_interleave(ratio, dim=1)
    fused: Tensor = fine * rows.repeat_interleave(ratio, dim=2)
    return fused


def glp(seen: Observation) -> Tensor:
    """Add the detail of a regressed guide, from two pyramids half a pixel off to either side."""
    ratio = whole_ratio(seen)
    slopes, offsets = _regressed(seen)
    fine = torch.tensordot(slopes, seen.guide, dims=1) + offsets
    small = blurred(fine, ratio)
    first = ratio // 2 - 1 if ratio % 2 == 0 else ratio // 2
    starts = (first, first + 1) if ratio % 2 == 0 else (first,)
    fused = [_pyramid(seen.target, fine, small, ratio, start) for start in starts]
    return torch.stack(fused).mean(dim=0)


def _pyramid(target: Tensor, fine: Tensor, small: Tensor, ratio: int, start: int) -> Tensor:
    """Add ``fine - smooth`` times the gain of each band, samples put at that offset."""
    pair = [_filtered(int(n), ratio, start) for n in target.shape[1:]]
    exp, smooth = apply_pair(target, *pair), apply_pair(small, *pair)
    bands, low = _centred(exp).flatten(1), _centred(smooth).flatten(1)
    gains = quotient((bands * low).sum(dim=1), low.square().sum(dim=1))
    top = 2.0 ** math.sqrt(float(target.max()))  # the toolbox's limit, whatever it means
    return (exp + gains[:, None, None] * (fine - smooth)).clamp(0, top)


def blurred(x: Tensor, ratio: int) -> Tensor:
    """Return [n, H, W] through a Gaussian of the ratio's width, on the target grid.

    It is cut to two blocks a side, around the edges of the image to one.
    """
    inner, edge = (
        apply_pair(x, *(_gaussian(int(n), ratio, wide) for n in x.shape[1:]))
        for wide in (True, False)
    )
    inner[:, 0], inner[:, -1] = edge[:, 0], edge[:, -1]
    inner[:, :, 0], inner[:, :, -1] = edge[:, :, 0], edge[:, :, -1]
    return inner


@lru_cache(maxsize=16)
def _gaussian(size: int, ratio: int, wide: bool) -> Tensor:
    """Return [n, size] Gaussian weights over one block of `ratio` pixels, or two."""
    taps = ratio if not wide else 2 * ratio - ratio % 2
    distance = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    weights = torch.exp(-0.5 * (distance * FWHM / ratio) ** 2)
    first = ratio * torch.arange(size // ratio) + (ratio - taps) // 2
    places = first[:, None] + torch.arange(taps)
    inside = (places >= 0) & (places < size)
    dense = torch.zeros(len(places), size, dtype=torch.float64)
    values = torch.where(inside, weights / weights.sum(), 0.0)
    return dense.scatter_add_(1, places.clamp(0, size - 1), values)


@lru_cache(maxsize=16)
def _filtered(size: int, ratio: int, start: int) -> Tensor:
    """Return [size * ratio, size]: a 45-tap low-pass fills in between samples, circularly."""
    half = TAPS // 2
    taps = torch.arange(-half, half + 1, dtype=torch.float64)
    window = torch.hamming_window(TAPS, periodic=False, dtype=torch.float64)
    weights = _sampled_lowpass(taps, 1 / ratio) * window
    weights = weights * ratio / weights.sum()
    samples = torch.arange(size)
    dense = torch.zeros(size * ratio, size, dtype=torch.float64)
    for tap, weight in zip(taps.long().tolist(), weights, strict=True):
        dense[(ratio * samples + start + tap) % (size * ratio), samples] += weight
    return dense


def _sampled_lowpass(taps: Tensor, cutoff: float, grid: int = 512) -> Tensor:
    """Return the response at whole taps of an ideal low-pass sampled at `grid` frequencies.

    Octave, which made the reference arrays, ramps down within one frequency before the cut-off,
    where MATLAB has the cut-off in the middle of the ramp: fused images differ by some 1e-4.
    """
    frequencies = torch.arange(grid + 1, dtype=torch.float64)
    passed = (cutoff * grid - frequencies).clamp(0, 1)
    passed[1:-1] *= 2  # negative frequencies
    angles = torch.outer(taps, frequencies) * (math.pi / grid)
    return (torch.cos(angles) * passed).sum(dim=1) / (2 * grid)


def _linear(seen: Observation) -> Tensor:
    """Return the guide reduced by a triangle of the ratio's width, [c, h, w]."""
    rows, cols = axes_down(seen.size, seen.target_size, seen.sampling, "symmetric")
    ratio = seen.sampling.ratio
    return apply_pair(seen.guide, linear_matrix(rows, ratio[0]), linear_matrix(cols, ratio[1]))


def _regressed(seen: Observation) -> tuple[Tensor, Tensor]:
    """Return the slopes [C, c] and offsets [C, 1, 1] of the target's bands on the guide."""
    small, target = _linear(seen).flatten(1).double(), seen.target.flatten(1).double()
    table = torch.cat([small, torch.ones_like(small[:1])])
    gram, shared = table @ table.T, table @ target.T
    found = torch.stack([least_squares(gram, column) for column in shared.T]).to(seen.target)
    return found[:, :-1].contiguous(), found[:, -1, None, None]


def _correlations(target: Tensor, guide: Tensor) -> Tensor:
    """Return the correlation of each target band with each guide band, [C, c]."""
    a, b = (_centred(x).flatten(1) for x in (target, guide))
    return quotient(a @ b.T, torch.outer(a.norm(dim=1), b.norm(dim=1)))


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(dim=(1, 2), keepdim=True)


def _share(above: Tensor, below: Tensor) -> Tensor:
    """Return above / below, and 0 where below is 0."""
    return torch.where(below == 0, 0.0, above / torch.where(below == 0, 1.0, below))
