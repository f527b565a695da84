"""PNG and JPEG outputs: made from the finished partial file, and read back before they count."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.writer.envi import is_envi
from pansharpkit.writer.layout import COG, ENVI, GTIFF, Layout, creation_options
from pansharpkit.writer.preflight import SUFFIXES
from pansharpkit.writer.profile import OutputProfile

PNG = Layout("PNG", "", {"ZLEVEL"}, direct=False)
JPEG = Layout("JPEG", "", {"PROGRESSIVE", "QUALITY"}, direct=False)
PICTURES: Mapping[str, Layout] = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG}
"""Suffixes of pictures."""
_TYPES = {"PNG": ("uint8", "uint16"), "JPEG": ("uint8",)}
_DEFAULTS = {"PNG": {"ZLEVEL": "6"}, "JPEG": {"QUALITY": "95"}}
_MOST_VALUES = 2**28  # the drivers take a picture as a whole
_LONGEST_SIDE = 65_500  # of a JPEG


def layout_of(path: Path, *, cog: bool, pictures: bool) -> Layout:
    """Return what the name of a file says that it is to be.

    Raises
    ------
    OptionError
        If `pictures` are allowed, and it is neither one of them nor a raster.
    """
    suffix = path.suffix.lower()
    if is_envi(path):
        return ENVI
    if pictures and suffix in PICTURES:
        return PICTURES[suffix]
    if pictures and suffix not in SUFFIXES:
        raise OptionError(
            f"{path}: outputs are GeoTIFFs, ENVI images or pictures; give a name that ends in "
            f"{', '.join(dict.fromkeys((*SUFFIXES, '.hdr', *PICTURES)))}"
        )
    return COG if cog else GTIFF


def is_picture(path: Path) -> bool:
    """Whether an output of that name is a picture."""
    return path.suffix.lower() in PICTURES


def options_of(
    path: Path, layout: Layout, profile: OutputProfile, threads: int | None
) -> dict[str, str]:
    """Return the driver's options, whatever the layout.

    Raises
    ------
    OptionError
        If an option is unknown, or the format cannot hold the pixels.
    """
    if layout in PICTURES.values():
        return _picture_options(path, layout, profile)
    return creation_options(path, layout, profile, threads)


def _picture_options(path: Path, layout: Layout, profile: OutputProfile) -> dict[str, str]:
    given = {name.upper(): value for name, value in profile.creation_options.items()}
    if unknown := sorted(set(given) - set(layout.allowed)):
        raise OptionError(
            f"creation option {', '.join(unknown)} is not supported for {layout.driver}; "
            f"choose from {', '.join(sorted(layout.allowed))}"
        )
    if profile.count not in (1, 3) or profile.dtype not in _TYPES[layout.driver]:
        bands = "1 band" if profile.count == 1 else f"{profile.count} bands"
        raise OptionError(
            f"{path}: a {layout.driver} holds 1 or 3 bands of {' or '.join(_TYPES[layout.driver])},"
            f" not {bands} of {profile.dtype}; write a .tif, or choose --bands and --dtype"
        )
    height, width = profile.grid.height, profile.grid.width
    longest = _LONGEST_SIDE if layout is JPEG else _MOST_VALUES
    if height * width * profile.count > _MOST_VALUES or max(height, width) > longest:
        raise OptionError(
            f"{path}: {width} x {height} pixels are too many for a picture; write a .tif"
        )
    return _DEFAULTS[layout.driver] | given


def copy_to_picture(
    source: Path, target: Path, layout: Layout, options: Mapping[str, str], *, with_mask: bool
) -> None:
    """Write the picture of a partial file; missing pixels become transparent, or black in a JPEG.

    Raises
    ------
    OutputError
        If it cannot be written, or does not read back as what was written.
    """
    with rasterio.open(source, driver="GTiff") as partial:
        values: NDArray[np.generic] = partial.read()
        mask = partial.dataset_mask() if with_mask else None
    if mask is not None and not mask.all() and layout is PNG:
        # Full opacity is the end of the type.
        alpha = np.where(mask > 0, np.iinfo(values.dtype.name).max, 0).astype(values.dtype)
        values = np.concatenate([values, alpha[None]])
    settings = rasterio.Env(
        GDAL_PAM_ENABLED="NO",  # nothing beside the file
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
        GDAL_ERROR_ON_LIBJPEG_WARNING="YES",
    )
    count, height, width = values.shape
    try:
        with settings, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                target, "w", driver=layout.driver, count=count, height=height, width=width,
                dtype=values.dtype, **options,
            ) as made:  # fmt: skip
                made.write(values)
            with rasterio.open(target, driver=layout.driver) as made:
                same = np.array_equal(made.read(), values) or layout is JPEG
    except Exception as error:  # GDAL's own exceptions have no public base class
        raise OutputError(f"{target}: {layout.driver} could not be written: {error}") from error
    if not same:
        raise OutputError(f"{target}: does not hold what was written; the disk is at fault")
