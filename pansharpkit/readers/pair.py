"""A PAN and an MS raster that the user put together."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from pansharpkit.errors import InputError, OptionError
from pansharpkit.readers.derived import stack, unique_names
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.pattern import expand, is_pattern
from pansharpkit.readers.product import ONE_OF_RGB, Product, ReadOptions, Scaling
from pansharpkit.readers.safe_open import printable

_PathLike = str | os.PathLike[str]
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def open_pair(
    pan: _PathLike, ms: Sequence[_PathLike], options: ReadOptions | None = None
) -> Product:
    """Open a PAN GeoTIFF and an MS image given as one GeoTIFF, or as one per band.

    An MS may also be a pattern such as ``scene_B{band}.tif``, see `pattern.expand`. Whether the
    two overlap and fit is not looked at here.

    Raises
    ------
    InputError
        If the PAN has not one band or the MS fewer than two, and whatever `open_geotiff` raises.
    GridError
        If the MS files do not share their grid.
    OptionError
        If a wanted band does not exist, or reflectance is asked for.
    """
    options = options or ReadOptions()
    if options.toa:
        raise OptionError("--toa needs the metadata of a product, two rasters have none")
    if not ms:
        raise OptionError("give a PAN and at least one MS raster")
    _check_twice([pan, *ms])
    guide = open_geotiff(pan, options)
    parts = [part for name in ms for part in _open_ms(name, pan, options)]
    found = sum(len(part.names) for part in parts)
    _check_counts(guide, parts, found)
    if options.bands is not None:
        parts = _select(parts, options.bands)
    target = stack(parts, _label(parts))
    scaling = tuple(pair for part in parts for pair in part.scaling)
    return Product(
        guide=guide,
        target=target,
        metadata={**guide.tags, **parts[0].tags},
        notices=tuple(dict.fromkeys(n for part in (guide, *parts) for n in part.notices)),
        scaling=scaling if _scales(scaling) else None,
    )


def _check_twice(files: Sequence[_PathLike]) -> None:
    real = [os.path.realpath(file) for file in files]
    again = [file for i, file in enumerate(files) if real[i] in real[:i]]
    if again and len(files) > 2:  # of one file for both, the number of bands says what is wrong
        raise OptionError(f"{printable(os.fspath(again[0]))} is given twice; name each file once")


def _open_ms(name: _PathLike, pan: _PathLike, options: ReadOptions) -> list[GeoTiffSource]:
    text = os.fspath(name)
    if not is_pattern(text):
        return [open_geotiff(name, options)]
    return [
        open_geotiff(path, options, band_names=[band])
        for path, band in expand(text, [os.fspath(pan)])
    ]


def _check_counts(guide: GeoTiffSource, parts: Sequence[GeoTiffSource], found: int) -> None:
    names = ", ".join(part.label for part in parts)
    if len(guide.names) != 1:
        swapped = "; are the inputs swapped?" if found == 1 else f"; {ONE_OF_RGB}"
        raise InputError(
            f"{guide.label}: expected a PAN with 1 band, found {len(guide.names)}{swapped}"
        )
    if found < 2:
        raise InputError(
            f"{names}: expected an MS with at least 2 bands, found {found}; give one file with "
            "all bands or one file per band"
        )


def _label(parts: Sequence[GeoTiffSource]) -> str:
    others = len({part.label for part in parts}) - 1
    return f"{parts[0].label} and {others} more" if others else parts[0].label


def _scales(scaling: Sequence[Scaling]) -> bool:
    return any(pair != (1.0, 0.0) for pair in scaling)


def _select(parts: Sequence[GeoTiffSource], wanted: Sequence[str]) -> list[GeoTiffSource]:
    """Return one source per wanted band, merged again where neighbours share a file."""
    places = [(part, i) for part in parts for i in range(len(part.names))]
    names = unique_names(parts)
    positions = [position_of(text, names) for text in wanted]
    chosen = [places[position] for position in positions]
    if len(set(positions)) < max(2, len(positions)):
        raise OptionError(f"--bands {','.join(wanted)}: give at least 2 different bands")
    groups: list[tuple[GeoTiffSource, list[int]]] = []
    for part, i in chosen:
        if groups and groups[-1][0] is part:
            groups[-1][1].append(i)
        else:
            groups.append((part, [i]))
    return [part.select(positions) for part, positions in groups]


def position_of(wanted: str, names: Sequence[str]) -> int:
    """Return where the band called `wanted` is: by name, a word of the name, or its number."""
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    key = wanted.casefold()
    exact = [i for i, name in enumerate(names) if name.casefold() == key]
    by_word = [i for i, name in enumerate(names) if key in _BETWEEN_WORDS.split(name.casefold())]
    for hits in (exact, by_word):
        if len(hits) == 1:
            return hits[0]
    problem = "means several bands" if exact or by_word else "no such band"
    raise OptionError(f"--bands {wanted}: {problem}; there are {', '.join(names)}, numbered from 1")
