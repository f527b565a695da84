"""Which family of products some files are of, and what opens it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.readers.archive import MOST_BESIDE, FolderFiles, ProductFiles
from pansharpkit.readers.dimap.image import is_dim
from pansharpkit.readers.dimap.product import open_dimap, open_dimap_files
from pansharpkit.readers.landsat.product import is_mtl, open_landsat, open_landsat_files
from pansharpkit.readers.maxar.isd import is_isd
from pansharpkit.readers.maxar.product import open_maxar, open_maxar_files
from pansharpkit.readers.product import Product, ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.tiled import DEPTH, IncompletePairError
from pansharpkit.readers.xmltree import MAX_BYTES, read_bounded
from pansharpkit.readers.zipped import is_packed, unpacker

_METADATA = re.compile(r"\.(imd|til|xml|rpb)$|_MTL\.\w+$", re.IGNORECASE)
_BAND_FILE = re.compile(r"_(B\d+\w*|BQA|QA_\w+|[SV][AZ]A)\.tiff?$", re.IGNORECASE)
_KNOWN = (
    "a Landsat folder, archive or MTL file; a Maxar folder, archive, .IMD, .TIL or .XML; a DIMAP "
    "folder, archive or DIM_*.XML; or a PRISMA .he5"
)


def open_family(name: str, options: ReadOptions | None) -> Product:
    """Open a product of any family: its folder, its archive, or a metadata file of it.

    Raises
    ------
    FileReadError
        If it does not exist or is of no family that is known.
    OptionError
        If it is a raster, which alone is no pair.
    InputError
        If it is bad; see the readers.
    """
    path = Path(name)
    if path.is_dir():
        return _open_folder(path, options)
    if is_packed(path):
        return _open_files(unpacker(path), options)
    if is_mtl(path):
        return open_landsat(path, options)
    if is_dim(path.name) or path.name.upper().startswith("VOL_"):
        return open_dimap(path, options)
    if is_isd(path.name) or path.suffix.lower() == ".xml":
        return open_maxar(path, options)
    if not os.path.lexists(path):
        raise FileReadError(f"{printable(name)}: does not exist; check the path")
    if path.suffix.lower() == ".dim":
        raise FileReadError(f"{printable(name)}: is DIMAP version 1, only 2 is supported")
    raise OptionError(
        f"{printable(name)}: is one raster, and a pair takes two: give the PAN or guide first, the "
        f"MS or cube second; alone goes {_KNOWN}"
    )


def product_files(name: str) -> tuple[Path, ...]:
    """Return the files of a product that lie in folders, as far as they can be listed.

    They are the metadata and what is named like a band or in some metadata; other files that lie
    beside them, such as earlier results, are not among them.
    """
    path = Path(name)
    if path.is_dir():
        folders = [path]
    elif is_mtl(path):
        return _beside_mtl(path)
    elif is_dim(path.name) or is_isd(path.name) or path.suffix.lower() == ".xml":
        folders = [path.absolute().parent, path.absolute().parent.parent]
    else:
        return (path,)
    found = [path]
    for folder in folders:
        with suppress(FileReadError):  # opening it says so
            files = FolderFiles(folder, DEPTH)
            found += _mentioned(list(files.fetch(files.names).values()))
    return tuple(dict.fromkeys(found))


def _beside_mtl(path: Path) -> tuple[Path, ...]:
    """Return the files of a Landsat product among others of its kind in one folder."""
    stem = path.name[: path.name.upper().rindex("_MTL.")]
    with suppress(FileReadError):  # opening it says so
        files = FolderFiles(path.parent, most=MOST_BESIDE)
        found = list(files.fetch(files.names).values())
        own = [file for file in found if file.name.startswith(stem) or not is_mtl(file)]
        return tuple(dict.fromkeys([path, *_mentioned(own)]))
    return (path,)


def _mentioned(paths: list[Path]) -> list[Path]:
    metadata = [path for path in paths if _METADATA.search(path.name)]
    stems = {path.stem.casefold() for path in metadata}
    texts = []
    for path in metadata:
        with suppress(InputError):
            texts.append(read_bounded(path, MAX_BYTES).lower())
    return [
        path
        for path in paths
        if path in metadata
        or path.stem.casefold() in stems
        or _BAND_FILE.search(path.name)
        or any(path.name.lower().encode() in text for text in texts)
    ]


def _open_folder(path: Path, options: ReadOptions | None) -> Product:
    """Open a product by its folder; Landsat's files lie in it, others' may lie deeper."""
    top = FolderFiles(path)
    if any(is_mtl(Path(file)) for file in top.names):
        return open_landsat_files(top, options)
    return _open_files(FolderFiles(path, DEPTH), options)


def _open_files(files: ProductFiles, options: ReadOptions | None) -> Product:
    """Open the product among some files by the names of its metadata."""
    names = files.names
    if any(is_dim(name) for name in names):
        return open_dimap_files(files, options)
    if any(is_mtl(Path(name)) for name in names):
        return open_landsat_files(files, options)
    try:
        return open_maxar_files(files, options)
    except IncompletePairError:
        if any(is_isd(name) for name in names):
            raise
        files.close()
        raise FileReadError(
            f"{files.label}: holds no *_MTL.txt, .json or .xml, no .IMD and no DIM_*.XML, so alone "
            "it is no product that is known; give two: the PAN or guide first, then the MS or cube"
        ) from None
