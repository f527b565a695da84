"""From images to a scene whose target and guide share one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit.errors import OptionError
from pansharpkit.grid import Window
from pansharpkit.matching import unknown_sensor
from pansharpkit.overlap import window_inside
from pansharpkit.readers.derived import StackedSource, bands_of
from pansharpkit.readers.envi.image import is_header
from pansharpkit.readers.pair import position_of
from pansharpkit.same.colour import Colours, LuminanceSource, Order
from pansharpkit.same.grids import on_one_grid
from pansharpkit.same.images import Image, open_image
from pansharpkit.same.request import FALLBACKS, NO_COLOUR, ImagesRequest
from pansharpkit.same.scale import matched, spread_of
from pansharpkit.scene import Scene
from pansharpkit.source import Source


@dataclass(frozen=True)
class Opened:
    """Images ready to be made into one."""

    scene: Scene
    """Target: what gives grid and units. Guide: the bands of the others, one after the other."""
    sources: tuple[Source, ...]
    """Every image on the grid and the scale of the first, one band instead of three where only its
    luminance is used: what indices compare the result with."""
    reference: Source
    """The first image as stored: its type and nodata value are those of the result."""
    shown: tuple[Source, ...]
    """Every image with all bands used, on the grid of the first, for pictures and the report."""
    colours: Colours | None = None
    """Where the colour comes from that goes back on a luminance."""
    maps: tuple[tuple[float, float], ...] = ()
    """(scale, offset) of each image to the scale of the first."""


def open_images(request: ImagesRequest) -> Opened:
    """Open images, bring them onto one grid and scale, and pair them.

    Raises
    ------
    OptionError
        If there are too few images, or bands or colours are asked for that do not fit.
    InputError
        Naming the file, what is wrong with it and what to do.
    """
    _check_count(request)
    images = [open_image(name, request.read) for name in request.inputs]
    return opened(images, request)


def opened(images: Sequence[Image], request: ImagesRequest) -> Opened:
    """Return images that are open already as a scene; errors as `open_images`."""
    _check_count(replace(request, inputs=tuple(image.source.label for image in images)))
    images = _chosen(images, request)
    gridded = on_one_grid([image.source for image in images], align=request.align)
    scaled = matched(gridded.sources, images, gridded.domain, request.match)
    said = (*(n for image in images for n in image.notices), *gridded.notices, *scaled.notices)
    used, colours, more = _colours(scaled.sources, request)
    said += (*more, *_constant(used, gridded.domain))
    if request.task == "denoise" and len(used) == 1:
        said += (f"no --guide was given: {used[0].label} guides itself",)
    target, guide = used[0], StackedSource(tuple(used[1:] or used), _label(used[1:] or used))
    extent = gridded.domain
    if request.bounds is not None:
        extent = window_inside(target, gridded.domain, request.bounds, request.bounds_crs)
    first = images[0]
    scene = Scene(
        guide, target, unknown_sensor(target), gridded.domain, extent,
        metadata=first.tags, scaling=_scaling(first, target), notices=tuple(dict.fromkeys(said)),
        fallback=FALLBACKS[request.task],
    )  # fmt: skip
    return Opened(scene, used, first.source, scaled.sources, colours, scaled.maps)


def _check_count(request: ImagesRequest) -> None:
    count = len(request.inputs)
    if request.task == "blend" and count < 2:
        raise OptionError("a blend needs at least two images: A.tif B.tif")
    if len(request.bands) not in (0, 1, count):
        raise OptionError(
            f"--bands was given {len(request.bands)} times for {count} images; give it once for "
            "all, or once for each"
        )


def _chosen(images: Sequence[Image], request: ImagesRequest) -> list[Image]:
    """Return the images with the bands asked for; one list is for those with several bands."""
    wanted = request.bands
    if not wanted:
        return list(images)
    if len(wanted) == 1:
        several = [len(image.source.names) > 1 for image in images]
        if request.task == "denoise":  # the guide may have bands of its own
            several = [True, *(False for _ in images[1:])]
        wanted = tuple(wanted[0] if many else () for many in several)
    return [_with_bands(image, names) for image, names in zip(images, wanted, strict=True)]


def _with_bands(image: Image, wanted: Sequence[str]) -> Image:
    if not wanted:
        return image
    names = image.source.names
    places = list(dict.fromkeys(position_of(text, names) for text in wanted))
    scaling = tuple(image.scaling[i] for i in places) if image.scaling else ()
    return replace(image, source=bands_of(image.source, places), scaling=scaling)


def _colours(
    sources: Sequence[Source], request: ImagesRequest
) -> tuple[tuple[Source, ...], Colours | None, tuple[str, ...]]:
    """Return what is fused, what gives the colour, and what to say about it."""
    counts = [len(source.names) for source in sources]
    wanted = request.colour_from
    if request.task == "denoise" or (wanted is None and len(set(counts)) == 1):
        if wanted is not None:
            raise OptionError("--colour-from is for blends")
        return tuple(sources), None, ()
    if not set(counts) <= {1, 3}:
        found = ", ".join(f"{s.label} has {n}" for s, n in zip(sources, counts, strict=True))
        raise OptionError(
            f"the images have different numbers of bands: {found}; choose with --bands, once for "
            "each image"
        )
    orders = [_order(source) if len(source.names) == 3 else None for source in sources]
    used = tuple(
        source if order is None else LuminanceSource(source, order)
        for source, order in zip(sources, orders, strict=True)
    )
    if wanted is not None and wanted.lower() == NO_COLOUR:
        return used, None, ("only luminances are blended: the result is grey",)
    index = counts.index(3) if wanted is None else _letter(wanted, sources)
    order = orders[index]
    if order is None:
        raise OptionError(f"--colour-from {wanted}: {sources[index].label} has one band, no colour")
    return used, Colours(sources[index], order), (
        f"luminances are blended, and the colour of {sources[index].label} is put on the result",
    )  # fmt: skip


def _order(source: Source) -> Order:
    """Return which bands are red, green and blue: by their names, else in the order stored."""
    from pansharpkit.report.quicklook import rgb_bands  # it loads matplotlib

    found = rgb_bands(source.names)
    return found if any("red" in name.casefold() for name in source.names) else (0, 1, 2)


def _letter(wanted: str, sources: Sequence[Source]) -> int:
    letters = [chr(ord("A") + i) for i in range(len(sources))]
    if wanted.upper() not in letters:
        raise OptionError(
            f"--colour-from {wanted}: choose one of {', '.join(letters)}, or {NO_COLOUR}"
        )
    return letters.index(wanted.upper())


def _constant(sources: Sequence[Source], domain: Window) -> tuple[str, ...]:
    spreads = [(source, spread_of(source, domain)) for source in sources]
    return tuple(
        f"{source.label} seems to be constant ({spread.middle:g}): it adds nothing"
        for source, spread in spreads
        if spread is not None and spread.constant
    )


def _scaling(first: Image, target: Source) -> tuple[tuple[float, float], ...] | None:
    pairs = first.scaling
    plain = not pairs or all(pair == (1.0, 0.0) for pair in pairs)
    if plain or len(pairs) != len(target.names):  # a luminance is on the scale of its bands
        return pairs[:1] if not plain and len(set(pairs)) == 1 else None
    return pairs


def _label(parts: Sequence[Source]) -> str:
    others = len(parts) - 1
    return f"{parts[0].label} and {others} more" if others else parts[0].label


def input_files(request: ImagesRequest) -> tuple[Path, ...]:
    """Return every file that an output must not replace."""
    found = []
    for name in request.inputs:
        path = Path(name)
        found += [path, path.with_suffix(".img")] if is_header(path.name) else [path]
    return tuple(found)
