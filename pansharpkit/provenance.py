"""What a result depends on besides the pixels: versions."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("pansharpkit", "torch", "rasterio", "numpy", "scipy", "pyproj", "xarray", "dask")


def versions() -> dict[str, str]:
    """Return the versions of Python, GDAL, the platform and every package that shapes a result."""
    return dict(_versions())


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
