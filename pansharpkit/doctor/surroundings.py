"""The machine and its settings: what can be said without loading anything that may be broken."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pansharpkit.doctor.finding import Fact, Finding
from pansharpkit.resources import cores

VARIABLES = (
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GDAL_NUM_THREADS", "GDAL_CACHEMAX", "CPL_TMPDIR",
    "TMPDIR", "CUDA_VISIBLE_DEVICES", "NO_COLOR", "XDG_CONFIG_HOME", "PROJ_DATA", "PROJ_LIB",
    "GDAL_DATA",
)  # fmt: skip
"""Variables that change what a run does, besides those that start with PANSHARPKIT_."""
ROOM_MB = 1024
"""Free space of the temporary folder below which it is worth a remark."""
LEAST_MB = 32
_MB = 1 << 20


def program() -> Finding:
    """Return what runs: pansharpkit, Python, the platform, and where they are."""
    try:
        number = version("pansharpkit")
    except PackageNotFoundError:
        number = "not installed"
    place = str(Path(__file__).parents[1])
    facts: dict[str, Fact] = {
        "pansharpkit": number,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "package": place,
    }
    said = f"pansharpkit {number}, Python {facts['python']}, {facts['platform']}; in {place}"
    return Finding("program", "ok", said, facts)


def machine() -> Finding:
    """Return processor, cores and memory."""
    model, usable, total = processor(), cores(), os.cpu_count() or 1
    memory, free, limit = memory_mb(), available_mb(), limit_mb()
    facts: dict[str, Fact] = {
        "processor": model,
        "cores": usable,
        "cores_of_the_machine": total,
        "memory_mb": memory,
        "available_mb": free,
        "limit_mb": limit,
    }
    parts = [model, f"{usable} of {total} cores"]
    for said, value in (("memory", memory), ("available", free), ("limit", limit)):
        if value is not None:
            parts.append(f"{said} {value / 1024:.1f} GB")
    return Finding("machine", "ok", ", ".join(parts), facts)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown"


def memory_mb() -> int | None:
    """Return the memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
    except (AttributeError, ValueError, OSError):  # not on every system
        return None


def available_mb(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that can be had without swapping."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(kilobytes) // 1024 for kilobytes in found), None)


def limit_mb(file: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    """Return the memory that a container may take; None without a limit."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) // _MB if text.isdecimal() else None


def settings() -> Finding:
    """Return the variables of the environment that are honoured and set."""
    ours = sorted(name for name in os.environ if name.startswith("PANSHARPKIT_"))
    found: dict[str, Fact] = {
        name: os.environ[name] for name in (*VARIABLES, *ours) if name in os.environ
    }
    said = ", ".join(f"{name}={value}" for name, value in found.items()) or "none set"
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > cores():
        remedy = f"OMP_NUM_THREADS is above the {cores()} cores there are: lower it"
        return Finding("settings", "note", f"{said}; {remedy}", found)
    return Finding("settings", "ok", said, found)


def temporary_folder() -> Finding:
    """Return where archives are unpacked and scratch rasters lie, and how much fits there."""
    place = os.environ.get("CPL_TMPDIR")
    remedy = "set CPL_TMPDIR to a folder with room"
    try:
        with tempfile.NamedTemporaryFile(prefix="pansharpkit-doctor-", dir=place) as file:
            file.write(bytes(_MB))
            file.flush()
            folder = str(Path(file.name).parent)
            free = shutil.disk_usage(folder).free // _MB
    except OSError as error:
        return Finding("temporary folder", "failed", f"cannot be written to: {error}; {remedy}")
    facts: dict[str, Fact] = {"path": folder, "free_mb": free}
    said = f"{folder}, {free / 1024:.1f} GB free"
    if free < LEAST_MB:
        return Finding("temporary folder", "failed", f"{said}; {remedy}", facts)
    if free < ROOM_MB:
        return Finding("temporary folder", "note", f"{said}: little for archives; {remedy}", facts)
    return Finding("temporary folder", "ok", said, facts)
