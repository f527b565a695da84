"""Numbers and values as they are printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from pydantic import JsonValue


def number(value: float | None, decimals: int = 4) -> str:
    """Return a number as printed: fixed digits, a true minus, a dash where there is none.

    >>> number(-0.12345, 2), number(None), number(float("nan"))
    ('−0.12', '–', '–')
    """
    if not known(value):
        return "–"
    return f"{value:.{decimals}f}".replace("-", "−")


def signed(value: float) -> str:
    """Return a shift in pixels as printed.

    >>> signed(0.5), signed(-1.204)
    ('+0.50', '−1.20')
    """
    return f"{value:+.2f}".replace("-", "−")


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite value."""
    return value is not None and math.isfinite(value)


def listed(names: Sequence[str], most: int = 16) -> str:
    """Return names one after the other; of many the first ones, the last, and how many there are.

    >>> listed(["red", "nir"]), listed([f"B{i}" for i in range(1, 201)])
    ('red, nir', 'B1, B2, B3, … B200 (200 in all)')
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, … {names[-1]} ({len(names)} in all)"


def both(pair: tuple[float, float]) -> str:
    """Return a value for rows and one for columns, once if they agree."""
    rows, cols = (f"{round(value, 3):g}".replace("-", "−") for value in pair)
    return rows if rows == cols else f"{rows} rows, {cols} columns"


def grouped(count: int) -> str:
    """Return a count with its digits in groups of three."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Return a time in seconds, or in minutes where it is long."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def text(value: JsonValue) -> str:
    """Return an option or a coefficient as printed."""
    if isinstance(value, float):
        return f"{value:.5g}".replace("-", "−")
    if isinstance(value, list):
        return _joined(text(item) for item in value)
    if isinstance(value, dict):
        return _joined(f"{key} {text(item)}" for key, item in value.items())
    return "–" if value is None else str(value)


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)
