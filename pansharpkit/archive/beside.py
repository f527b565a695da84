"""Files beside a fused raster that are asked for, apart from its report and its STAC item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pansharpkit import qualityraster
from pansharpkit.archive import qml
from pansharpkit.outcome import FuseOutcome
from pansharpkit.output import QUALITY, UNCERTAINTY


@dataclass(frozen=True)
class Beside:
    """What to write beside a raster."""

    qml: bool = False
    """The style with which QGIS opens it."""
    quality_raster: bool = False
    """Its quality, block by block."""

    def check(self, output: Path, *, report: bool, overwrite: bool) -> None:
        """Refuse what cannot be written, before anything is computed.

        Raises
        ------
        OptionError
            If there is no such file for this output, or one that must not be replaced.
        """
        if self.qml:
            qml.check_styled(output, overwrite=overwrite)
        if self.quality_raster:
            qualityraster.check(output, report=report, overwrite=overwrite)

    def write(
        self, outcome: FuseOutcome, inputs: Sequence[str], *, overwrite: bool
    ) -> dict[str, Path]:
        """Write the files and return their paths, by the names of the fields.

        Raises
        ------
        PansharpkitError
            If the raster was not judged or cannot be read, or a file cannot be written.
        """
        found = {}
        if self.qml:
            found["qml"] = qml.write_style(outcome.manifest.path)
        if self.quality_raster:
            made = qualityraster.write_quality(outcome, inputs, overwrite=overwrite)
            found["quality_raster"] = made
        return found

    def rasters(self, *, uncertainty: bool) -> dict[str, bool]:
        """Return the suffixes of rasters that may lie beside another, and which are asked for."""
        return {QUALITY: self.quality_raster, UNCERTAINTY: uncertainty}
