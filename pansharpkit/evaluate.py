"""The two protocols: with a reference (reduced resolution) and without (full resolution)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pansharpkit import registration
from pansharpkit.degraded import degraded_scene
from pansharpkit.engine import RunOptions, RunResult, run
from pansharpkit.errors import GridError, OptionError
from pansharpkit.grid import Window
from pansharpkit.methods.base import Method, Progress
from pansharpkit.metrics import Indices, Raster, full_resolution, reduced_resolution
from pansharpkit.metrics.cubes import cube_resolution
from pansharpkit.metrics.rasters import Told
from pansharpkit.observe import FitSample, Observer, lattice, optics_of
from pansharpkit.physics import Compat, PairOptics, estimate_optics
from pansharpkit.scene import Scene
from pansharpkit.scratch import scratch
from pansharpkit.source import Source

_SEEN = 4  # target samples around a block, so that those at its edge count as well
_SHIFTED = 0.01  # pixels by which two rasters may differ and still be on one grid
JUDGED = 2**26
"""Values, over all bands, that a report judges unless it is to judge all: some 20 CPU seconds."""
CUBE_BANDS = registration.CUBE_BANDS
"""Bands from which on a target is judged as a cube, whatever its guide."""


def raster_of(source: Source, window: Window | None = None) -> Raster:
    """Return a window of a source as the rasters that indices are computed on."""
    area = window or source.grid.window

    def read(row: int, col: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        part = Window(area.row + row, area.col + col, height, width)
        values, valid = source.read(part)
        wide = (
            np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
        )
        return torch.from_numpy(values.astype(wide)), torch.from_numpy(valid)

    return Raster(read, len(source.names), (area.height, area.width))


def estimated_optics(scene: Scene) -> PairOptics:
    """Estimate from the pair how each band was observed, beside what the preset says."""
    sample = FitSample(Observer.of(scene), math.ceil(_SEEN * max(scene.sampling.ratio)))
    return estimate_optics(sample)


def assess(
    scene: Scene,
    fused: Source,
    *,
    compat: Compat = "none",
    estimated: PairOptics | None = None,
    most: int | None = None,
    progress: Progress | None = None,
) -> Indices:
    """Judge a fused raster at full resolution with the pair that it was made from.

    `most` is how many values are judged at most, spread evenly over a larger raster; all by
    default. `estimated` is what :func:`estimated_optics` returns for the scene; found out if not
    given. It plays no part for cubes and guides of several bands, which are judged by
    :func:`pansharpkit.metrics.cubes.cube_resolution`.

    Raises
    ------
    GridError
        If the fused raster does not lie on the PAN's pixels, or has other bands than the MS.
    OptionError
        In toolbox mode, if it is a cube or the guide has several bands.
    """
    window, told = _window_on(scene.guide, fused), _told(progress)
    if len(fused.names) != len(scene.target.names):
        raise GridError(
            f"{fused.label} has {len(fused.names)} bands, {scene.target.label} has "
            f"{len(scene.target.names)}"
        )
    inside = window.clip(scene.domain)
    if len(scene.guide.names) > 1 or len(fused.names) >= CUBE_BANDS:
        if compat != "none":
            raise OptionError("--compat toolbox judges PAN and MS alone, no cubes: leave it out")
        raster = raster_of(fused, inside.relative_to(window))
        return _assess_cube(scene, raster, inside, most, told)
    names = [band.common_name for band in scene.sensor.bands]
    target = scene.target.grid.window if compat != "none" else _target_under(scene, inside)
    return full_resolution(
        raster_of(fused, inside.relative_to(window)),
        raster_of(scene.guide, inside),
        raster_of(scene.target, target),
        scene.sampling.windowed((inside.row, inside.col), (target.row, target.col)),
        optics_of(scene, compat),
        red_nir=red_nir(names),
        estimated=estimated or estimated_optics(scene),
        most=most,
        told=told,
    )


def _told(progress: Progress | None) -> Told | None:
    return None if progress is None else lambda done, total: progress("assess", done, total)


def _assess_cube(
    scene: Scene, fused: Raster, inside: Window, most: int | None, told: Told | None
) -> Indices:
    target = _target_under(scene, inside)
    return cube_resolution(
        fused,
        raster_of(scene.guide, inside),
        raster_of(scene.target, target),
        scene.sampling.windowed((inside.row, inside.col), (target.row, target.col)),
        optics_of(scene),
        torch.tensor(_mixture(scene), dtype=torch.float64),
        most=most,
        told=told,
    )


def _mixture(scene: Scene) -> Sequence[Sequence[float]]:
    """Return how the guide's bands weigh the target's: by the model, else what PAN sees of them.

    Where nothing is known, all bands weigh the same.
    """
    if scene.model is not None:
        return scene.model.srf
    seen = [band.pan_coverage for band in scene.sensor.bands]
    known = [0.0 if share is None else share for share in seen]
    row = known if len(scene.guide.names) == 1 and sum(known) > 0 else [1.0] * len(known)
    return [[weight / sum(row) for weight in row]] * len(scene.guide.names)


def red_nir(names: Sequence[str | None]) -> tuple[int, int] | None:
    """Return where red and near infrared are among common names; None without both."""
    return (names.index("red"), names.index("nir")) if {"red", "nir"} <= set(names) else None


def _window_on(guide: Source, fused: Source) -> Window:
    """Return the window of the guide that the fused raster covers pixel by pixel."""
    if fused.grid.crs != guide.grid.crs:
        raise GridError(f"{fused.label} and {guide.label} differ in CRS")
    m = fused.grid.to_pixels_of(guide.grid)
    drift = max(
        abs(m.a - 1) * fused.grid.width, abs(m.e - 1) * fused.grid.height,
        abs(m.b) * fused.grid.height, abs(m.d) * fused.grid.width,
        abs(m.c - round(m.c)), abs(m.f - round(m.f)),
    )  # fmt: skip
    window = Window(round(m.f), round(m.c), fused.grid.height, fused.grid.width)
    if drift > _SHIFTED or window.clip(guide.grid.window) != window:
        raise GridError(f"{fused.label} does not lie on the pixels of {guide.label}")
    return window


def _target_under(scene: Scene, window: Window) -> Window:
    """Return the target samples whose centres lie inside a window of the guide."""
    return replace(scene, domain=window).target_domain


def compare(
    reference: Source,
    fused: Source,
    ratio: float,
    *,
    peak: float | None = None,
    compat: Compat = "none",
) -> Indices:
    """Judge a fused raster against its reference; `peak` is guessed from the reference if None.

    Raises
    ------
    GridError
        If the two rasters differ in size or number of bands.
    OptionError
        If ratio or peak make no sense.
    """
    if not 1 < ratio < math.inf:
        raise OptionError(f"ratio {ratio:g}: give coarse over fine pixel size, above 1")
    ours = (len(fused.names), fused.grid.height, fused.grid.width)
    theirs = (len(reference.names), reference.grid.height, reference.grid.width)
    if ours != theirs:
        raise GridError(
            f"{fused.label} has (bands, rows, columns) {ours}, {reference.label} has {theirs}"
        )
    return reduced_resolution(
        raster_of(reference),
        raster_of(fused),
        ratio=ratio,
        peak=_peak(peak, reference),
        compat=compat,
    )


def _peak(peak: float | None, reference: Source, window: Window | None = None) -> float:
    if peak is None:
        return default_peak(reference, window)
    if not 0 < peak < math.inf:
        raise OptionError(f"peak {peak:g}: give the largest value that the data can take")
    return peak


def default_peak(reference: Source, window: Window | None = None) -> float:
    """Return 2^L - 1 with the smallest L that holds the reference, or 1 for data in [0, 1].

    Judged on at most 64 blocks spread over the raster.
    """
    largest = 0.0
    for part in lattice(window or reference.grid.window, 512, 64):
        values, valid = reference.read(part)
        if valid.any():
            largest = max(largest, float(values[:, valid].max()))
    if largest <= 1:
        return 1.0
    return float(2 ** math.ceil(math.log2(largest + 1)) - 1)


@dataclass(frozen=True)
class WaldRow:
    """One method judged on the degraded pair."""

    method: str
    indices: Indices
    run: RunResult
    peak: float


def wald(
    scene: Scene,
    methods: Mapping[str, Method],
    options: RunOptions,
    *,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Iterator[WaldRow]:
    """Degrade a pair by its own ratio, fuse it with each method, and compare with the MS.

    The fused rasters go to a temporary file, one at a time, so that memory stays bounded.
    """
    coarse, truth = degraded_scene(scene)
    reference = Window(
        truth.row + coarse.extent.row,
        truth.col + coarse.extent.col,
        coarse.extent.height,
        coarse.extent.width,
    )
    peak = _peak(peak, scene.target, reference)
    options = replace(options, dtype="float32", nodata=math.nan)
    for name, method in methods.items():
        with scratch(coarse.grid, coarse.target.names) as (sink, fused):
            result = run(coarse, method, sink, options, progress)
            indices = reduced_resolution(
                raster_of(scene.target, reference),
                raster_of(fused),
                ratio=scene.ratio,
                peak=peak,
                compat=options.compat,
            )
        yield WaldRow(name, indices, result, peak)
