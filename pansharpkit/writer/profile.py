"""What an output raster is, apart from its pixels."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from rasterio.dtypes import check_dtype
from rasterio.enums import ColorInterp

from pansharpkit.errors import OptionError
from pansharpkit.grid import Grid


@dataclass(frozen=True)
class OutputProfile:
    """Grid, type and metadata of a raster to be written.

    Tuples hold one entry per band; those left empty are not written.

    Raises
    ------
    OptionError
        If the type cannot be stored in a GeoTIFF, the nodata value does not fit the type, or the
        tuples differ in length.
    """

    grid: Grid
    dtype: str
    band_names: tuple[str, ...]
    nodata: float | None = None
    with_mask: bool = False
    """Write validity as a mask inside the file; for outputs without a nodata value."""
    wavelengths_nm: tuple[float | None, ...] = ()
    """Centre wavelengths; None where a band has none."""
    fwhm_nm: tuple[float | None, ...] = ()
    """Full widths at half maximum."""
    scales: tuple[float, ...] = ()
    """Physical value = stored value x scale + offset."""
    offsets: tuple[float, ...] = ()
    color_interp: tuple[str, ...] = ()
    """Colour names as GDAL spells them: ``blue``, ``green``, ``red``, ``undefined``, ..."""
    area_or_point: Literal["Area", "Point"] = "Area"
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the file: software and lineage (see `lineage_tags`), acquisition."""
    creation_options: Mapping[str, str] = field(default_factory=dict)
    """Creation options of the driver, which replace the defaults."""

    def __post_init__(self) -> None:
        _check_dtype(self.dtype)
        _check_nodata(self.nodata, self.dtype)
        if self.nodata is not None and self.with_mask:
            raise OptionError("an output has either a nodata value or a mask, not both")
        if self.grid.window.empty or not self.band_names:
            raise OptionError(f"an output needs pixels and bands: {self.shape}")
        for name in ("wavelengths_nm", "fwhm_nm", "scales", "offsets", "color_interp"):
            if (given := len(getattr(self, name))) not in (0, self.count):
                raise OptionError(f"{given} {name} were given for {self.count} bands")
        if unknown := set(self.color_interp) - set(ColorInterp.__members__):
            raise OptionError(f"no colour interpretation is called {', '.join(sorted(unknown))}")

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.band_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self.count, self.grid.height, self.grid.width

    @property
    def raw_bytes(self) -> int:
        """Size of the pixels in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def digest(self) -> str:
        """Return a hash of all that this profile says, lineage included."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["grid"] = [
            self.grid.height,
            self.grid.width,
            list(self.grid.transform)[:6],
            self.grid.crs.to_wkt() if self.grid.crs else None,
        ]
        text = json.dumps(values, sort_keys=True, default=dict)
        return hashlib.sha256(text.encode()).hexdigest()


def lineage_tags(
    *,
    version: str,
    method: str,
    options: Mapping[str, object],
    inputs: Mapping[str, str | None],
) -> dict[str, str]:
    """Return the file tags that say how an output came to be.

    Parameters
    ----------
    version : of pansharpkit.
    method : name of the method.
    options : its options and those of the run; JSON-ready values.
    inputs : file name (without folder) of each input to its SHA-256, None where it was not hashed.
    """
    named = [{"name": name, "sha256": digest} for name, digest in inputs.items()]
    return {
        "TIFFTAG_SOFTWARE": f"pansharpkit {version}",
        "PANSHARPKIT_VERSION": version,
        "PANSHARPKIT_METHOD": method,
        "PANSHARPKIT_OPTIONS": json.dumps(dict(options), sort_keys=True),
        "PANSHARPKIT_INPUTS": json.dumps(named),
    }


def _check_dtype(dtype: str) -> None:
    if not check_dtype(dtype) or np.dtype(dtype).kind not in "iuf":
        raise OptionError(f"{dtype} pixels cannot be written; use uint8, uint16, int16 or float32")


def _check_nodata(nodata: float | None, dtype: str) -> None:
    # GDAL rejects such a value only after it has created a valid, blank file.
    if nodata is None:
        return
    if np.dtype(dtype).kind == "f":
        fits = not math.isfinite(nodata) or abs(nodata) <= float(np.finfo(dtype).max)
    else:
        info = np.iinfo(dtype)
        fits = math.isfinite(nodata) and nodata == round(nodata) and info.min <= nodata <= info.max
    if not fits:
        raise OptionError(f"nodata {nodata:g} cannot be stored as {dtype}; choose another value")
