"""STAC files on disk: read as plain JSON, followed from link to link, never over the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.contained import contained, is_web
from pansharpkit.errors import FileReadError, InputError, MetadataError
from pansharpkit.readers.safe_open import check_regular, printable

_MOST_BYTES = 2**26
_FOLLOWED = ("child", "item", "items")

Json = Mapping[str, object]


@dataclass(frozen=True)
class ItemFile:
    """An item, and the file that it stands in."""

    path: Path
    content: Json
    collection: str = ""
    """Id of the collection or catalogue that led to it."""

    @property
    def where(self) -> str:
        """The item and its file, for messages."""
        return f"{printable(str(self.path))}, item {printable(text(self.content.get('id')))[:80]}"


def items(start: Path, root: Path, catch: Catch) -> Iterator[ItemFile]:
    """Yield the items of a catalogue, a collection, an item collection, or the item itself.

    Links to children and items are followed, each file once; links to servers are noted.

    Raises
    ------
    FileReadError
        If a link leads out of the root, or the first file cannot be read.
    MetadataError
        If the first file is no STAC.
    """
    seen: set[Path] = set()
    waiting = [(start, "")]
    while waiting:
        path, collection = waiting.pop()
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        try:
            content = _read(path)
            kind = _kind(content, path)
        except InputError as error:
            if path == start:
                raise
            catch.leave(path, str(error))
            continue
        if kind == "Feature":
            yield ItemFile(path, content, text(content.get("collection")) or collection)
        elif kind == "FeatureCollection":
            listed = content.get("features")
            features = objects(listed)
            if not isinstance(listed, list) or len(features) < len(listed):
                catch.leave(path, "has features that are no items; get it again")
            for feature in features:
                yield ItemFile(path, feature, text(feature.get("collection")) or collection)
        else:
            here = text(content.get("id"))
            waiting += [(link, here) for link in list(_links(path, content, root, catch))[::-1]]


def _links(path: Path, content: Json, root: Path, catch: Catch) -> Iterator[Path]:
    for link in objects(content.get("links")):
        href = text(link.get("href"))
        if link.get("rel") in _FOLLOWED and is_web(href):
            catch.leave(path, f"links to {href[:200]}, which is not opened; download it")
        elif link.get("rel") in _FOLLOWED:
            yield local(href, path, root, printable(str(path)))


def local(href: str, file: Path, root: Path, where: str) -> Path:
    """Return the path that a link in a file means.

    Raises
    ------
    FileReadError
        If it is not local or leads out of the root.
    """
    written = contained(href, file.parent, root, where)
    if "%" not in href or written.exists():
        return written
    return contained(unquote(href), file.parent, root, where)


def _kind(content: Json, path: Path) -> str:
    """Return what a STAC file is.

    Raises
    ------
    MetadataError
        If it is none.
    """
    kind = text(content.get("type"))
    if kind in ("Feature", "FeatureCollection", "Catalog", "Collection"):
        return kind
    if "links" in content and "stac_version" in content:  # catalogues before 1.0 have no type
        return "Catalog"
    raise MetadataError(
        f"{printable(str(path))}: is no STAC: its type is {printable(kind)[:40]!r}; give a "
        "catalogue, a collection or an item"
    )


def _read(path: Path) -> Json:
    shown = printable(str(path))
    check_regular(path, shown)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileReadError(f"{shown}: cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise MetadataError(f"{shown}: is larger than {_MOST_BYTES} bytes; split it")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{shown}: is no JSON: {printable(str(error))[:200]}") from None
    if not isinstance(found, dict):
        raise MetadataError(f"{shown}: is no STAC: it holds no object")
    return found


def text(value: object) -> str:
    """Return a JSON value if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def objects(value: object) -> list[Json]:
    """Return the objects in a JSON array; none if it is anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """Return the texts in a JSON array; none if it is anything else."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
