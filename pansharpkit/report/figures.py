"""The report's charts with their captions."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from pansharpkit.registration import WARN_PX
from pansharpkit.report import charts
from pansharpkit.report.histogramplot import drawn_histograms
from pansharpkit.report.histograms import NDVI
from pansharpkit.report.printed import known, number
from pansharpkit.report.quality import QualityReport


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption."""

    svg: Markup
    caption: str


def histogram_charts(report: QualityReport) -> list[Chart]:
    """Return how values are spread before and after, and NDVI apart from them."""
    drawn = []
    bands = [item for item in report.histograms if item.name != NDVI]
    if bands:
        said = (
            "How often each value occurs before (dashed) and after, stored units, at the same "
            "pixels spread evenly over the scene."
        )
        drawn.append(Chart(drawn_histograms(bands, said), said))
    ndvi = [item for item in report.histograms if item.name == NDVI]
    if ndvi:
        said = f"NDVI before (dashed) and after, at PAN pixels. {_drift_text(report)}".strip()
        drawn.append(Chart(drawn_histograms(ndvi, said), said))
    return drawn


def _drift_text(report: QualityReport) -> str:
    drift = report.indices.get("ndvi_drift")
    if not known(drift):
        return ""
    low, high = report.intervals.get("ndvi_drift", (None, None))
    sure = f" (95 % interval {number(low)} … {number(high)})" if known(low) and known(high) else ""
    return f"Brought back to the MS pixels, it drifts by {number(drift)}{sure} on average."


def registration_charts(report: QualityReport) -> list[Chart]:
    """Return the shift as an arrow, and how the fit depends on it."""
    found = report.registration
    if found is None:
        return []
    distance = number(found.distance, 2)
    vector = (
        f"By how much the {found.target} must move to lie on the {found.guide}: {distance} "
        f"{found.guide} px. Inside the dashed circle of {WARN_PX} px no correction is needed."
    )
    drawn = [Chart(charts.shift_vector(found, vector), vector)]
    if found.curve:
        curve = (
            f"R² of {found.guide} against {found.target} over trial shifts: "
            f"{number(found.r2, 3)} at the peak, "
            f"{number(found.r2_unshifted, 3)} as georeferenced."
        )
        drawn.append(Chart(charts.registration_curve(found, curve), curve))
    return drawn


def spectral_charts(report: QualityReport) -> list[Chart]:
    """Return errors against wavelength, and spectra of a few places, of a cube."""
    if not report.spectra:
        return []
    nm = [value for value in report.wavelengths_nm if known(value)]
    index, drawn = "consistency_error_percent", []
    errors = [band.get(index) for band in report.per_band.values()]
    if nm and len(errors) == len(nm) and any(map(known, errors)):
        said = "Fused, blurred and decimated, against the input, band by band."
        drawn.append(Chart(charts.band_errors(nm, errors, said), said))
    if nm:
        said = "Spectra at places that differ most: the input (dashed) and fused, stored units."
        drawn.append(Chart(charts.point_spectra(nm, report.spectra, said), said))
    return drawn
