"""What a result depends on besides the pixels: versions."""

from __future__ import annotations

import platform
import shlex
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("pansharpkit", "torch", "rasterio", "numpy", "scipy", "pyproj", "xarray", "dask")


def versions() -> dict[str, str]:
    """Return the versions of Python, GDAL, the platform and every package that shapes a result."""
    return dict(_versions())


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
