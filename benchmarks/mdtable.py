"""Markdown tables: read from what a program prints, and written into a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

_RULE = re.compile(r"^\|(?:\s*:?-+:?\s*\|)+$")


@dataclass(frozen=True)
class MdTable:
    """A table as text."""

    title: str
    """The last line of text above it."""
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        place = self.head.index(name)
        return [row[place] for row in self.rows]


def written(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Return a table as Markdown; columns named in `right` are aligned to the right.

    >>> print(written(["a", "b"], [["1", "2"]], right=["b"]))
    | a | b |
    |---|---:|
    | 1 | 2 |
    """
    rule = "|".join("---:" if name in right else "---" for name in head)
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def found(text: str) -> list[MdTable]:
    r"""Return the tables in a text, in order.

    >>> found("Trees:\n\n| a | b |\n|---|---|\n| 1 | |\n")
    [MdTable(title='Trees:', head=('a', 'b'), rows=(('1', ''),))]
    """
    tables: list[MdTable] = []
    title, block = "", list[str]()
    for line in [*text.splitlines(), ""]:
        if line.startswith("|") and line.rstrip().endswith("|"):
            block.append(line.rstrip())
            continue
        if len(block) > 1 and _RULE.match(block[1]):
            rows = tuple(_cells(row) for row in block[2:])
            tables.append(MdTable(title, _cells(block[0]), rows))
        block = []
        title = line.strip("# ") or title
    return tables


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line[1:-1].split("|"))


def stored(table: MdTable) -> dict[str, object]:
    """Return what JSON keeps of a table."""
    return asdict(table)


def restored(value: dict[str, object]) -> MdTable:
    """Return the table that JSON kept."""
    head, rows = value["head"], value["rows"]
    assert isinstance(head, list)
    assert isinstance(rows, list)
    return MdTable(str(value["title"]), tuple(head), tuple(tuple(row) for row in rows))
