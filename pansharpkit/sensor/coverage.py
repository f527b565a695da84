"""What PAN sees of narrow bands that its own preset does not list."""

from __future__ import annotations

import math

import numpy as np

from pansharpkit.sensor.model import Band, Sensor
from pansharpkit.sensor.spectral import Floats

_STEPS = np.linspace(-3, 3, 61)  # sigma
_NARROW_NM = 10.0
"""Width of a band that nobody names: that of the imaging spectrometers in orbit."""


def pan_coverage(sensor: Sensor, center_nm: float, fwhm_nm: float | None) -> float | None:
    """Return the mean response of a sensor's PAN over a Gaussian band.

    0 outside PAN, 1 where PAN peaks. Without a table PAN is taken for a box between its nominal
    limits, or those of its centre and width; None without either, or without PAN.
    """
    if sensor.pan is None or (response := _response(sensor, sensor.pan)) is None:
        return None
    sigma = (fwhm_nm or _NARROW_NM) / (2 * math.sqrt(2 * math.log(2)))
    weight = np.exp(-0.5 * _STEPS**2)
    seen = np.interp(center_nm + sigma * _STEPS, *response, left=0.0, right=0.0)
    return float((weight * seen).sum() / weight.sum())


def _response(sensor: Sensor, pan: Band) -> tuple[Floats, Floats] | None:
    """Return wavelengths and response, [n] each, with a peak of 1."""
    if sensor.srf is not None and pan.name in sensor.srf.names:
        response = sensor.srf.band(pan.name)
        return sensor.srf.wavelength_nm, response / response.max()
    limits = pan.nominal_nm
    if limits is None and pan.center_nm is not None and pan.fwhm_nm is not None:
        limits = pan.center_nm - pan.fwhm_nm / 2, pan.center_nm + pan.fwhm_nm / 2
    return None if limits is None else (np.array(limits), np.ones(2))
