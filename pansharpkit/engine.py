"""Run a method over a scene: fit once, then tile by tile, reading and writing meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import (
    FusionError,
    InputError,
    PansharpkitError,
    out_of_memory,
)
from pansharpkit.grid import Window
from pansharpkit.methods.base import Context, Fitted, Method, Progress, is_uncertain
from pansharpkit.mosaic import Mosaic
from pansharpkit.observe import FitSample, Observer, clear_share
from pansharpkit.parts import Fused, Keeper
from pansharpkit.planning import assembled, resolve_device, side_by_side, tile_plan
from pansharpkit.radiometry import Cast
from pansharpkit.runs import RunOptions, RunResult, Sink, TileFault
from pansharpkit.scene import Scene
from pansharpkit.tiles import Tile
from pansharpkit.tilestream import finished
from pansharpkit.tilework import TileWork

__all__ = ["RunOptions", "RunResult", "Sink", "TileFault", "resolve_device", "run", "tile_plan"]

log = logging.getLogger(__name__)

_MIN_CLEAR = 0.05  # share of the scene that statistics need


def run(
    scene: Scene,
    method: Method,
    sink: Sink,
    options: RunOptions | None = None,
    progress: Progress | None = None,
    *,
    parts: Keeper | None = None,
    fitted: Fitted | None = None,
    deviations: Sink | None = None,
) -> RunResult:
    """Fuse a scene into a sink, whose windows are relative to the scene's extent.

    Parameters
    ----------
    parts : keeps finished tiles, and has those of a run that was interrupted.
    fitted : what `fit` returned for the same scene, method and options.
    deviations : takes the standard deviations of a method that gives them, float32 on the scale
        of the output, NaN where there are none.

    Raises
    ------
    FusionError
        If memory does not suffice, or the method fails.
    """
    options = options or RunOptions()
    with _memory_watched(options.tile):
        job = _Job(scene, method, options, progress)
        started = time.perf_counter()
        fitted = job.fit() if fitted is None else fitted
        ready = time.perf_counter()
        job.apply(sink, fitted, parts, deviations)
    seconds = {"fit": ready - started, "apply": time.perf_counter() - ready}
    return RunResult(
        dict(fitted.summary()),
        job.context.device,
        len(job.plan),
        job.tally.valid,
        scene.extent.area,
        tuple(int(n) for n in job.tally.low),
        tuple(int(n) for n in job.tally.high),
        seconds,
        tuple(job.warnings),
        tuple(sorted(job.faults, key=lambda fault: fault.index)),
    )


def fit(
    scene: Scene, method: Method, options: RunOptions, progress: Progress | None = None
) -> Fitted:
    """Estimate once what other processes then `fill` tiles with.

    Raises
    ------
    FusionError
        As `run` does.
    """
    with _memory_watched(options.tile):
        return _Job(scene, method, options, progress).fit()


def filler(
    scene: Scene, method: Method, fitted: Fitted, options: RunOptions
) -> Callable[[Keeper, Iterable[int]], int]:
    """Return a function that fuses tiles by index and keeps them; it returns how many were missing.

    Other processes may do the same for other tiles of the same run. `run` with the same parts
    then finds the work done. The options must say the number of threads and the tile, on which
    the plan depends, and not leave them to the machine. The function raises what `run` does.
    """
    with _memory_watched(options.tile):
        job = _Job(scene, method, options, None)
        work = job.work(fitted)

    def fill(parts: Keeper, indices: Iterable[int]) -> int:
        with _memory_watched(options.tile):
            return job.fill(work, parts, indices)

    return fill


def fill(
    scene: Scene,
    method: Method,
    fitted: Fitted,
    options: RunOptions,
    parts: Keeper,
    indices: Iterable[int],
) -> int:
    """Fuse the tiles of a run with these indices, as a `filler` of it does, once.

    Raises
    ------
    FusionError
        As `run` does.
    """
    return filler(scene, method, fitted, options)(parts, indices)


@contextmanager
def _memory_watched(tile: int) -> Iterator[None]:
    try:
        yield
    except PansharpkitError:
        raise
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise FusionError(
            f"out of memory with tiles of {tile} pixels; use a smaller --tile, or a method that "
            "needs less"
        ) from error


class _Tally:
    """Counts over everything written."""

    def __init__(self, bands: int) -> None:
        self.valid = 0
        self.low = np.zeros(bands, np.int64)
        self.high = np.zeros(bands, np.int64)
        self.unsure = False
        """Whether any deviation is more than nothing."""

    def add(self, piece: Cast, valid: NDArray[np.bool_]) -> None:
        self.valid += int(np.count_nonzero(valid))
        self.low += piece.low
        self.high += piece.high


class _Job:
    """The state of one run."""

    def __init__(
        self, scene: Scene, method: Method, options: RunOptions, progress: Progress | None
    ) -> None:
        self.warnings: list[str] = []
        self.faults: list[TileFault] = []
        if options.compat == "toolbox":  # which takes every pixel
            scene = replace(scene, saturation=None)
        self.scene = scene = self._statistics_of(scene)
        self.method = method
        self.options = options
        device = resolve_device(options.device)
        self.context = Context(options.seed, device, progress)
        self.observer = Observer.of(scene, compat=options.compat, device=device)
        self.halo = method.halo(scene.sampling)
        self.plan = tile_plan(scene, method, options)
        shared = side_by_side(method, scene, device)
        self.workers = min(options.workers, len(self.plan)) if shared else 1
        self.tally = _Tally(len(scene.target.names))
        self.uncertain = is_uncertain(method)

    def _statistics_of(self, scene: Scene) -> Scene:
        """Keep clouds and saturation out of the statistics, unless hardly anything else is left."""
        doubts = {"clouds": scene.clouds, "saturated pixels": scene.saturation}
        named = " and ".join(name for name, known in doubts.items() if known is not None)
        if not named or (clear := clear_share(scene)) >= _MIN_CLEAR:
            return scene
        self._warn(f"only {clear:.1%} of the scene is free of {named}: they enter the statistics")
        return replace(scene, clouds=None, saturation=None)

    def fit(self) -> Fitted:
        """Estimate what the method needs from the whole scene."""
        sample = FitSample(self.observer, self.halo)
        self.context.report("fit", 0, 1)
        try:
            fitted = self.method.fit(sample, self.context)
        except FusionError:
            self._check_not_empty(any(bool(obs.guide_mask.any()) for obs in sample))
            raise
        self.context.report("fit", 1, 1)
        return fitted

    def apply(
        self, sink: Sink, fitted: Fitted, parts: Keeper | None, deviations: Sink | None
    ) -> None:
        """Fuse all tiles: one thread reads, several compute, this one writes."""
        work = self.work(fitted)
        mosaic = Mosaic(self.plan, len(self.scene.target.names) * (2 if self.uncertain else 1))
        with closing(self._stream(assembled(self.plan), work, parts)) as stream:
            for done, (tile, fused) in enumerate(stream, start=1):
                self._note(tile, fused.fault)
                for window, piece in _final(work, mosaic, tile, fused):
                    self._write(window.relative_to(self.scene.extent), piece, sink, deviations)
                self.context.report("tiles", done, len(self.plan))
        self._check_not_empty(self.tally.valid > 0)
        if self.uncertain and not self.tally.unsure:
            self._warn(
                "every seed gave the same image: the uncertainty is zero, which says nothing about "
                "errors; networks that do not help, or are not trained, are left out"
            )

    def _write(self, place: Window, piece: Fused, sink: Sink, deviations: Sink | None) -> None:
        assert isinstance(piece.values, Cast)
        self.tally.add(piece.values, piece.valid)
        sink.write(place, piece.values.values, piece.valid)
        if piece.deviation is None:
            return
        self.tally.unsure |= bool((piece.deviation > 0).any())
        if deviations is not None:
            known = piece.valid & np.isfinite(piece.deviation).all(axis=0)
            deviations.write(place, piece.deviation, known)

    def fill(self, work: TileWork, parts: Keeper, indices: Iterable[int]) -> int:
        """Fuse and keep the tiles with these indices that are not there yet; return how many."""
        tiles = [self.plan[index] for index in indices if parts.get(index) is None]
        with closing(self._stream(tiles, work, parts)) as stream:
            return sum(1 for _ in stream)

    def work(self, fitted: Fitted) -> TileWork:
        """Return what is done with each tile."""
        return TileWork(
            self.observer,
            fitted,
            self.options,
            self.context,
            halo=self.halo,
            blended=self.plan.overlap > 0,
            uncertain=self.uncertain,
        )

    def _stream(
        self, tiles: Iterable[Tile], work: TileWork, parts: Keeper | None
    ) -> Generator[tuple[Tile, Fused], None, None]:
        return finished(tiles, work, parts, self.workers, self.context.stop.set)

    def _check_not_empty(self, any_valid: bool) -> None:
        if not any_valid:
            raise InputError(
                f"no pixel is valid in both {self.scene.guide.label} and "
                f"{self.scene.target.label}; check their nodata values and masks"
            )

    def _note(self, tile: Tile, fault: str | None) -> None:
        if fault is None:
            return
        self._warn(f"tile {tile.index} {fault}")
        place = tile.inner.relative_to(self.scene.extent)
        box = (place.row, place.col, place.height, place.width)
        self.faults.append(TileFault(tile.index, box, fault))

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.warnings.append(text)


def _final(
    work: TileWork, mosaic: Mosaic, tile: Tile, fused: Fused
) -> Iterator[tuple[Window, Fused]]:
    """Yield what is final now that a tile is there: itself, or the strip it was missing from."""
    if isinstance(fused.values, Cast):
        yield tile.inner, fused
        return
    for piece in mosaic.add(tile, fused.values, fused.valid):
        yield piece.window, work.stored(piece.values, piece.valid)
