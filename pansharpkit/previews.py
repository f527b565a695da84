"""Before and after pictures of a scene of any size."""

from __future__ import annotations

import math

import numpy as np
import torch

from pansharpkit.grid import Window
from pansharpkit.observe import union_mask
from pansharpkit.physics import upsample
from pansharpkit.report.quicklook import (
    DETAILS,
    OVERVIEW_SIDE,
    Layers,
    Stretch,
    busiest,
    rgb_bands,
    shrink,
    view_pictures,
)
from pansharpkit.scene import Scene
from pansharpkit.source import Source

_VALUES = 8_000_000  # of a window that is read, over all bands: sources read them together


def previews(scene: Scene, fused: Source) -> dict[str, bytes]:
    """Return PNG files of the whole scene and of its most detailed part, for the report.

    The scene is read window by window; only its overview is held in memory.
    """
    step = -(-max(scene.extent.height, scene.extent.width) // OVERVIEW_SIDE)
    small = _overview(scene, fused, step)
    how = Stretch.of(small)
    pictures = view_pictures("overview", small, how)
    for name, side, zoom in DETAILS:
        found = busiest(small.pan, small.valid, max(1, side // step))
        window = Window(found.row * step, found.col * step, side, side).clip(
            Window(0, 0, scene.extent.height, scene.extent.width)
        )
        pictures |= view_pictures(name, _layers(scene, fused, window), how, zoom)
    if len(scene.guide.names) == 1:
        return pictures
    return {key.replace("/pan", "/guide").replace("/ms", "/cube"): png
            for key, png in pictures.items()}  # fmt: skip


def _overview(scene: Scene, fused: Source, step: int) -> Layers:
    side = max(step, math.isqrt(_VALUES // len(fused.names)) // step * step)
    whole = Window(0, 0, scene.extent.height, scene.extent.width)
    size = -(-whole.height // step), -(-whole.width // step)
    # One array from the start: small parts, kept between large ones that go, fragment the memory.
    small = np.empty((2 * len(_shown(scene)) + 1, *size))
    for top in range(0, whole.height, side):
        for left in range(0, whole.width, side):
            layers = _layers(scene, fused, Window(top, left, side, side).clip(whole))
            every = np.concatenate([layers.ms, layers.fused, layers.pan[np.newaxis]])
            part = shrink(every, layers.valid, step)
            row, col = top // step, left // step
            small[:, row : row + part.shape[1], col : col + part.shape[2]] = part
    ms, fine = np.split(small[:-1], 2)
    return Layers(ms, fine, small[-1], np.isfinite(small[-1]))


def _layers(scene: Scene, fused: Source, window: Window) -> Layers:
    """Read a window of the extent: the upsampled MS, the fused raster and the PAN."""
    on_guide = Window(
        window.row + scene.extent.row, window.col + scene.extent.col, window.height, window.width
    )
    block = scene.read_filled(on_guide, 12)
    bands = _shown(scene)
    target = torch.from_numpy(block.target[bands].astype(np.float32))
    before = upsample(target, block.sampling, (window.height, window.width), kernel="cubic")
    after, valid = fused.read(window)
    return Layers(before.numpy(), after[bands], block.intensity, valid & union_mask(block))


def _shown(scene: Scene) -> list[int]:
    """Return which bands are shown as red, green and blue."""
    wavelengths = [band.center_nm for band in scene.sensor.bands]
    return list(rgb_bands(scene.target.names, wavelengths))
