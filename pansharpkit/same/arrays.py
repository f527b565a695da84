"""Blending and denoising from Python: files or arrays in, xarray out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath

import numpy as np
import xarray
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.arrays import ArraySink, as_data_array, source_of
from pansharpkit.engine import RunOptions
from pansharpkit.errors import OptionError
from pansharpkit.grid import Grid
from pansharpkit.readers.product import UNNAMED
from pansharpkit.same.images import Image, open_image
from pansharpkit.same.intake import Opened, opened
from pansharpkit.same.judge import indices_of
from pansharpkit.same.request import ImagesRequest
from pansharpkit.same.running import prepared, run_images
from pansharpkit.same.scale import Match
from pansharpkit.source import ArraySource, Source

ImageLike = str | PathLike[str] | xarray.DataArray | NDArray[np.generic]
"""A file; or [H, W] or [C, H, W] pixels, where NaN is a gap."""


def blend(
    *images: ImageLike,
    method: str | None = None,
    options: Mapping[str, object] | None = None,
    align: bool = False,
    match: Match = "auto",
    colour_from: str | None = None,
    tile: int = 512,
    seed: int = 0,
    device: str = "auto",
    dtype: str | None = None,
) -> xarray.DataArray:
    """Blend images of one place and resolution; the first gives grid, units and type.

    See :class:`pansharpkit.same.request.ImagesRequest` for `align`, `match` and `colour_from`.

    Returns
    -------
    DataArray of (band, y, x). Missing pixels are NaN, or the first image's nodata value or 0 in
    integer types.

    Raises
    ------
    OptionError, InputError
        As the command does, see :func:`pansharpkit.same.pipeline.make`.

    Examples
    --------
    >>> near, far = np.zeros((32, 32), np.uint8), np.full((32, 32), 100, np.uint8)
    >>> int(blend(near, far, method="mean").max())
    50
    """
    request = ImagesRequest(
        "blend", _labels(images), align=align, match=match, colour_from=colour_from
    )
    run = RunOptions(tile, seed, device, dtype=dtype)
    return _made(images, request, method, options or {}, run)


def denoise(
    noisy: ImageLike,
    guide: ImageLike | None = None,
    *,
    method: str | None = None,
    options: Mapping[str, object] | None = None,
    align: bool = False,
    match: Match = "auto",
    tile: int = 512,
    seed: int = 0,
    device: str = "auto",
    dtype: str | None = None,
) -> xarray.DataArray:
    """Take the noise off an image, with the structure of a clean one; otherwise as `blend`."""
    images = (noisy,) if guide is None else (noisy, guide)
    request = ImagesRequest("denoise", _labels(images), align=align, match=match)
    run = RunOptions(tile, seed, device, dtype=dtype)
    return _made(images, request, method, options or {}, run)


def assess_blend(images: Sequence[ImageLike], fused: ImageLike) -> dict[str, float | None]:
    """Return the indices of a blend, given the images that it was made of."""
    request = ImagesRequest("blend", _labels(images))
    found = opened(_images(images), request)
    return indices_of(found, _image(fused, "fused").source, "blend")


def _made(
    images: Sequence[ImageLike],
    request: ImagesRequest,
    method: str | None,
    options: Mapping[str, object],
    run: RunOptions,
) -> xarray.DataArray:
    found = opened(_images(images), request)
    ready = prepared(found, request.task, method, options)
    dtype = np.dtype(run.dtype or found.reference.dtype)
    nodata = _nodata(found, dtype)
    names = found.colours.source.names if found.colours else found.scene.target.names
    sink = ArraySink((len(names), found.scene.extent.height, found.scene.extent.width), str(dtype))
    whole = RunOptions(run.tile, run.seed, run.device, "none", str(dtype), nodata)
    run_images(found, ready, sink, whole)
    return as_data_array(sink.values, found.scene.grid, names, nodata, ready.name)


def _nodata(found: Opened, dtype: np.dtype[np.generic]) -> float:
    if dtype.kind == "f":
        return float("nan")
    stored = found.reference.nodata
    return 0.0 if stored is None or found.reference.dtype != dtype else stored


def _labels(images: Sequence[ImageLike]) -> tuple[str, ...]:
    return tuple(
        fspath(image) if isinstance(image, str | PathLike) else f"image {chr(ord('A') + i)}"
        for i, image in enumerate(images)
    )


def _images(images: Sequence[ImageLike]) -> list[Image]:
    return [_image(image, label) for image, label in zip(images, _labels(images), strict=True)]


def _image(image: ImageLike, label: str) -> Image:
    if isinstance(image, str | PathLike):
        return open_image(fspath(image))
    if isinstance(image, xarray.DataArray):
        if "x" in image.coords and "y" in image.coords:
            return Image(source_of(image, label))
        image = np.asarray(image.values)
    return Image(_plain(image, label))


def _plain(values: NDArray[np.generic], label: str) -> Source:
    if values.ndim not in (2, 3) or values.dtype.kind not in "iuf":
        raise OptionError(
            f"{label}: expected [H, W] or [C, H, W] real numbers, found {values.shape} of "
            f"{values.dtype}"
        )
    stacked = values[None] if values.ndim == 2 else values
    count, height, width = stacked.shape
    names = tuple(f"{UNNAMED} {i + 1}" for i in range(count))
    return ArraySource(Grid(height, width, Affine.identity(), None), stacked, names, None, label)
