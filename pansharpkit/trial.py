"""The stages of a run, timed on a few of its tiles and scaled to all of them.

Nothing here knows a method. The fit is rehearsed on blocks of the scene with its loops cut short,
the method is applied to some of the tiles, and what it makes is written and judged as the whole
will be.
"""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pansharpkit import evaluate
from pansharpkit.engine import RunOptions, run, tile_plan
from pansharpkit.errors import InputError
from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.methods.base import Context, Fitted, Method, Pixelwise, is_uncertain
from pansharpkit.methods.rehearsal import Rehearsal, Stopwatch
from pansharpkit.metrics.rasters import window_side
from pansharpkit.observe import FitSample, Observer, optics_of, output_mask
from pansharpkit.physics import Observation, PairOptics
from pansharpkit.radiometry import WorkingRange
from pansharpkit.readers import open_geotiff
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Block, Scene
from pansharpkit.source import ArraySource
from pansharpkit.tiles import Tile, TilePlan
from pansharpkit.writer import OutputProfile, open_output

_SMALL = 512 * 512  # guide pixels below which a quick method needs no closer look
_QUICK = 2.0  # seconds of such a method for a whole scene
_LARGEST_TILE = 1024  # a larger one is tried on a part of it
_SLOW_TILE = 1.0  # seconds from which the pace of reading and writing no longer matters
_STRIP_SECONDS = 0.4
_STRIP_TILES = 8
_LOOKS = 5  # rows and columns of tiles that are looked at to see how much is nodata
_WORTH_LOOKING = 36  # tiles
_JUDGED = 64, 256  # sides of areas that are judged: to begin with, and of small scenes
_LARGE = 1024 * 1024  # pixels from which as many windows are judged as are at a time
_FLOW = 0.8  # of the time per window of a few is what each of many takes, none waiting for another
_DRAWING = 1.2  # seconds for a report's pictures and pages and the optics, whatever the scene


@dataclass(frozen=True)
class Work:
    """All that the time of a run depends on."""

    scene: Scene
    method: Method
    options: RunOptions
    profile: OutputProfile
    cog: bool = True
    report: bool = True
    judged: int | None = None
    """Values that the report judges at most; all by default."""
    clock: Callable[[], float] = time.perf_counter


def stages(work: Work, device: str) -> dict[str, float]:
    """Return the seconds of each stage, or nothing where the run is short anyhow.

    Raises
    ------
    PansharpkitError
        If the tiles that were tried cannot be fused or written.
    """
    trial = _Trial(work, device)
    look = trial.look()
    observer = trial.observer(look)
    fitting, fitted = trial.fit(observer, look)
    one = trial.apply(fitted, observer.observation(look.block, look.tile.padded, look.tile.index))
    share = _occupied(work.scene, trial.whole)
    applying = share * one * _padded_area(trial.whole) / look.tile.padded.area
    pixels = work.scene.extent.area
    if pixels <= _SMALL and fitting + applying < _QUICK:
        return {}
    reading = pixels * look.seconds / look.tile.padded.area
    slow = one > _SLOW_TILE
    with tempfile.TemporaryDirectory(prefix="pansharpkit-") as folder:
        path = Path(folder) / "trial.tif"
        strip = trial.strip(look.tile, one)
        pace = trial.write(strip, None if slow else fitted, path)
        most = pixels if work.judged is None else work.judged // len(work.profile.band_names)
        judging = trial.judge(path, min(pixels, most)) if work.report else 0.0
    if not slow:
        applying = share * pace.apply * pixels + (1 - share) * reading
    found = {"fit": fitting, "apply": applying, "finish": pace.finish * pixels}
    return found | ({"report": judging + reading + _DRAWING} if work.report else {})


@dataclass(frozen=True)
class _Look:
    """A tile in the middle of the scene, read."""

    tile: Tile
    block: Block
    seconds: float


@dataclass(frozen=True)
class _Pace:
    """Seconds per guide pixel."""

    apply: float
    finish: float


@dataclass(frozen=True)
class _Known:
    """A method that was fitted before."""

    method: Method
    fitted: Fitted

    @property
    def pixelwise(self) -> bool:
        return isinstance(self.method, Pixelwise) and self.method.pixelwise

    @property
    def uncertain(self) -> bool:
        return is_uncertain(self.method)

    def halo(self, sampling: Sampling) -> int:
        return self.method.halo(sampling)

    def overlap(self, sampling: Sampling) -> int:
        return self.method.overlap(sampling)

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        return self.fitted


class _Trial:
    """One run, on parts of its scene."""

    def __init__(self, work: Work, device: str) -> None:
        self._work = work
        self._device = device
        self._watch = Stopwatch(device, work.clock)
        self.whole = tile_plan(work.scene, work.method, work.options)
        self._options = replace(work.options, tile=min(work.options.tile, _LARGEST_TILE))
        self._scene = _tractable(work)
        self._plan = tile_plan(self._scene, work.method, self._options)
        self._halo = work.method.halo(self._scene.sampling)

    def look(self) -> _Look:
        """Read the tile closest to the middle that has valid pixels."""
        middle = self._plan.extent.centre
        for tile in sorted(_spread(self._plan), key=lambda t: _distance(t.inner, middle)):
            started = self._watch.real()
            block = self._scene.read_filled(tile.padded, self._halo)
            seconds = self._watch.real() - started
            if output_mask(block).any():
                return _Look(tile, block, seconds)
        raise InputError(f"{self._scene.guide.label}: no valid pixel in the tiles looked at")

    def observer(self, look: _Look) -> Observer:
        """Return an observer whose working range is that of one tile."""
        arrays = ((look.block.guide, look.block.guide_valid),
                  (look.block.target, look.block.target_valid))  # fmt: skip
        largest = max(float(np.abs(v[:, ok]).max()) if ok.any() else 0.0 for v, ok in arrays)
        optics = optics_of(self._scene, self._options.compat)
        return Observer(self._scene, optics, WorkingRange.of(largest), self._device)

    def fit(self, observer: Observer, look: _Look) -> tuple[float, Fitted]:
        """Return how long the fit takes, and what it found where it was cut short."""
        sample = FitSample(observer, self._halo)
        middle = look.tile.inner.centre
        sample.windows.sort(key=lambda window: _distance(window, middle))
        complete = FitSample(replace(observer, scene=self._work.scene), self._halo)
        share = _total(sample.windows) / _total(complete.windows)
        started = self._watch.now()
        fitted = self._work.method.fit(sample, self._context())
        return (self._watch.now() - started) / share, fitted

    def apply(self, fitted: Fitted, observation: Observation) -> float:
        """Return how long one tile takes, the first one, which warms up as well."""
        started = self._watch.now()
        fitted.apply([observation], self._context())
        return self._watch.now() - started

    def _context(self) -> Rehearsal:
        return Rehearsal(self._options.seed, self._device, watch=self._watch)

    def strip(self, tile: Tile, seconds: float) -> Window:
        """Return a window of whole tiles beside each other, more of them where they are quick."""
        rows, cols = self._plan.shape
        row, col = divmod(tile.index, cols)
        least = 2 * self._options.workers  # which compute side by side
        most = max(min(int(_STRIP_SECONDS / seconds), _STRIP_TILES), least)
        most = 1 if seconds > _SLOW_TILE else min(most, rows if rows > cols else cols)
        if cols >= rows:
            first = max(0, min(col, cols - most))
            tiles = list(itertools.islice(self._plan.row(row), first, first + most))
        else:
            first = max(0, min(row, rows - most))
            tiles = [self._plan[r * cols + col] for r in range(first, first + most)]
        (top, left), (bottom, right) = (
            (tiles[0].inner.row, tiles[0].inner.col),
            tiles[-1].inner.stop,
        )
        return Window(top, left, bottom - top, right - left)

    def write(self, strip: Window, fitted: Fitted | None, path: Path) -> _Pace:
        """Fuse a strip of tiles into a file as the run will, with interpolation for slow methods.

        The pace of tiles is that after the first ones: then reading, fusing and writing overlap.
        """
        scene = replace(self._scene, extent=strip)
        if self._options.compat == "none":
            scene = replace(scene, domain=strip.pad(self._halo).clip(scene.domain))
        profile = replace(self._work.profile, grid=scene.grid)
        method = create("exp") if fitted is None else _Known(self._work.method, fitted)
        marks: list[tuple[int, float]] = []

        def note(stage: str, done: int, total: int) -> None:
            if stage == "fit":
                marks[:] = [(0, self._watch.real())]
            elif stage == "tiles":
                marks.append((done, self._watch.real()))

        with open_output(path, profile, cog=self._work.cog) as sink:
            tiles = run(scene, method, sink, self._options, note).tiles
            fused = self._watch.real()
        finish = self._watch.real() - fused
        abreast = self._options.workers  # tiles that may end at the same time
        per_tile = _slope(marks[abreast:] if len(marks) > 2 * abreast else marks)
        return _Pace(per_tile * tiles / strip.area, finish / strip.area)

    def judge(self, path: Path, pixels: int) -> float:
        """Return how long it takes to judge that many pixels like those in a file."""
        fused, gains = open_geotiff(path), optics_of(self._scene).mtf
        none = (0.0,) * len(gains)
        preset = PairOptics(gains, ((0.0, 0.0),) * len(gains), none, none)
        first, second = (Window(0, 0, side, side) for side in _JUDGED)
        areas, busy = [first, first, second], 1.0  # the first time warms up
        if pixels > _LARGE:
            second, busy = _windows(fused.grid.window, len(fused.names))
            areas = [second, first, second]
        times = []
        for area in areas:
            area = area.clip(fused.grid.window)
            part = ArraySource(fused.grid.subset(area), fused.read(area)[0], fused.names)
            started = self._watch.real()
            evaluate.assess(self._scene, part, estimated=preset)
            times.append((area.area, self._watch.real() - started))
        return times[1][1] + busy * _slope(times[1:]) * (pixels - times[1][0])


def _windows(raster: Window, bands: int) -> tuple[Window, float]:
    """Return windows for all threads that judge, as far as a raster has them.

    And how long those of a whole raster take beside them.
    """
    side, threads = window_side(bands), torch.get_num_threads()
    wide = raster.width >= raster.height
    there = max(1, max(raster.width, raster.height) // side)
    taken = min(threads, there)
    area = Window(0, 0, side, taken * side) if wide else Window(0, 0, taken * side, side)
    return area, _FLOW * taken / threads


def _tractable(work: Work) -> Scene:
    """Return the scene; of one that is fused in one piece, a corner in its place."""
    scene = replace(work.scene, clouds=None)  # of which the run would warn
    if work.options.compat == "none":
        return scene
    corner = Window(scene.domain.row, scene.domain.col, _LARGEST_TILE, _LARGEST_TILE)
    corner = corner.clip(scene.domain)
    return replace(scene, domain=corner, extent=corner)


def _occupied(scene: Scene, plan: TilePlan) -> float:
    """Return which share of the tiles has pixels, judged by the middles of some of them."""
    if len(plan) < _WORTH_LOOKING:
        return 1.0
    found = []
    for tile in _spread(plan):
        row, col = tile.inner.centre
        window = Window(int(row), int(col), 1, 1).pad(32).clip(scene.domain)
        found.append(bool(scene.guide.read(window)[1].any()))
    return max(sum(found), 1) / len(found)


def _spread(plan: TilePlan) -> list[Tile]:
    rows, cols = (np.unique(np.linspace(0, n - 1, _LOOKS).round().astype(int)) for n in plan.shape)
    return [plan[int(row * plan.shape[1] + col)] for row in rows for col in cols]


def _padded_area(plan: TilePlan) -> int:
    """Return the pixels of all padded windows together."""
    heights = sum(plan[row * plan.shape[1]].padded.height for row in range(plan.shape[0]))
    return heights * sum(tile.padded.width for tile in plan.row(0))


def _total(windows: Sequence[Window]) -> int:
    return sum(window.area for window in windows)


def _distance(window: Window, point: tuple[float, float]) -> float:
    return math.dist(window.centre, point)


def _slope(marks: Sequence[tuple[int, float]]) -> float:
    """Return seconds per unit between the first and the last of (units, seconds)."""
    units = marks[-1][0] - marks[0][0]
    return max(marks[-1][1] - marks[0][1], 0.0) / units if units else 0.0
