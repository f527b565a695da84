"""What the blind estimates look at: some coarse samples of a scene, and the guide around them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.physics.observation import Observation
from pansharpkit.sampling import Pair, Sampling

Floats = NDArray[np.float64]
FOLDS = 5
"""Parts into which samples are dealt, each predicted from the others."""
REACH = 1.5
"""Target pixels around a sample's centre in which every guide pixel must be valid."""
LEAST = 20
"""Samples without which nothing is estimated."""
_BLOCKS = 6
_MOST = 4000  # samples of all blocks together: enough, and the work stays within seconds
_SIDE = 16  # target pixels along a patch of a block that holds too many samples
_MARGIN = 5  # target pixels around it, where any PSF that is tried has ended


@dataclass(frozen=True, eq=False)
class Part:
    """One block of the guide and the places of its coarse samples."""

    guide: Tensor = field(repr=False)
    """[c, H, W] float64."""
    target: Tensor = field(repr=False)
    """[C, h, w] float64."""
    sampling: Sampling
    used: Tensor = field(repr=False)
    """[h, w] bool, the samples that count."""

    @property
    def target_size(self) -> tuple[int, int]:
        """Height and width of the target."""
        return int(self.target.shape[1]), int(self.target.shape[2])


@dataclass(frozen=True, eq=False)
class BlindSample:
    """Coarse samples of the scene, dealt into folds."""

    parts: tuple[Part, ...]
    target: Floats = field(repr=False)
    """[C, N]."""
    folds: NDArray[np.int64] = field(repr=False)
    """[N] in 0 ... FOLDS - 1."""

    @property
    def ratio(self) -> tuple[float, float]:
        """Guide pixels per target pixel."""
        return self.parts[0].sampling.ratio

    @property
    def guide_bands(self) -> int:
        """Number of the guide's bands."""
        return int(self.parts[0].guide.shape[0])


def gather(sample: Sequence[Observation]) -> BlindSample:
    """Choose at most 4000 samples from at most six blocks, spread evenly, of a lazy sequence.

    Raises
    ------
    FusionError
        If there are not enough samples whose surroundings are valid.
    """
    chosen = sorted({int(i) for i in np.linspace(0, len(sample) - 1, _BLOCKS).round()})
    parts, values, folds = [], [], []
    for index in chosen:
        for part in _parts(sample[index], _MOST // len(chosen)):
            rows, cols = np.nonzero(part.used.numpy())
            parts.append(part)
            values.append(part.target.numpy()[:, rows, cols])
            folds.append((2 * rows + cols) % FOLDS)
    found = sum(map(len, folds))
    if found < LEAST:
        raise FusionError(
            f"only {found} target pixels have valid surroundings in both images, too few to "
            f"estimate how they were observed: at least {LEAST} are needed"
        )
    return BlindSample(tuple(parts), np.concatenate(values, axis=1), np.concatenate(folds))


def _usable(seen: Observation) -> NDArray[np.bool_]:
    """Return [h, w]: the sample counts, and so does every guide pixel near it."""
    holes = np.pad(~seen.guide_mask.cpu().numpy(), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    spans = [_span(seen, axis) for axis in (0, 1)]
    (top, bottom, tall), (left, right, wide) = spans
    inside = holes[np.ix_(bottom, right)] - holes[np.ix_(top, right)]
    inside += holes[np.ix_(top, left)] - holes[np.ix_(bottom, left)]
    counted: NDArray[np.bool_] = seen.target_mask.cpu().numpy() & (inside == 0)
    return counted & tall[:, None] & wide[None, :]


def _span(
    seen: Observation, axis: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return first and last + 1 guide index around each sample, and whether all of it is there."""
    size, ratio = seen.size[axis], seen.sampling.ratio[axis]
    centres = seen.sampling.phase[axis] + ratio * np.arange(seen.target_size[axis])
    low, high = centres - REACH * ratio, centres + REACH * ratio
    first = np.ceil(low).astype(np.int64).clip(0, size)
    last = (np.floor(high).astype(np.int64) + 1).clip(0, size)
    return first, last, (low >= -0.5 - 1e-6) & (high <= size - 0.5 + 1e-6)


def _parts(seen: Observation, most: int) -> Iterator[Part]:
    """Yield the whole block, or patches of it, evenly spread, with at most so many samples."""
    used = _usable(seen)
    if used.sum() <= most:
        if used.any():
            yield _cut(seen, used, slice(0, None), slice(0, None))
        return
    cells = [
        (slice(row, row + _SIDE), slice(col, col + _SIDE))
        for row in range(0, used.shape[0], _SIDE)
        for col in range(0, used.shape[1], _SIDE)
    ]
    counts = sorted((int(used[cell].sum()) for cell in cells), reverse=True)
    enough = max(1, int((np.cumsum(counts) <= most).sum()))
    least = counts[enough - 1]
    good = [cell for cell in cells if used[cell].sum() >= least]
    for k in np.linspace(0, len(good) - 1, enough).round().astype(int):
        only = np.zeros_like(used)
        only[good[k]] = used[good[k]]
        yield _cut(seen, only, *good[k])


def _cut(seen: Observation, used: NDArray[np.bool_], rows: slice, cols: slice) -> Part:
    """Return a part of a block with its surroundings."""
    spans = [
        _surroundings(seen, axis, cell.start, cell.stop) for axis, cell in enumerate((rows, cols))
    ]
    (down, fine_down), (across, fine_across) = spans
    sampling = seen.sampling.windowed(
        (fine_down.start, fine_across.start), (down.start, across.start)
    )
    return Part(
        seen.guide[:, fine_down, fine_across].cpu().double(),
        seen.target[:, down, across].cpu().double(),
        sampling,
        torch.from_numpy(used[down, across]),
    )


def _surroundings(
    seen: Observation, axis: int, first: int, stop: int | None
) -> tuple[slice, slice]:
    """Return target and guide pixels of a cell and around it along an axis; all for no `stop`."""
    size, count = seen.size[axis], seen.target_size[axis]
    if stop is None:
        return slice(0, count), slice(0, size)
    ratio, phase = seen.sampling.ratio[axis], seen.sampling.phase[axis]
    coarse = slice(max(0, first - _MARGIN), min(count, stop + _MARGIN))
    low = math.floor(phase + ratio * (first - _MARGIN))
    high = math.ceil(phase + ratio * (stop + _MARGIN))
    return coarse, slice(max(0, low), min(size, high))


def patches(part: Part, side: int) -> tuple[Tensor, Pair]:
    """Return [c, n, side, side] guide pixels around each sample, and where their middle lies.

    The second is how far, on average, the middle of a patch is from the centre of its sample, in
    guide pixels (rows, cols): none where ratio and phase put centres on or between pixels.
    """
    places, beyond = [], []
    for axis, count in enumerate(part.target_size):
        centres = part.sampling.phase[axis] + part.sampling.ratio[axis] * torch.arange(count)
        first = torch.floor(centres - (side - 1) / 2 + 0.5 - 1e-6).long()
        beyond.append(float((first + (side - 1) / 2 - centres).mean()))
        places.append(first[:, None] + torch.arange(side))
    rows, cols = part.used.nonzero(as_tuple=True)
    height, width = part.guide.shape[1:]
    down, across = places[0].clamp(0, height - 1)[rows], places[1].clamp(0, width - 1)[cols]
    return part.guide[:, down[:, :, None], across[:, None, :]], (beyond[0], beyond[1])
