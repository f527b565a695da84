"""What the bands of one instrument see of the bands of another: the rows of an SRF matrix.

The spectrum between the narrow bands' centres is unknown. Each narrow band stands for the
wavelengths nearer to its centre than to any other, not further than its own width, so that gaps
(dead bands, water vapour) are nobody's and bands of two detectors that overlap share theirs. A wide
band weighs a narrow one by the mean of its response over the narrow band's own, a Gaussian, times
the width that the narrow one stands for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import SensorError
from pansharpkit.sensor.model import Band, Sensor
from pansharpkit.sensor.spectral import Floats

LEAST_COVER = 0.5
"""Share of a band's response that must lie where the cube has bands."""
_SIGMA_OF_FWHM = 1 / (2 * math.sqrt(2 * math.log(2)))
_TAIL = 4.0  # sigma, where the Gaussian of a band without a table ends


@dataclass(frozen=True, eq=False)
class _Cube:
    """The narrow bands, in their own order."""

    centres: Floats
    """[C] nm."""
    widths: Floats
    """[C] FWHM, nm."""
    below: Floats
    """[C] where the wavelengths that each band stands for begin, nm."""
    above: Floats
    """[C] where they end."""


def srf_matrix(
    sensor: Sensor,
    centres_nm: Sequence[float | None],
    fwhm_nm: Sequence[float | None] | None = None,
    *,
    bands: Sequence[Band] | None = None,
) -> tuple[tuple[float, ...], ...]:
    """Return [c, C]: how the bands of `sensor` weigh narrow bands, each row with a sum of 1.

    Exact for responses that are straight between the samples of their table. A band without a table
    is the Gaussian of its centre and FWHM.

    Parameters
    ----------
    centres_nm
        [C] in any order; the columns keep it.
    fwhm_nm
        [C]; where missing, the usual distance between centres.
    bands
        Of the sensor; all but PAN by default.

    Raises
    ------
    SensorError
        If a wavelength is missing, nothing is known of a band's response, or less than half of it
        lies where the cube has bands.
    """
    cube = _cube(centres_nm, fwhm_nm)
    chosen = sensor.bands if bands is None else tuple(bands)
    rows = []
    for band in chosen:
        wavelength, response = _response(sensor, band)
        _check_cover(sensor, band, cube, _inside(cube, wavelength, response))
        seen = _seen(wavelength, response, cube) * (cube.above - cube.below)
        rows.append(tuple((seen / seen.sum()).tolist()))
    return tuple(rows)


def cover(
    sensor: Sensor,
    centres_nm: Sequence[float | None],
    fwhm_nm: Sequence[float | None] | None = None,
    *,
    bands: Sequence[Band] | None = None,
) -> tuple[float, ...]:
    """Return which share of each band's response lies where narrow bands are, in [0, 1].

    Parameters and errors as in :func:`srf_matrix`, but a low share is none.
    """
    cube = _cube(centres_nm, fwhm_nm)
    chosen = sensor.bands if bands is None else tuple(bands)
    return tuple(_inside(cube, *_response(sensor, band)) for band in chosen)


def shares_nm(
    centres_nm: Sequence[float | None], fwhm_nm: Sequence[float | None] | None = None
) -> tuple[float, ...]:
    """Return [C] how much of the spectrum each narrow band stands for, nm.

    Parameters and errors as in :func:`srf_matrix`.
    """
    cube = _cube(centres_nm, fwhm_nm)
    return tuple((cube.above - cube.below).tolist())


def _check_cover(sensor: Sensor, band: Band, cube: _Cube, share: float) -> None:
    if share >= LEAST_COVER:
        return
    where = f"{cube.below.min():.0f} to {cube.above.max():.0f} nm"
    raise SensorError(
        f"no overlap of spectral ranges: {100 * share:.0f} % of the response of band {band.name} "
        f"of {sensor.name} lies where the cube has bands ({where}); leave that band out"
    )


def _cube(centres_nm: Sequence[float | None], fwhm_nm: Sequence[float | None] | None) -> _Cube:
    centres = _numbers(centres_nm)
    lost = np.flatnonzero(~(centres > 0))
    if not centres.size or lost.size:
        names = ", ".join(str(i + 1) for i in lost[:5]) + (", ..." if lost.size > 5 else "")
        raise SensorError(
            f"no wavelength is known for {f'band {names}' if lost.size else 'the bands'} of the "
            "cube: give the wavelengths, or leave the band out"
        )
    order = np.argsort(centres, kind="stable")
    gaps = np.diff(centres[order])
    usual = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    given = np.full(centres.shape, np.nan) if fwhm_nm is None else _numbers(fwhm_nm)
    if given.shape != centres.shape:
        raise SensorError(f"{given.size} widths for {centres.size} wavelengths")
    widths = np.where(given > 0, given, usual)
    reach = np.maximum(widths, usual)[order]
    between = gaps if gaps.size else np.array([usual])
    half = np.concatenate([between[:1], gaps, between[-1:]]) / 2  # the ends reach out as far as in
    below, above = np.empty_like(centres), np.empty_like(centres)
    below[order] = centres[order] - np.minimum(half[:-1], reach)
    above[order] = centres[order] + np.minimum(half[1:], reach)
    return _Cube(centres, widths, below, above)


def _numbers(values: Sequence[float | None]) -> Floats:
    numbers = np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _response(sensor: Sensor, band: Band) -> tuple[Floats, Floats]:
    """Return the wavelengths and the response of a band, [n] each."""
    if sensor.srf is not None and band.name in sensor.srf.names:
        return sensor.srf.wavelength_nm, sensor.srf.band(band.name)
    if band.center_nm is None or band.fwhm_nm is None:
        raise SensorError(
            f"band {band.name} of {sensor.name} has neither a spectral response nor centre and "
            "width: use another preset, or let `pansharpkit estimate` find it"
        )
    sigma = band.fwhm_nm * _SIGMA_OF_FWHM
    steps = np.linspace(-_TAIL, _TAIL, 161)
    return band.center_nm + sigma * steps, np.exp(-0.5 * steps**2)


def _seen(wavelength: Floats, response: Floats, cube: _Cube) -> Floats:
    """Return [C] the mean of a response over each narrow band's own, a Gaussian.

    Over a piece on which the response is ``p + q λ``, its integral with the Gaussian of mean μ is
    ``(p + q μ) ΔΦ - q σ Δφ``, the differences taken between the ends of the piece.
    """
    from scipy.special import ndtr  # loading it costs more than a scene without a cube

    slope = np.diff(response) / np.diff(wavelength)
    sigma = cube.widths[:, None] * _SIGMA_OF_FWHM
    ends = (wavelength - cube.centres[:, None]) / sigma
    mass = np.diff(ndtr(ends), axis=1)
    density = np.diff(np.exp(-0.5 * ends**2), axis=1) / math.sqrt(2 * math.pi)
    level = response[:-1] + slope * (cube.centres[:, None] - wavelength[:-1])
    seen: Floats = (level * mass - slope * sigma * density).sum(axis=1)
    return np.maximum(seen, 0.0)  # rounding alone


def _inside(cube: _Cube, wavelength: Floats, response: Floats) -> float:
    """Return which share of a response the bands stand for."""
    pieces = np.diff(wavelength) * (response[1:] + response[:-1]) / 2
    area = np.concatenate([[0.0], np.cumsum(pieces)])
    found = _area_below(wavelength, response, area, cube.above) - _area_below(
        wavelength, response, area, cube.below
    )
    return float(min(1.0, found.sum() / area[-1]))


def _area_below(
    wavelength: Floats, response: Floats, area: Floats, limit: Floats
) -> NDArray[np.float64]:
    """Return the integral of the response up to each limit."""
    limit = limit.clip(wavelength[0], wavelength[-1])
    piece = (np.searchsorted(wavelength, limit, side="right") - 1).clip(0, wavelength.size - 2)
    step = limit - wavelength[piece]
    here = response[piece]
    slope = (response[piece + 1] - here) / (wavelength[piece + 1] - wavelength[piece])
    total: NDArray[np.float64] = area[piece] + step * (here + slope * step / 2)
    return total
