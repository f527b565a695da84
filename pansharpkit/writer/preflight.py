"""What is known to go wrong with an output before the first pixel is computed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.writer.envi import INTERLEAVES, header_path, is_envi
from pansharpkit.writer.profile import OutputProfile

SUFFIXES = (".tif", ".tiff", *INTERLEAVES)
SIDECARS = (".aux.xml", ".ovr", ".msk")
"""Files that GDAL would take for a part of the output."""

# Uncompressed partial file, its copy with overviews, and the driver's temporary overviews, all as
# if nothing could be compressed: 2.7. Measured peaks: 2.2 for real scenes, 2.5 for noise.
_COPIES = 1 + 4 / 3 + 1 / 3
_SLACK = 16 << 20  # headers, padding of edge blocks in small files


def check_output(
    path: Path,
    profile: OutputProfile,
    *,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
    suffixes: Sequence[str] = SUFFIXES,
) -> None:
    """Refuse an output that cannot or must not be written; touch nothing.

    Parameters
    ----------
    inputs : files that are being read, which the output must not replace.
    suffixes : names that the output may have.

    Raises
    ------
    OptionError
        If the name is no TIFF name, the file exists and `overwrite` is not given, or it is one of
        the inputs, be it under another name.
    OutputError
        If the folder is missing or the disk too small; the message says what is needed and free.
    """
    if path.suffix.lower() not in suffixes:
        raise OptionError(
            f"{path}: outputs are GeoTIFFs or ENVI images; give a name that ends in .tif, or in "
            f"{', '.join(INTERLEAVES)} or .hdr"
        )
    for own in (path, *sidecars(path)):
        check_no_input(own, inputs)
    if path.is_dir():
        raise OptionError(f"{path} is a folder; name a file in it")
    if not overwrite:
        for existing in (path, *sidecars(path)):
            if existing.exists() or existing.is_symlink():
                raise OptionError(f"{existing} exists; pass --overwrite to replace it")
    check_folder(path)
    check_space(path, _room(path, profile))


def check_no_input(path: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output that is one of the files that are being read, be it under another name."""
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise OptionError(f"{path} is the input {source}; choose another output")


def check_folder(path: Path) -> None:
    """Refuse an output in a folder that does not exist."""
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")


def sidecars(path: Path) -> list[Path]:
    """Return the names of all files that would be read together with `path`."""
    found = [path.with_name(path.name + suffix) for suffix in SIDECARS]
    return [*found, header_path(path), path.with_name(path.name + ".hdr")] if is_envi(path) else (
        found)  # fmt: skip


def required_bytes(profile: OutputProfile) -> int:
    """Return how much disk an output needs at most while it is written."""
    mask = profile.grid.height * profile.grid.width // 8 if profile.with_mask else 0
    return int((profile.raw_bytes + mask) * _COPIES) + _SLACK


def _room(path: Path, profile: OutputProfile) -> int:
    return profile.raw_bytes + _SLACK if is_envi(path) else required_bytes(profile)


def check_space(path: Path, needed: int) -> None:
    """Refuse to start what would fill the disk."""
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OutputError(
            f"{path}: {_space_text(path, needed, free)}; make room or choose another folder"
        )


def _space_text(path: Path, needed: int, free: int) -> str:
    return (
        f"writing needs up to {needed / 1e6:.0f} MB ({needed} bytes) in {path.parent}, and "
        f"{free / 1e6:.0f} MB ({free} bytes) are free"
    )


def explain(path: Path, profile: OutputProfile, error: BaseException) -> OutputError:
    """Return what to tell about an output that could not be written, with what it needs."""
    if not path.parent.is_dir():
        return OutputError(f"{path}: the folder {path.parent} vanished, the output with it")
    hidden = None if isinstance(error, OutputError) else error.__cause__  # rasterio's are beneath
    cause = str(hidden or error).rstrip(".")
    space = _space_text(path, _room(path, profile), shutil.disk_usage(path.parent).free)
    return OutputError(
        f"{path} cannot be written: {cause} ({space} now); is the folder writable, the disk full?"
    )
