"""Griffe extension: show the doctests of docstrings as code, wherever they stand."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_SESSION = re.compile(r"(?:^|(?<=\n\n))>>> .+?(?=\n\n|\Z)", re.DOTALL)


class Doctests(Extension):
    """Fences each interactive session of a docstring that has no section for examples."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fence the sessions of one object."""
        found = obj.docstring
        if found is not None and "Examples\n---" not in found.value:
            found.value = fenced(found.value)


def fenced(text: str) -> str:
    """Return text with its sessions in fences."""
    return _SESSION.sub(lambda match: f"```pycon\n{match[0]}\n```", text)
