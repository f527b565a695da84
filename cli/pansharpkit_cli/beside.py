"""Options that ask for more files beside each fused raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansharpkit.archive.beside import Beside

CALLED = {
    "stac": "STAC item",
    "qml": "QGIS style",
    "quality_raster": "maps of quality",
    "uncertainty": "uncertainty",
}
"""What each of these files is called where it is announced."""


@dataclass(frozen=True)
class More:
    """Files to write beside each output, as typed."""

    qml: Annotated[
        bool,
        typer.Option(
            "--qml", help="Write a style beside the output: QGIS then opens it in natural colours."
        ),
    ] = False
    quality_raster: Annotated[
        bool,
        typer.Option(
            "--quality-raster",
            help="Write NAME.quality.tif: a band for each index, a pixel for each judged block.",
        ),
    ] = False

    @property
    def asked(self) -> Beside:
        """What the library is asked for."""
        from pansharpkit.archive.beside import Beside

        return Beside(self.qml, self.quality_raster)
