"""When a scene was taken, as file names and metadata say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_Reader = Callable[[re.Match[str]], datetime]
_DIGITS = r"(?<!\d)"
_NUMERIC = re.compile(
    _DIGITS + r"((?:19|20)\d\d)([-_]?)(\d\d)\2(\d\d)"
    r"(?:(?:T?(\d\d):?(\d\d):?(\d\d)\d{0,3}|[-_](\d\d)(\d\d)(\d\d))(?!\d)|(?!\d))"
)
"""20150630, 2015-06-30, 20150630T104914, 201506301049140 (Airbus), 20150630_104914."""
_SCENE_ID = re.compile(r"(?<![A-Z0-9])L[COTEM][4-9]\d{6}((?:19|20)\d\d)(\d{3})[A-Z]{3}\d\d")
"""Landsat until 2016: path, row, year and day of it."""
_MAXAR = re.compile(_DIGITS + r"(\d\d)([A-Z]{3})(\d\d)(\d\d)(\d\d)(\d\d)(?!\d)")
"""15JUN30104914."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def date_in(name: str) -> datetime | None:
    """Return the first date in a file name, with its time of day if that follows, in UTC.

    >>> date_in("LC08_L1TP_016037_20170813_20170814_01_RT")
    datetime.datetime(2017, 8, 13, 0, 0, tzinfo=datetime.timezone.utc)
    """
    found = [
        (match.start(), taken)
        for pattern, read in ((_NUMERIC, _numeric), (_SCENE_ID, _day_of_year), (_MAXAR, _maxar))
        for match in pattern.finditer(name)
        if (taken := _or_none(read, match)) is not None
    ]
    return min(found)[1] if found else None


def moment(text: str | None) -> datetime | None:
    """Return a moment that metadata write in ISO 8601, in UTC; None if they write anything else.

    >>> moment("2015-06-30T12:49:14+02:00")
    datetime.datetime(2015, 6, 30, 10, 49, 14, tzinfo=datetime.timezone.utc)
    """
    try:
        found = datetime.fromisoformat((text or "").strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _or_none(read: _Reader, match: re.Match[str]) -> datetime | None:
    try:
        return read(match)
    except (ValueError, OverflowError):
        return None


def _numeric(match: re.Match[str]) -> datetime:
    date = datetime(int(match[1]), int(match[3]), int(match[4]), tzinfo=UTC)
    clock = [int(part) for part in match.groups()[4:] if part is not None]
    if not clock:
        return date
    try:
        return date.replace(hour=clock[0], minute=clock[1], second=clock[2])
    except ValueError:  # digits behind a date need not be a time
        return date


def _day_of_year(match: re.Match[str]) -> datetime:
    return datetime(int(match[1]), 1, 1, tzinfo=UTC) + timedelta(days=int(match[2]) - 1)


def _maxar(match: re.Match[str]) -> datetime:
    month = _MONTHS.index(match[2]) + 1
    hour, minute, second = (int(match[i]) for i in (4, 5, 6))
    return datetime(2000 + int(match[1]), month, int(match[3]), hour, minute, second, tzinfo=UTC)
