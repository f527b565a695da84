"""Maxar's text metadata (.IMD, .TIL, .RPB): ``key = value;`` inside nested groups.

The same content also comes as XML; both become a tree of `Group`, in which names have no case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pansharpkit.errors import MetadataError
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import Node, finite, read_bounded, whole

MAX_BYTES = 2**20  # real files have 5 to 100 KB
_MAX_LINE = 4096
_MAX_DEPTH = 16
_MOST_GROUPS = 2**14


@dataclass
class Group:
    """The keys of a group, and the groups inside it; filled while parsing, then left alone."""

    label: str
    """Name of the file, for messages."""
    name: str = ""
    line: int = 1
    values: dict[str, str] = field(default_factory=dict)
    """By key in lower case; the first occurrence counts."""
    groups: list[Group] = field(default_factory=list)
    """In the order of the file."""
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each key, where the file has lines that matter."""

    def child(self, name: str) -> Group | None:
        """Return the first group of that name inside this one."""
        return next((g for g in self.groups if g.name.casefold() == name.casefold()), None)

    def starting(self, prefix: str) -> list[Group]:
        """Return the groups inside this one whose names start so."""
        return [g for g in self.groups if g.name.casefold().startswith(prefix.casefold())]

    def get(self, *keys: str) -> str | None:
        """Return the value of the first of these keys that is there and not empty."""
        return next((v for key in keys if (v := self.values.get(key.lower()))), None)

    def require(self, key: str) -> str:
        """Return the value of a key.

        Raises
        ------
        MetadataError
            If it is not there.
        """
        value = self.get(key)
        if value is None:
            where = f"group {self.name}" if self.name else "the file"
            raise MetadataError(
                f"{self.label}, line {self.line}: {where} has no key {key}; get the whole product"
            )
        return value

    def number(self, key: str) -> float:
        """Return the value of a key as a finite number.

        Raises
        ------
        MetadataError
            If it is missing or anything else.
        """
        return finite(self.require(key), key, self._where(key))

    def integer(self, key: str) -> int:
        """Return the value of a key as a whole number, not negative.

        Raises
        ------
        MetadataError
            If it is missing or anything else.
        """
        return whole(self.require(key), key, self._where(key))

    def reject(self, key: str, why: str) -> NoReturn:
        """Raise the error that the value of `key` cannot be used."""
        raise MetadataError(f"{self._where(key)}: {key} = {self.require(key)[:80]!r} {why}")

    def _where(self, key: str) -> str:
        line = self.lines.get(key.lower())
        return self.label if line is None else f"{self.label}, line {line}"


def read_pvl(path: Path) -> Group:
    """Read a text metadata file.

    Raises
    ------
    FileReadError
        If the file cannot be read.
    MetadataError
        If it is too large or not well formed.
    """
    return parse_pvl(read_bounded(path, MAX_BYTES), printable(path.name))


def parse_pvl(data: bytes, label: str) -> Group:
    """Parse the bytes of a text metadata file called `label`.

    Raises
    ------
    MetadataError
        Naming the line that is not understood, or the group that is never closed.
    """
    root = Group(label)
    open_groups = [root]
    count = 0
    for number, statement in _statements(data, label):
        where = f"{label}, line {number}"
        key, equals, value = (part.strip() for part in statement.partition("="))
        if not equals or not key:
            raise MetadataError(f"{where}: {statement[:60]!r} is not key = value")
        if key.upper() == "BEGIN_GROUP":
            count += 1
            if len(open_groups) > _MAX_DEPTH or count > _MOST_GROUPS:
                raise MetadataError(f"{where}: {value[:60]}: too many groups")
            open_groups.append(Group(label, printable(value), number))
            open_groups[-2].groups.append(open_groups[-1])
        elif key.upper() == "END_GROUP":
            last = open_groups.pop() if len(open_groups) > 1 else None
            if last is None or last.name != printable(value):
                is_open = f"{last.name[:60]} of line {last.line}" if last else "no group"
                raise MetadataError(f"{where}: END_GROUP = {value[:60]}, but {is_open} is open")
        else:
            open_groups[-1].values.setdefault(key.lower(), printable(value.strip('"')))
            open_groups[-1].lines.setdefault(key.lower(), number)
    if len(open_groups) > 1:
        last = open_groups[-1]
        raise MetadataError(
            f"{label}, line {last.line}: {last.name[:60]} is never closed, the file is cut off; "
            "get it again"
        )
    if not root.values and not root.groups:
        raise MetadataError(f"{label}, line 1: holds no metadata; get it again")
    return root


def _statements(data: bytes, label: str) -> Iterator[tuple[int, str]]:
    """Yield statements with the line where they begin; lists in parentheses span lines."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # old products carry Latin letters in free text
    pending: list[str] = []
    started = depth = 0
    for number, raw in enumerate(text.splitlines(), 1):
        if len(raw) > _MAX_LINE:
            raise MetadataError(
                f"{label}, line {number}: is {len(raw)} characters long, at most {_MAX_LINE}"
            )
        line = raw.strip().rstrip("\0")
        if not pending:
            if line.rstrip(";").upper() == "END":
                return
            started, depth = number, 0
        pending.append(line)
        if '"' not in line:  # a parenthesis in a text opens no list
            depth += line.count("(") - line.count(")")
        if depth > 0:
            continue
        statement = "".join(pending).rstrip(";").rstrip()
        pending = []
        if statement:
            yield started, statement
    if pending:
        raise MetadataError(f"{label}, line {started}: the list is never closed; get it again")


def group_of(node: Node) -> Group:
    """Return the XML form of the same metadata as a group; repeated elements are groups alike."""
    group = Group(node.label, node.tag)
    for child in node.element:
        if len(child):
            group.groups.append(group_of(Node(child, node.label)))
        else:
            text = Node(child, node.label).own_text
            group.values.setdefault(child.tag.lower(), text.strip('"'))
    return group
