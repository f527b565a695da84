"""What fusing one scene made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.engine import RunResult
from pansharpkit.gate import judged
from pansharpkit.registration import Registration
from pansharpkit.writer import Manifest

if TYPE_CHECKING:  # loaded when they are needed: that takes longer than many a scene
    from pansharpkit.estimate import Estimate
    from pansharpkit.metrics import QualityMap
    from pansharpkit.report import QualityReport, Selection


@dataclass(frozen=True)
class FuseOutcome:
    """What was made."""

    manifest: Manifest
    run: RunResult
    registration: Registration
    report: QualityReport | None
    report_json: Path | None
    report_html: Path | None
    warnings: tuple[str, ...]
    method: str = ""
    """Name of the method, the chosen one for ``auto``."""
    selection: Selection | None = None
    estimate: Estimate | None = None
    """How long it was expected to take, if that was asked for."""
    quality: QualityMap | None = None
    """How good every block is, where the result was judged."""
    uncertainty: Manifest | None = None
    """The raster of standard deviations, if that was asked for."""

    @property
    def judged(self) -> dict[str, float | None]:
        """What a quality gate judges: the indices, and how well the inputs fitted."""
        return judged(None if self.report is None else self.report.indices, self.registration)

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as JSON-ready values."""
        found = self.registration
        beside = {} if self.uncertainty is None else {"uncertainty": str(self.uncertainty.path)}
        return {
            "output": str(self.manifest.path),
            "sha256": self.manifest.sha256,
            "method": self.method,
            "chosen": None if self.selection is None else self.selection.why,
            "report_json": None if self.report_json is None else str(self.report_json),
            "report_html": None if self.report_html is None else str(self.report_html),
            "indices": None if self.report is None else dict(self.report.indices),
            "registration": {
                "shift_rows": found.shift_rows,
                "shift_cols": found.shift_cols,
                "r2": found.r2,
                "r2_unshifted": found.r2_unshifted,
                "reliable": found.reliable,
            },
            "valid_pixels": self.run.valid,
            "total_pixels": self.run.total,
            "clipped_low": list(self.run.low),
            "clipped_high": list(self.run.high),
            "seconds": dict(self.run.seconds),
            "estimated_seconds": rounded_seconds(self.estimate),
            "device": self.run.device,
            "warnings": list(self.warnings),
            **beside,
        }


def rounded_seconds(found: Estimate | None) -> float | None:
    """Return the seconds that were expected, if that is known."""
    return None if found is None or found.seconds is None else round(found.seconds, 1)
