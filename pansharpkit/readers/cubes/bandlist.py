"""Cubes whose metadata list their bands in XML: one image, one entry for each band of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError, InputError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.classes import CloudMask
from pansharpkit.readers.cubes.livebands import live_cube
from pansharpkit.readers.cubes.raster import band_names, open_bands
from pansharpkit.readers.cubes.spectra import in_nm
from pansharpkit.readers.derived import check_same_grid, stack
from pansharpkit.readers.geotiff import GeoTiffSource, open_geotiff
from pansharpkit.readers.product import Cube, ReadOptions, Scaling
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import Node
from pansharpkit.source import Source, held

MOST_TAGS = 2**20
"""Lists of 224 bands, each with its coefficients, and of dead pixels make some files large."""
_IMAGE_ENDINGS = (".tif", ".tiff", "_cog.tif", "_cog.tiff", ".jp2")


@dataclass(frozen=True)
class BandTags:
    """What the entries of a list of bands are called."""

    path: str
    """Tags down to one entry."""
    number: str
    """Attribute or element that numbers it from 1."""
    center: str
    """Wavelength, nm."""
    fwhm: str
    gain: str
    offset: str


@dataclass(frozen=True)
class ListedBand:
    """One entry of the list."""

    number: int
    center_nm: float
    fwhm_nm: float
    scaling: Scaling


@dataclass(frozen=True)
class Listed:
    """What a maker's metadata say of a cube."""

    image: str
    """Name of its image among the product's files."""
    label: str
    """Name of the metadata file."""
    bands: tuple[ListedBand, ...]
    sensor_id: str
    metadata: Mapping[str, str]
    nodata: float | None
    """What marks missing pixels if the image does not say it."""
    good: tuple[bool, ...] = ()
    """Bands that the maker calls usable; empty if it does not say."""
    notices: tuple[str, ...] = ()


def read_bands(root: Node, tags: BandTags) -> tuple[ListedBand, ...]:
    """Return the bands that metadata list, by their numbers.

    Raises
    ------
    MetadataError
        If there are none, a value is missing, or the numbers are not 1, 2, 3, ...
    """
    found = sorted((_band(node, tags) for node in root.all(tags.path)), key=lambda b: b.number)
    if not found:
        raise MetadataError(f"{root.label}: lists no bands ({tags.path}); get the whole product")
    if [band.number for band in found] != list(range(1, len(found) + 1)):
        raise MetadataError(f"{root.label}: its bands are not numbered 1 to {len(found)}")
    return tuple(found)


def _band(node: Node, tags: BandTags) -> ListedBand:
    number = node.attributes.get(tags.number) or node.text(tags.number) or ""
    if not (number.isascii() and number.isdecimal() and len(number) < 5):
        raise MetadataError(f"{node.label}: a band has the number {printable(number)[:40]!r}")
    offset = node.number(tags.offset) if node.text(tags.offset) else 0.0
    scaling = (node.number(tags.gain), offset)
    return ListedBand(int(number), node.number(tags.center), node.number(tags.fwhm), scaling)


def metadata_beside(files: ProductFiles, image: str, stem: str) -> str | None:
    """Return the name of the metadata file of the product that an image belongs to, or None.

    `stem` is the product's name, with which the bare name of the image begins.
    """
    folder = image[: -len(PurePosixPath(image).name)]
    wanted = f"{folder}{stem}-METADATA.XML".lower()
    return next((name for name in files.names if name.lower() == wanted), None)


def image_of(files: ProductFiles, prefix: str, part: str = "SPECTRAL_IMAGE") -> str:
    """Return the name of an image among the files of a product.

    Raises
    ------
    FileReadError
        If it is missing, or of a format that is not read.
    """
    found = find_image(files, prefix, part)
    if found is not None:
        return found
    wanted = f"{PurePosixPath(prefix).name}-{part}"
    others = [n for n in files.names if PurePosixPath(n).name.startswith(wanted)]
    if others:
        raise FileReadError(
            f"{files.label}: the image is {printable(PurePosixPath(others[0]).name)}, only GeoTIFF "
            "and JPEG 2000 are read with the metadata; give its .hdr, or order GeoTIFF"
        )
    raise FileReadError(f"{files.label}: {printable(wanted)}.TIF is missing; get the whole product")


def find_image(files: ProductFiles, prefix: str, part: str) -> str | None:
    """Return the name of an image among the files of a product, whatever its case; or None."""
    wanted = {f"{prefix}-{part}{ending}".lower() for ending in _IMAGE_ENDINGS}
    return next((name for name in files.names if name.lower() in wanted), None)


def open_listed(
    files: ProductFiles, listed: Listed, options: ReadOptions, clouds: CloudLayers
) -> Cube:
    """Open the cube that metadata describe.

    Raises
    ------
    InputError
        As `open_geotiff` does, and if the image has not as many bands as the metadata list, or
        their wavelengths make no sense.
    """
    names = [band.center_nm for band in listed.bands]
    spectra, said = in_nm(
        names, "nm", listed.label, fwhm=[b.fwhm_nm for b in listed.bands], good=listed.good
    )
    if spectra is None:
        raise MetadataError(f"{' '.join(said)}; get the product again")
    source = open_bands(files, listed.image, options)
    if len(source.names) != len(listed.bands):
        raise InputError(
            f"{source.label}: has {len(source.names)} bands, {listed.label} lists "
            f"{len(listed.bands)}; get the product again"
        )
    source = replace(source, names=band_names(spectra))
    if source.nodata is None and listed.nodata is not None:
        source = replace(source, nodata=held(listed.nodata, source.dtype))
    mask, more = clouds.open(files, source, options)
    cube = Cube(
        source=source,
        spectra=spectra,
        sensor_id=listed.sensor_id,
        metadata=listed.metadata,
        notices=(*listed.notices, *source.notices, *said, *more),
        scaling=tuple(band.scaling for band in listed.bands),
        clouds=mask,
    )
    return live_cube(cube, options)


@dataclass(frozen=True)
class Layer:
    """A quality layer that tells clouds."""

    part: str
    """What follows the product's name in that of the file."""
    bands: tuple[int, ...] = (0,)
    """Its bands that count, from 0."""
    least: int = 1
    """Value from which a pixel counts as cloud, shadow or cirrus."""


@dataclass(frozen=True)
class CloudLayers:
    """The quality layers of a product that tell clouds; a product may lack them."""

    prefix: str
    layers: tuple[Layer, ...]

    def open(
        self, files: ProductFiles, image: Source, options: ReadOptions
    ) -> tuple[Source | None, tuple[str, ...]]:
        """Return one band that is nonzero in clouds, or None, and what the user should know."""
        found, least, said = [], [], []
        for layer in self.layers:
            name = find_image(files, self.prefix, layer.part)
            if name is None:
                continue
            try:
                part = _open_layer(files, name, layer, options)
                check_same_grid(image, part)
            except InputError as error:
                said.append(f"clouds are not masked by {layer.part}: {error}")
                continue
            if not part.blank:
                found.append(part)
                least += [layer.least] * len(part.names)
        if not found:
            return None, tuple(said)
        source = stack(found, image.label)
        return FlagSource(source, tuple(least)), tuple(said)


def _open_layer(
    files: ProductFiles, name: str, layer: Layer, options: ReadOptions
) -> GeoTiffSource:
    read = ReadOptions(max_pixels=options.max_pixels, assume_crs=options.assume_crs)
    source = open_geotiff(files.fetch([name])[name], read, keep=files, tile=True)
    if max(layer.bands) >= len(source.names):
        raise InputError(f"{source.label}: has {len(source.names)} bands, more were expected")
    return source.select(layer.bands)


@dataclass(frozen=True)
class FlagSource(CloudMask):
    """Quality layers seen as a cloud mask: 1 where any layer reaches its level, else 0."""

    least: tuple[int, ...]
    """For each band, the value from which it counts."""

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [1, h, w] zeros and ones, all valid."""
        values, _ = self.source.read(window)
        levels: Sequence[int] = self.least
        found = np.any([band >= level for band, level in zip(values, levels, strict=True)], axis=0)
        return found.astype(np.uint8)[None], np.ones(found.shape, bool)
