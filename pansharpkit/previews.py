"""Before and after pictures of a scene of any size."""

from __future__ import annotations

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

_STRIP_VALUES = 8_000_000  # over all bands: sources read them together


def previews(scene: Scene, fused: Source) -> dict[str, bytes]:
    """Return PNG files of the whole scene and of its most detailed part, for the report.

    The scene is read strip by strip; only its overview is held in memory.
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
    wide = scene.extent.width * len(fused.names)
    rows = max(step, _STRIP_VALUES // wide // step * step)
    whole = Window(0, 0, scene.extent.height, scene.extent.width)
    strips = []
    for top in range(0, whole.height, rows):
        layers = _layers(scene, fused, Window(top, 0, rows, whole.width).clip(whole))
        ms, fine = (shrink(layer, layers.valid, step) for layer in (layers.ms, layers.fused))
        pan = shrink(layers.pan[np.newaxis], layers.valid, step)[0]
        strips.append((ms, fine, pan))
    ms, fine, pan = (np.concatenate(parts, axis=-2) for parts in zip(*strips, strict=True))
    return Layers(ms, fine, pan, np.isfinite(pan))


def _layers(scene: Scene, fused: Source, window: Window) -> Layers:
    """Read a window of the extent: the upsampled MS, the fused raster and the PAN."""
    on_guide = Window(
        window.row + scene.extent.row, window.col + scene.extent.col, window.height, window.width
    )
    block = scene.read_filled(on_guide, 12)
    wavelengths = [band.center_nm for band in scene.sensor.bands]
    bands = list(rgb_bands(scene.target.names, wavelengths))
    target = torch.from_numpy(block.target[bands].astype(np.float32))
    before = upsample(target, block.sampling, (window.height, window.width), kernel="cubic")
    after, valid = fused.read(window)
    return Layers(before.numpy(), after[bands], block.intensity, valid & union_mask(block))
