"""The report of a blend or a restoration as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping

from pansharpkit.report.images import ImagesReport
from pansharpkit.report.indices import style_of
from pansharpkit.report.printed import grouped, listed, number
from pansharpkit.report.render import IndexRow, Pairs, grid_text, pairs, provenance_pairs, template
from pansharpkit.report.views import views as views_of

TITLES = {"blend": "Blended", "denoise": "Restored"}
HEADLINES = {
    "blend": ("q_abf", "mi_normalised", "q_piella_w"),
    "denoise": ("noise_before", "noise_after", "residual_edges"),
}
"""Indices that are shown large."""


def layer_names(report: ImagesReport) -> dict[str, str]:
    """Return what each layer of the pictures is called, in the order they are shown."""
    names = [source.name for source in report.sources]
    if report.task == "blend":
        letters = {chr(ord("a") + i): name for i, name in enumerate(names)}
        return {
            **{letter: f"{letter.upper()}: {name}" for letter, name in letters.items()},
            "fused": "Blended",
        }
    guide = {"b": f"Guide: {names[1]}"} if len(names) > 1 else {}
    return {"a": f"Noisy: {names[0]}", "fused": "Restored", **guide, "residual": "Taken off"}


def render_images(report: ImagesReport, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    pictures : PNG files by ``view/layer``; see `layer_names`.

    Raises
    ------
    OptionError
        If a picture is no PNG file.
    """
    rows = {name: _row(report, name) for name in report.indices}
    return template("images.html").render(
        report=report,
        title=report.fused.name,
        kind=TITLES[report.task],
        headlines=[rows[name] for name in HEADLINES[report.task] if name in rows],
        indices=list(rows.values()),
        conditions=_conditions(report),
        views=views_of(pictures, layer_names(report)),
        rasters=[*_scaled(report), (report.fused, "")],
        clipped=[
            (band, grouped(found.low), grouped(found.high))
            for band, found in report.clipped.items()
        ],
        grid_text=grid_text,
        listed=listed,
        options=pairs(report.method.options),
        fit=pairs(report.method.fit),
        provenance=provenance_pairs(report.provenance),
        versions=pairs(report.provenance.versions),
    )


def _scaled(report: ImagesReport) -> list[tuple[object, str]]:
    """Return each source with how it was brought to the scale of the first."""
    return [
        (source, "" if pair == (1.0, 0.0) else f"× {pair[0]:.5g}, {pair[1]:+.5g}")
        for source, pair in zip(report.sources, report.scales, strict=True)
    ]


def _row(report: ImagesReport, name: str) -> IndexRow:
    style = style_of(name)
    value = number(report.indices[name], style.decimals)
    definition = _definitions(report).get(name, "")
    return IndexRow(style.label, value, style.unit, "", style.best, style.meaning, definition)


def _conditions(report: ImagesReport) -> Pairs:
    masked = 100 * report.masked_fraction
    common = [
        (name.replace("_", " ").capitalize(), definition)
        for name, definition in _definitions(report).items()
        if name not in report.indices
    ]
    return [("Pixels", f"{grouped(report.n_pixels)} valid, {masked:.2f} % masked"), *common]


def _definitions(report: ImagesReport) -> dict[str, str]:
    return {
        name.strip(): definition
        for names, definition in report.definitions.items()
        for name in names.split(",")
    }
