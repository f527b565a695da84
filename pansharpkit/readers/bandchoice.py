"""Bands of a cube as a user names them, and as messages name them to the user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pansharpkit.errors import OptionError
from pansharpkit.spectra import Spectra

_NUMBERS = re.compile(r"(\d{1,4})-(\d{1,4})")
_RANGE_NM = re.compile(r"(\d{1,5}(?:\.\d+)?)-(\d{1,5}(?:\.\d+)?)nm", re.IGNORECASE)


def positions(
    wanted: Sequence[str], names: Sequence[str], spectra: Spectra | None
) -> tuple[int, ...]:
    """Return where the bands are that a user asks for, from 0, in the order asked.

    Each is a number from 1 (``12``), a range of numbers (``1-90``), a range of wavelengths
    (``450-900nm``), a name, or a word that only one name has.

    Raises
    ------
    OptionError
        If there is no such band, or fewer than two are left.

    >>> positions(["1-2", "700-900nm"], ["a", "b", "c"], Spectra((450, 550, 800)))
    (0, 1, 2)
    """
    found = list(dict.fromkeys(i for text in wanted for i in _positions(text, names, spectra)))
    if len(found) < 2:
        raise OptionError(f"--bands {','.join(wanted)}: give at least 2 different bands")
    return tuple(found)


def _positions(text: str, names: Sequence[str], spectra: Spectra | None) -> Iterable[int]:
    key = text.strip().casefold()
    count = len(names)
    exact = [i for i, name in enumerate(names) if name.casefold() == key]
    if len(exact) == 1:
        return exact
    if key.isdecimal() and 1 <= int(key) <= count:
        return (int(key) - 1,)
    if (match := _NUMBERS.fullmatch(key)) and 1 <= int(match[1]) <= int(match[2]) <= count:
        return range(int(match[1]) - 1, int(match[2]))
    if match := _RANGE_NM.fullmatch(key):
        return _between(float(match[1]), float(match[2]), text, spectra)
    by_word = [i for i, name in enumerate(names) if key in name.casefold().split()]
    if len(by_word) == 1:
        return by_word
    raise OptionError(
        f"--bands {text}: no such band, or more than one, among {count}, {names[0]} to "
        f"{names[-1]}; give numbers (1-90), wavelengths (450-900nm) or names"
    )


def _between(low: float, high: float, text: str, spectra: Spectra | None) -> list[int]:
    if spectra is None:
        raise OptionError(f"--bands {text}: the file names no wavelengths; give numbers (1-90)")
    found = [i for i, center in enumerate(spectra.centers_nm) if low <= center <= high]
    if not found:
        first, last = spectra.extent_nm
        raise OptionError(f"--bands {text}: no band lies there, they lie in {first:g}-{last:g} nm")
    return found


def in_words(bands: Iterable[int], spectra: Spectra | None) -> str:
    """Return bands given from 0 as numbers from 1, runs of them together, with wavelengths.

    >>> in_words({130, 131, 132, 7}, None)
    'bands 8, 131-133'
    """
    ordered = sorted(bands)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b != a + 1)]
    stops = [*(a for a, b in pairwise(ordered) if b != a + 1), ordered[-1]]
    return ("bands " if len(ordered) > 1 else "band ") + ", ".join(
        _run(start, stop, spectra) for start, stop in zip(starts, stops, strict=True)
    )


def _run(start: int, stop: int, spectra: Spectra | None) -> str:
    numbers = f"{start + 1}" if start == stop else f"{start + 1}-{stop + 1}"
    if spectra is None:
        return numbers
    centers = [spectra.centers_nm[i] for i in dict.fromkeys((start, stop))]
    return f"{numbers} ({'-'.join(f'{center:.0f}' for center in centers)} nm)"
