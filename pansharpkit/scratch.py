"""A raster that lies in a temporary file while it is made and judged."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import OutputError
from pansharpkit.grid import Grid, Window
from pansharpkit.source import ArraySource


@dataclass(frozen=True)
class _ArraySink:
    values: NDArray[np.float32]

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        """Keep the pixels; the invalid ones hold NaN already."""
        self.values[:, *window.slices] = values


@contextmanager
def scratch(grid: Grid, names: tuple[str, ...]) -> Iterator[tuple[_ArraySink, ArraySource]]:
    """Give a float32 raster that lies in a temporary file, as a sink and as a source."""
    where = os.environ.get("CPL_TMPDIR")
    with tempfile.TemporaryDirectory(prefix="pansharpkit-", dir=where) as folder:
        shape = (len(names), grid.height, grid.width)
        path = Path(folder) / "fused.f32"
        _reserve(path, 4 * math.prod(shape))
        values = np.memmap(path, np.float32, "r+", shape=shape)
        yield _ArraySink(values), ArraySource(grid, values, names, label="fused")
        del values


def _reserve(path: Path, size: int) -> None:
    """Make a file whose every byte has its place: writing to a full disk's map ends the process.

    Raises
    ------
    OutputError
        If the disk has no room; the message says what is needed and free.
    """
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free
        raise OutputError(
            f"{path.parent}: {size} bytes are needed for the fused raster, {free} are free "
            f"({error.strerror}); set CPL_TMPDIR to a larger disk"
        ) from error
