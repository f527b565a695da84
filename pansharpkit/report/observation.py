"""A picture of an observation model: the spectral responses and the PSF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pansharpkit.errors import OutputError
from pansharpkit.model import Psf, Rows
from pansharpkit.model_file import ModelFile

_LABELLED = 12  # guide bands that a legend can hold


def draw_model(path: Path, file: ModelFile, preset: Rows | None = None) -> None:
    """Draw a model: SRF against wavelength, dashed what the preset says, and the PSF beside.

    Parameters
    ----------
    preset
        [c, C] in the order of the model; None if nothing is known.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    if file.model.psf is None:
        _responses(figure.subplots(), file, preset)
    else:
        curves, image = figure.subplots(1, 2, width_ratios=(5, 2))
        _responses(curves, file, preset)
        _psf(image, file.model.psf)
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written: {error}") from error


def _responses(axes: Axes, file: ModelFile, preset: Rows | None) -> None:
    known = [c for c in file.centers_nm if c is not None]
    lost = len(known) < len(file.bands)
    place = np.arange(1.0, len(file.bands) + 1) if lost else np.array(known)
    order = np.argsort(place)
    spread = np.array(file.spread)
    for index, (name, row) in enumerate(zip(file.guide_bands, file.model.srf, strict=True)):
        colour = colormaps["turbo"](0.08 + 0.84 * index / max(1, len(file.guide_bands) - 1))
        curve = np.array(row)
        label = f"{name} ({100 * file.residual[index]:.2g} % missed)"
        axes.plot(place[order], curve[order], color=colour, label=label)
        low, high = curve - spread[index], curve + spread[index]
        axes.fill_between(place[order], low[order], high[order], color=colour, alpha=0.2)
        if preset is not None:
            told = np.array(preset[index]) * curve.sum() / max(sum(preset[index]), 1e-12)
            axes.plot(place[order], told[order], "--", color=colour, linewidth=1)
    axes.set(
        title="spectral response" + (", dashed: preset" if preset is not None else ""),
        xlabel="band" if lost else "wavelength (nm)",
        ylabel="weight of a band",
    )
    axes.grid(alpha=0.3)
    if len(file.guide_bands) <= _LABELLED:
        axes.legend(fontsize="small")


def _psf(axes: Axes, psf: Psf) -> None:
    half = psf.side / 2
    rows, cols = psf.shift
    extent = (cols - half, cols + half, rows + half, rows - half)
    axes.imshow(np.array(psf.values), extent=extent, cmap="magma")
    axes.plot(0, 0, "+", color="cyan", markersize=9)
    axes.set(title="PSF (guide pixels)", xlabel="columns", ylabel="rows")
