"""What every reader returns, and the options that every reader takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pansharpkit.source import Source, held
from pansharpkit.spectra import Spectra

UNNAMED = "band"
"""What bands are called, with a number, where no file names them."""
ONE_OF_RGB = "of a PAN saved in colours take one band: gdal_translate -b 1"
"""What to do with a PAN of several bands."""
Scaling = tuple[float, float]
"""(scale, offset): physical value = scale * stored value + offset."""


@dataclass(frozen=True)
class Product:
    """A guide and a target as delivered, before anyone asked whether they make a pair."""

    guide: Source
    """PAN, one band; beside a cube it may be an image of several bands."""
    target: Source
    """MS, all bands on one grid."""
    sensor_id: str | None = None
    """Preset that the product itself names, such as ``landsat8_oli``."""
    clouds: Source | None = None
    """One uint8 band on the target's grid; nonzero is cloud, shadow or cirrus: such pixels stay
    out of statistics and are fused all the same."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Acquisition tags to carry to the output."""
    notices: tuple[str, ...] = ()
    """What the reader decided and the user should know, one line each."""
    scaling: tuple[Scaling, ...] | None = None
    """Scale and offset of each target band to a physical value, where the product gives them."""
    saturated: float | None = None
    """Stored value that the product declares saturated, in PAN and MS alike."""
    native_depth: bool = True
    """Whether the pixels may be the detector's own numbers, which end at its bit depth."""
    spectra: Spectra | None = None
    """Where the target's bands lie in the spectrum, where the product says it; in their order."""
    guide_sensor_id: str | None = None
    """Preset of a guide of another instrument than the target's."""
    guide_spectra: Spectra | None = None
    """Where the bands of a guide of several bands lie, where its product says it."""


@dataclass(frozen=True)
class Cube:
    """A hyperspectral raster as delivered: a target that brings no finer image, as a rule.

    Dead bands are left out already. A pixel that `source` calls valid has a number in every band.
    """

    source: Source
    """All live bands on one grid. A grid without CRS and with the identity for its transform means
    that the file does not say where it lies."""
    spectra: Spectra | None = None
    """One centre for each band of `source`, in its order; None if the file names none."""
    sensor_id: str | None = None
    """Preset that the product itself names, such as ``enmap``."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Acquisition tags to carry to the output."""
    notices: tuple[str, ...] = ()
    """What the reader decided and the user should know, one line each."""
    scaling: tuple[Scaling, ...] | None = None
    """Scale and offset of each band to a physical value, where the file gives them."""
    clouds: Source | None = None
    """As in `Product`."""
    guide: Source | None = None
    """A finer image that the product brings itself, such as PRISMA's PAN."""
    saturated: float | None = None
    """Stored value that the product declares saturated."""
    native_depth: bool = False
    """As in `Product`: the pixels of most cubes are calibrated."""

    @property
    def georeferenced(self) -> bool:
        """Whether the file says where it lies."""
        return self.source.grid.crs is not None


@dataclass(frozen=True)
class ReadOptions:
    """How inputs may be opened and read."""

    bands: tuple[str, ...] | None = None
    """MS bands to fuse, by name, colour or number from 1; the reader's choice by default."""
    guide_bands: tuple[str, ...] | None = None
    """Bands of a guide of several bands, likewise; of a Sentinel-2 product those at 10 m."""
    mat_key: str | None = None
    """Variable of a MATLAB file that is the cube; the only one that can be by default."""
    mat_guide_key: str | None = None
    """The same of a guide; `mat_key` if its file has such a variable and this is not given."""
    mat_axes: str | None = None
    """What MATLAB's axes are: r, c, b in their order for rows, columns and bands (``rcb`` by
    default); p and b of a matrix, where p runs down the columns of the image (``bp``) or, as P,
    along its rows."""
    mat_guide_axes: str | None = None
    """The same of a guide; in the order of `mat_axes` by default."""
    mat_size: tuple[int, int] | None = None
    """Height and width of the image in a MATLAB matrix of pixels, if no variable says it."""
    toa: bool = False
    """Convert digital numbers to top-of-atmosphere reflectance (products only)."""
    nodata: float | None = None
    """Value that marks missing pixels, instead of what the files declare."""
    default_nodata: float | None = None
    """What a product's reader knows to mark missing pixels, where `nodata` is not given or cannot
    occur in a file's type."""
    assume_crs: str | None = None
    """CRS of files that declare none."""
    allow_remote: bool = False
    """Also open URLs and GDAL virtual paths."""
    sidecars: bool = False
    """Also read what lies beside a file: .aux.xml, .tfw, .ovr, .msk. For trusted folders only."""
    saturated: float | None = None
    """Stored value from which on pixels are saturated; by default that of the sensor's bit depth,
    if no pixel exceeds it, else the largest value of the type."""
    mask_saturated: bool = False
    """Whether saturated pixels are missing, instead of just staying out of statistics."""
    max_pixels: int = 2**34
    """Largest raster accepted, in pixels of one band."""
    max_block_bytes: int = 2**27
    """Largest stored block accepted, in bytes once decompressed."""
    on_bad_block: Literal["fail", "mask"] = "fail"
    """Whether a block that cannot be read fails the scene or becomes a gap in it."""

    def marker(
        self, declared: float | None, dtype: np.dtype[np.generic] | str, label: str
    ) -> tuple[float | None, tuple[str, ...]]:
        """Return the value that marks gaps, and a notice about each that cannot occur."""
        notices: tuple[str, ...] = ()
        for value in (self.nodata, self.default_nodata, declared):
            if value is None:
                continue
            if (found := held(value, dtype)) is not None:
                return found, notices
            text = (
                f"{label}: nodata {value:g} cannot occur in {np.dtype(dtype).name} and is ignored"
            )
            notices = (*notices, text)
        return None, notices
