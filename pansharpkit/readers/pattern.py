"""MS images whose bands lie in files that are named alike: ``scene_B{band}.tif``."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.safe_open import printable

_BRACES = re.compile(r"\{([^{}]*)\}")
_ANY = "band"
_TOKEN = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_MOST_FILES = 100_000

Named = tuple[Path, str]
"""A file and the name of its band."""


def is_pattern(text: str) -> bool:
    """Whether an input is a pattern of file names and no existing file.

    >>> is_pattern("scene_B{band}.tif"), is_pattern("scene.tif")
    (True, False)
    """
    return _BRACES.search(text) is not None and not os.path.lexists(text)


def expand(pattern: str, others: Iterable[str] = ()) -> list[Named]:
    """Return the files that a pattern means, each with the name of its band.

    ``{band}`` stands for whatever tells the files of one folder apart: letters, digits and single
    hyphens. ``{B4,B3,B2}`` stands for these and no others, in this order. Elsewhere in the file
    name ``*`` and ``?`` stand for anything. Digits after a B in the file name are called B2 and so
    on, as sensors call them.

    Parameters
    ----------
    others : inputs that are no bands although they may be named alike, such as the PAN.

    Raises
    ------
    OptionError
        If the pattern does not have braces exactly once, in the file name.
    FileReadError
        If no file fits, a listed one does not, or several fit the same band.
    """
    folder, name = os.path.split(pattern)
    braces = _BRACES.findall(name)
    if len(braces) != 1 or re.search(r"[{}]", folder + _BRACES.sub("", name)):
        raise OptionError(
            f"{printable(pattern)}: write {{band}}, or a list such as {{B4,B3,B2}}, exactly once, "
            "in the file name"
        )
    before, after = _BRACES.split(name)[::2]
    listed = None if braces[0] == _ANY else [token.strip() for token in braces[0].split(",")]
    if listed is not None and not all(re.fullmatch(_TOKEN, token) for token in listed):
        raise OptionError(
            f"{printable(pattern)}: {{{braces[0]}}} is neither {{band}} nor a list of bands"
        )
    excluded = {os.path.realpath(other) for other in others}
    found = _matching(folder or ".", before, after, pattern, excluded)
    tokens = sorted(found, key=_natural) if listed is None else listed
    return [(_only(found, token, pattern), _band(before, token)) for token in tokens]


def _matching(
    folder: str, before: str, after: str, pattern: str, excluded: set[str]
) -> dict[str, list[Path]]:
    """Return the files that fit, by what stands for the band in their names."""
    try:
        with os.scandir(folder) as entries:
            files = [e.name for e in islice(entries, _MOST_FILES) if e.is_file()]
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileReadError(f"{printable(folder)}: cannot be listed: {reason}") from None
    shape = re.compile(f"{_shape(before)}({_TOKEN}){_shape(after)}")
    found: dict[str, list[Path]] = {}
    for name in files:
        match = shape.fullmatch(name)
        path = Path(folder) / name
        if match and os.path.realpath(path) not in excluded:
            found.setdefault(match[1], []).append(path)
    if not found:
        raise FileReadError(f"{printable(pattern)}: no file fits this pattern; check the path")
    return found


def _shape(text: str) -> str:
    """Return the regular expression of a piece of a pattern."""
    return fnmatch.translate(text).removeprefix("(?s:").removesuffix(r")\Z")


def _only(found: dict[str, list[Path]], token: str, pattern: str) -> Path:
    files = sorted(found.get(token, []))
    if not files:
        raise FileReadError(
            f"{printable(pattern)}: band {token} is missing, found {', '.join(sorted(found))}"
        )
    if len(files) > 1:
        names = ", ".join(printable(file.name) for file in files[:3])
        raise FileReadError(f"{printable(pattern)}: {len(files)} files fit band {token}: {names}")
    return files[0]


def _band(before: str, token: str) -> str:
    """Return what to call a band.

    >>> _band("scene_B", "2"), _band("scene_b", "8A"), _band("scene_", "red"), _band("RGB", "1")
    ('B2', 'B8A', 'red', '1')
    """
    digits = re.fullmatch(r"0*(\d{1,2}[Aa]?)", token)
    own = re.search(r"(?:^|[^A-Za-z])[Bb]$", before)
    return f"B{digits[1].upper()}" if digits and own else token


def _natural(token: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts B10 after B9."""
    pieces = re.findall(r"\d+|\D+", token)
    return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p.casefold()) for p in pieces]
