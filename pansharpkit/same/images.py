"""Any raster as an image: georeferenced or not, a picture or an ENVI file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from affine import Affine

from pansharpkit.grid import Grid
from pansharpkit.readers.envi.image import is_envi_data, is_header
from pansharpkit.readers.geotiff import open_geotiff
from pansharpkit.readers.picture import open_picture
from pansharpkit.readers.product import ReadOptions, Scaling
from pansharpkit.readers.safe_open import PICTURES, locate, open_georeferenced
from pansharpkit.readers.written import open_written
from pansharpkit.source import PlacedSource, Source

_STAND_IN = "EPSG:3857"  # of a raster without CRS, while the reader looks at it
_NOWHERE = (Affine.identity(), Affine.scale(1, -1))


@dataclass(frozen=True)
class Image:
    """A raster as it was given."""

    source: Source
    """A grid with the identity for its transform and without CRS lies nowhere."""
    tags: Mapping[str, str] = field(default_factory=dict)
    scaling: tuple[Scaling, ...] = ()
    """Declared scale and offset of each band."""
    notices: tuple[str, ...] = ()
    full_range: bool = False
    """Whether white is the largest value of the type, as in every picture."""


def is_placed(grid: Grid) -> bool:
    """Return whether a grid says where it lies."""
    return grid.crs is not None or grid.transform not in _NOWHERE


def open_image(name: str, options: ReadOptions | None = None) -> Image:
    """Open a GeoTIFF, a plain TIFF, a JPEG 2000 or ENVI file, or a PNG, JPEG or BMP picture.

    Raises
    ------
    InputError
        As the readers do; a missing georeference or CRS is none of the reasons.
    """
    options = options or ReadOptions()
    path = Path(name)
    if path.suffix.lower() in PICTURES:
        picture = open_picture(name, options)
        return Image(picture, notices=picture.notices, full_range=True)
    if is_header(path.name) or is_envi_data(path.name):
        return Image(open_written(path, options))
    return _tiff(name, options)


def _tiff(name: str, options: ReadOptions) -> Image:
    """Open a TIFF or JPEG 2000 file, wherever it lies."""
    location = locate(name, options, placed=True)
    with open_georeferenced(location, options) as dataset:
        transform = dataset.transform
        nowhere = transform in _NOWHERE
        unknown = nowhere or (dataset.crs is None and options.assume_crs is None)
        points = nowhere and (dataset.gcps[0] or dataset.rpcs is not None)
    reading = replace(options, assume_crs=_STAND_IN) if unknown else options
    source = open_geotiff(name, reading, transform=Affine.scale(2) if nowhere else None)
    notices = source.notices
    if points:
        notices += (
            f"{source.label}: its control points or RPC are not carried over; pixels are taken "
            "as they lie in the file",
        )
    placed: Source = source
    if unknown:
        size = source.grid.height, source.grid.width
        placed = PlacedSource(
            source, Grid(*size, Affine.identity() if nowhere else transform, None)
        )
    return Image(placed, source.tags, source.scaling, notices)
