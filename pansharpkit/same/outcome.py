"""What blending or restoring made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.outcome import rounded_seconds
from pansharpkit.runs import RunResult
from pansharpkit.same.request import SameTask
from pansharpkit.writer import Manifest

if TYPE_CHECKING:  # loaded when they are needed
    from pansharpkit.estimate import Estimate


@dataclass(frozen=True)
class SameOutcome:
    """What was made."""

    task: SameTask
    method: str
    manifest: Manifest
    run: RunResult
    warnings: tuple[str, ...]
    indices: Mapping[str, float | None] | None = None
    """None without a report."""
    report_json: Path | None = None
    report_html: Path | None = None
    estimate: Estimate | None = None
    """How long it was expected to take, if that was asked for."""

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as JSON-ready values."""
        return {
            "output": str(self.manifest.path),
            "sha256": self.manifest.sha256,
            "method": self.method,
            "report_json": None if self.report_json is None else str(self.report_json),
            "report_html": None if self.report_html is None else str(self.report_html),
            "indices": None if self.indices is None else dict(self.indices),
            "valid_pixels": self.run.valid,
            "total_pixels": self.run.total,
            "clipped_low": list(self.run.low),
            "clipped_high": list(self.run.high),
            "seconds": dict(self.run.seconds),
            "estimated_seconds": rounded_seconds(self.estimate),
            "device": self.run.device,
            "warnings": list(self.warnings),
        }
