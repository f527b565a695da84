"""Spectra of a few places of a fused cube beside those of the cube it was made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.report import PointSpectra
from pansharpkit.scene import Scene
from pansharpkit.source import Source

PLACES = 5
_LOOKED_AT = 12  # samples along each axis among which places are chosen


def tellings(scene: Scene, fused: Source, places: int = PLACES) -> tuple[PointSpectra, ...]:
    """Return the spectra of the places whose shapes differ most, the brightest first.

    Parameters
    ----------
    fused : raster of the scene's extent.
    """
    spots = _spots(scene)
    if not spots:
        return ()
    shapes = np.stack([spectrum for _, spectrum in spots])
    length = np.linalg.norm(shapes, axis=1)
    shapes = shapes / np.where(length > 0, length, 1)[:, None]
    chosen = [int(length.argmax())]
    while len(chosen) < min(places, len(spots)):
        likeness = (shapes @ shapes[chosen].T).max(axis=1)
        likeness[chosen] = np.inf
        chosen.append(int(likeness.argmin()))
    found = (_at(scene, fused, *spots[i]) for i in chosen)
    return tuple(point for point in found if point is not None)


def _spots(scene: Scene) -> list[tuple[tuple[int, int], NDArray[np.float64]]]:
    """Return samples of the target inside the extent that are clear, with their places."""
    under = scene.target_domain
    steps = [
        np.unique(np.linspace(start, start + count - 1, _LOOKED_AT + 2).round().astype(int))[1:-1]
        for start, count in ((under.row, under.height), (under.col, under.width))
    ]
    found = []
    for row in map(int, steps[0]):
        for col in map(int, steps[1]):
            values, valid = scene.target.read(Window(row, col, 1, 1))
            if valid.all():
                found.append(((row, col), values[:, 0, 0].astype(np.float64)))
    return found


def _at(
    scene: Scene, fused: Source, place: tuple[int, int], spectrum: NDArray[np.float64]
) -> PointSpectra | None:
    sampling, extent = scene.sampling, scene.extent
    row, col = (round(sampling.ratio[axis] * place[axis] + sampling.phase[axis]) for axis in (0, 1))
    pixel = Window(row - extent.row, col - extent.col, 1, 1)
    if pixel.clip(fused.grid.window) != pixel:
        return None
    values, valid = fused.read(pixel)
    if not valid.all():
        return None
    after = values[:, 0, 0].astype(np.float64)
    return PointSpectra(pixel.row, pixel.col, tuple(spectrum.tolist()), tuple(after.tolist()))
