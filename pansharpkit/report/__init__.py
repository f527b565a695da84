"""The quality report: data, JSON, pictures and the HTML page."""

from pansharpkit.report.quality import (
    SCHEMA_VERSION,
    Clipped,
    FailedTile,
    GridSummary,
    Histogram,
    MethodSummary,
    PointSpectra,
    Provenance,
    QualityReport,
    RasterSummary,
    SceneSummary,
    TileQuality,
    json_schema,
)
from pansharpkit.report.selection import Selection, Trial
from pansharpkit.report.tiling import tiles_of_map

__all__ = [
    "SCHEMA_VERSION",
    "Clipped",
    "FailedTile",
    "GridSummary",
    "Histogram",
    "MethodSummary",
    "PointSpectra",
    "Provenance",
    "QualityReport",
    "RasterSummary",
    "SceneSummary",
    "Selection",
    "TileQuality",
    "Trial",
    "json_schema",
    "tiles_of_map",
]
