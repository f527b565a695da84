"""What was written: enough to tell later whether an output is whole and still the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pansharpkit.provenance import versions


@dataclass(frozen=True)
class Manifest:
    """A finished output file."""

    path: Path
    sha256: str
    """Of the file."""
    bytes: int
    """Size of the file."""
    options_hash: str
    """Digest of the profile it was written with, lineage tags included."""
    versions: Mapping[str, str]

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self) | {"path": str(self.path)}, sort_keys=True)


def describe(written: Path, path: Path, options_hash: str) -> Manifest:
    """Return the manifest of the file `written`, which will be called `path`."""
    return Manifest(path, sha256_of(written), written.stat().st_size, options_hash, versions())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
