"""What of a cube can be fused: dead bands left out, holes told from missing bands.

A band may hold nothing at all (water vapour takes all light at 1.4 µm), and a pixel may lack some
bands only. Neither must cost the rest: a dead band is left out, a pixel that has most of its bands
is kept and the few that it lacks are filled along its spectrum, and only a pixel that lacks most
bands is a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import InputError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers.cubes.bandchoice import in_words, positions
from pansharpkit.readers.cubes.livelook import ENOUGH, known_values, look_at
from pansharpkit.readers.derived import bands_of
from pansharpkit.readers.product import Cube, ReadOptions
from pansharpkit.source import Source


@dataclass(frozen=True)
class BareArray:
    """A cube in memory that leaves it to `LiveSource` to say which values are missing."""

    grid: Grid
    values: NDArray[np.generic]
    """[C, H, W]."""
    names: tuple[str, ...]
    nodata: float | None = None
    label: str = "array"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the array."""
        return self.values.dtype

    def select(self, positions: Sequence[int]) -> BareArray:
        """Return the bands at the given positions, from 0, in that order."""
        chosen = list(positions)
        names = tuple(self.names[i] for i in chosen)
        return replace(self, values=self.values[chosen], names=names)

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window, all of it called valid."""
        values = np.asarray(self.values[(slice(None), *window.slices)])
        return values, np.ones(values.shape[1:], bool)


@dataclass(frozen=True)
class LiveSource:
    """Bands of a cube with holes told from missing bands.

    A pixel is valid if at least `ENOUGH` of its bands are measured; the bands that a valid pixel
    lacks are interpolated along its spectrum, so that no value of a valid pixel is nodata.
    """

    source: Source
    """Its validity says which pixels are masked or damaged, nothing of single bands."""
    nodata: float | None
    centers_nm: tuple[float, ...] | None = None
    """Along which missing bands are interpolated; by their order if not known."""

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return self.source.names

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Stored type of the source."""
        return self.source.dtype

    @property
    def label(self) -> str:
        """Name of the source."""
        return self.source.label

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return a window; what a valid pixel lacks is interpolated along its spectrum."""
        values, valid = self.source.read(window)
        known = known_values(values, self.nodata)
        if known is None:
            return values, valid
        counts = known.sum(0)
        valid = valid & (counts >= max(1, ENOUGH * len(values)))
        partial = valid & (counts < len(values))
        if partial.any():
            values = values.copy()
            values[:, partial] = fill_spectra(
                values[:, partial], known[:, partial], self.centers_nm
            )
        return values, valid


def fill_spectra(
    values: NDArray[np.generic],
    known: NDArray[np.bool_],
    centers_nm: Sequence[float] | None = None,
) -> NDArray[np.generic]:
    """Interpolate missing bands linearly between the nearest ones in the spectrum.

    Parameters
    ----------
    values, known : [C, n] spectra and which of their values count; each has at least one.

    Returns
    -------
    [C, n] of the same type; beyond the first and last known band their values continue.
    """
    count = len(values)
    at = np.arange(count, dtype=float) if centers_nm is None else np.asarray(centers_nm, float)
    order = np.argsort(at, kind="stable")
    place, sorted_known = at[order], known[order]
    spectra = np.where(sorted_known, values[order], 0).astype(np.float64)
    rank = np.arange(count)[:, None]
    below = np.maximum.accumulate(np.where(sorted_known, rank, -1), axis=0)
    above = np.minimum.accumulate(np.where(sorted_known, rank, count)[::-1], axis=0)[::-1]
    low = np.where(below < 0, above, below)
    high = np.where(above >= count, below, above)
    span = place[high] - place[low]
    share = np.where(span > 0, (place[:, None] - place[low]) / np.where(span > 0, span, 1), 0)
    first, last = (np.take_along_axis(spectra, i, 0) for i in (low, high))
    mixed = first + share * (last - first)
    if values.dtype.kind in "iu":
        mixed = np.rint(mixed)
    filled = values.copy()
    filled[order] = np.where(sorted_known, values[order], mixed.astype(values.dtype))
    return filled


def live_cube(cube: Cube, options: ReadOptions, good: Sequence[bool] = ()) -> Cube:
    """Leave out dead bands of a cube, and make its source as `Cube` promises it.

    Parameters
    ----------
    cube : all bands of the file. The validity of its source says which pixels are masked or
        damaged; it must not depend on values that single bands lack.
    good : which bands the file calls usable; by default what its spectra say. Others are left out
        unless bands are asked for by name.

    Raises
    ------
    InputError
        If fewer than two bands of several hold an image.
    OptionError
        If a band is asked for that does not exist.
    """
    source, spectra = cube.source, cube.spectra
    chosen = tuple(range(len(source.names)))
    if options.bands is not None:
        chosen = positions(options.bands, source.names, spectra)
    flags = good or (spectra.good if spectra is not None else ())
    bad = {i for i in chosen if flags and not flags[i]} if options.bands is None else set()
    looked = look_at(source, [i for i in chosen if i not in bad])
    gone = {
        "marked bad": bad,
        "no data": looked.dead,
        "data in less than half of the pixels": looked.sparse,
    }
    live = tuple(i for i in chosen if not any(i in out for out in gone.values()))
    if len(live) < min(2, len(source.names)):  # one band may be a guide
        found = f"{len(live)} of {len(chosen)} bands" if live else f"none of {len(chosen)} bands"
        raise InputError(f"{source.label}: {found} hold an image, all others are empty or bad; "
                         "give another cube")  # fmt: skip
    said = [
        f"{source.label}: {in_words(out, source.names, spectra)} left out: {why}"
        for why, out in gone.items()
        if out
    ]
    said += looked.remarks(source.label)
    kept = None if spectra is None else spectra.select(live)
    centers = None if kept is None else kept.centers_nm
    return replace(
        cube,
        source=LiveSource(bands_of(source, live), source.nodata, centers),
        spectra=kept,
        scaling=None if cube.scaling is None else tuple(cube.scaling[i] for i in live),
        notices=(*cube.notices, *said),
    )
