"""Landsat metadata files (MTL), in the text, JSON and XML forms that USGS delivers.

The three forms hold the same keys in the same groups. Keys that this library asks for are
unique but for Level-2 files, which repeat those of the Level-1 product they came from in later
groups; the first occurrence counts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.readers.safe_open import printable

MAX_BYTES = 2**18  # real files have 5 to 70 KB
_MAX_LINE = 4096
_MAX_DEPTH = 16

Entries = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Mtl:
    """The keys and values of a metadata file."""

    label: str
    values: Mapping[str, str]
    text: str = field(repr=False)
    """The whole file, to tell the line of a key."""

    def get(self, *keys: str) -> str | None:
        """Return the value of the first of these keys that is there."""
        return next((self.values[key] for key in keys if key in self.values), None)

    def require(self, *keys: str) -> str:
        """Return the value of the first of these keys that is there.

        Raises
        ------
        MetadataError
            If none is.
        """
        value = self.get(*keys)
        if value is None:
            raise MetadataError(f"{self.label}: has no key {' or '.join(keys)}; get the whole MTL")
        return value

    def number(self, key: str) -> float:
        """Return the value of a key as a finite number.

        Raises
        ------
        MetadataError
            If the key is missing or its value is anything else.
        """
        text = self.require(key)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.reject(key, "is not a finite number")
        return value

    def reject(self, key: str, why: str) -> NoReturn:
        """Raise the error that the value of `key` cannot be used."""
        raise MetadataError(
            f"{self.label}, line {self.line_of(key)}: {key} = {self.values[key][:80]!r} {why}"
        )

    def line_of(self, key: str) -> int:
        """Return the line on which a key first stands, from 1."""
        found = re.search(rf"\b{re.escape(key)}\b", self.text)
        return 1 if found is None else self.text.count("\n", 0, found.start()) + 1


def read_mtl(path: Path) -> Mtl:
    """Read a metadata file; the suffix says which form it has.

    Raises
    ------
    FileReadError
        If the file cannot be read.
    MetadataError
        If it is too large, not UTF-8 text, or not well formed.
    """
    label = printable(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise FileReadError(f"{label}: cannot be read: {error}") from None
    return parse_mtl(data, label)


def parse_mtl(data: bytes, label: str) -> Mtl:
    """Parse the bytes of a metadata file called `label`.

    Raises
    ------
    MetadataError
        If it is too large, not UTF-8 text, or not well formed.
    """
    if len(data) > MAX_BYTES:
        raise MetadataError(f"{label}: is larger than {MAX_BYTES} bytes, no MTL is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MetadataError(f"{label}, line {line}: is not UTF-8 text; get it again") from None
    suffix = label.rpartition(".")[2].lower()
    parse = _PARSERS.get(suffix, _parse_text)
    values: dict[str, str] = {}
    for key, value in parse(text, label):
        values.setdefault(key, printable(value))
    if not values:
        raise MetadataError(f"{label}, line 1: holds no metadata; get it again")
    return Mtl(label, values, text)


def _parse_text(text: str, label: str) -> Entries:
    """Yield the entries of the text form: ``KEY = VALUE`` inside ``GROUP`` ... ``END_GROUP``."""
    groups: list[tuple[str, int]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line == "END" and not groups:
            return  # some files are padded with NUL to a round size
        where = f"{label}, line {number}"
        if len(raw) > _MAX_LINE:
            raise MetadataError(f"{where}: is {len(raw)} characters long, at most {_MAX_LINE}")
        key, equals, value = (part.strip() for part in line.partition("="))
        if not line:
            continue
        if not equals or not key:
            raise MetadataError(f"{where}: {line[:60]!r} is not KEY = VALUE")
        if key == "GROUP":
            groups.append((value, number))
            if len(groups) > _MAX_DEPTH:
                raise MetadataError(f"{where}: GROUP = {value[:60]}: groups are nested too deeply")
        elif key == "END_GROUP":
            _close(groups, value, where)
        else:
            yield key, _unquoted(value, where, key)
    last, opened = groups[-1] if groups else ("the file", 1)
    raise MetadataError(
        f"{label}, line {opened}: {last[:60]} is never closed, the file is cut off; get it again"
    )


def _close(groups: list[tuple[str, int]], name: str, where: str) -> None:
    if not groups or groups[-1][0] != name:
        is_open = f"{groups[-1][0][:60]} of line {groups[-1][1]}" if groups else "no group"
        raise MetadataError(f"{where}: END_GROUP = {name[:60]}, but {is_open} is open")
    groups.pop()


def _unquoted(value: str, where: str, key: str) -> str:
    if not value.startswith('"'):
        return value
    if len(value) < 2 or not value.endswith('"'):
        raise MetadataError(f"{where}: {key[:60]}: the quotes are never closed")
    return value[1:-1]


def _parse_json(text: str, label: str) -> Entries:
    """Yield the entries of the JSON form, groups being nested objects."""
    try:
        tree: object = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise MetadataError(f"{label}, line {error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise MetadataError(f"{label}, line 1: is nested too deeply") from None
    yield from _walk_json(tree, label, 0)


def _walk_json(tree: object, label: str, depth: int) -> Entries:
    if not isinstance(tree, dict):
        raise MetadataError(f"{label}, line 1: {type(tree).__name__} where a group was expected")
    if depth > _MAX_DEPTH:
        raise MetadataError(f"{label}, line 1: is nested too deeply")
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _walk_json(value, label, depth + 1)
        elif isinstance(value, str):
            yield key, value


def _parse_xml(text: str, label: str) -> Entries:
    """Yield the entries of the XML form, groups being nested elements."""
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise MetadataError(f"{label}: declares a document type, which no MTL does") from None
    except ParseError as error:
        line = error.position[0]
        raise MetadataError(f"{label}, line {line}: is not XML: {error.msg}") from None
    except ValueError as error:
        raise MetadataError(f"{label}, line 1: is not XML: {error}") from None
    yield from _walk_xml(root, label, 0)


def _walk_xml(element: Element, label: str, depth: int) -> Entries:
    if depth > _MAX_DEPTH:
        raise MetadataError(f"{label}: is nested too deeply")
    for child in element:
        if len(child):
            yield from _walk_xml(child, label, depth + 1)
        else:
            yield child.tag.rpartition("}")[2], (child.text or "").strip()


_PARSERS: Mapping[str, Callable[[str, str], Entries]] = {
    "txt": _parse_text,
    "json": _parse_json,
    "xml": _parse_xml,
}
