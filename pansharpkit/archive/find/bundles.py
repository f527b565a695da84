"""Maxar and DIMAP deliveries: PAN and MS images that their metadata describe, put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Generic, Protocol, TypeVar

from pansharpkit.archive.dates import date_in, moment
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.naming import Draft, key_of
from pansharpkit.archive.find.walk import Folder, Walk, is_raster
from pansharpkit.errors import InputError
from pansharpkit.readers.dimap import image as dimap_image
from pansharpkit.readers.dimap import product as dimap
from pansharpkit.readers.dimap.image import is_dim
from pansharpkit.readers.maxar import isd
from pansharpkit.readers.maxar import product as maxar
from pansharpkit.readers.maxar.isd import is_isd
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.tiled import DEPTH

_TILE = re.compile(r"_R\d+C\d+", re.IGNORECASE)


class _Image(Protocol):
    @property
    def kind(self) -> str: ...


Image = TypeVar("Image", bound=_Image)


@dataclass(frozen=True)
class Vendor(Generic[Image]):
    """How the deliveries of one vendor are read."""

    family: str
    metadata: Callable[[Folder], tuple[str, ...]]
    """Names in a folder that may describe images, and what must be read with them."""
    read: Callable[[Folder], list[Image]]
    file: Callable[[Folder, Image], str]
    """Name of the metadata file of an image."""
    may_pair: Callable[[Image, Image], bool]
    acquired: Callable[[Image], datetime | None]


@dataclass(frozen=True)
class _Placed(Generic[Image]):
    folder: Folder
    image: Image
    path: Path
    """Its metadata file."""


def bundles(vendor: Vendor[Image], folders: Iterable[Folder], found: Walk, catch: Catch) -> None:
    """Find the deliveries of one vendor in some of the folders that were found.

    PAN and MS lie in one folder or in two side by side; or deeper, if what holds both holds
    nothing else.
    """
    root = found.root
    images = [placed for folder in folders for placed in _images(vendor, folder, found, catch)]
    left = images
    for level in range(DEPTH + 1):
        groups: dict[Path, list[_Placed[Image]]] = {}
        for image in left:
            if (above := _above(image, root, level)) is not None:
                groups.setdefault(above, []).append(image)
        used: set[Path] = set()
        for above, group in groups.items():
            for pan, several in _fitting(vendor, group):
                both = {pan.path, *(ms.path for ms in several)}
                # Readers look for the other image no further than one folder over.
                if level < 2 or both == {i.path for i in images if above in i.path.parents}:
                    used |= both
                    product = pan.path if level < 2 else above
                    catch.drafts.append(_draft(vendor, pan, product, root))
        left = [image for image in left if image.path not in used]
    for image in left:
        catch.leave(image.path, _why(image.image.kind))


def _above(image: _Placed[Image], root: Path, level: int) -> Path | None:
    """Return the folder so many levels above that of an image; None outside the archive."""
    above = image.path.parents[level] if level < len(image.path.parents) else root.parent
    return above if above.is_relative_to(root) else None


def _images(
    vendor: Vendor[Image], folder: Folder, found: Walk, catch: Catch
) -> list[_Placed[Image]]:
    names = vendor.metadata(folder)
    if not names:
        return []
    if astray := found.astray_below(folder.path):
        catch.leave(folder.path, astray)
        catch.take_rasters(folder)
        return []
    by_stem = groupby(sorted(names, key=_stem), key=_stem)
    placed = [
        one for _, group in by_stem for one in _described(vendor, folder, tuple(group), catch)
    ]
    catch.take_rasters(folder)
    return placed


def _described(
    vendor: Vendor[Image], folder: Folder, names: tuple[str, ...], catch: Catch
) -> list[_Placed[Image]]:
    """Read the metadata of one image, which other files of the same name complete."""
    try:
        found = vendor.read(replace(folder, names=names))
        placed = [_Placed(folder, i, folder.path / vendor.file(folder, i)) for i in found]
        for one in placed:
            _ = one.image.kind  # broken metadata say so here
    except InputError as error:
        catch.leave(folder.path / names[0], str(error))
        return []
    return placed


def _fitting(
    vendor: Vendor[Image], images: Sequence[_Placed[Image]]
) -> Iterator[tuple[_Placed[Image], list[_Placed[Image]]]]:
    """Yield every PAN among some images that has its MS there, with them."""
    for pan in images:
        several = [
            other
            for other in images
            if pan.image.kind == "pan"
            and other.image.kind == "ms"
            and vendor.may_pair(other.image, pan.image)
        ]
        if several:
            yield pan, several


def _draft(vendor: Vendor[Image], pan: _Placed[Image], product: Path, root: Path) -> Draft:
    return Draft(
        wish=pan.path.stem.removeprefix("DIM_"),
        inputs=(str(product),),
        family=vendor.family,
        key=key_of([product], root),
        parent=pan.folder.place,
        acquired=vendor.acquired(pan.image) or date_in(pan.path.name),
        source=printable(str(pan.path)),
    )


def _why(kind: str) -> str:
    if kind == "pansharpened":
        return "is sharpened already; order PAN and MS apart to fuse them"
    if kind == "swir":
        return "is a SWIR image, which PAN does not sharpen; order the MS image"
    missing = "MS" if kind == "pan" else "PAN"
    return f"is {kind.upper()} without its {missing}, which should lie beside it or one folder over"


def _maxar_metadata(folder: Folder) -> tuple[str, ...]:
    """Return .IMD, .TIL, .RPB, and XML files that are called like a raster beside them."""
    stems = {_stem(name) for name in folder.names if is_raster(name)}
    tiled = any(_TILE.search(stem) for stem in stems)
    names = tuple(
        name
        for name in folder.names
        if is_isd(name)
        or (name.lower().endswith(".xml") and not is_dim(name) and (tiled or _stem(name) in stems))
    )
    rest = (name for name in folder.names if name.lower().endswith(".rpb"))
    return (*names, *rest) if names else ()


def _stem(name: str) -> str:
    return name.rpartition(".")[0].casefold()


def _maxar_file(folder: Folder, image: isd.Image) -> str:
    stem = PurePosixPath(image.stem).name
    return next(n for s in (".imd", ".xml") for n in folder.names if n.lower() == stem.lower() + s)


def _maxar_time(image: isd.Image) -> datetime | None:
    return moment(image.first("firstLineTime", "earliestAcqTime"))


def _dimap_time(image: dimap_image.Image) -> datetime | None:
    try:
        return image.time
    except InputError:  # opening it says so
        return None


MAXAR = Vendor("maxar", _maxar_metadata, isd.find_images, _maxar_file, maxar.may_pair, _maxar_time)
DIMAP = Vendor(
    "dimap",
    lambda folder: tuple(name for name in folder.names if is_dim(name)),
    dimap_image.find_images,
    lambda _, image: image.name,
    dimap.may_pair,
    _dimap_time,
)
