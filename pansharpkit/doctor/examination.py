"""All checks, one after the other; what may crash runs in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pansharpkit.doctor import surroundings
from pansharpkit.doctor.apart import Apart
from pansharpkit.doctor.finding import Finding
from pansharpkit.doctor.software import PACKAGES

METHODS = ("gsa", "mtf-glp-fs")
"""Methods of the fusions that prove it."""
NEEDED = ("numpy", "scipy", "pyproj", "torch", "gdal", "sensors", "temporary folder")
"""Checks without which no fusion is tried."""
_HERE = (
    surroundings.program,
    surroundings.machine,
    surroundings.settings,
    surroundings.temporary_folder,
)


def examine(progress: Callable[[str, int, int], None] | None = None) -> list[Finding]:
    """Return the findings of all checks; takes about ten seconds.

    `progress` is told the stage, the checks done, and those there are.
    """
    jobs = [
        *((name, "package", name) for name in PACKAGES),
        ("torch", "torch", ""),
        ("gdal", "gdal", ""),
        ("codecs", "codecs", ""),
        ("sensors", "sensors", ""),
        *((f"fusion {method}", "fusion", method) for method in METHODS),
    ]
    found = [_timed(check) for check in _HERE]
    with Apart() as apart:
        for done, (name, kind, what) in enumerate(jobs):
            if progress is not None:
                progress("examine", done, len(jobs))
            sick = [f.name for f in found if f.name in NEEDED and f.state == "failed"]
            if kind == "fusion" and sick:
                found.append(Finding(name, "skipped", f"first cure {', '.join(sick)}"))
            else:
                found.append(_timed(partial(apart.check, name, kind, what)))
    return found


def _timed(check: Callable[[], Finding]) -> Finding:
    started = time.perf_counter()
    finding = check()
    return replace(finding, seconds=time.perf_counter() - started)
