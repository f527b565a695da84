"""Finding the scenes of an archive, and which PAN belongs to which MS."""

from __future__ import annotations

from pansharpkit.archive.find.search import FindRequest, find

__all__ = ["FindRequest", "find"]
