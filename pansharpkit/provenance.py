"""What a result depends on besides the pixels: versions."""

from __future__ import annotations

import platform
import shlex
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, version

_PACKAGES = ("pansharpkit", "torch", "rasterio", "numpy", "scipy", "pyproj", "xarray", "dask")


def versions() -> dict[str, str]:
    """Return the versions of Python, GDAL, the platform and every package that shapes a result."""
    return dict(_versions())


@cache
def licences() -> dict[str, str]:
    """Return the licence of every installed package that shapes a result, as it says itself."""
    found = {}
    for name in _PACKAGES:
        try:
            told = metadata(name)
        except PackageNotFoundError:
            continue
        kinds = [c.split(" :: ")[-1] for c in told.get_all("Classifier") or [] if "License ::" in c]
        exact, loose = (told.get_all(key) or [] for key in ("License-Expression", "License"))
        said = exact or kinds or [text.partition("\n")[0] for text in loose]
        found[name] = ", ".join(said) or "not said"
    return found


def command() -> str:
    """Return the command line of this process, as a shell would take it."""
    return shlex.join(["pansharpkit", *sys.argv[1:]]) if sys.argv else "pansharpkit"


@cache
def _versions() -> dict[str, str]:
    import rasterio

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["gdal"] = str(rasterio.__gdal_version__)
    return found
