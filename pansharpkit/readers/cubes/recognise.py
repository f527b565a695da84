"""Which instrument a cube comes from, told by its wavelengths."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import SensorError
from pansharpkit.sensor import load_sensor
from pansharpkit.spectra import Spectra

_KNOWN = ("enmap", "hyperion", "aviris_ng")
"""Presets whose centres stand in products as they are; PRISMA's vary by scene, others are nominal.
"""
_SAME_NM = 0.5
_FEWEST = 20


def recognise(spectra: Spectra | None) -> str | None:
    """Return the preset that has a band at every centre of a cube; None if none or several do."""
    if spectra is None or len(spectra) < _FEWEST:
        return None
    found = [sensor for sensor in _KNOWN if _fits(spectra, sensor)]
    return found[0] if len(found) == 1 else None


def _fits(spectra: Spectra, sensor: str) -> bool:
    known = _centers(sensor)
    if not len(known) or len(spectra) > len(known):
        return False
    distance = np.abs(np.subtract.outer(np.array(spectra.centers_nm), known)).min(1)
    return bool(distance.max() <= _SAME_NM)


@cache
def _centers(sensor: str) -> NDArray[np.float64]:
    try:
        bands = load_sensor(sensor).bands
    except SensorError:  # a user's own preset of that name may be anything
        return np.zeros(0)
    return np.array([band.center_nm for band in bands if band.center_nm is not None])
