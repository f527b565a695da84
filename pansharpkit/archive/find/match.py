"""Which MS belongs to which PAN, where names leave several: by ground, date and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pansharpkit.archive.find.look import Look
from pansharpkit.archive.find.place import shared, table
from pansharpkit.readers.safe_open import printable

LEAST_SHARED = 0.5
"""Part of the smaller of two images that both must show to be a pair."""
_APART = timedelta(days=1)
"""Of two dates that still mean one acquisition: names give the local or the processing day."""
_CLEARLY = 0.1
"""By how much more ground the best of several must be shared to be the one."""
_MOST_NAMED = 4


@dataclass(frozen=True)
class Side:
    """A PAN or an MS image that looks for the other."""

    inputs: tuple[str, ...]
    """What `fuse` takes for it: one file, a pattern of files, or a file for each band."""
    path: Path
    """The file whose header stands for it."""
    acquired: datetime | None = None
    """As its name says it."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.path.parent


@dataclass
class Matched:
    """Pairs, and the sides that have no other."""

    pairs: list[tuple[Side, Side]] = field(default_factory=list)
    """PAN and MS."""
    left: dict[Side, str] = field(default_factory=dict)
    """Why each is alone."""


Looker = Callable[[Side], Look]


def match(options: Mapping[Side, Sequence[Side]], look: Looker) -> Matched:
    """Choose an MS for every PAN.

    A PAN that only one MS fits gets it unseen. An MS may serve several PANs of different ground.

    Parameters
    ----------
    options : by PAN, the MS that fit it so far.
    look : returns what the header of a side says; asked only where there is a choice.
    """
    result = Matched()
    chosen: dict[Side, list[Side]] = {}
    for pan, several in options.items():
        best = several if len(several) == 1 else narrowed(pan, several, look)
        if len(best) == 1:
            chosen.setdefault(best[0], []).append(pan)
        elif best:
            result.left[pan] = f"{len(best)} MS images fit: {_named(best)}; {_REMEDY}"
        elif several:
            result.left[pan] = f"none of {_named(several)} shows its ground on its day; {_REMEDY}"
    for ms, pans in chosen.items():
        kept = _rivals(ms, pans, look)
        result.pairs += [(pan, ms) for pan in pans if pan in kept]
        for pan in (pan for pan in pans if pan not in kept):
            result.left[pan] = f"{_named([ms])} fits {len(pans)} PAN images of one place; {_REMEDY}"
    return result


_REMEDY = "name the right one in a CSV manifest"


def _rivals(ms: Side, pans: Sequence[Side], look: Looker) -> Sequence[Side]:
    """Return the PANs that an MS serves: all if they show different ground, else the nearest."""
    if len(pans) == 1:
        return pans
    boxes = [look(pan).box for pan in pans]
    known = [box for box in boxes if box is not None]
    apart = len(known) == len(pans) and all(
        shared(box, table(known[i + 1 :])).of_smaller.max(initial=0) < LEAST_SHARED
        for i, box in enumerate(known)
    )
    if apart:
        return pans
    best = narrowed(ms, pans, look)
    return best if len(best) == 1 else ()


def narrowed(one: Side, others: Sequence[Side], look: Looker) -> Sequence[Side]:
    """Return those of several that fit best: by ground, then date, folder, and ground again."""
    same_ground = _overlapping(one, others, look)
    same_day = _dated(one, same_ground, look)
    beside = [other for other in same_day if other.folder == one.folder]
    return _closest(one, beside or same_day, look)


def _overlapping(one: Side, others: Sequence[Side], look: Looker) -> list[Side]:
    """Leave out those that show other ground; one that does not say where it lies stays."""
    box = look(one).box
    if box is None:
        return list(others)
    kept = []
    for other in others:
        its = look(other).box
        if its is None or shared(box, table([its])).of_smaller[0] >= LEAST_SHARED:
            kept.append(other)
    return kept


def _dated(one: Side, others: Sequence[Side], look: Looker) -> list[Side]:
    """Leave out those of other days, and all but the nearest in time if all say when."""
    gaps = [gap(_time(one, look), _time(other, look)) for other in others]
    kept = [(o, g) for o, g in zip(others, gaps, strict=True) if g is None or g <= _APART]
    known = [g for _, g in kept if g is not None]
    if len(known) < len(kept) or not known:
        return [other for other, _ in kept]
    return [other for other, apart in kept if apart == min(known)]


def _time(side: Side, look: Looker) -> datetime | None:
    return look(side).acquired or side.acquired


def gap(one: datetime | None, other: datetime | None) -> timedelta | None:
    """Return how far two moments are apart; None if one is not known."""
    return None if one is None or other is None else abs(one - other)


def same_day(one: datetime | None, other: datetime | None) -> bool:
    """Whether two moments may be of one acquisition; also true if one is not known."""
    apart = gap(one, other)
    return apart is None or apart <= _APART


def _closest(one: Side, others: Sequence[Side], look: Looker) -> Sequence[Side]:
    """Return the one with which clearly the most ground is shared, or all."""
    box = look(one).box
    boxes = [look(other).box for other in others]
    known = [other for other in boxes if other is not None]
    if box is None or len(known) < len(others) or len(others) < 2:
        return others
    parts = shared(box, table(known)).of_both
    order = np.argsort(parts)[::-1]
    return [others[order[0]]] if parts[order[0]] - parts[order[1]] >= _CLEARLY else others


def _named(sides: Sequence[Side]) -> str:
    names = [printable(side.path.name) for side in sides[:_MOST_NAMED]]
    more = f" and {len(sides) - _MOST_NAMED} more" if len(sides) > _MOST_NAMED else ""
    return f"{', '.join(names)}{more}"
