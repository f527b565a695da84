"""From a scene's pixels to what a method sees: the one place where arrays become tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray

from pansharpkit.errors import GridError
from pansharpkit.flow import ahead
from pansharpkit.grid import Window
from pansharpkit.physics import Compat, Observation, Optics
from pansharpkit.radiometry import WorkingRange, erode
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Block, Scene

FIT_BLOCK = 512
"""Guide pixels along the side of a block of the fitting sample."""
FIT_BLOCKS = 36
"""Blocks in the sample at most, spread over the scene; smaller scenes are used whole."""
_EDGE_PX = 0.5
_RANGE_BLOCKS = 16
_RANGE_PERCENTILE = 99.5  # a few saturated pixels must not set the working range


@dataclass(frozen=True)
class Observer:
    """Turns windows of one scene into observations."""

    scene: Scene
    optics: Optics
    working: WorkingRange
    device: str = "cpu"

    @classmethod
    def of(cls, scene: Scene, *, compat: Compat = "none", device: str = "cpu") -> Observer:
        """Return the observer of a scene, with the working range measured on a sample of it."""
        return cls(scene, optics_of(scene, compat), working_range(scene), device)

    def read(self, window: Window, reach: int) -> Block:
        """Read a window of the guide raster with gaps filled for operators of that reach."""
        return self.scene.read_filled(window, reach)

    def observation(self, block: Block, counted: Window, index: int) -> Observation:
        """Return the observation of a block; only pixels inside `counted` enter statistics."""
        counts = union_mask(block)
        box = counted.relative_to(block.window)
        if counted != block.window:
            counts, kept = np.zeros_like(counts), counts
            counts[box.slices] = kept[box.slices]
        rows, cols = (_centres(block, axis) for axis in (0, 1))
        coarse = (
            ((rows >= box.row - 0.5) & (rows < box.stop[0] - 0.5))[:, None]
            & ((cols >= box.col - 0.5) & (cols < box.stop[1] - 0.5))
            & block.target_valid
        )
        if block.clouds is not None:
            coarse = coarse & ~block.clouds
            counts = counts & ~_nearest(block.clouds, block)
        return Observation(
            self._tensor(block.target),
            self._tensor(block.guide),
            self._sampling(block),
            self.optics,
            torch.from_numpy(coarse).to(self.device),
            torch.from_numpy(counts).to(self.device),
            index,
            (block.window.row, block.window.col),
        )

    def _tensor(self, values: NDArray[np.generic]) -> torch.Tensor:
        working = self.working.to_working(values)
        if values.dtype.kind == "f" and not np.isfinite(working).all():
            working = np.nan_to_num(working, nan=0.0, posinf=0.0, neginf=0.0)
        return torch.from_numpy(working).to(self.device)

    def _sampling(self, block: Block) -> Sampling:
        if self.optics.compat == "none":
            return block.sampling
        ratio = round(block.sampling.ratio[0])
        several = len(block.guide) > 1  # that toolbox centres samples on their block
        wanted = Sampling.edge_aligned(ratio) if several else Sampling.toolbox(ratio)
        ours = (*block.sampling.ratio, *block.sampling.phase)
        if max(abs(a - b) for a, b in zip(ours, (*wanted.ratio, *wanted.phase), strict=True)) > 0.1:
            raise GridError(
                f"toolbox mode needs ratio {ratio} and phase {wanted.phase}, but this pair has "
                f"ratio {block.sampling.ratio} and phase {block.sampling.phase}"
            )
        return wanted


def optics_of(scene: Scene, compat: Compat = "none") -> Optics:
    """Return the optics that the scene's sensor preset describes."""
    sensor = scene.sensor
    sharp_as: Literal["guide", "target"] = "target" if scene.reduced else "guide"
    return Optics(sensor.mtf, sensor.pan_mtf, compat, sharp_as, scene.model)


def working_range(scene: Scene) -> WorkingRange:
    """Return a working range in which nearly all pixels of guide and target lie in [0, 1]."""
    largest = 0.0
    for window in lattice(scene.domain, 256, _RANGE_BLOCKS):
        block = scene.read(window)
        pairs = ((block.guide, block.guide_valid), (block.target, block.target_valid))
        for values, valid in pairs:
            if valid.any():
                top = np.percentile(np.abs(values[:, valid]), _RANGE_PERCENTILE)
                largest = max(largest, float(top))
    return WorkingRange.of(largest)


def clear_share(scene: Scene) -> float:
    """Return which share of the valid target samples neither cloud nor saturation spoils."""
    valid = clear = 0
    for window in lattice(scene.domain, 256, _RANGE_BLOCKS):
        block = scene.read(window)
        clouds = np.zeros_like(block.target_valid) if block.clouds is None else block.clouds
        valid += int(block.target_valid.sum())
        clear += int((block.target_valid & ~clouds).sum())
    return clear / valid if valid else 1.0


def lattice(domain: Window, side: int, most: int) -> list[Window]:
    """Return at most `most` blocks of a regular lattice of `side` pixels, spread evenly."""
    counts = [max(1, math.ceil(size / side)) for size in (domain.height, domain.width)]
    keep = [_spread(n, _share(counts, axis, most)) for axis, n in enumerate(counts)]
    return [
        Window(domain.row + r * side, domain.col + c * side, side, side).clip(domain)
        for r in keep[0]
        for c in keep[1]
    ]


def fit_windows(domain: Window, halo: int) -> list[Window]:
    """Return the blocks of the fitting sample.

    Where there is more scene than that, they shrink by the halo: what is read is then stored in few
    blocks of the file, most often in one. With it, nine would have to be decoded for each.
    """
    windows = lattice(domain, FIT_BLOCK, FIT_BLOCKS)
    used = sum(window.height * window.width for window in windows)
    if used == domain.height * domain.width or 4 * halo > FIT_BLOCK:
        return windows
    return [inner for window in windows if not (inner := window.pad(-halo)).empty]


def _share(counts: list[int], axis: int, most: int) -> int:
    """Return how many of the blocks to keep along an axis so that the product is below `most`."""
    total = counts[0] * counts[1]
    if total <= most:
        return counts[axis]
    return max(1, min(most, math.floor(counts[axis] * math.sqrt(most / total))))


def _spread(count: int, keep: int) -> list[int]:
    return sorted({int(i) for i in np.linspace(0, count - 1, keep).round()})


def union_mask(block: Block) -> NDArray[np.bool_]:
    """Return [H, W]: guide pixel valid and covered by a valid target sample.

    A sample covers what lies within half a guide pixel of its footprint, as in the scene's domain,
    so that an edge of the raster and an edge of nodata are the same thing.
    """
    if block.target_valid.all():
        return block.guide_valid
    if block.sampling.is_one_grid:
        return block.guide_valid & block.target_valid
    covered = np.zeros_like(block.guide_valid)
    for rows in (-_EDGE_PX, _EDGE_PX):
        for cols in (-_EDGE_PX, _EDGE_PX):
            covered |= _nearest(block.target_valid, block, (rows, cols))
    return block.guide_valid & covered


def output_mask(block: Block) -> NDArray[np.bool_]:
    """Return the union mask, eroded by one target pixel: the main lobe of the interpolation."""
    return erode(union_mask(block), _main_lobe(block.sampling), border=True)


def mask_reach(sampling: Sampling) -> int:
    """Return how many guide pixels around it the output mask of a tile depends on."""
    return _main_lobe(sampling) + 1


def _main_lobe(sampling: Sampling) -> int:
    if sampling.is_one_grid:  # nothing is interpolated
        return 0
    return math.ceil(max(sampling.ratio) - 0.01)  # 2.0002 is a ratio of two


def _centres(block: Block, axis: int) -> NDArray[np.float64]:
    count = block.target.shape[1 + axis]
    return block.sampling.ratio[axis] * np.arange(count, dtype=float) + block.sampling.phase[axis]


def _nearest(
    coarse: NDArray[np.bool_], block: Block, shift: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.bool_]:
    """Return a target-grid mask at each guide pixel moved by `shift`, by nearest sample."""
    picks = []
    for axis in (0, 1):
        fine = np.arange(block.guide.shape[1 + axis]) + shift[axis]
        index = np.rint((fine - block.sampling.phase[axis]) / block.sampling.ratio[axis])
        picks.append(np.clip(index.astype(int), 0, coarse.shape[axis] - 1))
    return coarse[np.ix_(*picks)]


class FitSample(Sequence[Observation]):
    """Blocks of the scene for `fit`, read when asked for; the same whatever the tile size."""

    def __init__(self, observer: Observer, halo: int) -> None:
        self._observer = observer
        self._halo = halo
        domain = observer.scene.domain
        whole = observer.optics.compat == "toolbox"  # its circular borders know only whole images
        self.windows = [domain] if whole else fit_windows(domain, halo)

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[Observation]:
        read = ahead(self._read, self.windows)
        return (self._observed(i, block) for i, (_, block) in enumerate(read))

    @overload
    def __getitem__(self, index: int) -> Observation: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...

    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        """Read one block, or several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._observed(index, self._read(self.windows[index]))

    def _read(self, window: Window) -> Block:
        padded = window.pad(self._halo).clip(self._observer.scene.domain)
        return self._observer.read(padded, self._halo)

    def _observed(self, index: int, block: Block) -> Observation:
        return self._observer.observation(block, self.windows[index], index)
