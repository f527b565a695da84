"""A picture of how wrong each band is, against its wavelength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.writer.preflight import check_folder, check_no_input

SUFFIXES = (".png", ".svg", ".pdf")
_PANELS = {"rmse": "RMSE, stored units", "ssim": "SSIM"}
_GAP = 4.0  # times the usual step between bands: there a curve is broken
_LABELLED = 12  # curves that a legend can hold

PerBand = Mapping[str, Sequence[float | None]]
"""Index to one value for each band."""


def check_plot(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse the name of a picture that cannot be drawn, before anything is computed.

    Raises
    ------
    OptionError
        If its ending names no format of pictures, it exists and may not be replaced, or it is one
        of the inputs.
    OutputError
        If its folder is missing.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--plot {path.name}: the name must end in {', '.join(SUFFIXES)}")
    if path.exists() and not overwrite:
        raise OptionError(f"{path} exists; pass --overwrite to replace it")
    check_no_input(path, inputs)
    check_folder(path)


def draw_bands(
    path: Path, centers_nm: Sequence[float | None], found: Mapping[str, PerBand]
) -> None:
    """Draw RMSE and SSIM of each band, a curve for each method, one above the other.

    Parameters
    ----------
    centers_nm
        Of the bands; where one is not known, bands are numbered instead.
    found
        Title of each curve and its values.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    known = [centre for centre in centers_nm if centre is not None]
    lost = len(known) < len(centers_nm)
    place = np.arange(1.0, len(centers_nm) + 1) if lost else np.array(known)
    shown = [name for name in _PANELS if all(name in bands for bands in found.values())]
    figure = Figure(figsize=(9, 1 + 2.6 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, shown, strict=True):
        for index, (title, bands) in enumerate(found.items()):
            colour = colormaps["turbo"](0.08 + 0.84 * index / max(1, len(found) - 1))
            _curve(axes, place, np.array(bands[name], float), title, colour)
        axes.set_ylabel(_PANELS[name])
        axes.grid(alpha=0.3)
        axes.margins(x=0.01)
    panels[0].set_ylim(bottom=0)
    panels[-1].set_xlabel("band" if lost else "wavelength, nm")
    if 1 < len(found) <= _LABELLED:
        panels[0].legend(fontsize="small")
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written: {error}") from error


def _curve(
    axes: Axes, place: NDArray[np.float64], values: NDArray[np.float64], title: str,
    colour: tuple[float, float, float, float],
) -> None:  # fmt: skip
    """Draw a curve that is broken where bands are missing."""
    order = np.argsort(place)
    x, y = place[order], values[order]
    steps = np.diff(x)
    if len(steps):
        after = np.flatnonzero(steps > _GAP * np.median(steps)) + 1
        x, y = np.insert(x, after, np.nan), np.insert(y, after, np.nan)
    axes.plot(x, y, color=colour, linewidth=1.4, marker=".", markersize=3, label=title)
