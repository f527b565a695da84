"""The report's charts, as SVG that is part of the page and follows its colours."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from pansharpkit.registration import WARN_PX, Registration
from pansharpkit.report.quality import PointSpectra

# Stand-ins that become the page's own colours, light or dark.
_INK, _ACCENT = "#010203", "#010204"
_COLOURS = {_INK: "currentColor", _ACCENT: "var(--accent)"}
_drawing = threading.Lock()  # matplotlib's style is global


@contextmanager
def _style() -> Iterator[None]:
    with _drawing, mpl.rc_context({
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": "pansharpkit",  # the same report gives the same file
        "font.size": 9.5,
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "axes.linewidth": 0.6,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
    }):  # fmt: skip
        yield


def shift_vector(found: Registration, label: str) -> Markup:
    """Draw by how much the MS must move, inside the circle that needs no correction."""
    reach = max(1.0, 1.25 * max(abs(found.shift_rows), abs(found.shift_cols)))
    with _style():
        figure = _figure(3.2)
        axes = figure.add_subplot()
        axes.add_patch(Circle((0, 0), WARN_PX, fill=False, ec=_INK, lw=0.7, ls=(0, (4, 3))))
        _cross(axes)
        axes.plot([0, found.shift_cols], [0, found.shift_rows], color=_ACCENT, lw=2)
        axes.plot([found.shift_cols], [found.shift_rows], "o", color=_ACCENT, ms=6)
        axes.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
        axes.set(xlabel=f"columns, {found.guide} px", ylabel=f"rows, {found.guide} px")
        axes.locator_params(nbins=5)
        _open_frame(axes)
        return _to_svg(figure, label)


def registration_curve(found: Registration, label: str) -> Markup:
    """Draw R² against the shift along columns, through the peak."""
    shift, r2 = np.array(found.curve, float).T
    with _style():
        figure = _figure(3.2)
        axes = figure.add_subplot()
        axes.axvline(0, color=_INK, lw=0.7, alpha=0.5)
        axes.plot(shift, r2, color=_ACCENT, lw=2)
        axes.plot([found.shift_cols], [found.r2], "o", color=_ACCENT, ms=6)
        axes.set(xlabel=f"shift of the {found.target} along columns, {found.guide} px", ylabel="R²")
        axes.margins(x=0)
        _open_frame(axes)
        return _to_svg(figure, label)


def band_errors(wavelengths: Sequence[float], errors: Sequence[float | None], label: str) -> Markup:
    """Draw an error of each band in per cent against its wavelength."""
    order = np.argsort(wavelengths)
    with _style():
        figure = _figure(2.6)
        axes = figure.add_subplot()
        values = np.array(errors, float)[order]  # None becomes NaN
        axes.plot(np.array(wavelengths)[order], values, color=_ACCENT, lw=1.5, marker=".", ms=3)
        axes.set(xlabel="wavelength, nm", ylabel="error, %")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        _open_frame(axes)
        return _to_svg(figure, label)


def point_spectra(
    wavelengths: Sequence[float], points: Sequence[PointSpectra], label: str
) -> Markup:
    """Draw the spectra of a few places, before (dashed) and after, one above the other."""
    order = np.argsort(wavelengths)
    nm = np.array(wavelengths)[order]
    with _style():
        figure = _figure(1.1 * len(points) + 0.5)
        rows = figure.subplots(len(points), 1, sharex=True, squeeze=False)[:, 0]
        for axes, point in zip(rows, points, strict=True):
            axes.plot(nm, np.array(point.target, float)[order], color=_INK, lw=0.9, ls="--")
            axes.plot(nm, np.array(point.fused, float)[order], color=_ACCENT, lw=1.5)
            axes.set_title(f"row {point.row}, column {point.col}", fontsize=8.5, loc="left")
            axes.margins(x=0)
            _open_frame(axes)
        rows[-1].set_xlabel("wavelength, nm")
        return _to_svg(figure, label)


def _figure(height: float) -> Figure:
    """Return a figure of a height in inches; all have one width, so that their letters match."""
    return Figure(figsize=(4.6, height), layout="constrained")


def _cross(axes: Axes) -> None:
    axes.axhline(0, color=_INK, lw=0.5, alpha=0.4)
    axes.axvline(0, color=_INK, lw=0.5, alpha=0.4)


def _open_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _to_svg(figure: Figure, label: str) -> Markup:
    """Return a figure as an SVG element with a text alternative."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing, dpi=144)
    text = buffer.getvalue()
    text = re.sub(r"<(metadata|style).*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    opening = re.search(r"<svg[^>]*>", text)
    assert opening is not None
    view = re.search(r'viewBox="[^"]*"', opening.group())
    assert view is not None
    text = text[opening.end() :]
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # the same names in every chart
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    head = Markup('<svg role="img" aria-label="{}" {}>').format(label, Markup(view.group()))
    return head + Markup(text)
