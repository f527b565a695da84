"""Vendors' XML, read without trust: no document type, bounded size and depth, no namespaces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.readers.safe_open import printable

MAX_BYTES = 2**24  # orbit and attitude lists make some files several MB long
_MAX_TAGS = 2**18
_MAX_DEPTH = 40


@dataclass(frozen=True)
class Node:
    """An element, with the name of its file for messages."""

    element: Element
    label: str

    @property
    def tag(self) -> str:
        """Name of the element, without a namespace."""
        return self.element.tag

    @property
    def attributes(self) -> Mapping[str, str]:
        """Attributes of the element."""
        return self.element.attrib

    @property
    def own_text(self) -> str:
        """Text of the element itself, on one line."""
        return printable((self.element.text or "").strip())

    def all(self, path: str) -> Iterator[Node]:
        """Yield the elements at a path of tag names, at any depth below this one."""
        return (Node(found, self.label) for found in self.element.iterfind(f".//{path}"))

    def find(self, path: str) -> Node | None:
        """Return the first element at a path of tag names, at any depth below this one."""
        return next(self.all(path), None)

    def text(self, path: str) -> str | None:
        """Return the text of the first element at a path; None if there is none or it is empty."""
        found = self.find(path)
        return (found.own_text or None) if found else None

    def require(self, path: str) -> str:
        """Return the text of the first element at a path.

        Raises
        ------
        MetadataError
            If there is none or it is empty.
        """
        value = self.text(path)
        if value is None:
            raise MetadataError(f"{self.label}: has no {path}; get the whole product")
        return value

    def number(self, path: str) -> float:
        """Return the text of the first element at a path as a finite number.

        Raises
        ------
        MetadataError
            If there is none, or it is anything else.
        """
        return finite(self.require(path), path, self.label)

    def integer(self, path: str) -> int:
        """Return the text of the first element at a path as a whole number, not negative.

        Raises
        ------
        MetadataError
            If there is none, or it is anything else.
        """
        return whole(self.require(path), path, self.label)


def finite(text: str, name: str, label: str) -> float:
    """Return a text as a finite number, or raise the error that names it."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MetadataError(f"{label}: {name} = {text[:80]!r} is not a finite number")
    return value


def whole(text: str, name: str, label: str) -> int:
    """Return a text as a whole number of at most nine digits, or raise the error that names it."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise MetadataError(f"{label}: {name} = {text[:80]!r} is not a whole number below 10⁹")
    return int(text)


def read_xml(path: Path, most_tags: int = _MAX_TAGS) -> Node:
    """Read an XML file of at most that many tags.

    Raises
    ------
    FileReadError
        If the file cannot be read.
    MetadataError
        If it is too large, not well formed, or declares a document type.
    """
    label = printable(path.name)
    return parse_xml(read_bounded(path, MAX_BYTES), label, most_tags)


def read_bounded(path: Path, most: int) -> bytes:
    """Return the content of a metadata file of at most that many bytes.

    Raises
    ------
    FileReadError
        If the file cannot be read.
    MetadataError
        If it is larger.
    """
    label = printable(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise FileReadError(f"{label}: cannot be read: {error}") from None
    if len(data) > most:
        raise MetadataError(f"{label}: is larger than {most} bytes, no metadata file is")
    return data


def parse_xml(data: bytes, label: str, most_tags: int = _MAX_TAGS) -> Node:
    """Parse the bytes of an XML file called `label`.

    Raises
    ------
    MetadataError
        If it has too many or too deeply nested elements, is not well formed, or declares a
        document type, through which entities could expand or other files be read.
    """
    if data.count(b"<") > most_tags:
        raise MetadataError(f"{label}: has more than {most_tags} tags, no metadata file has")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise MetadataError(f"{label}: declares a document type, which no product does") from None
    except ParseError as error:
        line = error.position[0]
        raise MetadataError(
            f"{label}, line {line}: is not XML or cut off ({error.msg}); get it again"
        ) from None
    except (ValueError, LookupError) as error:
        raise MetadataError(f"{label}, line 1: is not XML: {printable(str(error))}") from None
    _tidy(root, label)
    return Node(root, label)


def _tidy(root: Element, label: str) -> None:
    """Drop namespaces from all tags, and refuse absurd depth before anything recurses."""
    level = [root]
    for _ in range(_MAX_DEPTH):
        for element in level:
            element.tag = element.tag.rpartition("}")[2]
        level = [child for element in level for child in element]
        if not level:
            return
    raise MetadataError(f"{label}: is nested too deeply")
