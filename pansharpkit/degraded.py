"""The scene observed once more from further away: Wald's protocol as lazy rasters.

The target becomes the reference, and guide and target are each blurred by their own MTF and
sampled once more by the scene's own ratio. Nothing is held in memory: a window is degraded when it
is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.model import Psf
from pansharpkit.physics import degrade, sigma_of_gain, spread_by
from pansharpkit.physics.resample import GAUSS_REACH
from pansharpkit.radiometry import fill_gaps
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Scene, make_scene
from pansharpkit.sensor import DEFAULT_MTF
from pansharpkit.source import Source

_COVERED = 1 - 1e-3  # share of the PSF that must see valid pixels


@dataclass(frozen=True)
class DegradedSource:
    """A window of a raster, blurred band by band and sampled on a coarser grid, as float32."""

    source: Source
    base: Window
    """Pixels of the source that may be used; beyond them the last ones are replicated."""
    sampling: Sampling
    """How this grid samples the base window."""
    grid: Grid
    gains: tuple[float, ...]
    psf: Psf | None = None
    """What blurs all bands, in place of the Gaussians of `gains`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Band names of the source."""
        return self.source.names

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """float32, whatever the source stores."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float | None:
        """NaN: gaps are known from the validity of each read."""
        return math.nan

    @property
    def label(self) -> str:
        """Name of the source."""
        return f"{self.source.label} (degraded)"

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read what lies under the window, degrade it, and say where the PSF saw no gap."""
        under = self._under(window)
        values, valid = self.source.read(under)
        sampling = self.sampling.windowed(
            (under.row - self.base.row, under.col - self.base.col), (window.row, window.col)
        )
        size = (window.height, window.width)
        filled = torch.from_numpy(fill_gaps(values, valid).astype(np.float64))
        seen = torch.from_numpy(valid.astype(np.float64))[None]
        if self.psf is None:
            blurred = degrade(filled, sampling, size, self.gains)
            cover = degrade(seen, sampling, size, (min(self.gains),))[0]
        else:
            blurred = spread_by(filled, sampling, size, self.psf)
            cover = spread_by(seen, sampling, size, self.psf)[0]
        return blurred.numpy().astype(np.float32), (cover > _COVERED).numpy()

    def _under(self, window: Window) -> Window:
        spans = []
        for axis, (start, stop) in enumerate(
            ((window.row, window.stop[0]), (window.col, window.stop[1]))
        ):
            ratio, phase = self.sampling.ratio[axis], self.sampling.phase[axis]
            reach = self._reach(ratio)
            low = math.floor(ratio * start + phase - reach)
            spans.append((low, math.ceil(ratio * (stop - 1) + phase + reach) + 1))
        (row0, row1), (col0, col1) = spans
        inside = Window(self.base.row + row0, self.base.col + col0, row1 - row0, col1 - col0)
        return inside.clip(self.base)

    def _reach(self, ratio: float) -> float:
        if self.psf is not None:
            return self.psf.reach + 1
        return GAUSS_REACH * sigma_of_gain(min(self.gains), ratio) + 2


def degraded_scene(scene: Scene) -> tuple[Scene, Window]:
    """Return the scene's extent one scale up, and the window of the target that is its reference.

    The coarse samples sit among the fine ones as in the scene itself, up to whole pixels. Of a
    known observation model, the spectral part holds at both scales and so does the PSF, counted in
    pixels; by its shift the guide is sampled where the target really lies.

    Raises
    ------
    InputError
        If the target is too small to be degraded by the scene's ratio.
    """
    truth = replace(scene, domain=scene.extent).target_domain
    grid = scene.target.grid.subset(truth)
    sensor, model = scene.sensor, scene.model
    psf = None if model is None else model.psf
    shift = (0.0, 0.0) if psf is None else psf.shift
    placed = scene.sampling.windowed((scene.domain.row, scene.domain.col), (truth.row, truth.col))
    guide = DegradedSource(
        scene.guide, scene.domain, placed.shifted(*shift), grid, _guide_gains(scene)
    )
    still = None if psf is None else replace(psf, shift=(0.0, 0.0))
    sampling = _second(scene.sampling)
    size = [
        math.floor((count - phase - ratio / 2) / ratio) + 1
        for count, phase, ratio in zip(
            (truth.height, truth.width), sampling.phase, sampling.ratio, strict=True
        )
    ]
    if min(size) < 2:
        raise InputError(
            f"{scene.target.label}: {truth.width} x {truth.height} pixels are too few to be "
            f"degraded by {scene.ratio:.3g} for the Wald protocol"
        )
    coarse = Grid(size[0], size[1], _coarser(grid.transform, sampling), grid.crs)
    target = DegradedSource(scene.target, truth, sampling, coarse, sensor.mtf, still)
    found = replace(
        make_scene(guide, target, sensor),
        reduced=True,
        guide_sensor=scene.guide_sensor,
        model=None if model is None else replace(model, psf=still),
    )
    return found, truth


def _guide_gains(scene: Scene) -> tuple[float, ...]:
    count = len(scene.guide.names)
    if count == 1:
        return (scene.sensor.pan_mtf,)
    return (DEFAULT_MTF,) * count if scene.guide_sensor is None else scene.guide_sensor.mtf


def _second(sampling: Sampling) -> Sampling:
    phase = [
        p - math.floor(p) + math.floor((r - 1) / 2)
        for p, r in zip(sampling.phase, sampling.ratio, strict=True)
    ]
    return Sampling(sampling.ratio, (phase[0], phase[1]))


def _coarser(transform: Affine, sampling: Sampling) -> Affine:
    rows, cols = (p - r / 2 + 0.5 for p, r in zip(sampling.phase, sampling.ratio, strict=True))
    moved = transform @ Affine.translation(cols, rows)
    return moved @ Affine.scale(sampling.ratio[1], sampling.ratio[0])
