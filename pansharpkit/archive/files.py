"""The files of a scene: what they were, whether they still are, and what was made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pansharpkit.archive.record import OutputFile
from pansharpkit.errors import InputError
from pansharpkit.fingerprint import Fingerprint
from pansharpkit.readers import files_of
from pansharpkit.readers.pattern import is_pattern


def fingerprints(inputs: Sequence[str]) -> dict[str, Fingerprint]:
    """Read all files of a scene and return their fingerprints.

    Names are relative to the folder that holds them all, so that an archive may move.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    return {name: Fingerprint.of(path) for name, path in _files(inputs).items()}


def input_changes(before: Mapping[str, Fingerprint], inputs: Sequence[str]) -> tuple[str, ...]:
    """Return which files of a scene are new, gone or different, one line each.

    Reads only those whose time has changed.
    """
    try:
        now = _files(inputs)
    except InputError as error:
        return (str(error),)
    said = [f"{name} is gone" for name in before if name not in now]
    said += [f"{name} is new" for name in now if name not in before]
    said += [
        f"{name} has changed"
        for name, known in before.items()
        if name in now and not _still(known, now[name])
    ]
    return tuple(sorted(said))


def input_bytes(inputs: Sequence[str]) -> int:
    """Return how large the files of a scene are together; what cannot be seen counts nothing."""
    try:
        return sum(path.stat().st_size for path in _files(inputs).values())
    except (InputError, OSError):
        return 0


def output_changes(output: OutputFile, folder: Path, *, verify: bool = False) -> str | None:
    """Return what is wrong with a raster that was made, or None if it still is the same.

    It is read only if its time has changed, or to `verify` it.
    """
    path = folder / output.path
    try:
        found = path.stat()
    except OSError:
        return f"{output.path} is missing"
    known = Fingerprint(output.bytes, output.modified_ns, output.sha256)
    if verify and found.st_size == output.bytes:
        known = Fingerprint(output.bytes, -1, output.sha256)  # a time that no file has
    return None if _still(known, path) else f"{output.path} was changed"


def _still(known: Fingerprint, path: Path) -> bool:
    try:
        return known.still(path)
    except InputError:
        return False


def _is_plain(name: str) -> bool:
    """Whether a name means one GeoTIFF and nothing else."""
    return name.lower().endswith((".tif", ".tiff")) and not is_pattern(name)


def _files(inputs: Sequence[str]) -> dict[str, Path]:
    plain = len(inputs) > 1 and all(map(_is_plain, inputs))  # then no file needs to be opened
    named = [Path(name) for name in inputs] if plain else files_of(inputs)
    paths = [path for path in named if path.is_file()]
    if not paths:
        raise InputError(f"{', '.join(inputs)}: there is no such file")
    root = os.path.commonpath([path.absolute().parent for path in paths])
    return {Path(os.path.relpath(path.absolute(), root)).as_posix(): path for path in paths}
