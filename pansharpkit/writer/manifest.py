"""What was written: enough to tell later whether an output is whole and still the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from pansharpkit.errors import OutputError
from pansharpkit.provenance import versions


@dataclass(frozen=True)
class Manifest:
    """A finished output file."""

    path: Path
    bytes: int
    """Size of the file."""
    modified_ns: int
    """When it was written."""
    options_hash: str
    """Digest of the profile it was written with, lineage tags included."""
    versions: Mapping[str, str]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, found out when it is first asked for: that reads the file.

        Raises
        ------
        OutputError
            If the file is no longer the one that was written.
        """
        found = self.path.stat()
        if (found.st_size, found.st_mtime_ns) != (self.bytes, self.modified_ns):
            raise OutputError(f"{self.path}: was changed after it had been written")
        return sha256_of(self.path)

    def to_json(self) -> str:
        """Return one line of JSON."""
        values = asdict(self) | {"path": str(self.path), "sha256": self.sha256}
        return json.dumps(values, sort_keys=True)


def describe(written: Path, path: Path, options_hash: str) -> Manifest:
    """Return the manifest of the file `written`, which will be called `path`."""
    found = written.stat()
    return Manifest(path, found.st_size, found.st_mtime_ns, options_hash, versions())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
