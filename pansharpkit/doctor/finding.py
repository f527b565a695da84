"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["ok", "note", "failed", "skipped"]
Fact = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    state: State
    said: str
    """One line: what was found, and for a failure its cause and remedy."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """The same as JSON-ready values."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return JSON-ready values."""
        return {
            "name": self.name,
            "state": self.state,
            "said": self.said,
            "facts": dict(self.facts),
            "seconds": round(self.seconds, 2),
        }


def healthy(findings: Iterable[Finding]) -> bool:
    """Return whether nothing failed or had to be left out.

    >>> healthy([Finding("numpy", "ok", "2.4.0"), Finding("codecs", "note", "no LERC")])
    True
    >>> healthy([Finding("torch", "failed", "cannot be imported")])
    False
    """
    return all(finding.state in ("ok", "note") for finding in findings)
