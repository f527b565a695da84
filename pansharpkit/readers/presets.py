"""What a sensor preset says of a product's bands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from pansharpkit.errors import SensorError
from pansharpkit.sensor import load_sensor
from pansharpkit.spectra import Spectra


def spectra_of(sensor_id: str | None, names: Sequence[str]) -> Spectra | None:
    """Return where the named bands of a preset lie in the spectrum, if it says so of all."""
    if sensor_id is None:
        return None
    with suppress(SensorError):
        bands = load_sensor(sensor_id).match(names)
        centers = [band.center_nm for band in bands if band.center_nm is not None]
        widths = [band.fwhm_nm for band in bands if band.fwhm_nm is not None]
        if len(centers) == len(names):
            return Spectra(tuple(centers), tuple(widths) if len(widths) == len(names) else None)
    return None
