"""Patterns that say which files are PAN and MS: ``PAN=*_P_*.tif`` and ``MS=*_M_*.tif``."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pansharpkit.errors import OptionError
from pansharpkit.readers.safe_open import printable

_PIECES = re.compile(r"((?<![^/])\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|\{[^{}]*\})")
_BAND = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"

Key = tuple[str, ...]
"""What the wildcards of a pattern stand for in one name."""


@dataclass(frozen=True)
class Shell:
    """A shell pattern of file names, or, with a slash in it, of paths below the archive.

    ``*`` and ``?`` stand for anything but a slash, ``**`` for anything, ``**/`` for any number of
    folders, also none, ``[abc]`` for one of some characters. ``{band}`` or ``{B4,B3,B2}`` in the
    pattern of an MS stand for its bands.
    """

    text: str
    pieces: tuple[str, ...]
    """Literal text and wildcards in turn."""

    @property
    def braces(self) -> bool:
        """Whether the bands of one image are files of their own."""
        return any(piece.startswith("{") for piece in self.pieces[1::2])

    @property
    def wildcards(self) -> int:
        """How many there are, without bands."""
        return sum(not piece.startswith("{") for piece in self.pieces[1::2])

    @property
    def literal(self) -> int:
        """How many characters it says outright: the more, the more particular it is."""
        return sum(len(piece) for piece in self.pieces[::2])

    def key_of(self, place: str) -> Key | None:
        """Return what the wildcards stand for in a path below the archive; None if it fits not.

        The first ones stand for as little as they can.
        """
        match = self._form.fullmatch(place if "/" in self.text else place.rpartition("/")[2])
        return match.groups() if match else None

    def filled(self, key: Key) -> str:
        """Return the pattern of the bands that one key means."""
        values: Iterator[str] = iter(key)
        return "".join(
            piece
            if i % 2 and piece.startswith("{")
            else glob.escape(next(values) if i % 2 else piece)
            for i, piece in enumerate(self.pieces)
        )

    @cached_property
    def _form(self) -> re.Pattern[str]:
        parts = [
            _wildcard(piece) if i % 2 else re.escape(piece) for i, piece in enumerate(self.pieces)
        ]
        return re.compile("".join(parts), re.DOTALL)


def _wildcard(piece: str) -> str:
    if piece == "**/":
        return "((?:.*?/)??)"
    if piece == "**":
        return "(.*?)"
    if piece == "*":
        return "([^/]*?)"
    if piece == "?":
        return "([^/])"
    if piece.startswith("{"):
        listed = [re.escape(token.strip()) for token in piece[1:-1].split(",")]
        return f"(?:{_BAND if piece == '{band}' else '|'.join(listed)})"
    inside = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
    if inside.startswith("!"):
        inside = f"^{inside[1:]}"
    return f"([{inside}])"


def read_pair(texts: Sequence[str]) -> tuple[Shell, Shell]:
    """Return the patterns of PAN and MS, as ``PAN=PATTERN`` and ``MS=PATTERN`` in any order.

    Raises
    ------
    OptionError
        If one is missing or given twice, or they do not have the same wildcards.
    """
    found: dict[str, Shell] = {}
    for text in texts:
        role, equals, pattern = text.partition("=")
        role = role.strip().upper()
        if role not in ("PAN", "MS") or not equals or not pattern or role in found:
            raise OptionError(
                f"--pair {printable(text)}: write 'PAN=PATTERN' and 'MS=PATTERN', each once, such "
                "as 'PAN=*_P_*.tif' 'MS=*_M_*.tif'"
            )
        found[role] = _parsed(pattern)
    if len(found) < 2:
        raise OptionError("--pair: give two patterns, 'PAN=*_P_*.tif' and 'MS=*_M_*.tif'")
    pan, ms = found["PAN"], found["MS"]
    if pan.braces:
        raise OptionError(f"--pair PAN={printable(pan.text)}: a PAN has no {{band}}")
    if pan.wildcards != ms.wildcards:
        raise OptionError(
            f"--pair: PAN={printable(pan.text)} has {pan.wildcards} wildcards and "
            f"MS={printable(ms.text)} has {ms.wildcards}; both need the same number, for what they "
            "stand for must agree"
        )
    return pan, ms


def _parsed(pattern: str) -> Shell:
    pattern = pattern.removeprefix("./")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise OptionError(
            f"--pair {printable(pattern)}: is matched with paths below the archive, such as "
            "pan/1.tif; leave out what is above"
        )
    shell = Shell(pattern, tuple(_PIECES.split(pattern)))
    folder, _, name = pattern.rpartition("/")
    if name.count("{") > 1 or "{" in folder:
        raise OptionError(
            f"--pair {printable(pattern)}: write {{band}}, or a list such as {{B4,B3,B2}}, once "
            "and in the file name"
        )
    try:
        shell.key_of("")
    except re.error as error:
        raise OptionError(f"--pair {printable(pattern)}: is no pattern: {error}") from None
    return shell
