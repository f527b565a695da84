"""Images that nobody has orthorectified yet: they have coefficients instead of a grid."""

from __future__ import annotations

import os
from pathlib import Path

_ENDINGS = (".rpb", "_rpc.txt", ".rpc", "_rpc.xml")
"""What vendors append to the name of an image, less its suffix, in lower case."""


def coefficients_beside(image: Path) -> str | None:
    """Return the name of the file with the rational polynomial coefficients of an image.

    It is found by its name alone and not opened. None if there is none.
    """
    stem = image.stem.lower()
    expected = {stem + ending for ending in _ENDINGS}
    expected.add(f"rpc_{stem.removeprefix('img_')}.xml")  # DIMAP
    try:
        with os.scandir(image.parent) as entries:
            return min((e.name for e in entries if e.name.lower() in expected), default=None)
    except OSError:
        return None


def advice(where: str) -> str:
    """Say what an image with coefficients and without a geotransform is, and what to do."""
    return (
        f"has no geotransform but rational polynomial coefficients ({where}), so it is not "
        "orthorectified; orthorectify PAN and MS first, with the same elevation model (gdalwarp "
        "-rpc -to RPC_DEM=dem.tif -t_srs EPSG:code), or get the ortho product"
    )
