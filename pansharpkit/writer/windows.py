"""What may be written as a window of an output, and how it tells which pixels are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import OutputError
from pansharpkit.grid import Window
from pansharpkit.writer.profile import OutputProfile


def check_window(
    path: Path,
    profile: OutputProfile,
    window: Window,
    values: NDArray[np.generic],
    valid: NDArray[np.bool_] | None,
) -> None:
    """Refuse pixels of another shape or type than announced, or outside the raster."""
    expected = (profile.count, window.height, window.width)
    if values.shape != expected or (valid is not None and valid.shape != expected[1:]):
        raise OutputError(f"{path}: pixels of shape {values.shape} for a window of {expected}")
    if values.dtype != np.dtype(profile.dtype):
        raise OutputError(
            f"{path}: {values.dtype} pixels for a {profile.dtype} output; cast them first"
        )
    if window.empty or window.clip(profile.grid.window) != window:
        raise OutputError(f"{path}: {window} is not inside {profile.shape}")


def merged(
    path: Path,
    profile: OutputProfile,
    values: NDArray[np.generic],
    valid: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Put validity where the output keeps it: a mask, or the nodata value.

    Raises
    ------
    OutputError
        If pixels are missing and it keeps neither.
    """
    if profile.with_mask:
        given = np.ones(values.shape[1:], bool) if valid is None else valid
        return values, np.where(given, 255, 0).astype(np.uint8)
    if valid is None or valid.all():
        return values, None
    if profile.nodata is None:
        raise OutputError(
            f"{path}: some pixels are missing, and the output has neither a nodata value "
            "nor a mask; choose one"
        )
    return np.where(valid, values, values.dtype.type(profile.nodata)), None
