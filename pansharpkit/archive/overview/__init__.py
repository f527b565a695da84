"""One page and one table over all scenes of a batch."""

from __future__ import annotations

from pansharpkit.archive.overview.write import PAGE, TABLE, overview

__all__ = ["PAGE", "TABLE", "overview"]
