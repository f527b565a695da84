"""The bundled scene and the runs that show it off."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from pansharpkit.engine import RunOptions
from pansharpkit.intake import SceneRequest
from pansharpkit.pipeline import FuseRequest, fuse
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import PairOptions

__all__ = ["CITY_CENTRE", "HEADLINE", "SAID", "demo_files", "fuse", "requests"]

HEADLINE = "mtf-glp-fs"
SAID = {
    "exp": "the MS interpolated, for comparison",
    "brovey": "colour ratios kept, intensity from PAN",
    "gsa": "adaptive Gram-Schmidt",
    "bdsd-pc": "band-dependent detail with physical constraints",
    "mtf-glp-fs": "MTF-matched pyramid, the default method",
    "scenenet": "the same, corrected by a small network that learns from the scene",
    "gdd": "Guided Deep Decoder: a network fitted to the city centre, here and now",
}
LEARNED = ("scenenet", "gdd")
"""Methods that train a network first."""
_GDD = MethodRequest("gdd", {"preset": "fast"})
CITY_CENTRE = (608850.0, 4739275.0, 612690.0, 4743114.0)
"""West, south, east, north of the 256 x 256 PAN pixels that GDD fuses."""

_opened = ExitStack()  # keeps files extracted from a zipped package until the process ends


def demo_files() -> tuple[Path, Path]:
    """Return the PAN and the MS of the bundled Landsat 8 scene."""
    folder = files("pansharpkit") / "_demo"
    pan, ms = (
        _opened.enter_context(as_file(folder / f"LC08_20150630_pamplona_{name}.tif"))
        for name in ("PAN_15m", "MS_30m")
    )
    return pan, ms


def requests(
    folder: Path, *, quick: bool = False, seed: int = 0, device: str = "auto"
) -> dict[str, FuseRequest]:
    """Return the run of each method into a folder."""
    inputs = tuple(str(path) for path in demo_files())
    scene = SceneRequest(inputs, sensor="landsat8_oli")
    names = [name for name in SAID if not (quick and name in LEARNED)]
    return {
        name: FuseRequest(
            replace(scene, pair=PairOptions(CITY_CENTRE)) if name == "gdd" else scene,
            folder / f"pamplona_{name}.tif",
            _GDD if name == "gdd" else MethodRequest(name),
            RunOptions(seed=seed, device=device),
            overwrite=True,
        )
        for name in names
    }
