"""The proof: a part of the bundled scene, fused, written, read back, and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.doctor.finding import Fact, Finding

if TYPE_CHECKING:
    from pansharpkit.outcome import FuseOutcome

AREA = (608852.0, 4741197.0, 610768.0, 4743113.0)
"""West, south, east, north of 128 x 128 PAN pixels of the demonstration scene."""
SHAPE = (4, 128, 128)
TOLERANCE = 0.5
"""By how many counts means and deviations may differ between machines: results are rounded."""


@dataclass(frozen=True)
class Known:
    """What a fused band is known to be, in counts."""

    mean: float
    deviation: float


KNOWN = {
    "gsa": (
        Known(1824.27, 268.09), Known(1786.22, 321.64),
        Known(1836.89, 417.49), Known(2685.50, 423.92),
    ),
    "mtf-glp-fs": (
        Known(1826.42, 263.55), Known(1788.80, 316.56),
        Known(1840.20, 411.50), Known(2685.50, 423.92),
    ),
}  # fmt: skip
"""Bands of the area as fused on x86-64 and read from the file: blue, green, red, near infrared."""
JUDGED = "mtf-glp-fs"
"""The method whose fusion is followed by a report."""


def fused(method: str) -> Finding:
    """Fuse the area, write a COG (one of them with a report), read it back, compare the bands."""
    with tempfile.TemporaryDirectory(prefix="pansharpkit-doctor-") as folder:
        outcome = _run(method, Path(folder) / "fused.tif")
        found = _bands(outcome)
    wrong = _differences(found, KNOWN[method])
    seconds = sum(outcome.run.seconds.values())
    facts: dict[str, Fact] = {
        "method": method,
        "seconds": round(seconds, 2),
        "sha256": outcome.manifest.sha256,
    }
    name = f"fusion {method}"
    if wrong:
        said = f"{'; '.join(wrong)}: results of this installation cannot be trusted"
        return Finding(name, "failed", said, facts)
    height, width = SHAPE[1:]
    done = "fused, written, read back" + (", judged" if outcome.report is not None else "")
    said = f"{height} × {width} pixels {done}: as they should be"
    return Finding(name, "ok", said, facts)


def _run(method: str, output: Path) -> FuseOutcome:
    from pansharpkit.intake import SceneRequest
    from pansharpkit.pipeline import FuseRequest, fuse
    from pansharpkit.requested import MethodRequest
    from pansharpkit.runs import RunOptions
    from pansharpkit.scene import PairOptions
    from pansharpkit.showcase import demo_files

    inputs = tuple(str(path) for path in demo_files())
    scene = SceneRequest(inputs, sensor="landsat8_oli", pair=PairOptions(AREA))
    run = RunOptions(device="cpu")
    request = FuseRequest(scene, output, MethodRequest(method), run, report=method == JUDGED)
    return fuse(request)


def _bands(outcome: FuseOutcome) -> list[Known]:
    """Return what was written, by band, once the file has been seen to be the one written."""
    import rasterio

    from pansharpkit.writer.manifest import sha256_of

    path = outcome.manifest.path
    if sha256_of(path) != outcome.manifest.sha256:
        raise ValueError("the file read back is not the one written: suspect the disk")
    with rasterio.open(path) as made:
        if made.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            raise ValueError("the output is no COG")
        values = made.read().astype(float)
    if values.shape != SHAPE:
        raise ValueError(f"the output has the shape {values.shape} instead of {SHAPE}")
    return [Known(float(band.mean()), float(band.std())) for band in values]


def _differences(found: Sequence[Known], known: Sequence[Known]) -> list[str]:
    """Say which bands are not what they should be.

    >>> _differences([Known(9000.2, 800.0)], [Known(9000.0, 800.1)])
    []
    >>> _differences([Known(9000.2, 750.0)], [Known(9000.0, 800.1)])
    ['band 1 has mean 9000.2 and deviation 750.0 instead of 9000.0 and 800.1']
    """
    return [
        f"band {number} has mean {band.mean:.1f} and deviation {band.deviation:.1f} instead of "
        f"{right.mean:.1f} and {right.deviation:.1f}"
        for number, (band, right) in enumerate(zip(found, known, strict=True), 1)
        if not (
            abs(band.mean - right.mean) <= TOLERANCE
            and abs(band.deviation - right.deviation) <= TOLERANCE
        )
    ]
