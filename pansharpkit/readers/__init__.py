"""Products in, sources out: each reader turns what was delivered into a `Product`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.cubes.cube import open_cube
from pansharpkit.readers.cubes.pair import (
    files_of_pair,
    means_cube,
    open_cube_alone,
    open_cube_pair,
)
from pansharpkit.readers.dimap.product import open_dimap
from pansharpkit.readers.family import open_family, product_files
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.landsat.product import open_landsat
from pansharpkit.readers.matlab.cube import is_matlab
from pansharpkit.readers.maxar.product import open_maxar
from pansharpkit.readers.pair import open_pair
from pansharpkit.readers.pattern import expand, is_pattern
from pansharpkit.readers.product import Cube, Product, ReadOptions
from pansharpkit.readers.zipped import is_packed

__all__ = [
    "Cube",
    "GeoTiffSource",
    "Product",
    "ReadOptions",
    "files_of",
    "open_cube",
    "open_dimap",
    "open_geotiff",
    "open_landsat",
    "open_maxar",
    "open_pair",
    "open_product",
]


def open_product(inputs: Sequence[str], options: ReadOptions | None = None) -> Product:
    """Open whatever a user names: one product, or a fine image and the rasters that it sharpens.

    Parameters
    ----------
    inputs : one product of Landsat, Maxar or Airbus (its folder, its archive or its metadata
        file); or a PAN raster followed by one MS raster, by one per band, or by a pattern such as
        ``scene_B{band}.tif``; or a PAN or an MS image of any reader followed by a hyperspectral
        cube; or a cube that brings its own PAN.

    Raises
    ------
    OptionError
        If there are too few or too many inputs, or options for files that are not among them.
    InputError
        If an input is bad; see the readers.
    """
    if not inputs:
        raise OptionError("give a product, or a PAN and an MS raster")
    _check_matlab(inputs, options or ReadOptions())
    if means_cube(inputs, options or ReadOptions()):
        if len(inputs) == 1:
            return open_cube_alone(inputs[0], options)
        return open_cube_pair(inputs[0], inputs[1], options)
    if len(inputs) > 1:
        return open_pair(inputs[0], inputs[1:], options)
    return open_family(inputs[0], options)


def _check_matlab(inputs: Sequence[str], options: ReadOptions) -> None:
    given = {
        "--mat-key": options.mat_key,
        "--mat-guide-key": options.mat_guide_key,
        "--mat-axes": options.mat_axes,
        "--mat-guide-axes": options.mat_guide_axes,
        "--mat-size": options.mat_size,
    }
    may_hold = (is_matlab(name) or Path(name).is_dir() or is_packed(Path(name)) for name in inputs)
    unused = [flag for flag, value in given.items() if value is not None]
    if unused and not any(may_hold):
        raise OptionError(f"{unused[0]} goes with a MATLAB file (.mat), and no input is one")


def files_of(inputs: Sequence[str]) -> tuple[Path, ...]:
    """Return every file that inputs mean, as far as they can be listed without opening them."""
    if means_cube(inputs, ReadOptions()):
        return files_of_pair(inputs)
    if len(inputs) == 1:
        return product_files(inputs[0])
    found: list[Path] = []
    for name in inputs:
        try:
            found += [file for file, _ in expand(name)] if is_pattern(name) else [Path(name)]
        except (FileReadError, OptionError):  # opening it says so
            continue
    return tuple(found)
