"""Which family of hyperspectral cubes a file is of, and what opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.readers.archive import MOST_BESIDE, FolderFiles, ProductFiles
from pansharpkit.readers.cubes.desis import is_desis, is_desis_image, open_desis, open_desis_image
from pansharpkit.readers.cubes.enmap import is_enmap, is_enmap_image, open_enmap, open_enmap_image
from pansharpkit.readers.cubes.hyperion import is_hyperion, open_hyperion
from pansharpkit.readers.cubes.prisma import is_prisma, open_prisma
from pansharpkit.readers.cubes.raster import is_raster, open_raster_cube, raster_cube
from pansharpkit.readers.dimap.image import is_dim
from pansharpkit.readers.envi.image import (
    header_and_data,
    is_envi_data,
    is_header,
    open_envi,
)
from pansharpkit.readers.geotiff import open_geotiff
from pansharpkit.readers.landsat.product import is_mtl
from pansharpkit.readers.matlab.cube import is_matlab, open_matlab
from pansharpkit.readers.maxar.isd import is_isd
from pansharpkit.readers.peek import names_in
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.tiled import DEPTH
from pansharpkit.readers.zipped import is_packed, unpacker


@dataclass(frozen=True)
class Family:
    """A kind of cube, known by the name of one file of it."""

    description: str
    """What it is, for messages."""
    named: Callable[[str], bool]
    """Whether a bare file name is that of the file which stands for a cube of this kind."""
    open: Callable[[ProductFiles, str, ReadOptions], Cube]
    """Opens the cube that stands among some files by the name of that file."""
    sure: bool = True
    """Whether the name gives away that it is a cube, and not any raster."""
    by_itself: bool = False
    """Whether such a file must be named itself: in a folder it may be anything."""


FAMILIES: tuple[Family, ...] = (
    Family("an EnMAP folder, archive or METADATA.XML", is_enmap, open_enmap),
    Family("an EnMAP SPECTRAL_IMAGE", is_enmap_image, open_enmap_image),
    Family("a DESIS folder, archive or METADATA.xml", is_desis, open_desis),
    Family("a DESIS SPECTRAL_IMAGE", is_desis_image, open_desis_image),
    Family("a Hyperion folder, archive or _MTL_L1T.TXT", is_hyperion, open_hyperion),
    Family("an ENVI header (.hdr)", is_header, open_envi),
    Family("the data file of an ENVI header", is_envi_data, open_envi, by_itself=True),
    Family("a PRISMA .he5 file", is_prisma, open_prisma),
    Family("a MATLAB .mat file", is_matlab, open_matlab),
    Family("a GeoTIFF or JPEG 2000 file", is_raster, open_raster_cube, sure=False),
)
"""All that are known, the most particular first."""


def open_cube(name: str | os.PathLike[str], options: ReadOptions | None = None) -> Cube:
    """Open a hyperspectral product: its folder, its archive, its header or its raster.

    Raises
    ------
    FileReadError
        If it does not exist, is of no family that is known, or is broken.
    InputError
        If it is bad, or a folder holds several; see the readers.
    OptionError
        If reflectance is asked for, which cubes do not give.
    """
    options = options or ReadOptions()
    if options.toa:
        raise OptionError("--toa is for PAN and MS products; a cube keeps its own scale")
    path, text = Path(name), os.fspath(name)
    shown = printable(text)
    if "://" in text or text.startswith("/vsi"):  # opened only if that is allowed
        return raster_cube(replace(open_geotiff(text, options), bandwise=True), options)
    if not os.path.lexists(path):
        raise FileReadError(f"{shown}: does not exist; check the path")
    files, found = _candidates(path)
    try:
        for family in FAMILIES:
            if family.by_itself and len(found) > 1:
                continue
            chosen = [n for n in found if family.named(PurePosixPath(n).name)]
            if len(chosen) > 1:
                several = ", ".join(printable(n) for n in chosen[:5])
                what = "several cubes" if family.sure else "rasters, but no metadata of a cube"
                raise InputError(f"{shown}: holds {what} ({several}); give one of them")
            if chosen:
                return family.open(files, chosen[0], options)
    except BaseException:
        files.close()
        raise
    files.close()
    known = "; ".join(family.description for family in FAMILIES)
    raise FileReadError(f"{shown}: is no hyperspectral cube that is known: give {known}")


def is_cube(name: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a cube, and not of any raster, as far as names can tell.

    A folder or archive with metadata of Landsat, Maxar or Airbus is theirs, whatever else is in it.
    """
    path = Path(name)
    bare = [PurePosixPath(n).name for n in names_in(path)]
    inside = path.is_dir() or is_packed(path)
    if inside and any(is_mtl(Path(n)) or is_isd(n) or is_dim(n) for n in bare):
        return False
    return any(
        family.sure and not (inside and family.by_itself) and any(map(family.named, bare))
        for family in FAMILIES
    )


def cube_files(name: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the files that an output must not replace: all of a cube's folder, header and data."""
    path = Path(name)
    try:
        if path.is_dir():
            files = FolderFiles(path, DEPTH)
            return tuple(files.fetch(files.names).values())
        if is_header(path.name) or is_envi_data(path.name):
            files = FolderFiles(path.absolute().parent)
            return tuple(files.fetch(header_and_data(files, path.name)).values())
    except FileReadError:  # opening it says so
        pass
    return (path,)


def _candidates(path: Path) -> tuple[ProductFiles, tuple[str, ...]]:
    """Return the files among which a cube lies, and the names that may stand for it."""
    if path.is_dir():
        folder = FolderFiles(path, DEPTH)
        return folder, folder.names
    if is_packed(path):
        files = unpacker(path)
        return files, files.names
    return FolderFiles(path.absolute().parent, most=MOST_BESIDE), (path.name,)
