"""One fused raster that belongs to no batch, as a STAC item."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.record import OutputFile, SceneRecord
from pansharpkit.archive.stac.item import write_single_item
from pansharpkit.errors import OptionError
from pansharpkit.outcome import FuseOutcome
from pansharpkit.readers.safe_open import printable

_TIFF = re.compile(r"\.tiff?", re.IGNORECASE)


def is_geotiff(output: Path) -> bool:
    """Return whether a name is that of a GeoTIFF."""
    return _TIFF.fullmatch(output.suffix) is not None


def check_describable(output: Path) -> None:
    """Refuse an output that has no STAC item.

    Raises
    ------
    OptionError
        If it is no GeoTIFF.
    """
    if not is_geotiff(output):
        raise OptionError(f"{output}: only a GeoTIFF has a STAC item; write a .tif for --stac")


def describe(outcome: FuseOutcome, inputs: Sequence[str]) -> Path:
    """Write thumbnail and STAC item beside what was fused; return the item's path.

    Raises
    ------
    PansharpkitError
        If the raster cannot be read, or the files cannot be written.
    """
    made = outcome.manifest
    folder, name = made.path.absolute().parent, printable(made.path.stem)
    record = SceneRecord(
        id=name,
        state="done",
        output=OutputFile(made.path.name, made.sha256, made.bytes, made.modified_ns),
        report_json=None if outcome.report_json is None else outcome.report_json.name,
        report_html=None if outcome.report_html is None else outcome.report_html.name,
        method=outcome.method,
        indices=outcome.judged,
        versions=made.versions,
    )
    return write_single_item(record, SceneEntry(name, tuple(inputs), ""), folder)
