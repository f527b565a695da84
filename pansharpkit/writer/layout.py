"""How pixels are laid out on disk: the partial file, and the copy that becomes the output."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter
from rasterio.shutil import copy

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.writer.envi import checked_options
from pansharpkit.writer.profile import OutputProfile

_BLOCK = 512
_BLOCK_BYTES = 16 << 20  # largest block of all bands; readers decode it as a whole
_LOSSLESS = {"NONE", "LZW", "DEFLATE", "ZSTD", "LZMA"}
_SIDES = {"BLOCKSIZE", "BLOCKXSIZE", "BLOCKYSIZE"}
_LARGEST = 4096
_POSSIBLE_SIDES = {str(side) for side in range(16, _LARGEST + 1, 16)}
_PREDICTABLE = {"LZW", "DEFLATE", "ZSTD"}


@dataclass(frozen=True)
class Layout:
    """A GDAL driver with the options that keep grid and pixels as they are."""

    driver: str
    level: str
    """Name of the option for the compression level."""
    allowed: Set[str]
    direct: bool
    """Whether windows can be written to it in any order, without a file in between."""


_COMMON = {"BIGTIFF", "COMPRESS", "GEOTIFF_VERSION", "INTERLEAVE", "NUM_THREADS", "PREDICTOR"}
_OVERVIEWS = {"OVERVIEWS"} | {
    f"OVERVIEW_{x}" for x in ("COMPRESS", "COUNT", "PREDICTOR", "RESAMPLING")
}
COG = Layout(
    "COG",
    "LEVEL",
    _COMMON | _OVERVIEWS | {"BLOCKSIZE", "LEVEL", "SPARSE_OK", "STATISTICS"},
    direct=False,
)
GTIFF = Layout(
    "GTiff", "ZLEVEL",
    _COMMON | {"BLOCKXSIZE", "BLOCKYSIZE", "SPARSE_OK", "TILED", "ZLEVEL", "ZSTD_LEVEL"},
    direct=True,
)  # fmt: skip
ENVI = Layout("ENVI", "", {"INTERLEAVE"}, direct=True)


def creation_options(
    path: Path, layout: Layout, profile: OutputProfile, threads: int | None = None
) -> dict[str, str]:
    """Return the driver's options: ours, replaced by those of the profile.

    `threads` compress; as many as there are cores by default.

    Raises
    ------
    OptionError
        If an option is unknown, would change the grid, or would not keep the pixels exactly.
    """
    if layout is ENVI:
        return checked_options(path, profile)
    given = {name.upper(): value for name, value in profile.creation_options.items()}
    if unknown := sorted(set(given) - layout.allowed):
        raise OptionError(
            f"creation option {', '.join(unknown)} is not supported for {layout.driver}; "
            f"choose from {', '.join(sorted(layout.allowed))}"
        )
    codecs = [given.get(name, "DEFLATE").upper() for name in ("COMPRESS", "OVERVIEW_COMPRESS")]
    if lossy := set(codecs) - _LOSSLESS:
        raise OptionError(
            f"creation option COMPRESS={', '.join(lossy)} may change pixels; choose from "
            f"{', '.join(sorted(_LOSSLESS))}"
        )
    for name in given.keys() & _SIDES:  # GDAL takes nonsense for 0 and ends the process
        if given[name] not in _POSSIBLE_SIDES:
            raise OptionError(
                f"creation option {name}={given[name]} must be a multiple of 16 up to {_LARGEST}"
            )
    count = os.environ.get("GDAL_NUM_THREADS", "ALL_CPUS") if threads is None else str(threads)
    return _defaults(layout, profile, codecs[0]) | {"NUM_THREADS": count} | given


def _defaults(layout: Layout, profile: OutputProfile, codec: str) -> dict[str, str]:
    # DEFLATE because it alone betrays a flipped bit. Level 1 with a predictor is as small as level
    # 6, within 3 %, and 13 to 33 % faster (benchmarks/output_cost.py).
    options = {"COMPRESS": codec, "BIGTIFF": "IF_SAFER"}
    if codec in _PREDICTABLE:
        predictor = "3" if np.dtype(profile.dtype).kind == "f" else "2"
        options["PREDICTOR"] = predictor if layout is GTIFF else "YES"  # the COG driver knows best
    if codec == "DEFLATE":
        options[layout.level] = "1"
    side = str(_block_side(profile))
    if layout is GTIFF:
        shape = {"TILED": "YES", "BLOCKXSIZE": side, "BLOCKYSIZE": side}
        return options | shape | {"INTERLEAVE": "PIXEL"}
    options |= {"BLOCKSIZE": side, "OVERVIEW_RESAMPLING": "AVERAGE"}
    if min(profile.grid.height, profile.grid.width) == 1:
        options["OVERVIEWS"] = "NONE"  # the driver would write one of the same size
    return options


def _block_side(profile: OutputProfile) -> int:
    side = _BLOCK
    while side > 128 and side**2 * profile.count * np.dtype(profile.dtype).itemsize > _BLOCK_BYTES:
        side //= 2
    return side


RAW = {"TILED": "YES", "BLOCKXSIZE": "256", "BLOCKYSIZE": "256", "INTERLEAVE": "BAND",
        "SPARSE_OK": "TRUE", "BIGTIFF": "IF_SAFER"}  # fmt: skip


def create_partial(path: Path, profile: OutputProfile, options: Mapping[str, str]) -> DatasetWriter:
    """Create the GeoTIFF that windows are written to, with options of the driver."""
    with _environment(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the inputs are not either
        dataset = rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=profile.grid.width,
            height=profile.grid.height,
            count=profile.count,
            dtype=profile.dtype,
            nodata=profile.nodata,
            crs=profile.grid.crs,
            transform=profile.grid.transform,
            **options,
        )
        try:
            _describe(dataset, profile)
            if profile.with_mask:  # created here: other threads lack this environment
                dataset.write_mask(np.zeros((1, 1), np.uint8), window=((0, 1), (0, 1)))
        except BaseException:
            dataset.close()
            raise
    return dataset


def _describe(dataset: DatasetWriter, profile: OutputProfile) -> None:
    dataset.update_tags(**{**profile.tags, "AREA_OR_POINT": profile.area_or_point})
    dataset.descriptions = profile.band_names
    if profile.color_interp:
        dataset.colorinterp = [ColorInterp[name] for name in profile.color_interp]
    if profile.scales:
        dataset.scales = profile.scales
    if profile.offsets:
        dataset.offsets = profile.offsets
    for band, (plain, imagery) in enumerate(spectral_tags(profile), start=1):
        if plain:
            dataset.update_tags(band, **plain)
        if imagery:
            dataset.update_tags(band, ns="IMAGERY", **imagery)


def spectral_tags(profile: OutputProfile) -> list[tuple[Mapping[str, str], Mapping[str, str]]]:
    """Return for each band its tags in the default and in GDAL's IMAGERY domain."""
    nothing = (None,) * profile.count
    tags: list[tuple[Mapping[str, str], Mapping[str, str]]] = []
    for centre, width in zip(
        profile.wavelengths_nm or nothing, profile.fwhm_nm or nothing, strict=True
    ):
        plain: dict[str, str] = {}
        imagery: dict[str, str] = {}
        if centre is not None:
            plain |= {"WAVELENGTH": f"{centre:g}", "WAVELENGTH_UNITS": "Nanometers"}
            imagery["CENTRAL_WAVELENGTH_UM"] = f"{centre / 1000:.7g}"
        if width is not None:
            plain["FWHM"] = f"{width:g}"
            imagery["FWHM_UM"] = f"{width / 1000:.7g}"
        tags.append((plain, imagery))
    return tags


def copy_to_layout(source: Path, target: Path, layout: Layout, options: Mapping[str, str]) -> None:
    """Copy the partial file into its final layout.

    Raises
    ------
    OutputError
        If the driver fails, for example on a full disk.
    """
    try:
        with _environment():
            copy(source, target, driver=layout.driver, **options)
    except Exception as error:  # GDAL's own exceptions have no public base class
        raise OutputError(f"{target}: {layout.driver} could not be written: {error}") from error


def _environment() -> rasterio.Env:
    return rasterio.Env(
        GDAL_TIFF_INTERNAL_MASK="YES",
        GDAL_PAM_ENABLED="NO",  # nothing beside the file
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
    )
