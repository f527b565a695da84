"""Pictures of images and of what was made of them, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.report.png import to_png
from pansharpkit.report.quicklook import (
    DETAILS,
    OVERVIEW_SIDE,
    busiest,
    limits_of,
    magnify,
    rgb_bands,
    shrink,
    stretch,
)
from pansharpkit.same.intake import Opened
from pansharpkit.same.request import SameTask
from pansharpkit.source import Source

_STRIP = 4_000_000  # pixels read at a time
_RESIDUAL = "residual"
Layer = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""[1 or 3, h, w] values and [h, w] validity."""


@dataclass(frozen=True)
class _Shown:
    """An image, and which of its bands are red, green and blue."""

    source: Source
    bands: tuple[int, ...]
    extent: Window
    """Of what is shown, on the source's grid."""

    def read(self, window: Window) -> Layer:
        """Read a window that is relative to the extent."""
        place = Window(
            window.row + self.extent.row, window.col + self.extent.col, window.height, window.width
        )
        values, valid = self.source.read(place)
        return values[list(self.bands)].astype(np.float64), valid

    def overview(self, step: int) -> Layer:
        """Read everything, in means over squares of `step` pixels."""
        rows = max(step, _STRIP // self.extent.width // step * step)
        whole = Window(0, 0, self.extent.height, self.extent.width)
        parts = [
            shrink(*self.read(Window(top, 0, rows, whole.width).clip(whole)), step)
            for top in range(0, whole.height, rows)
        ]
        values = np.concatenate(parts, axis=1)
        return values, np.isfinite(values[0])


def pictures_of(opened: Opened, fused: Source, task: SameTask) -> dict[str, bytes]:
    """Return PNG files by ``view/layer``: the whole, a detail and a close-up of every image."""
    extent = opened.scene.extent
    shown = {
        chr(ord("a") + i): _Shown(source, _bands(source), extent)
        for i, source in enumerate(opened.shown)
    }
    shown["fused"] = _Shown(fused, _bands(fused), Window(0, 0, extent.height, extent.width))
    step = -(-max(extent.height, extent.width) // OVERVIEW_SIDE)
    small = {name: image.overview(step) for name, image in shown.items()}
    limits = {name: limits_of(values, valid) for name, (values, valid) in small.items()}
    if task == "denoise":
        limits["fused"] = limits["a"]
        limits[_RESIDUAL] = _residual_limits(shown, extent)
    pictures = _view("overview", small, limits)
    fine, valid = small["fused"]
    for name, side, zoom in DETAILS:
        found = busiest(fine.mean(axis=0), valid, max(1, side // step))
        window = Window(found.row * step, found.col * step, side, side).clip(
            Window(0, 0, extent.height, extent.width)
        )
        layers = {key: image.read(window) for key, image in shown.items()}
        pictures |= _view(name, layers, limits, zoom)
    return pictures


def _bands(source: Source) -> tuple[int, ...]:
    names = source.names
    if len(names) < 3:
        return (0,)
    named = any("red" in name.casefold() for name in names)
    return rgb_bands(names) if named or len(names) > 3 else (0, 1, 2)


def _view(
    name: str,
    layers: Mapping[str, Layer],
    limits: Mapping[str, NDArray[np.float64]],
    zoom: int = 1,
) -> dict[str, bytes]:
    drawn = dict(layers)
    if _RESIDUAL in limits:
        (noisy, valid), (clean, also) = layers["a"], layers["fused"]
        drawn[_RESIDUAL] = (noisy - clean, valid & also)
    return {
        f"{name}/{layer}": to_png(magnify(stretch(values, valid, limits[layer]), zoom))
        for layer, (values, valid) in drawn.items()
    }


def _residual_limits(shown: Mapping[str, _Shown], extent: Window) -> NDArray[np.float64]:
    """Return a stretch about zero for what was taken off, from the middle of the scene."""
    side = DETAILS[0][1]
    middle = Window((extent.height - side) // 2, (extent.width - side) // 2, side, side).clip(
        Window(0, 0, extent.height, extent.width)
    )
    (noisy, valid), (clean, also) = (shown[name].read(middle) for name in ("a", "fused"))
    taken = (noisy - clean)[:, valid & also]
    reach = 3 * np.sqrt(np.square(taken).mean(axis=1)) if taken.size else np.ones(len(taken))
    reach = np.where(reach > 0, reach, 1.0)
    return np.stack([-reach, reach], axis=1)
