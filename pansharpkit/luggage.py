"""What travels with work to another process: its environment, and what versions it needs."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pansharpkit.errors import ClusterError
from pansharpkit.provenance import versions

_TRAVELS = ("GDAL_", "CPL_", "VSI_", "AWS_", "AZURE_", "GS_", "GOOGLE_", "OSS_", "SWIFT_")
_STAYS = frozenset({"GDAL_CACHEMAX", "GDAL_DATA", "GDAL_DRIVER_PATH", "CPL_TMPDIR"})
"""Each machine has its own."""
_ALIKE = ("pansharpkit", "torch", "numpy")
"""Versions in which workers must not differ: the pixels depend on them."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Luggage:
    """What travels with each piece of work: the GDAL environment, and what a worker must be."""

    environment: Mapping[str, str] = field(repr=False)  # credentials are never printed
    versions: Mapping[str, str]

    @classmethod
    def of_here(cls) -> Luggage:
        """Return what this process has."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_TRAVELS) and name not in _STAYS
        }
        return cls(kept, identity())

    @contextmanager
    def unpacked(self) -> Iterator[None]:
        """On a worker: work in this environment, one piece at a time in a process.

        Raises
        ------
        ClusterError
            If the worker's versions are others.
        """
        check_alike(self.versions, identity(), platform.node())
        with _one_at_a_time:
            before = {name: os.environ.get(name) for name in self.environment}
            os.environ.update(self.environment)
            try:
                yield
            finally:
                for name, value in before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value


def identity() -> dict[str, str]:
    """Return the versions of this process that have to be the same everywhere."""
    found = versions()
    python = ".".join(found["python"].split(".")[:2])  # others may not read what ours wrote
    return {name: found[name] for name in _ALIKE} | {"python": python}


def check_alike(wanted: Mapping[str, str], found: Mapping[str, str], worker: str) -> None:
    """Refuse a worker that could compute other pixels.

    Raises
    ------
    ClusterError
        Naming what differs.
    """
    differing = [
        f"{name} {found.get(name, 'missing')} instead of {version}"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    if differing:
        raise ClusterError(
            f"worker {worker} has {', '.join(differing)}; install the same versions there"
        )
