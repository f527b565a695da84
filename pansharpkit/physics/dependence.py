"""How much a target band and the guide tell of each other, if it was observed in a certain way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.physics.observation import Observation
from pansharpkit.physics.resample import degrade, sigma_of_gain
from pansharpkit.sampling import Sampling

PART = 512
"""Guide pixels along the side of a part of the scene that is looked at."""
PARTS = 4
"""Parts at most."""
CELL = 12
"""Target samples along the side of a cell, inside which band and guide are related linearly."""
_BOX = 3  # target samples along the side of the mean that the high-pass subtracts
NOISE_GAIN = 1 - 1 / _BOX**2
"""By how much the high-pass multiplies the variance of white noise."""
_MARGIN = 1.5  # target samples at the edge of the guide whose PSF reaches too far beyond it
_ROUNDING = 1e-6  # detail below this share of the level is what single precision makes of none
_CALM = 0.1  # share of the cells, those with least residual, that noise is judged on


def gain_of_width(width: float) -> float:
    """Return the MTF gain at the coarse Nyquist of a Gaussian of σ `width`, in target pixels."""
    return math.exp(-0.5 * (math.pi * width) ** 2)


def width_of_gain(gain: float) -> float:
    """Return the σ in target pixels of the Gaussian with that MTF gain at the coarse Nyquist."""
    return sigma_of_gain(gain, 1.0)


@dataclass(frozen=True)
class Part:
    """A part of a scene, prepared for comparing its bands with its guide."""

    guide: Tensor
    """[1, H, W] mean of the guide's bands."""
    sampling: Sampling
    bands: Tensor
    """[C, h, w] high-passed target."""
    weights: Tensor
    """[1, h, w], 1 where a high-passed sample counts, else 0."""
    counts: Tensor
    """[1, m, n] number of samples of each cell that count."""
    mean: Tensor
    """[C, m, n] of `bands` over each cell."""
    variance: Tensor
    """[C, m, n], 0 where there is no detail but rounding."""

    @classmethod
    def of(cls, observation: Observation) -> Part:
        """Prepare an observation."""
        weights = _counting(observation)
        bands = _highpass(observation.target.float())
        counts = _sums(weights)
        mean, variance = _moments(bands, bands, weights, counts)
        variance = _above_rounding(variance, observation.target)
        guide = observation.guide.mean(dim=0, keepdim=True)
        return cls(guide, observation.sampling, bands, weights, counts, mean, variance)

    def dependence(self, width: float, shift: tuple[float, float]) -> Tensor:
        """Return the mutual information of each band and the guide, [C, cells] in nats.

        That of jointly Gaussian samples, -n/2 log(1 - r²) for the correlation r in a cell, if the
        PSF has σ `width` and the band is shifted by `shift` (rows, cols), all in target pixels.
        """
        squared = self._correlation(width, shift)
        information = -0.5 * self.counts * torch.log1p(-squared)
        return information.flatten(1).double().cpu()

    def residual(self, band: int, width: float, shift: tuple[float, float]) -> Tensor:
        """Return the variance of a band that the guide leaves unexplained in each usable cell."""
        left = self.variance[band] * (1 - self._correlation(width, shift)[band])
        return left[self.usable[0]].double().cpu()

    @property
    def usable(self) -> Tensor:
        """[1, m, n], whether a cell has enough samples."""
        return self.counts >= CELL**2 / 2

    def _correlation(self, width: float, shift: tuple[float, float]) -> Tensor:
        """Return the squared correlation of each band with the observed guide, [C, m, n]."""
        ratio = self.sampling.ratio
        moved = self.sampling.shifted(shift[0] * ratio[0], shift[1] * ratio[1])
        size = (int(self.bands.shape[1]), int(self.bands.shape[2]))
        blurred = degrade(self.guide, moved, size, (gain_of_width(width),)).float()
        seen = _highpass(blurred)
        mean, variance = _moments(seen, seen, self.weights, self.counts)
        variance = _above_rounding(variance, blurred)
        product = _sums(seen * self.bands * self.weights) / self.counts.clamp_min(1)
        covariance = product - mean * self.mean
        power = variance * self.variance
        known = self.usable & (variance > 0) & (self.variance > 0)
        squared = torch.where(known, covariance.square() / torch.where(known, power, 1.0), 0.0)
        return squared.clamp(max=1 - 1e-6)


def noise_of(parts: Sequence[Part], band: int, width: float, shift: tuple[float, float]) -> float:
    """Return the standard deviation of a band that the guide leaves unexplained where it is calm.

    Taken at the calmest tenth of the cells and corrected for the high-pass; 0 without cells.
    """
    if not parts:
        return 0.0
    left = torch.cat([part.residual(band, width, shift) for part in parts])
    return math.sqrt(max(0.0, float(left.quantile(_CALM))) / NOISE_GAIN)


def parts_of(sample: Sequence[Observation]) -> list[Part]:
    """Return up to :data:`PARTS` parts spread over the sample, in each the one with most detail.

    Blocks are read one at a time, as few as possible; those without samples are passed over.
    """
    each = math.ceil(PARTS / max(1, len(sample)))
    found: list[Part] = []
    # Multiples of the golden ratio: any number of first ones is spread over all.
    for index in sorted(range(len(sample)), key=lambda i: i * 0.618034 % 1):
        pieces = [Part.of(piece) for piece in _pieces(sample[index])]
        usable = [piece for piece in pieces if bool(piece.usable.any())]
        found += sorted(usable, key=_detail, reverse=True)[:each]
        if len(found) >= PARTS:
            break
    return found[:PARTS]


def _detail(part: Part) -> float:
    """Return how much detail there is; the root keeps a few bright edges from deciding."""
    return float((part.bands.abs().sqrt() * part.weights).sum())


def _pieces(observation: Observation) -> Iterator[Observation]:
    """Cut an observation into pieces of about :data:`PART` guide pixels a side."""
    height, width = observation.target_size
    ratio = observation.sampling.ratio
    sides = [max(1, round(n / PART)) for n in observation.size]
    rows, cols = (
        [n * i // side for i in range(side + 1)]
        for n, side in zip((height, width), sides, strict=True)
    )
    reach = [math.ceil((_MARGIN + 1) * r) for r in ratio]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            yield _cut(observation, (top, bottom), (left, right), (reach[0], reach[1]))


def _cut(
    o: Observation, rows: tuple[int, int], cols: tuple[int, int], reach: tuple[int, int]
) -> Observation:
    """Return the part of an observation under some target samples."""
    spans = []
    for axis, (first, stop) in enumerate((rows, cols)):
        ratio, phase = o.sampling.ratio[axis], o.sampling.phase[axis]
        low = math.floor(phase + ratio * first) - reach[axis]
        high = math.ceil(phase + ratio * (stop - 1)) + reach[axis] + 1
        start = min(max(0, low), o.size[axis] - 1)
        spans.append(slice(start, max(start + 1, min(o.size[axis], high))))
    coarse, fine = (slice(*rows), slice(*cols)), (spans[0], spans[1])
    return replace(
        o,
        target=o.target[:, *coarse],
        guide=o.guide[:, *fine],
        target_mask=o.target_mask[coarse],
        guide_mask=o.guide_mask[fine],
        sampling=o.sampling.windowed((fine[0].start, fine[1].start), (rows[0], cols[0])),
    )


def _counting(observation: Observation) -> Tensor:
    """Return 1 where a sample, its neighbours and the guide under them are known, [1, h, w]."""
    sampling, sides = observation.sampling, []
    for axis, size in enumerate(observation.size):
        ratio = sampling.ratio[axis]
        centre = sampling.phase[axis] + ratio * torch.arange(observation.target_size[axis])
        sides.append((centre >= _MARGIN * ratio) & (centre <= size - 1 - _MARGIN * ratio))
    inside = (sides[0][:, None] & sides[1][None, :]).to(observation.target_mask.device)
    lost = 1 - (observation.target_mask & inside).float()[None, None]
    padded = functional.pad(lost, (_BOX // 2,) * 4, value=1.0)
    counting: Tensor = 1 - functional.max_pool2d(padded, _BOX, 1)[0]
    return counting


def _highpass(x: Tensor) -> Tensor:
    padded = functional.pad(x[None], (_BOX // 2,) * 4, mode="replicate")
    return x - functional.avg_pool2d(padded, _BOX, 1)[0]


def _sums(x: Tensor) -> Tensor:
    """Return the sums of [C, h, w] over cells; those at the lower and right edge may be smaller."""
    pad = (0, -x.shape[2] % CELL, 0, -x.shape[1] % CELL)
    return functional.avg_pool2d(functional.pad(x[None], pad), CELL)[0] * CELL**2


def _moments(x: Tensor, y: Tensor, weights: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean of x and covariance with y over each cell."""
    n = counts.clamp_min(1)
    mean = _sums(x * weights) / n
    return mean, _sums(x * y * weights) / n - mean * (_sums(y * weights) / n)


def _above_rounding(variance: Tensor, x: Tensor) -> Tensor:
    """Return the variances of cells, [C, m, n], without those that are rounding of [C, h, w] x."""
    level = x.abs().amax(dim=(1, 2))[:, None, None]
    return torch.where(variance > (_ROUNDING * level).square(), variance, 0.0)
