"""The report's charts with their captions."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from pansharpkit.registration import WARN_PX
from pansharpkit.report import charts
from pansharpkit.report.indices import style_of
from pansharpkit.report.printed import known, number
from pansharpkit.report.quality import QualityReport


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption."""

    svg: Markup
    caption: str


def tile_chart(report: QualityReport) -> Chart | None:
    """Return the map of the quality of tiles, if any has one."""
    values = sorted(tile.q for tile in report.per_tile if known(tile.q))
    if not values:
        return None
    lowest, median, highest = (number(values[i], 3) for i in (0, len(values) // 2, -1))
    caption = (
        f"{style_of(report.tile_index).label} of {len(values)} tiles: lowest {lowest}, "
        f"median {median}, highest {highest}. "
        "Grey tiles hold too few valid pixels."
    )
    return Chart(charts.tile_map(report.per_tile, f"Map: {caption}"), caption)


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
