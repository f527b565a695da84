"""The other tools that users have: which of them are here, and how they are called.

On Debian and Ubuntu: ``apt-get install gdal-bin python3-gdal otb-bin``. Nothing installs them.

GRASS is not among them: ``i.pansharpen`` (8.2.1 was tried) makes pictures of three bands with eight
bits, whatever depth it is told, and no index of radiometry can judge those.
"""

from __future__ import annotations

import shutil
from pathlib import Path

GDAL = "gdal_pansharpen.py"
OTB = "otbcli_BundleToPerfectSensor"
PACKAGES = {GDAL: "gdal-bin and python3-gdal", OTB: "otb-bin"}
OTB_METHODS = ("rcs", "bayes")
DEFLATE = ("TILED=YES", "COMPRESS=DEFLATE", "PREDICTOR=2", "BIGTIFF=IF_SAFER")


def missing() -> list[str]:
    """Return what to say about each peer that is not installed."""
    return [
        f"missing peer: {tool} (Debian: {packages}); its rows are left out"
        for tool, packages in PACKAGES.items()
        if shutil.which(tool) is None
    ]


def here(tool: str) -> bool:
    return shutil.which(tool) is not None


def gdal(
    pan: Path, ms: Path, out: Path, *, threads: int, options: tuple[str, ...] = DEFLATE
) -> list[str]:
    """Return the command of GDAL's weighted Brovey with equal weights and cubic interpolation."""
    given = [part for option in options for part in ("-co", option)]
    return [
        GDAL, "-q", str(pan), str(ms), str(out), "-threads", str(threads), "-r", "cubic", *given,
        *(["-co", f"NUM_THREADS={threads}"] if "COMPRESS=DEFLATE" in options else []),
    ]  # fmt: skip


def otb(pan: Path, ms: Path, out: Path, method: str = "rcs", *, pixel: str = "uint16") -> list[str]:
    """Return the command of OTB, which writes uncompressed: that is its fastest."""
    return [OTB, "-inp", str(pan), "-inxs", str(ms), "-out", str(out), pixel, "-method", method]


def otb_environment(threads: int) -> dict[str, str]:
    return {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads), "OTB_LOGGER_LEVEL": "WARNING"}
