"""Run a method over a scene: fit once, then tile by tile, reading and writing meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pansharpkit.batches import Batches, Uploaded, Uploader, batch_limit, groups
from pansharpkit.errors import (
    FusionError,
    InputError,
    OptionError,
    PansharpkitError,
    out_of_memory,
)
from pansharpkit.flow import in_order
from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.methods.base import Context, Fitted, Method, Progress, guide_halo
from pansharpkit.mosaic import Mosaic
from pansharpkit.observe import FitSample, Observer, clear_share, mask_reach, output_mask
from pansharpkit.physics import Observation
from pansharpkit.radiometry import Cast, cast
from pansharpkit.resources import AHEAD, affordable_tile
from pansharpkit.runs import RunOptions, RunResult, Sink, TileFault
from pansharpkit.scene import Block, Scene
from pansharpkit.tiles import Tile, TilePlan, aligned_tile

__all__ = ["RunOptions", "RunResult", "Sink", "TileFault", "resolve_device", "run", "tile_plan"]

log = logging.getLogger(__name__)

FALLBACK = "mtf-glp-fs"
"""Classical method for tiles on which another one fails."""
BANDS_FALLBACK = "gsa-hs"
"""The same beside a guide of several bands."""
_STRIP = 8192  # guide pixels; rows of tiles this wide share what was read in the cache of blocks
_MIN_CLEAR = 0.05  # share of the scene that statistics need


def resolve_device(device: str) -> str:
    """Return the torch device to use.

    Raises
    ------
    OptionError
        If a device is asked for by name that this machine does not have.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise OptionError(f"there is no device {device!r}; use auto, cpu or cuda")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"--device {device}: PyTorch finds {torch.cuda.device_count()} CUDA devices here; use "
            "--device auto"
        )
    return device


def run(
    scene: Scene,
    method: Method,
    sink: Sink,
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Fuse a scene into a sink, whose windows are relative to the scene's extent.

    Raises
    ------
    FusionError
        If memory does not suffice, or the method fails.
    """
    options = options or RunOptions()
    with _memory_watched(options.tile):
        job = _Job(scene, method, options, progress)
        started = time.perf_counter()
        job.fit()
        fitted = time.perf_counter()
        job.apply(sink)
    seconds = {"fit": fitted - started, "apply": time.perf_counter() - fitted}
    return RunResult(
        dict(job.fitted.summary()),
        job.context.device,
        len(job.plan),
        job.tally.valid,
        scene.extent.height * scene.extent.width,
        tuple(int(n) for n in job.tally.low),
        tuple(int(n) for n in job.tally.high),
        seconds,
        tuple(job.warnings),
        tuple(sorted(job.faults, key=lambda fault: fault.index)),
    )


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


def side_by_side(method: Method, scene: Scene, device: str) -> bool:
    """Return whether tiles are computed several at a time.

    Methods whose tiles have to be blended optimise each of them: such a tile takes all threads for
    itself. So does a GPU.
    """
    return device == "cpu" and method.overlap(scene.sampling) == 0


def tile_plan(scene: Scene, method: Method, options: RunOptions) -> TilePlan:
    """Return the tiles of a run; the size is the user's where it changes what is computed."""
    sampling = scene.sampling
    overlap = method.overlap(sampling)
    halo = max(guide_halo(method, sampling), mask_reach(sampling))
    side = options.tile
    if side_by_side(method, scene, resolve_device(options.device)):
        bands = len(scene.target.names)
        side = affordable_tile(side, halo, bands, options.workers, options.ram_mb)
    tile = aligned_tile(side, sampling.ratio)
    if options.compat == "toolbox":  # its circular borders know only whole images
        tile = max(scene.extent.height, scene.extent.width)
    return TilePlan(scene.extent, scene.domain, tile, halo, min(overlap, tile // 2))


class _Tally:
    """Counts over everything written."""

    def __init__(self, bands: int) -> None:
        self.valid = 0
        self.low = np.zeros(bands, np.int64)
        self.high = np.zeros(bands, np.int64)

    def add(self, piece: Cast, valid: NDArray[np.bool_]) -> None:
        self.valid += int(np.count_nonzero(valid))
        self.low += piece.low
        self.high += piece.high


@dataclass(frozen=True)
class _Fused:
    """A tile's blended window: working values, or what is to be written already."""

    values: NDArray[np.float32] | Cast
    valid: NDArray[np.bool_]
    fault: str | None


@dataclass(frozen=True)
class _Read:
    """A tile's pixels, and the same on their way to the GPU."""

    block: Block
    uploaded: Uploaded | None = None


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
        self.dtype = np.dtype(options.dtype or scene.target.dtype)
        self.halo = method.halo(scene.sampling)
        self.plan = tile_plan(scene, method, options)
        shared = side_by_side(method, scene, device)
        self.workers = min(options.workers, len(self.plan)) if shared else 1
        self.tally = _Tally(len(scene.target.names))
        self.upload = Uploader(device) if torch.device(device).type == "cuda" else None
        self.batches: Batches | None = None
        self._fallback: Fitted | None = None
        self._one_at_a_time = threading.Lock()

    def _statistics_of(self, scene: Scene) -> Scene:
        """Keep clouds and saturation out of the statistics, unless hardly anything else is left."""
        doubts = {"clouds": scene.clouds, "saturated pixels": scene.saturation}
        named = " and ".join(name for name, known in doubts.items() if known is not None)
        if not named or (clear := clear_share(scene)) >= _MIN_CLEAR:
            return scene
        self._warn(f"only {clear:.1%} of the scene is free of {named}: they enter the statistics")
        return replace(scene, clouds=None, saturation=None)

    def fit(self) -> None:
        """Estimate what the method needs from the whole scene."""
        sample = FitSample(self.observer, self.halo)
        self.context.report("fit", 0, 1)
        try:
            self.fitted = self.method.fit(sample, self.context)
        except FusionError:
            self._check_not_empty(any(bool(obs.guide_mask.any()) for obs in sample))
            raise
        self.context.report("fit", 1, 1)

    def apply(self, sink: Sink) -> None:
        """Fuse all tiles: one thread reads, several compute, this one writes."""
        mosaic = Mosaic(self.plan, len(self.scene.target.names))
        threads = torch.get_num_threads()
        inner = 1 if self.workers > 1 else threads
        tiles = self.plan if self.plan.overlap else self.plan.in_strips(_STRIP)
        limit = batch_limit(self.fitted, self.context.device, self.plan.overlap)
        self.batches = Batches(self.fitted, self.context) if limit > 1 else None
        stream = in_order(
            groups(tiles, limit),
            lambda group: [self._read(tile) for tile in group],
            self._fuse_group,
            workers=self.workers,
            depth=self.workers + AHEAD,
            start=lambda: torch.set_num_threads(inner),
            abandon=self.context.stop.set,
        )
        try:
            with closing(stream):
                each = (pair for group, made in stream for pair in zip(group, made, strict=True))
                for done, (tile, fused) in enumerate(each, start=1):
                    self._note(tile, fused.fault)
                    self._emit(sink, mosaic, tile, fused)
                    self.context.report("tiles", done, len(self.plan))
        finally:
            torch.set_num_threads(threads)
        self._check_not_empty(self.tally.valid > 0)

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

    def _emit(self, sink: Sink, mosaic: Mosaic, tile: Tile, fused: _Fused) -> None:
        if isinstance(fused.values, Cast):
            self._write(sink, tile.inner, fused.values, fused.valid)
            return
        for piece in mosaic.add(tile, fused.values, fused.valid):
            self._write(sink, piece.window, self._stored(piece.values, piece.valid), piece.valid)

    def _write(self, sink: Sink, window: Window, done: Cast, valid: NDArray[np.bool_]) -> None:
        self.tally.add(done, valid)
        sink.write(window.relative_to(self.scene.extent), done.values, valid)

    def _stored(self, values: NDArray[np.float32], valid: NDArray[np.bool_]) -> Cast:
        stored = self.observer.working.to_stored(values)
        return cast(stored, valid, self.dtype, self.options.nodata, self.options.bit_depth)

    def _read(self, tile: Tile) -> _Read:
        """Read a tile, and send it to the GPU if that is where it goes."""
        block = self.observer.read(tile.padded, self.halo)
        if self.upload is None or not output_mask(block).any():
            return _Read(block)
        here = replace(self.observer, device="cpu")
        return _Read(block, self.upload(here.observation(block, tile.padded, tile.index)))

    def _fuse_group(self, tiles: tuple[Tile, ...], reads: list[_Read]) -> list[_Fused]:
        """Fuse tiles, in batches where the method wants them; what failed there, one by one."""
        seen = [self._seen(*pair) for pair in zip(tiles, reads, strict=True)]
        made: dict[int, torch.Tensor] = {}
        if self.batches is not None:
            made = self.batches.apply([observation for observation in seen if observation])
        return [
            self._fuse(tile, read.block, observation, made.get(tile.index))
            for tile, read, observation in zip(tiles, reads, seen, strict=True)
        ]

    def _seen(self, tile: Tile, read: _Read) -> Observation | None:
        """Return what the method gets to see of a tile, if it has pixels."""
        if read.uploaded is not None:
            return read.uploaded.ready()
        if not output_mask(read.block).any():
            return None
        return self.observer.observation(read.block, tile.padded, tile.index)

    def _fuse(
        self,
        tile: Tile,
        block: Block,
        observation: Observation | None,
        made: torch.Tensor | None,
    ) -> _Fused:
        """Fuse a tile's blended window, unless that was made in a batch already."""
        inner = tile.blended.relative_to(tile.padded).slices
        valid, fault = output_mask(block)[inner], None
        values = np.zeros((block.target.shape[0], *valid.shape), np.float32)
        if observation is not None and valid.any():
            fused, fault = self._apply_safely(observation, inner, made)
            values = fused.float().cpu().numpy()
        return _Fused(values if self.plan.overlap else self._stored(values, valid), valid, fault)

    def _apply_safely(
        self, observation: Observation, inner: tuple[slice, slice], made: torch.Tensor | None
    ) -> tuple[torch.Tensor, str | None]:
        """Return the inner part of a fused tile, and what went wrong on the way, if anything."""
        try:
            if made is None:
                made = self.fitted.apply([observation], self.context)[0]
            fused = made[:, *inner]
            if bool(torch.isfinite(fused.sum())) or bool(torch.isfinite(fused).all()):
                return fused, None
            failure = "the result is not finite"
        except torch.cuda.OutOfMemoryError:
            if self.options.device != "auto":
                raise FusionError(
                    f"tile {observation.index} does not fit into GPU memory; use a smaller --tile"
                ) from None
            torch.cuda.empty_cache()
            on_cpu = replace(self.context, device="cpu")
            fused = self.fitted.apply([observation.to("cpu")], on_cpu)[0][:, *inner]
            return fused, "did not fit into GPU memory and ran on the CPU"
        except (FusionError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
            failure = str(error)
        fused = self._classical().apply([observation], self.context)[0][:, *inner]
        return fused, f"fell back to {self._classical_name}: {failure}"

    @property
    def _classical_name(self) -> str:
        return FALLBACK if len(self.scene.guide.names) == 1 else BANDS_FALLBACK

    def _classical(self) -> Fitted:
        with self._one_at_a_time:
            if self._fallback is None:
                method = create(self._classical_name)
                sample = FitSample(self.observer, method.halo(self.scene.sampling))
                self._fallback = method.fit(sample, self.context)
            return self._fallback

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.warnings.append(text)
