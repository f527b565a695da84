"""A raster that this program wrote: a GeoTIFF or an ENVI image, with all of its bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.archive import FolderFiles
from pansharpkit.readers.cubes.spectra import spectra_of_raster
from pansharpkit.readers.envi.image import envi_spectra, is_envi_data, is_header, open_envi_bands
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.source import ArraySource, PlacedSource, Source, Wrapped

_NOWHERE = "EPSG:3857"  # of a raster whose own grid is known to be without CRS


def open_written(
    path: Path, options: ReadOptions | None = None, grid: Grid | None = None
) -> Source:
    """Open a fused raster, or a reference for one, so that no band is left out.

    Parameters
    ----------
    grid : where it lies, for one whose inputs do not say where they lie.

    Raises
    ------
    InputError
        As the readers do.
    """
    if is_header(path.name) or is_envi_data(path.name):
        if not path.is_file():
            raise FileReadError(f"{printable(str(path))}: does not exist; check the path")
        found = open_envi_bands(FolderFiles(path.absolute().parent), path.name, options)
        return WholePixels(PlacedSource(found, grid) if grid and grid.crs is None else found)
    if grid is None or grid.crs is not None:
        return open_geotiff(path, options)
    return PlacedSource(_anywhere(path, options), grid)


def open_unplaced(path: Path, options: ReadOptions | None = None) -> Source:
    """Open such a raster for a comparison pixel by pixel: it may lie nowhere.

    Raises
    ------
    InputError
        As the readers do.
    """
    if is_header(path.name) or is_envi_data(path.name):
        return open_written(path, options)
    return _anywhere(path, options)


def _anywhere(path: Path, options: ReadOptions | None) -> GeoTiffSource:
    """Open a GeoTIFF; one that lies nowhere gets a grid that means nothing."""
    options = options or ReadOptions()
    options = replace(options, assume_crs=options.assume_crs or _NOWHERE)
    return open_geotiff(path, options, transform=Affine.scale(2))


def centers_of(path: Path, options: ReadOptions | None = None) -> tuple[float, ...] | None:
    """Return the wavelength of each band of such a raster, nm; None if it does not say.

    Raises
    ------
    InputError
        As the readers do.
    """
    if is_header(path.name) or is_envi_data(path.name):
        spectra = envi_spectra(FolderFiles(path.absolute().parent), path.name)
    else:
        spectra, _ = spectra_of_raster(_anywhere(path, options))
    return None if spectra is None else spectra.centers_nm


@dataclass(frozen=True)
class WholePixels(Wrapped):
    """A source of which a pixel is valid only if every band is."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read from the source, and leave out what lacks a band."""
        values, valid = self.source.read(window)
        grid = self.grid.subset(window)
        return values, valid & ArraySource(grid, values, self.names, self.nodata).read(
            grid.window
        )[1]  # fmt: skip
