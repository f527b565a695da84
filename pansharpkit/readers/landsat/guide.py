"""Landsat's 30 m bands as the fine image of a hyperspectral pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pansharpkit.readers.archive import BareNames, FolderFiles, ProductFiles
from pansharpkit.readers.landsat.files import (
    CARRIED,
    Instrument,
    bands_with_clouds,
    choose_bands,
    fetch_bands,
    find_mtl,
    instrument_of,
    is_mtl,
    landsat_files,
    open_band,
    product_id,
    reflectance,
)
from pansharpkit.readers.landsat.mtl import Mtl, read_mtl
from pansharpkit.readers.presets import spectra_of
from pansharpkit.readers.product import Cube, ReadOptions


def is_landsat(path: Path) -> bool:
    """Whether a path is a Landsat product: its folder, or its metadata file."""
    return holds_landsat(FolderFiles(path).names) if path.is_dir() else is_mtl(path)


def holds_landsat(names: Sequence[str]) -> bool:
    """Whether files of these names are a Landsat product."""
    return any(is_mtl(Path(name)) for name in names)


def open_landsat_guide(path: Path, options: ReadOptions) -> Cube:
    """Open the product in a folder, or beside its MTL, as `open_landsat_guide_files` does."""
    chosen = None if path.is_dir() else path.name
    return open_landsat_guide_files(landsat_files(path), options, chosen)


def open_landsat_guide_files(
    files: ProductFiles, options: ReadOptions, mtl: str | None = None
) -> Cube:
    """Open the reflective 30 m bands of a Landsat 4 to 9 product of Level 1 or 2.

    Level 2, surface reflectance, fits a cube of surface reflectance. Cirrus and thermal bands are
    left out, the first unless `ReadOptions.guide_bands` asks for it.

    Parameters
    ----------
    mtl : bare name of the metadata file; the only one there is by default.

    Raises
    ------
    FileReadError
        If the product is incomplete or a file of it is broken.
    MetadataError
        If the MTL is broken or lacks a key.
    OptionError
        If a band is asked for that does not exist.
    """
    try:
        bare = BareNames(files)
        name = mtl or find_mtl(bare)
        return _open(bare, read_mtl(bare.fetch([name])[name]), options)
    except BaseException:
        files.close()
        raise


def _open(files: ProductFiles, mtl: Mtl, options: ReadOptions) -> Cube:
    instrument = _reflective(instrument_of(mtl, pan=False))
    bands = choose_bands(options.guide_bands, instrument, "--guide-bands", least=1)
    paths = fetch_bands(files, mtl, bands)
    zero = replace(options, default_nodata=0.0)
    parts = [open_band(path, band, zero, files) for band, path in paths.items()]
    label = f"{product_id(mtl)} {','.join(bands)}"
    source, clouds, said = bands_with_clouds(parts, label, files, mtl, options)
    scaled = mtl.get(*(f"REFLECTANCE_MULT_BAND_{band[1:]}" for band in bands)) is not None
    return Cube(
        source=source,
        spectra=spectra_of(instrument.sensor_id, bands),
        sensor_id=instrument.sensor_id,
        metadata={key: mtl.values[key] for key in CARRIED if key in mtl.values},
        notices=(*dict.fromkeys(n for part in parts for n in part.notices), *said),
        scaling=tuple(reflectance(mtl, band) for band in bands) if scaled else None,
        clouds=clouds,
    )


def _reflective(instrument: Instrument) -> Instrument:
    """Return the instrument whose default are all bands that see the ground."""
    seen = tuple(code for name, code in instrument.colours.items() if name != "cirrus")
    return replace(instrument, default=seen)
