"""Whether this installation can do its work: versions, devices, codecs, and a fusion as proof."""

from __future__ import annotations

from pansharpkit.doctor.examination import examine
from pansharpkit.doctor.finding import Finding, State, healthy

__all__ = ["Finding", "State", "examine", "healthy"]
