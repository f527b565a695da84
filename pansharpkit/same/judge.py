"""Indices of a blend or a restoration that lies in a file or in memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import GridError
from pansharpkit.evaluate import raster_of
from pansharpkit.grid import Grid, Window
from pansharpkit.metrics import fusion, residual
from pansharpkit.readers.derived import difference
from pansharpkit.readers.picture import open_picture
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.written import open_written
from pansharpkit.same.colour import LuminanceSource
from pansharpkit.same.images import is_placed, open_image
from pansharpkit.same.intake import Opened, open_images
from pansharpkit.same.request import ImagesRequest, SameTask
from pansharpkit.source import PlacedSource, Source
from pansharpkit.writer import is_picture

Indices = dict[str, float | None]
MOST = 2**22
"""Values of the result, over all bands, that are judged at most: those in the middle."""
_PER_PIXEL = 0.6e-6  # seconds that judging takes, per image and band
_DRAWING = 1.5  # seconds for pictures and pages


def judged_window(extent: Window, most: int) -> Window:
    """Return the extent, or the part in its middle that has as many pixels as may be judged.

    >>> judged_window(Window(0, 0, 100, 400), 10_000)
    Window(row=25, col=100, height=50, width=200)
    """
    share = math.sqrt(min(1.0, most / max(1, extent.height * extent.width)))
    height, width = (max(1, round(side * share)) for side in (extent.height, extent.width))
    top, left = (extent.height - height) // 2, (extent.width - width) // 2
    return Window(extent.row + top, extent.col + left, height, width)


def _judged(opened: Opened) -> Window:
    return judged_window(opened.scene.extent, MOST // len(opened.scene.target.names))


def indices_of(opened: Opened, fused: Source, task: SameTask) -> Indices:
    """Judge what was made of images; `fused` lies on the extent of their scene."""
    part = _judged(opened)
    own = part.relative_to(opened.scene.extent)
    if opened.colours is not None and len(fused.names) == 3:
        fused = LuminanceSource(fused, opened.colours.order)
    if task == "denoise":
        return _restoration(opened, fused, part, own)
    eight = all(source.dtype == np.uint8 for source in (*opened.shown, opened.reference))
    return dict(
        fusion.of_rasters(
            [raster_of(source, part) for source in opened.sources],
            raster_of(fused, own),
            value_range=(0.0, 255.0) if eight else None,
        )
    )


def _restoration(opened: Opened, restored: Source, part: Window, own: Window) -> Indices:
    noisy, noisy_valid = opened.sources[0].read(part)
    clean, clean_valid = restored.read(own)
    guide, valid = None, noisy_valid & clean_valid
    if len(opened.sources) > 1:
        values, guide_valid = opened.sources[1].read(part)
        guide, valid = _tensor(values, guide_valid), valid & guide_valid
    return residual.residual_indices(
        _tensor(noisy, noisy_valid), _tensor(clean, clean_valid), guide, torch.from_numpy(valid)
    )


def _tensor(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> torch.Tensor:
    return torch.from_numpy(np.where(valid, values, 0).astype(np.float32))


def definitions_of(opened: Opened, task: SameTask) -> dict[str, str]:
    """Return how the indices were computed."""
    found = dict(residual.DEFINITIONS if task == "denoise" else fusion.DEFINITIONS)
    extent, part = opened.scene.extent, _judged(opened)
    if part != extent:
        found["part"] = f"the {part.width} x {part.height} pixels in the middle"
    if opened.colours is not None:
        found["colour"] = "luminances are compared"
    if any(pair != (1.0, 0.0) for pair in opened.maps):
        found["scale"] = "images are compared on the scale of the first"
    return found


def expected_seconds(opened: Opened) -> float:
    """Return about how long judging and drawing take."""
    part = _judged(opened)
    values = part.height * part.width * len(opened.scene.target.names)
    return _DRAWING + values * (len(opened.sources) + 1) * _PER_PIXEL


def open_made(path: Path, grid: Grid) -> Source:
    """Open a raster that was made on a grid; a picture does not say so itself."""
    if is_picture(path):
        return PlacedSource(open_picture(path, merge_grey=False), grid)
    return open_written(path, grid=grid)


def _nowhere(grid: Grid) -> Grid:
    """Return the grid of a picture of that size."""
    return Grid(grid.height, grid.width, Affine.identity(), None)


def assess(request: ImagesRequest, fused: Path) -> Indices:
    """Judge a raster by the images that it was made of: a blend, or a restoration.

    Raises
    ------
    InputError
        If a file is bad, or the raster does not lie on the grid of the first image.
    """
    opened = open_images(request)
    scene = opened.scene
    found = open_image(str(fused), ReadOptions(assume_crs=request.read.assume_crs)).source
    grid = scene.grid if is_placed(found.grid) else _nowhere(scene.grid)
    differ = difference(grid, found.grid)
    if differ is not None:
        raise GridError(
            f"{opened.reference.label} and {found.label} {differ}; give the images that it was "
            "made of, and the same --bounds"
        )
    bands = len(scene.target.names)
    if len(found.names) not in (bands, 3 if opened.colours is not None else bands):
        raise GridError(f"{found.label} has {len(found.names)} bands, expected {bands}")
    return indices_of(opened, PlacedSource(found, scene.grid), request.task)
