"""Options that ask for more files beside a fused raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pansharpkit.outcome import FuseOutcome

CALLED = {"stac": "STAC item", "qml": "QGIS style", "quality_raster": "maps of quality"}
"""What each of these files is called where it is announced."""


@dataclass(frozen=True)
class Beside:
    """Files to write beside the output, as typed."""

    stac: Annotated[
        bool,
        typer.Option("--stac", help="Write a STAC item and a thumbnail beside the output."),
    ] = False
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

    def check(self, output: Path, *, report: bool, overwrite: bool) -> None:
        """Refuse what cannot be written, before anything is computed.

        Raises
        ------
        OptionError
            If there is no such file for this output, or one that must not be replaced.
        """
        if self.stac:
            from pansharpkit.archive.stac import single

            single.check_describable(output)
        if self.qml:
            from pansharpkit.archive import qml

            qml.check_styled(output, overwrite=overwrite)
        if self.quality_raster:
            from pansharpkit import qualityraster

            qualityraster.check(output, report=report, overwrite=overwrite)

    def write(
        self, outcome: FuseOutcome, inputs: Sequence[str], *, overwrite: bool
    ) -> dict[str, Path]:
        """Write the files and return their paths, by the names of the options."""
        found = {}
        if self.stac:
            from pansharpkit.archive.stac import single

            found["stac"] = single.describe(outcome, inputs)
        if self.qml:
            from pansharpkit.archive import qml

            found["qml"] = qml.write_style(outcome.manifest.path)
        if self.quality_raster:
            from pansharpkit import qualityraster

            made = qualityraster.write_quality(outcome, inputs, overwrite=overwrite)
            found["quality_raster"] = made
        return found
