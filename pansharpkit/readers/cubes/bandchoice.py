"""Bands of a cube as a user names them, and as messages name them to the user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pansharpkit.errors import OptionError
from pansharpkit.spectra import Spectra

_NUMBER = re.compile(r"[0-9]{1,4}")
_NUMBERS = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")
_NUMBERED = re.compile(r"band ([0-9]{1,4})(?: \(.*)?", re.IGNORECASE)
_RANGE_NM = re.compile(r"(\d{1,5}(?:\.\d+)?)-(\d{1,5}(?:\.\d+)?)nm", re.IGNORECASE)


def positions(
    wanted: Sequence[str], names: Sequence[str], spectra: Spectra | None
) -> tuple[int, ...]:
    """Return where the bands are that a user asks for, from 0, in the order asked.

    Each is a number as in `numbers_of` (``12``), a range of numbers (``1-90``), a range of
    wavelengths (``450-900nm``), a name, or a word that only one name has.

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


def numbers_of(names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers by which users know the bands: those in the names, else 1, 2, 3, ...

    >>> numbers_of(["band 8 (427 nm)", "band 9 (437 nm)"]), numbers_of(["red", "band 7"])
    ((8, 9), (1, 2))
    """
    found = [_NUMBERED.fullmatch(name) for name in names]
    numbers = tuple(int(match[1]) for match in found if match is not None)
    counted = len(numbers) == len(names) == len(set(numbers))
    return numbers if counted else tuple(range(1, len(names) + 1))


def _positions(text: str, names: Sequence[str], spectra: Spectra | None) -> Iterable[int]:
    key = text.strip().casefold()
    exact = [i for i, name in enumerate(names) if name.casefold() == key]
    if len(exact) == 1:
        return exact
    numbers = numbers_of(names)
    if _NUMBER.fullmatch(key) and int(key) in numbers:
        return (numbers.index(int(key)),)
    if (match := _NUMBERS.fullmatch(key)) and {int(match[1]), int(match[2])} <= set(numbers):
        low, high = int(match[1]), int(match[2])
        return [i for i, number in enumerate(numbers) if low <= number <= high]
    if match := _RANGE_NM.fullmatch(key):
        return _between(float(match[1]), float(match[2]), text, spectra)
    by_word = [i for i, name in enumerate(names) if key in name.casefold().split()]
    if len(by_word) == 1:
        return by_word
    raise OptionError(
        f"--bands {text}: no such band, or more than one, among {len(names)}, {names[0]} to "
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


def in_words(bands: Iterable[int], names: Sequence[str], spectra: Spectra | None) -> str:
    """Return bands given from 0 by their numbers, runs of them together, with wavelengths.

    >>> in_words({130, 131, 132, 7}, ["x"] * 200, None)
    'bands 8, 131-133'
    """
    ordered, numbers = sorted(bands), numbers_of(names)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if numbers[b] != numbers[a] + 1)]
    stops = [*(a for a, b in pairwise(ordered) if numbers[b] != numbers[a] + 1), ordered[-1]]
    runs = zip(starts, stops, strict=True)
    return ("bands " if len(ordered) > 1 else "band ") + ", ".join(
        _run(start, stop, numbers, spectra) for start, stop in runs
    )


def _run(start: int, stop: int, numbers: Sequence[int], spectra: Spectra | None) -> str:
    text = f"{numbers[start]}" if start == stop else f"{numbers[start]}-{numbers[stop]}"
    if spectra is None:
        return text
    centers = [spectra.centers_nm[i] for i in dict.fromkeys((start, stop))]
    return f"{text} ({'-'.join(f'{center:.0f}' for center in centers)} nm)"
