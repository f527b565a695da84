"""Before and after a scene of any size: pictures of it and of its parts, and histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.metrics import QualityMap
from pansharpkit.observe import union_mask
from pansharpkit.physics import upsample
from pansharpkit.report import Histogram
from pansharpkit.report.histograms import NDVI, histogram
from pansharpkit.report.quicklook import (
    DETAILS,
    OVERVIEW_SIDE,
    TILE_SIDE,
    TILE_ZOOM,
    TILES,
    Layers,
    Stretch,
    busiest,
    rgb_bands,
    shrink,
    view_pictures,
)
from pansharpkit.scene import Scene
from pansharpkit.source import Source
from pansharpkit.workers import side_by_side

_VALUES = 4_000_000  # of a window that is read, over all bands: sources read them together


@dataclass(frozen=True)
class Previews:
    """What the report shows of the pixels."""

    pictures: Mapping[str, bytes]
    """PNG files by ``view/layer``."""
    views: Mapping[str, Window]
    """Where the pictures of parts lie in the fused raster."""
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True)
class _Look:
    """What is read of a scene, and which of it are red, green and blue."""

    scene: Scene
    fused: Source
    bands: tuple[int, ...]
    """Bands that are read."""
    rgb: tuple[int, ...]
    """Which of these are shown."""
    red_nir: tuple[int, int] | None
    """Which of these make NDVI."""

    @classmethod
    def of(cls, scene: Scene, fused: Source, red_nir: tuple[int, int] | None) -> _Look:
        wavelengths = [band.center_nm for band in scene.sensor.bands]
        rgb = rgb_bands(scene.target.names, wavelengths)
        bands = list(dict.fromkeys([*rgb, *(red_nir or ())]))
        pair = (bands.index(red_nir[0]), bands.index(red_nir[1])) if red_nir else None
        return cls(scene, fused, tuple(bands), tuple(map(bands.index, rgb)), pair)

    @property
    def whole(self) -> Window:
        return Window(0, 0, self.scene.extent.height, self.scene.extent.width)

    def read(self, window: Window) -> Layers:
        """Read a window of the extent: the upsampled MS, the fused raster and the PAN."""
        extent, bands = self.scene.extent, list(self.bands)
        on_guide = Window(
            window.row + extent.row, window.col + extent.col, window.height, window.width
        )
        block = self.scene.read_filled(on_guide, 12)
        target = torch.from_numpy(block.target[bands].astype(np.float32))
        before = upsample(target, block.sampling, (window.height, window.width), kernel="cubic")
        after, valid = self.fused.read(window)
        return Layers(before.numpy(), after[bands], block.intensity, valid & union_mask(block))

    def shown(self, layers: Layers) -> Layers:
        """Return the layers as they are drawn, in red, green and blue."""
        rgb = list(self.rgb)
        return Layers(layers.ms[rgb], layers.fused[rgb], layers.pan, layers.valid)


def previews(
    scene: Scene, fused: Source, quality: QualityMap, red_nir: tuple[int, int] | None = None
) -> Previews:
    """Return pictures of the whole scene and of parts of it, and histograms, for the report.

    The parts are the most detailed ones, and the worst, the typical and the best block. The scene
    is read window by window; only its overview and as many single pixels are held in memory.

    Parameters
    ----------
    quality : map of the fused raster; larger values are better.
    red_nir : which bands make NDVI.
    """
    look = _Look.of(scene, fused, red_nir)
    step = -(-max(look.whole.height, look.whole.width) // OVERVIEW_SIDE)
    small, picked = _overview(look, step)
    how = Stretch.of(small)
    pictures = view_pictures("overview", small, how)
    views = {name: (_busy(look, small, step, side), zoom) for name, side, zoom in DETAILS}
    views |= {name: (where, TILE_ZOOM) for name, where in _telling(quality, look.whole).items()}
    for name, (window, zoom) in views.items():
        pictures |= view_pictures(name, look.shown(look.read(window)), how, zoom)
    if len(scene.guide.names) > 1:
        pictures = {
            key.replace("/pan", "/guide").replace("/ms", "/cube"): png
            for key, png in pictures.items()
        }
    places = {name: window for name, (window, _) in views.items()}
    return Previews(pictures, places, _histograms(look, picked))


def _overview(look: _Look, step: int) -> tuple[Layers, NDArray[np.float32]]:
    """Return means over squares of `step` pixels, and the first pixel of each: [2, bands, h, w]."""
    count = len(look.bands)
    side = max(step, math.isqrt(_VALUES // len(look.fused.names)) // step * step)
    whole = look.whole
    size = -(-whole.height // step), -(-whole.width // step)
    # Arrays from the start: small parts, kept between large ones that go, fragment the memory.
    small = np.empty((2 * len(look.rgb) + 1, *size))
    picked = np.empty((2, count, *size), np.float32)

    def put(window: Window) -> None:
        layers = look.read(window)
        shown = look.shown(layers)
        part = shrink(
            np.concatenate([shown.ms, shown.fused, shown.pan[np.newaxis]]), layers.valid, step
        )
        rows, cols = (
            slice(first // step, first // step + n)
            for first, n in zip((window.row, window.col), part.shape[1:], strict=True)
        )
        small[:, rows, cols] = part
        pixels = np.stack([layers.ms[..., ::step, ::step], layers.fused[..., ::step, ::step]])
        picked[..., rows, cols] = np.where(layers.valid[::step, ::step], pixels, np.nan)

    windows = [
        Window(top, left, side, side).clip(whole)
        for top in range(0, whole.height, side)
        for left in range(0, whole.width, side)
    ]
    for _ in side_by_side(windows, put):
        pass
    ms, fine = np.split(small[:-1], 2)
    return Layers(ms, fine, small[-1], np.isfinite(small[-1])), picked


def _busy(look: _Look, small: Layers, step: int, side: int) -> Window:
    found = busiest(small.pan, small.valid, max(1, side // step))
    return Window(found.row * step, found.col * step, side, side).clip(look.whole)


def _telling(quality: QualityMap, whole: Window) -> dict[str, Window]:
    """Return squares about the worst, the median and the best block."""
    known = np.flatnonzero(np.isfinite(quality.values))
    if not len(known):
        return {}
    ranked = known[np.argsort(quality.values.flat[known], kind="stable")]
    found = {}
    for name, place in zip(TILES, (0, len(ranked) // 2, -1), strict=True):
        row, col = (
            int((k + 0.5) * quality.block) - TILE_SIDE // 2
            for k in np.unravel_index(ranked[place], quality.values.shape)
        )
        row = min(max(row, 0), max(whole.height - TILE_SIDE, 0))
        col = min(max(col, 0), max(whole.width - TILE_SIDE, 0))
        found[name] = Window(row, col, TILE_SIDE, TILE_SIDE).clip(whole)
    return found


def _histograms(look: _Look, picked: NDArray[np.float32]) -> tuple[Histogram, ...]:
    names = [look.scene.target.names[band] for band in look.bands]
    found = [histogram(name, picked[0, k], picked[1, k]) for k, name in enumerate(names)]
    if look.red_nir is not None:
        red, nir = look.red_nir
        total = picked[:, nir] + picked[:, red]
        positive = np.where(total > 0, total, np.nan)
        before, after = (picked[:, nir] - picked[:, red]) / positive
        found.append(histogram(NDVI, before, after))
    return tuple(item for item in found if item is not None)
