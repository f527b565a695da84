"""Run a method over a scene: fit once, then tile by tile, reading and writing meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pansharpkit.errors import (
    FusionError,
    InputError,
    OptionError,
    PansharpkitError,
    out_of_memory,
)
from pansharpkit.grid import Window
from pansharpkit.methods import create
from pansharpkit.methods.base import Context, Fitted, Method, Progress
from pansharpkit.observe import FitSample, Observer, clear_share, output_mask
from pansharpkit.physics import Compat, Observation
from pansharpkit.radiometry import Cast, cast
from pansharpkit.scene import Block, Scene
from pansharpkit.tiles import Tile, TilePlan, aligned_tile

log = logging.getLogger(__name__)

FALLBACK = "mtf-glp-fs"
"""Classical method for tiles on which another one fails."""
_MIN_CLEAR = 0.05  # share of the scene that statistics need

Item = TypeVar("Item")
Made = TypeVar("Made")


class Sink(Protocol):
    """Where fused pixels go."""

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        """Take [C, h, w] pixels in the output type and their [h, w] validity."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """How a method is run; nothing here changes what it computes beyond rounding."""

    tile: int = 512
    """Side of a tile, in guide pixels."""
    seed: int = 0
    device: str = "auto"
    """``auto`` takes CUDA where there is one."""
    compat: Compat = "none"
    dtype: str | None = None
    """Output type; that of the target by default."""
    nodata: float | None = None
    """Output value of missing pixels, declared and given to them."""
    bit_depth: int | None = None
    """Clip at this many bits instead of the type's own limit."""


@dataclass(frozen=True)
class RunResult:
    """What a run did."""

    fit: Mapping[str, object]
    """Coefficients that the method estimated."""
    device: str
    tiles: int
    valid: int
    """Output pixels with a result."""
    total: int
    low: tuple[int, ...]
    """Per band, pixels clipped at the lower limit."""
    high: tuple[int, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]


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


class _Tally:
    """Counts over everything written."""

    def __init__(self, bands: int) -> None:
        self.valid = 0
        self.low = np.zeros(bands, np.int64)
        self.high = np.zeros(bands, np.int64)

    def add(self, piece: Cast, valid: NDArray[np.bool_]) -> None:
        self.valid += int(valid.sum())
        self.low += piece.low
        self.high += piece.high


class _Job:
    """The state of one run."""

    def __init__(
        self, scene: Scene, method: Method, options: RunOptions, progress: Progress | None
    ) -> None:
        self.warnings: list[str] = []
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
        self.plan = self._plan()
        self.tally = _Tally(len(scene.target.names))
        self._fallback: Fitted | None = None

    def _statistics_of(self, scene: Scene) -> Scene:
        """Keep clouds and saturation out of the statistics, unless hardly anything else is left."""
        doubts = {"clouds": scene.clouds, "saturated pixels": scene.saturation}
        named = " and ".join(name for name, known in doubts.items() if known is not None)
        if not named or (clear := clear_share(scene)) >= _MIN_CLEAR:
            return scene
        self._warn(f"only {clear:.1%} of the scene is free of {named}: they enter the statistics")
        return replace(scene, clouds=None, saturation=None)

    def _plan(self) -> TilePlan:
        tile = aligned_tile(self.options.tile, self.scene.sampling.ratio)
        if self.options.compat == "toolbox":  # its circular borders know only whole images
            tile = max(self.scene.extent.height, self.scene.extent.width)
        overlap = min(self.method.overlap(self.scene.sampling), tile // 2)
        return TilePlan(self.scene.extent, self.scene.domain, tile, self.halo, overlap)

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
        """Fuse all tiles; one thread reads ahead, one writes behind."""
        mosaic = _Mosaic(self.plan, len(self.scene.target.names))
        blocks = _ahead(lambda t: self.observer.read(t.padded, self.halo), self.plan)
        with ThreadPoolExecutor(1) as writer:
            pending: Future[None] | None = None
            for tile, block in blocks:
                pieces = mosaic.add(tile, *self._fuse(tile, block))
                if pending is not None:
                    pending.result()
                pending = writer.submit(self._emit, sink, pieces)
                self.context.report("tiles", tile.index + 1, len(self.plan))
            if pending is not None:
                pending.result()
        self._check_not_empty(self.tally.valid > 0)

    def _check_not_empty(self, any_valid: bool) -> None:
        if not any_valid:
            raise InputError(
                f"no pixel is valid in both {self.scene.guide.label} and "
                f"{self.scene.target.label}; check their nodata values and masks"
            )

    def _emit(self, sink: Sink, pieces: list[_Piece]) -> None:
        for piece in pieces:
            stored = self.observer.working.to_stored(piece.values)
            done = cast(
                stored, piece.valid, self.dtype, self.options.nodata, self.options.bit_depth
            )
            self.tally.add(done, piece.valid)
            sink.write(piece.window.relative_to(self.scene.extent), done.values, piece.valid)

    def _fuse(self, tile: Tile, block: Block) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return fused pixels and validity over the tile's blended window."""
        inner = tile.blended.relative_to(tile.padded).slices
        valid = output_mask(block)[inner]
        if not valid.any():
            return np.zeros((block.target.shape[0], *valid.shape), np.float32), valid
        observation = self.observer.observation(block, tile.padded, tile.index)
        fused = self._apply_safely(tile, observation)
        return fused[:, *inner].float().cpu().numpy(), valid

    def _apply_safely(self, tile: Tile, observation: Observation) -> torch.Tensor:
        try:
            return self.fitted.apply([observation], self.context)[0]
        except torch.cuda.OutOfMemoryError:
            if self.options.device != "auto":
                raise FusionError(
                    f"tile {tile.index} does not fit into GPU memory; use a smaller --tile"
                ) from None
            torch.cuda.empty_cache()
            self._warn(f"tile {tile.index} did not fit into GPU memory and ran on the CPU")
            on_cpu = replace(self.context, device="cpu")
            return self.fitted.apply([observation.to("cpu")], on_cpu)[0]
        except FusionError as error:
            self._warn(f"tile {tile.index} fell back to {FALLBACK}: {error}")
            return self._classical().apply([observation], self.context)[0]

    def _classical(self) -> Fitted:
        if self._fallback is None:
            method = create(FALLBACK)
            sample = FitSample(self.observer, method.halo(self.scene.sampling))
            self._fallback = method.fit(sample, self.context)
        return self._fallback

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.warnings.append(text)


@dataclass(frozen=True)
class _Piece:
    """Finished pixels, in guide coordinates."""

    window: Window
    values: NDArray[np.float32]
    valid: NDArray[np.bool_]


class _Mosaic:
    """Joins tiles: hands them on as they are, or blends overlapping ones strip by strip."""

    def __init__(self, plan: TilePlan, bands: int) -> None:
        self._plan = plan
        self._bands = bands
        self._top = plan.extent.row
        self._sum: NDArray[np.float32] | None = None
        self._valid: NDArray[np.bool_] | None = None

    def add(
        self, tile: Tile, values: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> list[_Piece]:
        """Take a tile's blended window and return what is finished."""
        if not self._plan.overlap:
            return [_Piece(tile.inner, values, valid)]
        self._accumulate(tile, values * self._plan.weights(tile), valid)
        columns = self._plan.shape[1]
        if (tile.index + 1) % columns:
            return []
        following = next(iter(self._plan.row(tile.index // columns + 1)), None) if (
            tile.index + 1 < len(self._plan)
        ) else None  # fmt: skip
        stop = following.blended.row if following else self._plan.extent.stop[0]
        return [self._flush(stop)]

    def _accumulate(
        self, tile: Tile, weighted: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> None:
        extent = self._plan.extent
        need = tile.blended.stop[0] - self._top
        if self._sum is None or self._valid is None:
            self._sum = np.zeros((self._bands, 0, extent.width), np.float32)
            self._valid = np.zeros((0, extent.width), bool)
        if (more := need - self._sum.shape[1]) > 0:
            self._sum = np.pad(self._sum, ((0, 0), (0, more), (0, 0)))
            self._valid = np.pad(self._valid, ((0, more), (0, 0)))
        strip = Window(self._top, extent.col, self._sum.shape[1], extent.width)
        where = tile.blended.relative_to(strip).slices
        self._sum[:, *where] += weighted
        self._valid[where] |= valid

    def _flush(self, stop: int) -> _Piece:
        assert self._sum is not None
        assert self._valid is not None
        rows = stop - self._top
        window = Window(self._top, self._plan.extent.col, rows, self._plan.extent.width)
        piece = _Piece(window, self._sum[:, :rows], self._valid[:rows])
        self._sum, self._valid, self._top = self._sum[:, rows:], self._valid[rows:], stop
        return piece


def _ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[tuple[Item, Made]]:
    """Yield each item with what `make` returns for it, made one step ahead in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting: tuple[Item, Future[Made]] | None = None
        for item in items:
            following = (item, pool.submit(make, item))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()
