"""Images that a product describes as layers of tiles: opened, checked, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from affine import Affine

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.grid import Window
from pansharpkit.readers.archive import FolderFiles, ProductFiles, points_outside
from pansharpkit.readers.derived import stack
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.mosaic import Tile, mosaic
from pansharpkit.readers.product import Cube, Product, ReadOptions
from pansharpkit.readers.safe_open import printable
from pansharpkit.sensor import Sensor
from pansharpkit.source import Source

Opened = TypeVar("Opened", Product, Cube)

DEPTH = 3
"""Levels of folders below a delivery in which its files may lie."""


class IncompletePairError(FileReadError):
    """A delivery holds a PAN or an MS image, but not both."""


@dataclass(frozen=True)
class Layer:
    """Bands that lie together in one set of tiles."""

    label: str
    """Name of the file that describes the tiles."""
    names: tuple[str, ...]
    """Bands of each tile, in their order."""
    files: tuple[str, ...]
    """Names of the tiles among the product's files."""
    places: tuple[Window, ...]
    """Pixels of the image that each tile holds."""
    size: tuple[int, int]
    """Height and width of the image."""
    overlap: tuple[int, int] = (0, 0)
    """Rows and columns that neighbours share."""
    transform: Affine | None = None
    """Geotransform of the image, for tiles that carry none."""


def open_layers(
    files: ProductFiles, layers: Sequence[Layer], chosen: Sequence[int], options: ReadOptions
) -> tuple[Source, tuple[str, ...]]:
    """Open bands of an image in the order given, and say what the user should know of it.

    Parameters
    ----------
    chosen : positions in the bands of all layers, one after the other.

    Raises
    ------
    FileReadError
        If a tile is missing or broken, or none holds data.
    GridError, InputError
        If the image is too large, or tiles do not fit together, see `mosaic`.
    """
    places = [(n, i) for n, layer in enumerate(layers) for i in range(len(layer.names))]
    used = {places[position][0] for position in chosen}
    opened = {n: _open_tiles(files, layers[n], options) for n in sorted(used)}
    parts, notices = [], [n for tiles in opened.values() for tile in tiles for n in tile.notices]
    for n, group in groupby((places[position] for position in chosen), key=lambda place: place[0]):
        indices = [i for _, i in group]
        layer = layers[n]
        tiles = [
            Tile(source.select(indices), place)
            for source, place in zip(opened[n], layer.places, strict=True)
        ]
        part, said = mosaic(tiles, layer.size, layer.label, layer.overlap)
        parts.append(part)
        notices += said
    return stack(parts, layers[0].label), tuple(dict.fromkeys(notices))


def _open_tiles(files: ProductFiles, layer: Layer, options: ReadOptions) -> list[GeoTiffSource]:
    if layer.size[0] * layer.size[1] > options.max_pixels:
        raise InputError(
            f"{layer.label}: an image of {layer.size[1]} x {layer.size[0]} pixels, at most "
            f"{options.max_pixels} are allowed; raise --max-pixels if this is right"
        )
    missing = [name for name in layer.files if name not in files.names]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FileReadError(
            f"{files.label}: tile {printable(missing[0])}{more} of {layer.label} is missing; get "
            "the whole product"
        )
    paths = files.fetch(layer.files)
    tiles = [
        _open_tile(paths[name], place, layer, files, options)
        for name, place in zip(layer.files, layer.places, strict=True)
    ]
    if all(tile.blank for tile in tiles):
        raise FileReadError(
            f"{files.label}: no tile of {layer.label} holds data, every pixel is zero or nodata; "
            "get the product again"
        )
    return tiles


def _open_tile(
    path: Path, place: Window, layer: Layer, files: ProductFiles, options: ReadOptions
) -> GeoTiffSource:
    transform = layer.transform
    if transform is not None:
        transform = transform @ Affine.translation(place.col, place.row)
    return open_geotiff(
        path,
        options,
        band_names=layer.names,
        keep=files,
        tile=len(layer.files) > 1,
        transform=transform,
    )


def find_file(files: ProductFiles, folder: str, name: str, described_in: str) -> str:
    """Return the name among the product's files that a metadata file means, whatever its case.

    A file that is not there is returned as it is written, for the error to name it.

    Parameters
    ----------
    folder : where the metadata file lies, with a slash at the end, or empty.

    Raises
    ------
    FileReadError
        If the name leads out of the product.
    """
    plain = name.removeprefix("./")
    if points_outside(plain) or ":" in plain or not plain:
        raise FileReadError(
            f"{described_in}: names the file {printable(name)[:80]!r}, which points out of the "
            "product; get it again"
        )
    wanted = folder + plain
    if wanted in files.names:
        return wanted
    like = [found for found in files.names if found.casefold() == wanted.casefold()]
    return like[0] if like else wanted


def choose_bands(
    wanted: Sequence[str] | None,
    names: Sequence[str],
    codes: Sequence[str],
    sensor: Sensor | None,
    option: str = "--bands",
    least: int = 2,
) -> tuple[int, ...]:
    """Return the positions of the wanted bands, in the order asked for; all of them by default.

    A band goes by its name, the vendor's code, its colour, or its number from 1.

    Raises
    ------
    OptionError
        If a band does not exist or is asked for twice, or there are fewer than `least`.
    """
    if wanted is None:
        return tuple(range(len(names)))
    known = {band.name: band.common_name for band in sensor.bands} if sensor else {}
    keys = (
        [name.casefold() for name in names],
        [code.casefold() for code in codes],
        [known.get(name) for name in names],
        [str(number) for number in range(1, len(names) + 1)],
    )
    found = tuple(_position(text, keys, names, option) for text in wanted)
    if len(set(found)) < max(least, len(found)):
        raise OptionError(f"{option} {','.join(wanted)}: give at least {least} different bands")
    return found


def _position(
    text: str, keys: Sequence[Sequence[str | None]], names: Sequence[str], option: str
) -> int:
    key = text.casefold()
    for known in keys:  # a name counts before a code, a code before a colour
        if known.count(key) == 1:
            return known.index(key)
    why = "is the PAN band that sharpens the others" if key in ("p", "pan") else "is no such band"
    raise OptionError(f"{option} {text}: {why}; choose from {', '.join(names)}")


def with_nodata(options: ReadOptions, nodata: float | None) -> ReadOptions:
    """Return the options with the product's nodata value, for want of one from the user."""
    return replace(options, default_nodata=nodata)


def with_the_rest(path: Path, open_files: Callable[[ProductFiles, str], Opened]) -> Opened:
    """Open a delivery by one of its metadata files: in its folder, or one folder up."""
    path = path.absolute()
    try:
        return open_files(FolderFiles(path.parent, DEPTH), path.name)
    except IncompletePairError:
        upper = path.parent.parent
        return open_files(FolderFiles(upper, DEPTH), f"{path.parent.name}/{path.name}")
