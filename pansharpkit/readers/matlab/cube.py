"""Cubes and images in MATLAB files, which do not say what their axes are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import InputError, OptionError
from pansharpkit.grid import Grid
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.cubes.livebands import BareArray, live_cube
from pansharpkit.readers.cubes.raster import band_names
from pansharpkit.readers.cubes.recognise import recognise
from pansharpkit.readers.cubes.spectra import Spectra, in_nm
from pansharpkit.readers.hdf.array import HdfSource
from pansharpkit.readers.hdf.file import is_hdf
from pansharpkit.readers.matlab.mat5 import Mat5, Variable, open_mat5
from pansharpkit.readers.matlab.mat73 import LINK, Mat73, open_mat73
from pansharpkit.readers.product import UNNAMED, Cube, ReadOptions
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.source import ArraySource, Source

_AXES = {3: "rcb", 2: "rc"}
_ORDERS = {"rcb", "rbc", "crb", "cbr", "brc", "bcr", "rc", "cr", "bp", "pb", "bP", "Pb"}
_HEIGHTS = ("nrow", "nrows", "rows", "height", "lines")
_WIDTHS = ("ncol", "ncols", "cols", "width", "samples")
_BANDS = ("nband", "nbands", "bands")
_CENTERS = ("wavelength", "wavelengths", "lambda", "lambdas", "wl", "wvl", "wavelen", "centers")
_MOST_LISTED = 12
_GUIDE_KEY, _GUIDE_AXES = "--mat-guide-key", "--mat-guide-axes"

MatFile = Mat5 | Mat73


@dataclass(frozen=True)
class Taken:
    """A variable, and what its axes mean."""

    variable: Variable
    axes: str
    size: tuple[int, int]
    """Height and width of the image."""
    bands: int


def is_matlab(name: str) -> bool:
    """Whether a file name is that of a MATLAB file."""
    return name.lower().endswith(".mat")


def open_matlab(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open a cube in a MATLAB file, version 5 to 7.3; nothing in the file is executed.

    Which variable and what its axes are is said by `ReadOptions.mat_key`, `mat_axes` and
    `mat_size`; see there for what holds by default.

    Raises
    ------
    OptionError
        If the variable is not there or cannot be told from others, or the axes do not fit it; with
        a list of what the file holds.
    InputError
        If the file is broken, would pull in other files, or its arrays are too large.
    """
    return live_cube(_opened(files, name, options, cube=True), options)


def open_matlab_guide(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open an image of one or several bands in a MATLAB file, as `open_matlab` does a cube.

    The variable is that of `ReadOptions.mat_guide_key`, its axes those of `mat_guide_axes`.
    """
    opened = _opened(files, name, replace(options, mat_axes=_guide_axes(options)), cube=False)
    source = opened.source
    if isinstance(source, HdfSource):
        return replace(opened, source=replace(source, bandwise=False))
    values, _ = source.read(source.grid.window)
    whole = ArraySource(source.grid, values, source.names, source.nodata, source.label)
    return replace(opened, source=whole)


def _guide_axes(options: ReadOptions) -> str | None:
    """Return what the axes of a guide are: as said, or as of a cube that is no matrix."""
    of_cube = options.mat_axes if "p" not in (options.mat_axes or "p").lower() else None
    return options.mat_guide_axes or of_cube


def _opened(files: ProductFiles, name: str, options: ReadOptions, cube: bool) -> Cube:
    path = files.fetch([name])[name]
    shown = printable(path.name)
    check_regular(path, shown)
    file = _read_file(path, shown, files)
    taken = _taken(file, _choice(file, options, cube), options, cube)
    if math.prod(taken.variable.shape) > options.max_pixels:
        raise InputError(
            f"{shown}: {taken.variable} is too large, at most {options.max_pixels} values are "
            "allowed; raise --max-pixels if this is right"
        )
    spectra, said = _spectra(file, taken, cube)
    names = band_names(spectra) if spectra else _numbered(taken)
    what = " x ".join(_WORDS[axis] for axis in taken.axes)
    flags = "--mat-key and --mat-axes" if cube else f"{_GUIDE_KEY} and {_GUIDE_AXES}"
    notices = (f"{shown}: {taken.variable} is taken for {what}; {flags} say otherwise", *said)
    return Cube(
        source=_source(file, taken, names, options),
        spectra=spectra,
        sensor_id=recognise(spectra),
        notices=notices,
    )


_WORDS = {
    "r": "rows",
    "c": "columns",
    "b": "bands",
    "p": "pixels (columns of the image one after the other)",
    "P": "pixels (rows of the image one after the other)",
}


def _read_file(path: Path, shown: str, keep: object) -> MatFile:
    return open_mat73(path, keep) if is_hdf(path) else open_mat5(path, shown)


def _numbered(taken: Taken) -> tuple[str, ...]:
    if taken.bands == 1:
        return (printable(taken.variable.name),)
    return tuple(f"{UNNAMED} {i}" for i in range(1, taken.bands + 1))


def _choice(file: MatFile, options: ReadOptions, cube: bool) -> Variable:
    """Return the variable asked for, or the only one that can be meant.

    A guide has the name asked for the cube if it is given none, and its file has such a variable.
    """
    key = options.mat_key
    if not cube and (options.mat_guide_key or all(v.name != key for v in file.variables)):
        key = options.mat_guide_key
    if key is None:
        found = _candidates(file, options, cube)
        if len(found) == 1:
            return found[0]
        why = "several arrays may be" if found else "no array is surely"
        flags = "--mat-key" if cube else _GUIDE_KEY
        flags += ", or --mat-size for a matrix of pixels" if cube and not found else ""
        raise OptionError(f"{file.shown}: {why} the image; choose with {flags}: {_listing(file)}")
    named = next((v for v in file.variables if v.name == key), None)
    if named is not None and named.kind == LINK:
        file.read(named)  # says why it is refused
    if named is None or not named.numeric:
        raise OptionError(f"{file.shown}: has no array {printable(key)}; {_listing(file)}")
    return named


def _candidates(file: MatFile, options: ReadOptions, cube: bool) -> list[Variable]:
    arrays = [v for v in file.variables if v.numeric and min(v.shape, default=0) > 1]
    if options.mat_axes is not None and cube:
        arrays = [v for v in arrays if len(v.shape) == len(options.mat_axes)]
    three = [v for v in arrays if len(v.shape) == 3]
    two = [v for v in arrays if len(v.shape) == 2]
    if not cube:
        return three + two
    sure = three or [v for v in two if _matches(file, v, options)]
    said = options.mat_axes is not None or options.mat_size is not None
    return sure or (two if said else [])  # what does not fit of the only matrix is said by its name


def _matches(file: MatFile, variable: Variable, options: ReadOptions) -> bool:
    """Whether a matrix has as many pixels as the file or the user says, and as many bands."""
    size = options.mat_size or _stored_size(file)
    if size is None:
        return False
    bands = _scalar(file, _BANDS)
    for pixels, others in (variable.shape, variable.shape[::-1]):
        if pixels == math.prod(size) and bands in (None, others):
            return True
    return False


def _listing(file: MatFile) -> str:
    """Return what a file holds, arrays of numbers first, the large ones first."""
    ordered = sorted(file.variables, key=lambda v: (not v.numeric, -math.prod(v.shape)))
    more = len(ordered) - _MOST_LISTED
    shown = ", ".join(map(str, ordered[:_MOST_LISTED])) or "nothing"
    return f"it holds {shown}" + (f" and {more} more" if more > 0 else "")


def _taken(file: MatFile, variable: Variable, options: ReadOptions, cube: bool) -> Taken:
    """Return what the axes of a variable mean.

    Raises
    ------
    OptionError
        If they cannot be told, or what is said of them does not fit.
    """
    said = options.mat_axes
    flag = "--mat-axes" if cube or options.mat_guide_axes is None else _GUIDE_AXES
    if said is not None and said not in _ORDERS:
        raise OptionError(
            f"{flag} {said}: give the order of r (rows), c (columns) and b (bands), such as "
            "rcb; or bp or pb for a matrix of pixels"
        )
    if said is not None and len(said) != len(variable.shape):
        if cube or options.mat_guide_axes is not None:
            raise OptionError(f"{flag} {said}: {file.shown}: {variable} has other axes")
        said = said.replace("b", "") if len(variable.shape) == 2 and len(said) == 3 else None
    if len(variable.shape) not in _AXES:
        raise OptionError(f"{file.shown}: {variable} has neither two nor three axes")
    axes = said or (_AXES[len(variable.shape)] if not cube or len(variable.shape) == 3 else None)
    if axes is None or "p" in axes.lower():
        return _matrix(file, variable, options, axes)
    sizes = dict(zip(axes, variable.shape, strict=True))
    return Taken(variable, axes, (sizes["r"], sizes["c"]), sizes.get("b", 1))


def _matrix(file: MatFile, variable: Variable, options: ReadOptions, axes: str | None) -> Taken:
    size = options.mat_size or _stored_size(file)
    if size is None:
        raise OptionError(
            f"{file.shown}: {variable} is a matrix of pixels of an image whose size no variable "
            "says; give it with --mat-size HEIGHTxWIDTH"
        )
    count = math.prod(size)
    if axes is None:
        axes = "pb" if variable.shape[0] == count != variable.shape[1] else "bp"
    pixels = variable.shape[axes.lower().index("p")]
    if pixels != count:
        raise OptionError(
            f"{file.shown}: {variable} has {pixels} pixels, an image of {size[0]} x {size[1]} has "
            f"{count}; say otherwise with --mat-size and --mat-axes"
        )
    return Taken(variable, axes, size, variable.shape[axes.index("b")])


def _stored_size(file: MatFile) -> tuple[int, int] | None:
    height, width = _scalar(file, _HEIGHTS), _scalar(file, _WIDTHS)
    return None if height is None or width is None else (height, width)


def _scalar(file: MatFile, names: Sequence[str]) -> int | None:
    """Return the positive whole number that a variable of one of these names holds."""
    values = _small(file, names, 1)
    if values is None or not (values[0] >= 1 and values[0] == int(values[0])):
        return None
    return int(values[0])


def _small(file: MatFile, names: Sequence[str], count: int) -> NDArray[np.float64] | None:
    """Return the finite numbers of a variable of one of these names, if it has so many."""
    for variable in file.variables:
        if variable.name.casefold() not in names or not variable.numeric:
            continue
        if math.prod(variable.shape) == count:
            values = np.asarray(file.read(variable), np.float64).reshape(-1)
            return values if np.isfinite(values).all() else None
    return None


def _spectra(file: MatFile, taken: Taken, cube: bool) -> tuple[Spectra | None, tuple[str, ...]]:
    """Return the wavelengths in a file, and what it says if there are not as many as bands."""
    if taken.bands == 1:
        return None, ()
    centers = _small(file, _CENTERS, taken.bands)
    if centers is not None:
        return in_nm([float(c) for c in centers], None, file.shown)
    lists = [v for v in file.variables if v.name.casefold() in _CENTERS and v.numeric]
    if not (cube and lists):
        return None, ()
    hint = "; is --mat-axes right?" if math.prod(lists[0].shape) in taken.variable.shape else ""
    return None, (f"{file.shown}: {lists[0]} is ignored, the cube is taken to have {taken.bands} "
                  f"bands{hint}",)  # fmt: skip


def _source(file: MatFile, taken: Taken, names: tuple[str, ...], options: ReadOptions) -> Source:
    grid = Grid(*taken.size, Affine.identity(), None)
    if isinstance(file, Mat73) and "p" not in taken.axes.lower():
        return file.source(taken.variable, taken.axes, grid, names, options)
    values = _cube(np.asanyarray(file.read(taken.variable)), taken)
    return BareArray(grid, values, names, options.nodata, file.shown)


def _cube(values: NDArray[np.generic], taken: Taken) -> NDArray[np.generic]:
    """Return [C, H, W], without a copy where that is possible."""
    axes = taken.axes
    if "p" in axes.lower():
        flat = values if axes[0] == "b" else values.T
        if "P" in axes:
            return flat.reshape(taken.bands, *taken.size)
        height, width = taken.size
        return flat.reshape(taken.bands, width, height).transpose(0, 2, 1)
    if "b" not in axes:
        values, axes = values[..., None], axes + "b"
    return values.transpose([axes.index(axis) for axis in "brc"])
