"""MATLAB files of version 7.3, which are HDF5 files with their axes in reverse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import InputError
from pansharpkit.grid import Grid
from pansharpkit.readers.hdf.array import HdfSource, check_array, check_holds_data
from pansharpkit.readers.hdf.file import HdfFile, open_hdf
from pansharpkit.readers.matlab.mat5 import NUMERIC, Variable
from pansharpkit.readers.product import ReadOptions

_OWN = "#"  # begins the names of MATLAB's own groups
LINK = "link"
"""Kind of a variable that leads to somewhere else and is not followed."""
_MOST_VARIABLES = 1000
_MOST_BYTES = 2**32


@dataclass(frozen=True)
class Mat73:
    """A file whose variables are known and not read yet."""

    file: HdfFile
    variables: tuple[Variable, ...]

    @property
    def shown(self) -> str:
        """What the user called it."""
        return self.file.shown

    def read(self, variable: Variable) -> NDArray[np.generic]:
        """Return a whole array in MATLAB's shape.

        Raises
        ------
        FileReadError
            If the file is truncated or damaged.
        InputError
            If it is no array of real numbers that fits into memory.
        """
        array = check_array(self.file, variable.name, (1, 2, 3), ReadOptions())
        if array.nbytes > _MOST_BYTES:
            raise InputError(
                f"{self.shown}: {variable} is read as a whole and takes {array.nbytes} bytes, at "
                f"most {_MOST_BYTES} are allowed; store the cube on three axes"
            )
        with self.file.guarded(f"{variable.name} cannot be read"):
            return np.asarray(array[()]).T

    def source(
        self,
        variable: Variable,
        axes: str,
        grid: Grid,
        names: tuple[str, ...],
        options: ReadOptions,
    ) -> HdfSource:
        """Return an array as a raster that is read by windows."""
        array = check_array(self.file, variable.name, (2, 3), options)
        source = HdfSource(
            file=self.file,
            dataset=variable.name,
            axes=axes[::-1],
            bands=tuple(range(len(names))),
            grid=grid,
            names=names,
            dtype=array.dtype,
            options=options,
            nodata=options.nodata,
            bandwise=len(names) > 1,
        )
        check_holds_data(source)
        return source


def open_mat73(path: Path, keep: object = None) -> Mat73:
    """Open a file and list its variables; those that lead to other files are listed as links.

    Raises
    ------
    FileReadError
        If it is truncated or damaged.
    InputError
        If it has absurdly many variables.
    """
    file = open_hdf(path, keep)
    names = [name for name in file.names("/") if not name.startswith(_OWN)]
    if len(names) > _MOST_VARIABLES:
        raise InputError(f"{file.shown}: has more than {_MOST_VARIABLES} variables")
    return Mat73(file, tuple(_variable(file, name) for name in names))


def _variable(file: HdfFile, name: str) -> Variable:
    if not file.is_own(name):
        return Variable(name, (), LINK)
    array = file.array(name)
    if array is None:
        return Variable(name, (), "group")
    with file.guarded(f"{name} cannot be read"):
        shape = tuple(int(n) for n in array.shape or ())[::-1]
        kind = file.text("MATLAB_class", name) or array.dtype.name
        if kind in NUMERIC and array.dtype.kind not in "iuf":
            kind = "complex"
    return Variable(name, shape, kind)
