"""Pictures for the report: which bands, which stretch, which part of the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import OptionError
from pansharpkit.grid import Window
from pansharpkit.report.png import to_png

Limits = NDArray[np.float64]
"""[C, 2] value drawn black and value drawn white, per channel."""

OVERVIEW_SIDE = 640
DETAILS = (("detail-1", 400, 1), ("detail-4", 100, 4))
"""Name of each view, its side in PAN pixels, its magnification."""
TILES = ("tile-worst", "tile-typical", "tile-best")
"""Views of single tiles."""
TILE_SIDE, TILE_ZOOM = 80, 4
_PERCENT = (2.0, 98.0)
_GAMMA = 1.5  # a city's roofs would else leave the land around them black
_MISSING = 200
_COLOURS_NM = (660.0, 560.0, 485.0)  # red, green, blue
_TOLERANCE_NM = 60.0


@dataclass(frozen=True)
class Layers:
    """What is compared, on one grid of PAN pixels or of means of them."""

    ms: NDArray[np.generic]
    """[3, h, w] or [1, h, w] upsampled MS: the picture before."""
    fused: NDArray[np.generic]
    """The same bands after."""
    pan: NDArray[np.generic]
    """[h, w]."""
    valid: NDArray[np.bool_]
    """[h, w]."""

    def part(self, window: Window) -> Layers:
        """Return a window of all layers."""
        rows, cols = window.slices
        return Layers(
            self.ms[:, rows, cols],
            self.fused[:, rows, cols],
            self.pan[rows, cols],
            self.valid[rows, cols],
        )

    def shrunk(self, side: int) -> Layers:
        """Return means over squares, so that neither side exceeds `side` pixels."""
        step = math.ceil(max(self.valid.shape) / side)
        if step == 1:
            return self
        ms, fused = (shrink(layer, self.valid, step) for layer in (self.ms, self.fused))
        pan = shrink(self.pan[np.newaxis], self.valid, step)[0]
        return Layers(ms, fused, pan, np.isfinite(pan))


@dataclass(frozen=True)
class Stretch:
    """One stretch for all views of a scene: before and after differ in pixels alone."""

    colour: Limits
    grey: Limits

    @classmethod
    def of(cls, layers: Layers) -> Stretch:
        """Take the limits from the picture before, and from the PAN."""
        pan = layers.pan[np.newaxis]
        return cls(limits_of(layers.ms, layers.valid), limits_of(pan, layers.valid))


def scene_pictures(layers: Layers) -> dict[str, bytes]:
    """Return PNG files of the whole scene and of its most detailed part, for `render_html`."""
    small = layers.shrunk(OVERVIEW_SIDE)
    stretch_ = Stretch.of(small)
    pictures = view_pictures("overview", small, stretch_)
    for name, side, zoom in DETAILS:
        window = busiest(layers.pan, layers.valid, side)
        pictures |= view_pictures(name, layers.part(window), stretch_, zoom)
    return pictures


def view_pictures(name: str, layers: Layers, how: Stretch, zoom: int = 1) -> dict[str, bytes]:
    """Return the three PNG files of one view, named ``view/layer``.

    For a scene larger than memory, call it once with a coarse reading of the whole and once for
    each part read in full, always with the same stretch.
    """
    drawn = {
        "ms": stretch(layers.ms, layers.valid, how.colour),
        "fused": stretch(layers.fused, layers.valid, how.colour),
        "pan": stretch(layers.pan[np.newaxis], layers.valid, how.grey),
    }
    return {f"{name}/{layer}": to_png(magnify(rgb, zoom)) for layer, rgb in drawn.items()}


def limits_of(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Limits:
    """Return the 2nd and 98th percentile of each channel of [C, h, w] over valid pixels."""
    chosen = values[:, valid].astype(np.float64)
    if not chosen.size:
        return np.tile([0.0, 1.0], (len(values), 1))
    limits: Limits = np.percentile(chosen, _PERCENT, axis=1).T
    return limits


def stretch(
    values: NDArray[np.generic], valid: NDArray[np.bool_], limits: Limits | None = None
) -> NDArray[np.uint8]:
    """Return [h, w, 3] of 0 ... 255 from one or three channels.

    Between the limits the middle tones are lifted; missing pixels are light grey.
    """
    if len(values) not in (1, 3):
        raise OptionError(f"a picture has 1 or 3 channels, not {len(values)}")
    limits = limits_of(values, valid) if limits is None else limits
    low, high = (limits[:, i, np.newaxis, np.newaxis] for i in (0, 1))
    span = np.where(high > low, high - low, 1.0)
    scaled = np.clip((np.where(valid, values, low) - low) / span, 0, 1) ** (1 / _GAMMA)
    drawn = np.where(valid, np.rint(255 * scaled), _MISSING).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(drawn, (3, *valid.shape)).transpose(1, 2, 0))


def magnify(rgb: NDArray[np.uint8], zoom: int) -> NDArray[np.uint8]:
    """Draw each pixel as a square of `zoom` x `zoom`."""
    return rgb.repeat(zoom, axis=0).repeat(zoom, axis=1)


def shrink(values: NDArray[np.generic], valid: NDArray[np.bool_], step: int) -> NDArray[np.float64]:
    """Return means of [C, h, w] over squares of `step` valid pixels; NaN where there is none."""
    starts = [np.arange(0, size, step) for size in valid.shape]

    def summed(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
        rows = np.add.reduceat(pixels, starts[0], axis=-2, dtype=np.float64)
        return np.add.reduceat(rows, starts[1], axis=-1)

    count = summed(valid)
    total = summed(values if valid.all() else np.where(valid, values, 0))
    means: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


def busiest(pan: NDArray[np.generic], valid: NDArray[np.bool_], side: int) -> Window:
    """Return the most detailed square of [h, w] that is valid throughout, or nearly so."""
    height, width = (min(side, size) for size in pan.shape)
    step = max(1, side // 2)
    grey = np.where(valid, pan, 0).astype(np.float64)
    low, high = limits_of(grey[np.newaxis], valid)[0]
    grey = np.clip(grey, low, high)  # a cloud's rim is no detail
    detail = np.hypot(*np.gradient(grey)) if min(pan.shape) > 1 else grey

    def score(window: Window) -> tuple[float, float]:
        inside = valid[window.slices]
        return round(float(inside.mean()), 2), float(detail[window.slices].mean())

    corners = [
        Window(min(row, pan.shape[0] - height), min(col, pan.shape[1] - width), height, width)
        for row in range(0, pan.shape[0], step)
        for col in range(0, pan.shape[1], step)
    ]
    return max(corners, key=score)


def rgb_bands(
    names: Sequence[str], wavelengths_nm: Sequence[float | None] = ()
) -> tuple[int, int, int]:
    """Return the indices of the bands drawn red, green and blue.

    By wavelength where known, else by the words in the names, else the order blue, green, red
    that sensors use; a raster of one or two bands is drawn grey.

    >>> rgb_bands(["B2 Blue", "B3 Green", "B4 Red", "B5 NIR"])
    (2, 1, 0)
    """
    found = _by_wavelength(wavelengths_nm) or _by_name(names)
    if found:
        return found
    return (2, 1, 0) if len(names) >= 3 else (0, 0, 0)


def _by_wavelength(wavelengths_nm: Sequence[float | None]) -> tuple[int, int, int] | None:
    known = {i: nm for i, nm in enumerate(wavelengths_nm) if nm is not None}
    if not known:
        return None
    red, green, blue = (min(known, key=lambda i: abs(known[i] - nm)) for nm in _COLOURS_NM)
    near = all(
        abs(known[i] - nm) <= _TOLERANCE_NM
        for i, nm in zip((red, green, blue), _COLOURS_NM, strict=True)
    )
    return (red, green, blue) if near and len({red, green, blue}) == 3 else None


def _by_name(names: Sequence[str]) -> tuple[int, int, int] | None:
    words = [name.casefold().replace("_", " ").split() for name in names]

    def band(colour: str) -> int | None:
        plain = [i for i, found in enumerate(words) if colour in found and "edge" not in found]
        return plain[0] if plain else None

    red, green, blue = band("red"), band("green"), band("blue")
    if red is None or green is None or blue is None:
        return None
    return red, green, blue
