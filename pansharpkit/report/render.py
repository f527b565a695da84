"""The quality report as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from pydantic import JsonValue

from pansharpkit.report import selection
from pansharpkit.report.figures import (
    histogram_charts,
    registration_charts,
    spectral_charts,
)
from pansharpkit.report.indices import HEADLINES, ordered, style_of
from pansharpkit.report.printed import (
    both,
    duration,
    grouped,
    known,
    listed,
    number,
    signed,
    text,
)
from pansharpkit.report.quality import Provenance, QualityReport, RasterSummary
from pansharpkit.report.tilemaps import tile_maps
from pansharpkit.report.views import views

PROTOCOLS = {
    "full-resolution": "full resolution, no reference",
    "reduced-resolution": "reduced resolution (Wald), against the MS itself",
}
Pairs = list[tuple[str, str]]
_LONG = 32  # bands beyond which their table is folded


@dataclass(frozen=True)
class IndexRow:
    """One index as printed."""

    label: str
    value: str
    unit: str
    interval: str
    best: str
    meaning: str
    definition: str


@dataclass(frozen=True)
class Table:
    """Numbers per band."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]

    @property
    def long(self) -> bool:
        """Whether it is folded until somebody wants to see it."""
        return len(self.rows) > _LONG


def render_html(report: QualityReport, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    pictures : PNG files by ``view/layer``, as `quicklook.scene_pictures` makes them.

    Raises
    ------
    OptionError
        If a picture is no PNG file.
    """
    indices = [_index_row(report, name) for name in ordered(report.indices)]
    return template("report.html").render(
        report=report,
        title=report.scene.fused.name,
        protocol=PROTOCOLS[report.protocol],
        headlines=indices[:HEADLINES],
        indices=indices,
        conditions=_conditions(report),
        registration_text=_registration_text(report),
        views=views(
            pictures,
            places=report.views,
            size=(report.scene.fused.grid.height, report.scene.fused.grid.width),
        ),
        bands=_band_table(report),
        tiles=tile_maps(report),
        judged=report.definitions.get("judged", "all pixels"),
        values=histogram_charts(report),
        registration=registration_charts(report),
        spectral=spectral_charts(report),
        scene=_scene_pairs(report),
        rasters=[report.scene.guide, report.scene.target, report.scene.fused],
        grid_text=grid_text,
        listed=listed,
        options=pairs(report.method.options),
        fit=pairs(report.method.fit),
        trials=selection.rows(report.selection),
        trial_heads=selection.heads(),
        provenance=provenance_pairs(report.provenance),
        versions=version_pairs(report.provenance),
    )


def _index_row(report: QualityReport, name: str) -> IndexRow:
    style = style_of(name)
    low, high = report.intervals.get(name, (None, None))
    interval = ""
    if known(low) and known(high):
        interval = f"{number(low, style.decimals)} … {number(high, style.decimals)}"
    return IndexRow(
        style.label,
        number(report.indices[name], style.decimals),
        style.unit,
        interval,
        style.best,
        style.meaning,
        _definitions(report).get(name, ""),
    )


def _conditions(report: QualityReport) -> Pairs:
    """Return what holds for all indices, without which they mean nothing."""
    scene, masked = report.scene, 100 * report.masked_fraction
    common = [
        (name.replace("_", " ").capitalize(), definition)
        for name, definition in _definitions(report).items()
        if name not in report.indices
    ]
    return [
        ("Protocol", PROTOCOLS[report.protocol]),
        ("Pixels", f"{grouped(report.n_pixels)} valid, {masked:.2f} % masked"),
        ("Registration", _registration_text(report)),
        ("Ratio", both(scene.ratio)),
        ("MS sample 0 lies at", f"PAN pixel {both(scene.phase)}"),
        *common,
    ]


def _definitions(report: QualityReport) -> dict[str, str]:
    """Return the definition of each index; one text may stand for several, named with commas."""
    return {
        name.strip(): definition
        for names, definition in report.definitions.items()
        for name in names.split(",")
    }


def _registration_text(report: QualityReport) -> str:
    found = report.registration
    if found is None:
        return "not measured"
    said = (
        f"to lie on the {found.guide}, the {found.target} must move {signed(found.shift_rows)} "
        f"rows and {signed(found.shift_cols)} columns ({found.guide} px); "
        f"R² {number(found.r2, 3)} there, {number(found.r2_unshifted, 3)} as georeferenced"
    )
    return said if found.reliable else f"{said}; not reliable"


def _band_table(report: QualityReport) -> Table:
    columns = ordered({name for row in report.per_band.values() for name in row})
    styles = [style_of(name) for name in columns]
    decimals = [_decimals(report, name) for name in columns]
    names = list(dict.fromkeys([*report.per_band, *report.clipped]))
    rows = []
    for band in names:
        values = report.per_band.get(band, {})
        cells = [
            number(values.get(name), digits) for name, digits in zip(columns, decimals, strict=True)
        ]
        clipped = report.clipped.get(band)
        cells += [grouped(clipped.low), grouped(clipped.high)] if clipped else ["–", "–"]
        rows.append((band, cells))
    heads = [style.label + (f", {style.unit}" if style.unit else "") for style in styles]
    return Table([*heads, "Clipped low", "Clipped high"], rows)


def _decimals(report: QualityReport, index: str) -> int:
    """Return how many decimals a column has: errors of reflectance below 1 would all be 0.00."""
    values = [row.get(index) for row in report.per_band.values()]
    largest = max((abs(value) for value in values if known(value)), default=0.0)
    usual = style_of(index).decimals
    return (
        usual if largest >= 1 or largest == 0 else max(usual, 2 - math.floor(math.log10(largest)))
    )


def _scene_pairs(report: QualityReport) -> Pairs:
    scene = report.scene
    return [
        (name, value)
        for name, value in (("Sensor", scene.sensor), ("Acquired", scene.acquired))
        if value
    ]


def grid_text(raster: RasterSummary) -> str:
    """Return where a raster lies, in print."""
    grid = raster.grid
    rows, cols = (f"{gsd:.6g}" for gsd in grid.gsd)
    size = f"{grouped(grid.height)} × {grouped(grid.width)} px of {rows} × {cols}"
    return f"{size}, {grid.crs or 'no CRS'}"


def provenance_pairs(origin: Provenance) -> Pairs:
    """Return how to get the same result again, in print."""
    return [
        ("Created", origin.created or "–"),
        ("Seed", str(origin.seed)),
        ("Device", origin.device),
        *((f"Time, {stage}", duration(s)) for stage, s in origin.seconds.items()),
        *((f"Input {name}", digest or "not hashed") for name, digest in origin.inputs.items()),
    ]


def version_pairs(origin: Provenance) -> Pairs:
    """Return versions with licences, in print."""
    said = origin.licences
    return [
        (name, f"{version} · {said[name]}" if name in said else version)
        for name, version in origin.versions.items()
    ]


def pairs(values: Mapping[str, JsonValue] | Mapping[str, str]) -> Pairs:
    """Return options, coefficients or versions in print."""
    return [(name, text(value)) for name, value in values.items()]


@cache
def template(name: str) -> Template:
    """Return one of the pages; a hash in its head allows the script at its end, and no other."""
    script = (
        resources.files("pansharpkit.report").joinpath("templates/report.js").read_text("utf-8")
    )
    environment = Environment(
        loader=PackageLoader("pansharpkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = hashlib.sha256(script.encode()).digest()
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = base64.b64encode(digest).decode()
    return environment.get_template(name)
