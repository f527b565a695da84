"""What a figure depends on: machine, other work on it, versions, commit, command, seed, data."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pansharpkit.provenance import versions

ROOT = Path(__file__).resolve().parents[1]
PEERS: Mapping[str, tuple[str, ...]] = {
    "GDAL": ("gdal_pansharpen.py", "gdalinfo", "--version"),
    "OTB": ("otbcli_BundleToPerfectSensor", "otbcli_BundleToPerfectSensor", "-version"),
}
"""What has to be there for a peer to be run, and the command that tells its version."""
ABSENT = "absent"
_RENDERED = (":!docs", ":!README.md", ":!CHANGELOG.md", ":!benchmarks/results")
_BUSY = (0, 1, 2, 5, 6, 7)  # of the first line of /proc/stat: all but idle, waiting and guests


@dataclass(frozen=True)
class Clock:
    """The moment a run started, on three clocks."""

    wall: float
    """Seconds."""
    ours: float
    """Processor seconds of the children that have ended."""
    machine: float | None
    """Processor seconds of everything on the machine; None where no kernel tells."""

    @classmethod
    def now(cls) -> Clock:
        used = os.times()
        return cls(time.monotonic(), used.children_user + used.children_system, _machine_busy())

    def seconds(self) -> float:
        """Return the wall time since."""
        return time.monotonic() - self.wall

    def others(self) -> float | None:
        """Return how many cores work that is not ours has taken since, on average."""
        now = Clock.now()
        if self.machine is None or now.machine is None or now.wall <= self.wall:
            return None
        foreign = now.machine - self.machine - (now.ours - self.ours)
        return max(0.0, foreign / (now.wall - self.wall))


def _machine_busy() -> float | None:
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:]]
    return sum(ticks[i] for i in _BUSY) / os.sysconf("SC_CLK_TCK")


@cache
def machine() -> dict[str, object]:
    """Return processor, cores, memory and system."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return round(size / 2**30, 1)


@cache
def peers() -> dict[str, str]:
    """Return the version of each other tool, or that it is absent."""
    return {name: _peer(*words) for name, words in PEERS.items()}


def _peer(needed: str, *command: str) -> str:
    if shutil.which(needed) is None or shutil.which(command[0]) is None:
        return ABSENT
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "of unknown version"


def commit(root: Path = ROOT) -> dict[str, object]:
    """Return the commit, and whether code that git knows differs from it."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
            )
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "-uno", "--", ".", *_RENDERED)
    return {
        "id": git("rev-parse", "--short=10", "HEAD"),
        "dirty": None if changed is None else bool(changed),
    }


def about(command: str, seed: str, data: str, started: Clock) -> dict[str, object]:
    """Return the record of a run that has just ended."""
    others = started.others()
    return {
        "command": command,
        "seed": seed,
        "data": data,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "peers": peers(),
        "wall_s": round(started.seconds(), 1),
        "other_work_cores": None if others is None else round(others, 2),
    }
