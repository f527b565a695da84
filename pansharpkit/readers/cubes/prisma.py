"""PRISMA products: both detectors' cubes as one, with the PAN image that comes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pansharpkit.errors import InputError, MetadataError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.classes import ClassSource
from pansharpkit.readers.cubes.livebands import live_cube
from pansharpkit.readers.cubes.prisma_grid import cube_grid, pan_grid, read_corners
from pansharpkit.readers.cubes.prisma_layout import (
    Detector,
    Layout,
    read_detectors,
    read_layout,
    read_scaling,
)
from pansharpkit.readers.cubes.raster import band_names
from pansharpkit.readers.derived import ScaledSource
from pansharpkit.readers.hdf.array import HdfSource, check_array, check_holds_data
from pansharpkit.readers.hdf.file import HdfFile, open_hdf
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.source import BandsOf, Source
from pansharpkit.spectra import Spectra

_CLOUDY = 1
_CARRIED = (
    "Product_ID",
    "Product_Name",
    "Processing_Level",
    "Processor_Version",
    "Product_StartTime",
    "Product_StopTime",
    "Sun_zenith_angle",
    "Sun_azimuth_angle",
    "Cloudy_pixels_percentage",
)


def is_prisma(name: str) -> bool:
    """Whether a file name is that of a PRISMA product."""
    return name.lower().endswith(".he5")


def open_prisma(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open a PRISMA product of level 1, 2B, 2C or 2D, with its PAN image as `Cube.guide`.

    The bands ascend. Where both detectors see the same light, about 920 to 1010 nm, the SWIR
    detector's bands count. Numbers stay as they are stored if both cubes share one scale, as in
    level 1; otherwise cube and PAN are converted to reflectance (float32).

    Raises
    ------
    FileReadError
        If the file is truncated, lacks an array, or would pull in other files.
    MetadataError
        If an attribute is missing or cannot be used.
    GridError
        If corners and arrays do not fit.
    """
    file = open_hdf(files.fetch([name])[name], keep=files)
    layout = read_layout(file)
    detectors, notices = read_detectors(file, layout)
    size = _check_cubes(file, layout, detectors, options)
    spectra = _spectra(detectors)
    on_map = layout.level == "2D"
    corners = read_corners(file) if on_map else None
    grid = (
        cube_grid(file, corners, size, layout.cube)
        if corners
        else Grid(*size, Affine.identity(), None)
    )
    if not on_map:
        notices = (*notices, _not_on_map(file, layout))
    pan, said = _pan(file, layout, grid, options)
    cube = live_cube(
        Cube(
            source=_joined(file, layout, detectors, grid, spectra, options),
            spectra=spectra,
            sensor_id="prisma",
            metadata=_metadata(file),
            notices=(*notices, *said),
            scaling=tuple(d.scaling for d in detectors for _ in d.bands),
            clouds=_clouds(file, layout, grid, options),
            guide=pan,
        ),
        options,
    )
    return _one_scale(file, layout, cube)


def _check_cubes(
    file: HdfFile, layout: Layout, detectors: Sequence[Detector], options: ReadOptions
) -> tuple[int, int]:
    """Return height and width, which both cubes must share."""
    places = [f"{layout.cube}/{detector.place}" for detector in detectors]
    shapes = [check_array(file, place, (3,), options).shape for place in places]
    if len({(rows, cols) for rows, _, cols in shapes}) > 1:
        raise InputError(
            f"{file.shown}: its cubes have {shapes[0]} and {shapes[1]} rows, bands and columns, "
            "which are no two of one image; get the product again"
        )
    for detector, place, shape in zip(detectors, places, shapes, strict=True):
        if detector.count != shape[1]:
            raise MetadataError(
                f"{file.shown}: {place} has {shape[1]} bands, List_Cw_{detector.name} lists "
                f"{detector.count}"
            )
    rows, _, cols = shapes[0]
    return rows, cols


def _spectra(detectors: Sequence[Detector]) -> Spectra:
    widths = tuple(width for d in detectors for width in d.fwhm_nm)
    return Spectra(
        tuple(center for d in detectors for center in d.centers_nm),
        widths if all(width > 0 for width in widths) else None,
        tuple(flag for d in detectors for flag in d.flags),
    )


def _not_on_map(file: HdfFile, layout: Layout) -> str:
    return (
        f"{file.shown}: level {layout.level} is not on a map, the output will not be either; get "
        "level 2D for one that is"
    )


@dataclass(frozen=True)
class JoinedSource:
    """The bands of two cubes on one grid, one after the other."""

    parts: tuple[HdfSource, ...]

    @property
    def grid(self) -> Grid:
        """Grid of both."""
        return self.parts[0].grid

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all bands."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type that holds the pixels of both."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def nodata(self) -> float | None:
        """What the user says to mark missing values."""
        return self.parts[0].nodata

    @property
    def label(self) -> str:
        """File name."""
        return self.parts[0].label

    def select(self, positions: Sequence[int]) -> Source:
        """Return the bands at the given positions, from 0, in that order."""
        places = [(n, i) for n, part in enumerate(self.parts) for i in range(len(part.names))]
        chosen = [places[position] for position in positions]
        if chosen != sorted(chosen):
            return BandsOf(self, tuple(positions))
        parts = [
            part.select([i for m, i in chosen if m == n])
            for n, part in enumerate(self.parts)
            if any(m == n for m, _ in chosen)
        ]
        return JoinedSource(tuple(parts))

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window of all bands; a pixel is valid if both cubes have it."""
        reads = [part.read(window) for part in self.parts]
        values = np.concatenate([values.astype(self.dtype, copy=False) for values, _ in reads])
        return values, np.logical_and.reduce([valid for _, valid in reads])


def _joined(
    file: HdfFile,
    layout: Layout,
    detectors: Sequence[Detector],
    grid: Grid,
    spectra: Spectra,
    options: ReadOptions,
) -> Source:
    names, parts, first = band_names(spectra), [], 0
    for detector in detectors:
        place = f"{layout.cube}/{detector.place}"
        part = HdfSource(
            file=file,
            dataset=place,
            axes="rbc",
            bands=detector.bands,
            grid=grid,
            names=names[first : first + len(detector.bands)],
            dtype=check_array(file, place, (3,), options).dtype,
            options=options,
            nodata=options.nodata,
            blank=0.0,
            bandwise=True,
        )
        check_holds_data(part)
        parts.append(part)
        first += len(detector.bands)
    return JoinedSource(tuple(parts))


def _pan(
    file: HdfFile, layout: Layout, grid: Grid, options: ReadOptions
) -> tuple[Source | None, tuple[str, ...]]:
    """Return PAN as it is stored, if the product has it, and what the user should know of it."""
    if layout.pan is None:
        return None, (f"{file.shown}: comes without its PAN image",)
    fields = f"{layout.pan}/Data Fields"
    name = next((n for n in ("Cube", "PAN_Cube") if n in file.names(fields)), "Cube")
    array = check_array(file, f"{fields}/{name}", (2,), options)
    size = (int(array.shape[0]), int(array.shape[1]))
    said: tuple[str, ...] = ()
    if layout.level == "2D":
        placed, said = pan_grid(file, read_corners(file), size, layout.pan, grid)
    else:
        finer = Affine.scale(grid.width / size[1], grid.height / size[0])
        placed = Grid(*size, finer, None)
    pan = HdfSource(
        file=file,
        dataset=f"{fields}/{name}",
        axes="rc",
        bands=(0,),
        grid=placed,
        names=("PAN",),
        dtype=array.dtype,
        options=options,
        nodata=options.nodata,
        blank=0.0,
    )
    check_holds_data(pan)
    return pan, said


def _clouds(file: HdfFile, layout: Layout, grid: Grid, options: ReadOptions) -> Source | None:
    place = f"{layout.masks}/Data Fields/Cloud_Mask"
    if layout.masks is None or file.array(place) is None:
        return None
    array = check_array(file, place, (2,), options)
    if array.shape != (grid.height, grid.width):
        return None
    classes = HdfSource(file, place, "rc", (0,), grid, ("classes",), array.dtype, options)
    return ClassSource(classes, (_CLOUDY,))


def _one_scale(file: HdfFile, layout: Layout, cube: Cube) -> Cube:
    """Convert cube and PAN to physical values unless all bands share one scale already."""
    assert cube.scaling is not None
    if len(set(cube.scaling)) == 1 and layout.level == "1":
        return cube
    pan = cube.guide
    if pan is not None:
        pan = ScaledSource(pan, (read_scaling(file, "Pan", layout.level),))
    return replace(cube, source=ScaledSource(cube.source, cube.scaling), scaling=None, guide=pan)


def _metadata(file: HdfFile) -> dict[str, str]:
    return {key.upper(): text for key in _CARRIED if (text := file.text(key)) is not None}
