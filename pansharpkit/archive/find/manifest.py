"""CSV manifests: a line for each scene, with its PAN and MS or its product."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pansharpkit.archive.dates import date_in, moment
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.contained import contained, link_out
from pansharpkit.archive.find.families import family_of
from pansharpkit.archive.find.guess import guess
from pansharpkit.archive.find.naming import Draft, key_of, slug
from pansharpkit.errors import FileReadError, InputError, MetadataError, PansharpkitError
from pansharpkit.readers.pattern import expand, is_pattern
from pansharpkit.readers.safe_open import check_regular, printable

_ReadLine = Callable[[int], str]
_COLUMNS = ("id", "pan", "ms", "product", "acquired")
_LONGEST_LINE = 2**17
_MISSING = "does not exist; check the path"


@dataclass(frozen=True)
class _Row:
    where: str
    """The manifest and the line in it, for messages."""
    values: Mapping[str, str]
    """By column; empty where a line is short."""


def read_manifest(manifest: Path, root: Path, catch: Catch) -> None:
    """Find the scenes that a CSV file lists.

    Its columns are ``pan`` and ``ms``, or ``product``; ``id`` and ``acquired`` may be there. Paths
    are relative to the manifest; ``ms`` may be a pattern such as ``scene_B{band}.tif``. Lines that
    name files which do not exist are noted and left out.

    Parameters
    ----------
    manifest, root : absolute; no path may lead out of `root`.

    Raises
    ------
    FileReadError
        If it cannot be read, or a path is not local or leads out of the root: with the line.
    MetadataError
        If it is no such table, a line is incomplete, or two lines have one id or one scene.
    """
    ids: dict[str, str] = {}
    scenes: dict[str, str] = {}
    for row in _rows(manifest):
        draft = _draft(row, manifest.parent, root, catch)
        if draft is None:
            continue
        _once(scenes, draft.key, row, "the same files as")
        if draft.given:
            _once(ids, slug(draft.wish).casefold(), row, f"the id {draft.wish[:80]!r} of")
        catch.drafts.append(draft)


def _once(seen: dict[str, str], key: str, row: _Row, what: str) -> None:
    if (first := seen.setdefault(key, row.where)) != row.where:
        line = first.rpartition(" ")[2]
        raise MetadataError(f"{row.where}: has {what} line {line}; give each scene once")


def _rows(manifest: Path) -> Iterator[_Row]:
    shown = printable(str(manifest))
    check_regular(manifest, shown)
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_lines(file.readline, shown), strict=True)
            header = _header(next(reader, []), shown)
            for cells in reader:
                where = f"{shown}, line {reader.line_num}"
                if len(cells) > len(header):
                    raise MetadataError(
                        f"{where}: has {len(cells)} cells, the header {len(header)}; put paths "
                        "with a comma in quotes"
                    )
                values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                if any(values.values()):
                    yield _Row(where, values)
    except UnicodeDecodeError:
        raise MetadataError(f"{shown}: is not UTF-8 text; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise MetadataError(f"{shown}, line {reader.line_num}: is no CSV: {error}") from None
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise FileReadError(f"{shown}: cannot be read: {error.strerror}") from None


def _lines(readline: _ReadLine, shown: str) -> Iterator[str]:
    """Yield lines, but none that fills the memory."""
    while line := readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise MetadataError(f"{shown}: a line has more than {_LONGEST_LINE} characters")
        yield line


def _header(cells: list[str], shown: str) -> tuple[str, ...]:
    header = tuple(cell.strip().casefold() for cell in cells)
    unknown = [cell for cell in header if cell not in _COLUMNS]
    complete = {"pan", "ms"} <= set(header) or "product" in header
    if unknown or not complete or len(set(header)) < len(header):
        raise MetadataError(
            f"{shown}, line 1: expected the columns pan and ms, or product, and perhaps id and "
            f"acquired, with commas between; found {printable(', '.join(header))[:200] or 'none'}"
        )
    return header


def _draft(row: _Row, base: Path, root: Path, catch: Catch) -> Draft | None:
    pan, ms, product = (row.values.get(column, "") for column in ("pan", "ms", "product"))
    if bool(product) == bool(pan or ms) or bool(pan) != bool(ms):
        raise MetadataError(f"{row.where}: give pan and ms, or product, and not both")
    paths = [contained(name, base, root, row.where) for name in (product, pan, ms) if name]
    for path in paths:
        if why := _absent(path, root, row.where):
            catch.leave(path, f"{row.where}: {why}")
            return None
    try:
        family = _family(paths[0], root) if product else "pair"
    except PansharpkitError as error:
        catch.leave(paths[0], f"{row.where}: {error}")
        return None
    return Draft(
        wish=row.values.get("id") or _wish(paths[0]),
        inputs=tuple(str(path) for path in paths),
        family=family,
        key=key_of(paths, root),
        parent=_above(paths[0], root),
        acquired=_acquired(row) or date_in(paths[0].name),
        source=row.where,
        given=bool(row.values.get("id")),
    )


def _family(product: Path, root: Path) -> str:
    """Return whose product a path is.

    Raises
    ------
    FileReadError
        If it is none, or holds links out of the root.
    """
    if outward := link_out(product if product.is_dir() else product.parent, root):
        raise FileReadError(f"{printable(str(product))}: {outward}")
    return family_of(product)


def _absent(path: Path, root: Path, where: str) -> str | None:
    """Return why a path cannot be opened; the files of a pattern must lie in the root as well."""
    if not is_pattern(str(path)):
        return None if os.path.lexists(path) else _MISSING
    try:
        for file, _ in expand(str(path)):
            contained(str(file), root, root, where)
    except InputError as error:
        return str(error)
    return None


def _wish(path: Path) -> str:
    said = guess(path.name)
    return (said.scene if said else "") or path.name.partition(".")[0] or path.name


def _above(path: Path, root: Path) -> str:
    above = path.parent.relative_to(root).as_posix()
    return "" if above == "." else above


def _acquired(row: _Row) -> datetime | None:
    text = row.values.get("acquired")
    if not text:
        return None
    if (found := moment(text)) is None:
        raise MetadataError(
            f"{row.where}: acquired = {printable(text)[:80]!r} is no time; write "
            "2015-06-30T10:49:14Z, or the date alone"
        )
    return found
