"""Which bands of which preset a raster has."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import get_args

import numpy as np

from pansharpkit.errors import SensorError
from pansharpkit.sensor import Band, CommonName, Sensor, generic_sensor
from pansharpkit.sensor.coverage import pan_coverage
from pansharpkit.source import Source
from pansharpkit.spectra import Spectra

FOUR_BANDS = ("blue", "green", "red", "nir")
"""How every operator orders a four-band product."""
_NEAR_NM = 15.0  # a preset's band further away says nothing of a cube's


def unknown_sensor(source: Source) -> Sensor:
    """Return the unknown sensor, with the colours that the band names give away."""
    colours = tuple(colour_in(name) for name in source.names)
    names = tuple(c or n for c, n in zip(colours, source.names, strict=True))
    if len(set(names)) < len(names):
        names = source.names if len(set(source.names)) == len(source.names) else ()
    return generic_sensor(len(source.names), names or None)


def colour_in(name: str) -> str | None:
    """Return the common name among the words of a band description, if there is one.

    >>> colour_in("B5 NIR")
    'nir'
    """
    words = name.casefold().replace("-", " ").replace("_", " ").split()
    return next((word for word in words if word in get_args(CommonName)), None)


def matched(
    sensor: Sensor, source: Source, remedy: str = "--band-names"
) -> tuple[Sensor, tuple[str, ...]]:
    """Return the sensor reduced to the bands of a raster, and what to say about it.

    Raises
    ------
    SensorError
        If neither names nor number say which bands they are; `remedy` is the option that does.
    """
    first = tuple(name.split()[0] for name in source.names)
    colours = tuple(colour_in(name) or name for name in source.names)
    for names in (source.names, first, colours):
        with suppress(SensorError):
            return sensor.subset(names), ()
    own, count = ", ".join(sensor.names), len(source.names)
    guesses = [(sensor, f"the order of {sensor.id}")] if len(sensor.bands) == count else []
    if count == len(FOUR_BANDS):
        with suppress(SensorError):
            guesses.append((sensor.subset(FOUR_BANDS), "the usual order of four bands"))
    if not guesses:
        raise SensorError(
            f"{source.label} has {count} bands ({', '.join(source.names)}), sensor {sensor.id} "
            f"has {len(sensor.bands)} ({own}); say which they are with {remedy}"
        )
    guess, why = guesses[0]
    taken = ", ".join(guess.names)
    return guess, (f"bands of {source.label} are taken to be {taken}, {why}; {remedy} says "
                   "otherwise",)  # fmt: skip


def cube_sensor(
    source: Source, spectra: Spectra | None, preset: Sensor | None, pan: Sensor | None = None
) -> tuple[Sensor, tuple[str, ...]]:
    """Return the sensor of a cube: wavelengths as its file says, MTF gains as its preset does.

    And what to say about it.

    Parameters
    ----------
    spectra : where the bands lie; without it they are those of the preset, or unknown.
    preset : the cube's own.
    pan : the preset whose PAN is the guide; it says which of the bands PAN sees.

    Raises
    ------
    SensorError
        If the file names no wavelengths and nothing says which bands of the preset they are.
    """
    said: tuple[str, ...] = ()
    base = preset or generic_sensor(1)
    if spectra is not None:
        bands = tuple(
            Band(name, center_nm=center, fwhm_nm=width)
            for name, center, width in zip(source.names, spectra.centers_nm,
                                           spectra.fwhm_nm or (None,) * len(spectra), strict=True)
        )  # fmt: skip
        bands = tuple(_gained(band, preset) for band in bands)
        if not spectra.ascending:
            said = (
                f"{source.label}: its bands do not ascend in wavelength; they keep their order",
            )
    elif preset is not None:
        found, said = matched(preset, source)
        bands = found.bands
    else:
        bands = unknown_sensor(source).bands
    eye = None if pan is None else pan.pan
    seen = tuple(_seen(band, pan) for band in bands)
    return replace(base, bands=seen, pan=eye or base.pan, srf=None), said


def _gained(band: Band, preset: Sensor | None) -> Band:
    """Give a band the MTF gain of the preset's nearest one."""
    known = [b for b in (preset.bands if preset else ()) if b.center_nm is not None]
    if not known or band.center_nm is None:
        return band
    apart = np.abs(np.array([b.center_nm for b in known], float) - band.center_nm)
    near = known[int(apart.argmin())]
    if apart.min() > _NEAR_NM:
        return band
    return replace(
        band, mtf=near.mtf, mtf_is_default=near.mtf_is_default, fwhm_nm=band.fwhm_nm or near.fwhm_nm
    )


def _seen(band: Band, pan: Sensor | None) -> Band:
    if pan is None or band.center_nm is None:
        return band
    return replace(band, pan_coverage=pan_coverage(pan, band.center_nm, band.fwhm_nm))
