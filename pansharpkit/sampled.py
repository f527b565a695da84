"""Methods tried on a sample of a scene: one scale down against the MS, and as they would be used.

A few blocks are read once, and every method is fitted to them and applied to them in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pansharpkit import evaluate
from pansharpkit.degraded import degraded_scene
from pansharpkit.errors import InputError
from pansharpkit.grid import Window
from pansharpkit.methods.base import Context, Method
from pansharpkit.metrics import brief
from pansharpkit.metrics.tally import Values
from pansharpkit.observe import Observer, optics_of, output_mask, working_range
from pansharpkit.physics import Observation
from pansharpkit.radiometry import WorkingRange
from pansharpkit.scene import Scene

REDUCED_SIDE = 192
"""Target samples along the side of a block that methods are tried on one scale down."""
FULL_SIDE = 256
"""Guide pixels along the side of a block that they are tried on at full resolution."""
BLOCKS = 4
"""Blocks of each kind at most."""
LEAST = 32 * 32
"""Valid target samples without which nothing is tried: one block of Q2n."""
REACH = 24
"""Target pixels read around a block at full resolution: beyond the halo of any classical method."""
_LOOKED_AT = 5  # windows along each axis whose gaps and clouds are counted
_CLEAR = 0.9  # share of clear pixels that is as good as all
_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples, modulo 1, order the windows evenly


def windows_of(scene: Scene, side: int) -> list[Window]:
    """Return at most :data:`BLOCKS` windows of the guide: the clearest ones, spread over the scene.

    Parameters
    ----------
    side : of a window, in guide pixels, within a half: the scene is divided evenly.
    """
    extent = scene.extent
    rows = _cells(extent.row, extent.height, side)
    cols = _cells(extent.col, extent.width, side)
    found = [Window(r, c, height, width) for r, height in rows for c, width in cols]
    if len(found) <= BLOCKS:
        return found
    clear = [min(_clear_share(scene, window), _CLEAR) for window in found]
    best = sorted(range(len(found)), key=lambda i: (-clear[i], i * _GOLDEN % 1))
    return [found[i] for i in sorted(best[:BLOCKS])]


def _cells(start: int, length: int, side: int) -> list[tuple[int, int]]:
    """Return first pixel and length of at most :data:`_LOOKED_AT` even parts of an axis."""
    count = max(1, round(length / side))
    kept = sorted({int(i) for i in np.linspace(0, count - 1, min(count, _LOOKED_AT)).round()})
    edges = [start + i * length // count for i in range(count + 1)]
    return [(edges[i], edges[i + 1] - edges[i]) for i in kept]


def _reach(scene: Scene) -> int:
    return math.ceil(REACH * max(scene.sampling.ratio))


def _clear_share(scene: Scene, window: Window) -> float:
    """Return the share of target samples under a window that are there and under no cloud."""
    area = replace(scene, domain=window).target_domain
    if area.empty:
        return 0.0
    clear = scene.target.read(area)[1]
    if scene.clouds is not None:
        clear = clear & (scene.clouds.read(area)[0][0] == 0)
    return float(clear.mean())


@dataclass(frozen=True)
class ReducedTrial:
    """Blocks of the scene degraded by its own ratio, with the MS as their reference."""

    observations: tuple[Observation, ...]
    references: tuple[Tensor, ...]
    """[C, H, W] of each block, in the units of the observations."""
    masks: tuple[Tensor, ...]
    """[H, W] of each block, where reference and result count."""
    ratio: float

    @classmethod
    def of(cls, scene: Scene) -> ReducedTrial:
        """Read and degrade blocks of a scene.

        Raises
        ------
        InputError
            If the scene is too small to be degraded, or hardly anything of it is valid.
        """
        working = working_range(scene)
        found = [
            _degraded(scene, window, working, index)
            for index, window in enumerate(windows_of(scene, round(REDUCED_SIDE * scene.ratio)))
        ]
        observations, references, masks = zip(*found, strict=True)
        if (valid := sum(int(mask.sum()) for mask in masks)) < LEAST:
            raise InputError(
                f"{valid} MS samples are valid one scale down, {LEAST} are needed to tell methods "
                "apart"
            )
        return cls(observations, references, masks, scene.ratio)

    def values(self, method: Method, context: Context) -> Values:
        """Return ERGAS, SAM and Q2n of a method against the reference, over all blocks."""
        fused = _fused(method, self.observations, context)
        return brief.reduced_values(
            brief.added(list(map(brief.reduced_sums, self.references, fused, self.masks))),
            self.ratio,
        )


def _degraded(
    scene: Scene, window: Window, working: WorkingRange, index: int
) -> tuple[Observation, Tensor, Tensor]:
    """Return a block one scale down, its reference, and where the two count."""
    coarse, truth = degraded_scene(replace(scene, extent=window))
    block = coarse.read_filled(coarse.extent, _reach(coarse))
    seen = Observer(coarse, optics_of(coarse), working).observation(block, coarse.extent, index)
    values, valid = scene.target.read(
        Window(
            truth.row + coarse.extent.row,
            truth.col + coarse.extent.col,
            coarse.extent.height,
            coarse.extent.width,
        )
    )
    reference = np.where(valid, working.to_working(values), 0.0)
    counted = torch.from_numpy(valid & output_mask(block))
    return seen, torch.from_numpy(reference).double(), counted


@dataclass(frozen=True)
class FullTrial:
    """Blocks of the scene as it is, for the guards."""

    observations: tuple[Observation, ...]
    red_nir: tuple[int, int] | None

    @classmethod
    def of(cls, scene: Scene) -> FullTrial:
        """Read blocks of a scene."""
        observer = Observer.of(scene)
        found = []
        for index, window in enumerate(windows_of(scene, FULL_SIDE)):
            block = observer.read(window.pad(_reach(scene)).clip(scene.domain), _reach(scene))
            seen = observer.observation(block, window, index)
            valid = torch.from_numpy(output_mask(block))
            found.append(replace(seen, guide_mask=seen.guide_mask & valid))
        colours = [band.common_name for band in scene.sensor.bands]
        return cls(tuple(found), evaluate.red_nir(colours))

    def values(self, method: Method, context: Context) -> Values:
        """Return the guards of a method, over all blocks."""
        fused = _fused(method, self.observations, context)
        parts = [
            brief.guard_sums(values, observation, self.red_nir)
            for values, observation in zip(fused, self.observations, strict=True)
        ]
        return brief.guard_values(brief.added(parts))


def _fused(method: Method, sample: Sequence[Observation], context: Context) -> list[Tensor]:
    """Fit a method to all blocks and return what it makes of each."""
    return method.fit(sample, context).apply(sample, context)
