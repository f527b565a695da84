"""A scene: two lazy rasters of the same ground, read together window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import GridError, SensorError
from pansharpkit.grid import Grid, Window
from pansharpkit.model import ObservationModel
from pansharpkit.overlap import Bounds, crs_name, domain_of, window_inside
from pansharpkit.radiometry import fill_gaps
from pansharpkit.sampling import Sampling
from pansharpkit.saturation import Saturation
from pansharpkit.sensor import Sensor
from pansharpkit.source import ArraySource, Source
from pansharpkit.warp import align

__all__ = ["ArraySource", "Block", "PairOptions", "Scene", "Source", "make_scene"]

TARGET_MARGIN = 6
"""Target samples read beyond a window: the reach of the widest interpolation kernel."""


@dataclass(frozen=True)
class Block:
    """What a scene gives for one window, on both grids."""

    window: Window
    """The window on the scene's guide grid."""
    target_window: Window
    """The window read from the target, on the target's grid."""
    guide: NDArray[np.generic]
    """[c, H, W]."""
    target: NDArray[np.generic]
    """[C, h, w]."""
    guide_valid: NDArray[np.bool_]
    target_valid: NDArray[np.bool_]
    clouds: NDArray[np.bool_] | None
    """[h, w], True where a cloud, its shadow or saturation should stay out of statistics."""
    sampling: Sampling
    """How the target samples sit on the guide pixels of this block."""

    @property
    def complete(self) -> bool:
        """Whether no pixel is missing."""
        return bool(self.guide_valid.all() and self.target_valid.all())

    @property
    def intensity(self) -> NDArray[np.generic]:
        """[H, W] PAN, or the mean of the bands of another guide."""
        if len(self.guide) == 1:
            first: NDArray[np.generic] = self.guide[0]
            return first
        mean: NDArray[np.generic] = self.guide.mean(axis=0, dtype=np.float32)
        return mean

    def filled(self) -> Block:
        """Return the block with every gap filled from the nearest valid pixel; masks stay."""
        return replace(
            self,
            guide=fill_gaps(self.guide, self.guide_valid),
            target=fill_gaps(self.target, self.target_valid),
        )

    def cropped(self, window: Window, target_window: Window, sampling: Sampling) -> Block:
        """Return the part under smaller windows of the two rasters."""
        fine = window.relative_to(self.window).slices
        coarse = target_window.relative_to(self.target_window).slices
        return Block(
            window,
            target_window,
            self.guide[:, *fine],
            self.target[:, *coarse],
            self.guide_valid[fine],
            self.target_valid[coarse],
            None if self.clouds is None else self.clouds[coarse],
            sampling,
        )


@dataclass(frozen=True)
class Scene:
    """A guide and a target that overlap, in one CRS, with what is known of their sensor."""

    guide: Source
    target: Source
    sensor: Sensor
    """Preset reduced to the target's bands, in their order."""
    domain: Window
    """Window of the guide raster that the target covers."""
    extent: Window
    """Window of the guide raster to be fused; inside the domain."""
    clouds: Source | None = None
    saturation: Saturation | None = None
    """What counts as saturated and stays out of statistics."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Guide pixels (rows, cols) by which the target is moved to lie on the guide."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Acquisition tags to carry to the output."""
    scaling: tuple[tuple[float, float], ...] | None = None
    """(scale, offset) of each target band to its physical value, where the product says it."""
    notices: tuple[str, ...] = ()
    reduced: bool = False
    """Whether the pair was degraded for Wald's protocol, whose truth is the target as delivered."""
    guide_sensor: Sensor | None = None
    """Preset of a guide of several bands, reduced to them, in their order; None for PAN."""
    model: ObservationModel | None = None
    """How such a guide's bands mix the target's, where that is known or was estimated."""
    fallback: str | None = None
    """Method for tiles on which another one fails; by default one that suits the guide."""

    @property
    def grid(self) -> Grid:
        """Grid of the fused raster."""
        return self.guide.grid.subset(self.extent)

    @property
    def sampling(self) -> Sampling:
        """How the whole target samples the whole guide raster."""
        if self.target.grid == self.guide.grid:  # a blend, or a noisy raster beside its guide
            return Sampling.one_grid()
        return self.target.grid.sampling_on(self.guide.grid).shifted(*self.shift)

    @property
    def ratio(self) -> float:
        """Mean ratio of target to guide pixel size."""
        return self.sampling.mean_ratio

    @property
    def target_domain(self) -> Window:
        """Window of the target raster whose sample centres lie inside the domain."""
        sampling = self.sampling
        low, high = [], []
        for axis in (0, 1):
            start = (self.domain.row, self.domain.col)[axis] - 0.5
            stop = self.domain.stop[axis] - 0.5
            low.append(int(np.ceil((start - sampling.phase[axis]) / sampling.ratio[axis])))
            high.append(int(np.floor((stop - sampling.phase[axis]) / sampling.ratio[axis])) + 1)
        window = Window(low[0], low[1], high[0] - low[0], high[1] - low[1])
        return window.clip(self.target.grid.window)

    def read(self, window: Window) -> Block:
        """Read a window of the guide raster and the target samples around it."""
        target_window = self._target_window(window)
        guide, guide_valid = self.guide.read(window)
        target, target_valid = self.target.read(target_window)
        clouds = None
        if self.clouds is not None:
            clouds = self.clouds.read(target_window)[0][0] != 0
        sampling = self.sampling.windowed(
            (window.row, window.col), (target_window.row, target_window.col)
        )
        if self.saturation is not None:
            found = self.saturation.on_target(guide, guide_valid, target, target_valid, sampling)
            clouds = found if clouds is None else clouds if found is None else clouds | found
        return Block(
            window, target_window, guide, target, guide_valid, target_valid, clouds, sampling
        )

    def read_filled(self, window: Window, reach: int) -> Block:
        """Read a window with its gaps filled.

        `reach` is how far an operator looks: a gap within reach of a valid pixel then has its
        nearest valid pixel within twice that, so what is filled in does not depend on the window.
        """
        block = self.read(window)
        if block.complete:
            return block
        wide = self.read(window.pad(2 * reach).clip(self.domain)).filled()
        return wide.cropped(block.window, block.target_window, block.sampling)

    def _target_window(self, window: Window) -> Window:
        s = self.sampling
        if s.is_one_grid:
            return window
        rows = [(window.row - s.phase[0]) / s.ratio[0], (window.stop[0] - s.phase[0]) / s.ratio[0]]
        cols = [(window.col - s.phase[1]) / s.ratio[1], (window.stop[1] - s.phase[1]) / s.ratio[1]]
        top, left = int(np.floor(rows[0])), int(np.floor(cols[0]))
        bottom, right = int(np.ceil(rows[1])), int(np.ceil(cols[1]))
        bracket = Window(top, left, bottom - top, right - left).pad(TARGET_MARGIN)
        return bracket.clip(self.target.grid.window)

    def moved(self, shift: tuple[float, float]) -> Scene:
        """Return the scene with the target moved by (rows, cols) guide pixels."""
        return replace(self, shift=(self.shift[0] + shift[0], self.shift[1] + shift[1]))


@dataclass(frozen=True)
class PairOptions:
    """How two rasters become a scene."""

    bounds: Bounds | None = None
    """West, south, east, north of the area of interest."""
    bounds_crs: str | None = None
    """CRS of `bounds`; that of the guide by default."""
    strict: bool = False
    """Refuse a target that would have to be reprojected."""


def make_scene(
    guide: Source,
    target: Source,
    sensor: Sensor,
    *,
    clouds: Source | None = None,
    saturation: Saturation | None = None,
    metadata: Mapping[str, str] | None = None,
    scaling: tuple[tuple[float, float], ...] | None = None,
    notices: tuple[str, ...] = (),
    options: PairOptions | None = None,
) -> Scene:
    """Check that two rasters make a pair and return the scene of their intersection.

    `sensor` has one band for each band of the target, in the same order.

    Raises
    ------
    GridError
        If they do not overlap by at least one target pixel, look swapped, or need a warp that
        `options.strict` forbids.
    SensorError
        If the number of bands differs from the sensor's.
    """
    options = options or PairOptions()
    if len(sensor.bands) != len(target.names):
        raise SensorError(
            f"{target.label} has {len(target.names)} bands, sensor {sensor.id} was given with "
            f"{len(sensor.bands)}"
        )
    target, clouds, warped = _aligned(guide, target, clouds, strict=options.strict)
    domain = domain_of(guide, target)
    extent = domain
    if options.bounds is not None:
        extent = window_inside(guide, domain, options.bounds, options.bounds_crs)
    return Scene(
        guide,
        target,
        sensor,
        domain,
        extent,
        clouds=clouds,
        saturation=saturation,
        metadata=dict(metadata or {}),
        scaling=scaling,
        notices=(*notices, *warped, *_partial(guide, target, domain)),
    )


def _aligned(
    guide: Source, target: Source, clouds: Source | None, *, strict: bool
) -> tuple[Source, Source | None, tuple[str, ...]]:
    """Return target and clouds along the guide's axes, and what to say if they were not."""
    if target.grid.aligned_with(guide.grid):
        return target, clouds, ()
    if strict:
        raise GridError(
            f"{target.label} and {guide.label} differ in CRS or orientation, which --strict refuses"
        )
    said = (
        f"{target.label} ({crs_name(target.grid)}) is reprojected to the grid of "
        f"{guide.label} ({crs_name(guide.grid)})"
    )
    clouds = None if clouds is None else align(clouds, guide.grid)
    return align(target, guide.grid), clouds, (said,)


def _partial(guide: Source, target: Source, domain: Window) -> tuple[str, ...]:
    """Return what to say of a guide that the target does not cover."""
    if domain == guide.grid.window:
        return ()
    pixels = "PAN pixels" if len(guide.names) == 1 else "guide pixels"
    return (
        f"{guide.label} and {target.label} cover different ground: working on their "
        f"intersection, {domain.width} x {domain.height} of "
        f"{guide.grid.width} x {guide.grid.height} {pixels}",
    )
