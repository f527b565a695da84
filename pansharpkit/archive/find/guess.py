"""What file names say by themselves: which rasters call themselves PAN and MS of one scene."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["pan", "ms"]
_SPLIT = re.compile(r"[-_. ]+")
_GSD = re.compile(r"(?<![A-Za-z0-9])\d+(?:[.p]\d+)?c?m(?![A-Za-z0-9])", re.IGNORECASE)
"""0.5m, 15m, 50cm: differs between the two by nature."""
_STRONG: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("pan", re.compile(r"(?:pan|panchromatic|panchro)(\d{0,2})")),
    ("ms", re.compile(r"(?:ms|mss|mul|multi|multispectral|multispec|xs|mx)(\d{0,2})")),
)
_WEAK: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("pan", re.compile(r"p(\d[abs]s)?")),
    ("ms", re.compile(r"m(\d[abs]s)?")),
)
"""One letter, alone or as Maxar writes it: P2AS, M2AS."""
_HERE = "#"


@dataclass(frozen=True)
class Guess:
    """What a raster calls itself."""

    role: Role
    key: str
    """The path without the words that say the role: that of the other has the same."""
    scene: str
    """The file name without them."""


def guess(place: str) -> Guess | None:
    """Return what a raster calls itself by its path below the archive; None if nothing is said.

    The file name counts first, then the folders from the last on.

    >>> guess("a/tile1_pan_0.5m.tif")
    Guess(role='pan', key='a/tile1_#', scene='tile1')
    >>> guess("a/MUL/17.tif"), guess("a/17.tif")
    (Guess(role='ms', key='a/#/17', scene='17'), None)
    """
    *folders, name = place.split("/")
    words = [_words(part) for part in (*folders, name.rpartition(".")[0])]
    found = next((role for part in words[::-1] if (role := _role(part)) is not None), None)
    if found is None:
        return None
    blanked = [_blanked(part, found) for part in words]
    scene = "_".join(word for word in blanked[-1] if word != _HERE).replace(_HERE, "")
    return Guess(found, "/".join("_".join(part) for part in blanked).casefold(), scene)


def _words(text: str) -> list[str]:
    return [word for word in _SPLIT.split(_GSD.sub("", text)) if word]


def _role(words: list[str]) -> Role | None:
    """Return the role that a name gives, if it gives one and not both."""
    for known in (_STRONG, _WEAK):
        roles = {role for word in words for role, form in known if form.fullmatch(word.lower())}
        if roles:
            return roles.pop() if len(roles) == 1 else None
    return None


def _blanked(words: list[str], role: Role) -> list[str]:
    """Replace the words that say the role, but keep what they are numbered by."""
    for known in (_STRONG, _WEAK):
        form = dict(known)[role]
        if any(form.fullmatch(word.lower()) for word in words):
            return [
                f"{_HERE}{match[1] or ''}" if (match := form.fullmatch(word.lower())) else word
                for word in words
            ]
    return words
