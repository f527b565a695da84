"""The map of quality as a GeoTIFF: one pixel per judged block, one band per index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from pansharpkit.errors import OptionError
from pansharpkit.grid import Grid
from pansharpkit.metrics import QualityMap
from pansharpkit.outcome import FuseOutcome
from pansharpkit.output import QUALITY
from pansharpkit.report import GridSummary
from pansharpkit.writer import Manifest, OutputProfile, open_output


def path_of(output: Path) -> Path:
    """Return where the map of a fused raster is written."""
    return output.with_suffix(QUALITY)


def check(output: Path, *, report: bool, overwrite: bool) -> None:
    """Refuse a map that cannot be written, before anything is computed.

    Raises
    ------
    OptionError
        If the result is not judged at all, or there is a map that must not be replaced.
    """
    if not report:
        raise OptionError("--quality-raster is made of the report: leave --no-report out")
    if not overwrite and path_of(output).exists():
        raise OptionError(f"{path_of(output)} exists; pass --overwrite to replace it")


def write_quality(
    outcome: FuseOutcome, inputs: Sequence[str] = (), *, overwrite: bool = False
) -> Path:
    """Write the map beside a fused raster and return its path.

    Bands are named as indices are in the report; blocks that were not judged, or have too few
    valid pixels, are NaN. None of `inputs` is replaced.

    Raises
    ------
    OptionError
        If the raster was not judged.
    PansharpkitError
        If the map cannot be written.
    """
    found, report, made = outcome.quality, outcome.report, outcome.manifest
    if found is None or report is None:
        raise OptionError(f"{made.path} was not judged: there is no map of its quality")
    bands: dict[str, NDArray[np.floating]] = {found.name: found.values, **found.others}
    profile = OutputProfile(
        _grid_of(found, report.scene.fused.grid),
        "float32",
        tuple(bands),
        np.nan,
        tags=_tags(found, made),
    )
    values = np.stack([band.astype(np.float32) for band in bands.values()])
    known = np.asarray(np.isfinite(values).any(axis=0))
    path = path_of(made.path)
    sources = [Path(name) for name in inputs]
    with open_output(path, profile, overwrite=overwrite, inputs=sources, cog=False) as sink:
        sink.write(profile.grid.window, values, known)
    return path


def _grid_of(found: QualityMap, fused: GridSummary) -> Grid:
    rows, cols = found.values.shape
    crs = CRS.from_user_input(fused.crs) if fused.crs else None
    return Grid(rows, cols, Affine(*fused.transform) @ Affine.scale(found.block), crs)


def _tags(found: QualityMap, made: Manifest) -> dict[str, str]:
    return {
        "PANSHARPKIT_QUALITY_OF": made.path.name,
        "PANSHARPKIT_QUALITY_OF_SHA256": made.sha256,
        "PANSHARPKIT_QUALITY_BLOCK": f"{found.block} px",
    }
