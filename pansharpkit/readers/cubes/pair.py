"""A fine image and a hyperspectral cube: put together by the user, or in one product."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from affine import Affine

from pansharpkit.errors import FileReadError, InputError, PansharpkitError
from pansharpkit.grid import Grid
from pansharpkit.readers.cubes.cloudmap import clouds_on
from pansharpkit.readers.cubes.cube import cube_files, is_cube, open_cube
from pansharpkit.readers.cubes.raster import is_raster
from pansharpkit.readers.family import product_files
from pansharpkit.readers.guide import open_guide
from pansharpkit.readers.landsat.product import is_mtl
from pansharpkit.readers.matlab.cube import is_matlab
from pansharpkit.readers.pattern import expand, is_pattern
from pansharpkit.readers.product import ONE_OF_RGB, Cube, Product, ReadOptions
from pansharpkit.readers.safe_open import gdal_environment, locate, open_georeferenced
from pansharpkit.readers.zipped import is_packed
from pansharpkit.source import PlacedSource, Source

MANY = 32
"""Bands from which on a raster beside a PAN is read as a cube, with dead bands and wavelengths."""
_MORE = 1.5  # times the bands of a guide that a target must have: a coloured PAN is no guide


def means_cube(inputs: Sequence[str], options: ReadOptions) -> bool:
    """Whether inputs are a guide and a cube, or a cube alone, and not PAN and MS or a product.

    Beside a PAN, a raster is a cube if it has at least `MANY` bands; beside another guide, if it
    has several.
    """
    if len(inputs) == 1:
        return is_cube(inputs[0])
    if len(inputs) != 2 or is_pattern(inputs[1]):
        return False
    path, second = Path(inputs[0]), Path(inputs[1])
    if second.is_dir() or is_packed(second):  # no MS raster is either
        return True
    if is_cube(inputs[1]) or is_cube(path) or is_pattern(inputs[0]):
        return True
    if path.is_dir() or is_packed(path) or is_mtl(path) or path.suffix.lower() == ".xml":
        return True
    guide, target = (_count(name, options) for name in inputs)
    return target >= MANY or (guide > 1 and target > 1)


def _count(name: str, options: ReadOptions) -> int:
    """Return the bands of a raster, 0 if it cannot be opened: opening it says why."""
    try:
        location = locate(name, options, placed=True)  # whether it is does not matter here
        with gdal_environment(options), open_georeferenced(location, options) as dataset:
            return int(dataset.count)
    except (PansharpkitError, OSError, Warning):
        return 0


def open_cube_pair(
    guide: str | os.PathLike[str], cube: str | os.PathLike[str], options: ReadOptions | None = None
) -> Product:
    """Open a guide, PAN or MS, and a cube whose bands are more.

    Where neither file says where it lies, they are taken to share their corners.

    Raises
    ------
    InputError
        If the guide has as many bands as the cube, or more; and whatever the readers raise.
    """
    options = options or ReadOptions()
    fine, coarse = open_guide(guide, options), open_cube(cube, options)
    _check_counts(fine.source, coarse.source)
    return _paired(fine, coarse)


def open_cube_alone(name: str | os.PathLike[str], options: ReadOptions | None = None) -> Product:
    """Open a cube that brings a finer image itself, such as PRISMA's PAN.

    Raises
    ------
    InputError
        If it brings none.
    """
    cube = open_cube(name, options)
    if cube.guide is None:
        raise InputError(
            f"{cube.source.label}: is a cube without a finer image; give a guide before it, a PAN "
            "or an MS raster of the same ground"
        )
    return _paired(Cube(cube.guide, sensor_id=cube.sensor_id), cube)


def files_of_pair(inputs: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that a guide and a cube mean, as far as they can be listed."""
    found = list(cube_files(inputs[-1]))
    for name in inputs[:-1]:
        try:
            if is_pattern(name):
                found += [file for file, _ in expand(name)]
            elif is_cube(name) or is_raster(name):
                found += cube_files(name)
            else:
                found += product_files(name)
        except (FileReadError, OSError):  # opening it says so
            continue
    return tuple(found)


def _check_counts(guide: Source, cube: Source) -> None:
    fine, coarse = len(guide.names), len(cube.names)
    if coarse == 1:
        raise InputError(
            f"{cube.label}: expected a target of several bands, found 1; are the inputs swapped?"
        )
    if fine > 1 and coarse < _MORE * fine:
        hint = "; are the inputs swapped?" if fine > coarse else f"; {ONE_OF_RGB}"
        if is_matlab(guide.label):
            hint = (
                "; --mat-guide-key and --mat-guide-axes say which variable it is, and how it lies"
            )
        raise InputError(
            f"{guide.label}: expected a PAN with 1 band, found {fine}; such an image can guide a "
            f"cube of far more bands than the {coarse} of {cube.label}{hint}"
        )


def _paired(guide: Cube, cube: Cube) -> Product:
    notices = tuple(dict.fromkeys((*guide.notices, *cube.notices)))
    target, clouds = cube.source, cube.clouds
    if not (_placed(guide.source) or _placed(target)):
        place = _scaled(guide.source.grid, target.grid)
        target = PlacedSource(target, place)
        clouds = None if clouds is None else PlacedSource(clouds, place)
        notices = (
            *notices,
            f"{_both(guide.source.label, target.label)} where it lies: they are taken to share "
            "their corners",
        )
    return Product(
        guide=guide.source,
        target=target,
        sensor_id=cube.sensor_id,
        clouds=clouds_on(target.grid, (clouds, guide.clouds)),
        metadata={**guide.metadata, **cube.metadata},
        notices=notices,
        scaling=cube.scaling,
        saturated=cube.saturated,
        native_depth=False,
        spectra=cube.spectra,
        guide_sensor_id=guide.sensor_id,
        guide_spectra=guide.spectra,
    )


def _both(one: str, other: str) -> str:
    return f"no image in {one} says" if one == other else f"neither {one} nor {other} says"


def _placed(source: Source) -> bool:
    return source.grid.crs is not None or source.grid.transform != Affine.identity()


def _scaled(fine: Grid, coarse: Grid) -> Grid:
    """Return the coarse grid with the outer corners of the fine one."""
    ratio = Affine.scale(fine.width / coarse.width, fine.height / coarse.height)
    return Grid(coarse.height, coarse.width, fine.transform @ ratio, fine.crs)
