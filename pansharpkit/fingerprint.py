"""Whether a file is still the one that was read, and what differs between two runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pansharpkit.errors import InputError


@dataclass(frozen=True)
class Fingerprint:
    """What tells a file from every other, and cheaply from itself after a change."""

    bytes: int
    modified_ns: int
    """Compared for being the same only: clocks of other machines may be wrong."""
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Fingerprint:
        """Read a file.

        Raises
        ------
        InputError
            If it cannot be read, or changes meanwhile.
        """
        try:
            before = path.stat()
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = path.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{path}: changed while it was read; try again once it is complete")
        return cls(after.st_size, after.st_mtime_ns, digest)

    def still(self, path: Path) -> bool:
        """Return whether a file has the same contents; reads it only if its time has changed."""
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != self.bytes:
            return False
        return found.st_mtime_ns == self.modified_ns or Fingerprint.of(path).sha256 == self.sha256


def changes(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """Return what differs between two flat descriptions of a run, one line each.

    >>> changes({"seed": 0, "tile": 512}, {"seed": 1, "tile": 512})
    ('seed: 0 became 1',)
    """
    keys = sorted({*before, *now})
    return tuple(
        f"{key}: {before.get(key, 'unset')} became {now.get(key, 'unset')}"
        for key in keys
        if before.get(key) != now.get(key)
    )
