"""Ids of scenes: readable, safe as file names, unique in an archive, the same in every run."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pansharpkit.archive.entry import Ring, SceneEntry

_LONGEST = 80
"""Bytes of a slug: with a folder before it and a suffix behind it stays far below 255."""
_UNNAMED = "scene"
_DEVICE = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)
"""Names that Windows keeps for itself."""


@dataclass(frozen=True)
class Draft:
    """A scene that has no id yet."""

    wish: str
    """What it would be called if it were alone."""
    inputs: tuple[str, ...]
    family: str
    key: str
    """What no other scene of the archive has: where its inputs lie below the root."""
    parent: str = ""
    """Folder that tells it from others of its name."""
    acquired: datetime | None = None
    footprint: Ring | None = None
    source: str = ""
    given: bool = False
    """Whether the user chose the name: others make room for it."""


def slug(text: str) -> str:
    """Return a text as a file name without dots: letters and digits of any script, - and _.

    >>> slug("-Zürich 2020/tile.1"), slug("..")
    ('Zürich_2020_tile_1', 'scene')
    """
    plain = unicodedata.normalize("NFC", text)
    safe = "".join(c if c.isalnum() or c == "-" else "_" for c in plain)
    safe = re.sub("_{2,}", "_", safe).encode()[:_LONGEST].decode(errors="ignore").strip("-_")
    if _DEVICE.fullmatch(safe):
        safe = f"{_UNNAMED}_{safe}"
    return safe or _UNNAMED


def key_of(paths: Sequence[Path], root: Path) -> str:
    """Return where the inputs of a scene lie below the root, which stays when that is moved."""
    return "\n".join(os.path.relpath(path, root) for path in paths)


def named(drafts: Sequence[Draft]) -> tuple[SceneEntry, ...]:
    """Give every scene its id and return them sorted by it.

    Scenes that wish for the same name, whatever its case, get their folder before it; where that
    does not tell them apart, a hash of where they lie behind it. The order does not matter.

    Raises
    ------
    ValueError
        If two scenes have the same key, or the user gave two the same name.
    """
    choices = [list(_choices(draft)) for draft in drafts]
    levels = [0] * len(drafts)
    while clashing := _clashing([ids[level] for ids, level in zip(choices, levels, strict=True)]):
        moving = [i for i in clashing if levels[i] + 1 < len(choices[i])]
        if not moving:
            raise ValueError(f"{drafts[clashing[0]].key}: the same scene twice")
        for i in moving:
            levels[i] += 1
    ids = (options[level] for options, level in zip(choices, levels, strict=True))
    entries = [
        SceneEntry(id, draft.inputs, draft.family, draft.acquired, draft.footprint, draft.source)
        for id, draft in zip(ids, drafts, strict=True)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.id))


def _choices(draft: Draft) -> Iterator[str]:
    """Yield what a scene may be called, the shortest first."""
    plain = slug(draft.wish)
    yield plain
    if draft.given:
        return
    if draft.parent:
        yield f"{slug(draft.parent)}_{plain}"
    digest = hashlib.sha256(draft.key.encode(errors="surrogateescape")).hexdigest()
    for length in (8, 16, 64):
        yield f"{plain}-{digest[:length]}"


def _clashing(ids: Sequence[str]) -> list[int]:
    """Return the positions of ids that some file systems cannot tell from another."""
    first: dict[str, int] = {}
    found: set[int] = set()
    for i, id in enumerate(ids):
        other = first.setdefault(unicodedata.normalize("NFC", id.casefold()), i)
        if other != i:
            found |= {i, other}
    return sorted(found)
