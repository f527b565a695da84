"""Band names, and the way from counts to reflectance, for DIMAP images."""

from __future__ import annotations

from collections.abc import Mapping

from pansharpkit.errors import MetadataError
from pansharpkit.readers.dimap.image import Image
from pansharpkit.readers.product import Scaling
from pansharpkit.readers.toa import reflectance
from pansharpkit.sensor import Sensor

NAMES: Mapping[str, str] = {
    "B0": "Blue",
    "B1": "Green",
    "B2": "Red",
    "B3": "NIR",
    "DB": "Coastal",
    "B": "Blue",
    "G": "Green",
    "R": "Red",
    "RE": "RedEdge",
    "NIR": "NIR",
    "P": "PAN",
}
"""What presets call the bands, by the identifiers of the metadata."""
_UNMEASURED = 999.0  # irradiance in files that do not know it


def band_reflectance(image: Image, code: str, sensor: Sensor | None) -> Scaling | None:
    """Return scale and offset of a band to reflectance; None if the metadata do not give them.

    The formula is the one that the files state in MEASURE_DESC: physical value = DN / GAIN + BIAS.
    """
    if image.processing == "REFLECTANCE":
        return _calibration(image, "Band_Reflectance", code)
    if image.processing not in ("BASIC", "RADIANCE"):
        return None
    radiance = _calibration(image, "Band_Radiance", code)
    irradiance, elevation = _irradiance(image, code, sensor), _sun(image)
    if radiance is None or irradiance is None or elevation is None or image.time is None:
        return None
    return reflectance(radiance, irradiance, elevation, image.time)


def _calibration(image: Image, kind: str, code: str) -> Scaling | None:
    for node in image.root.all(kind):
        if node.text("BAND_ID") == code:
            gain = node.number("GAIN")
            if gain <= 0:
                raise MetadataError(f"{image.label}: GAIN of band {code} is not positive")
            return 1 / gain, node.number("BIAS")
    return None


def _irradiance(image: Image, code: str, sensor: Sensor | None) -> float | None:
    for node in image.root.all("Band_Solar_Irradiance"):
        if node.text("BAND_ID") == code and 0 < (value := node.number("VALUE")) != _UNMEASURED:
            return value
    if sensor is None:
        return None
    name = NAMES.get(code, code)
    bands = [b for b in (*sensor.bands, sensor.pan) if b is not None]
    return next((b.esun or b.esun_computed for b in bands if b.name == name), None)


def _sun(image: Image) -> float | None:
    """Return the elevation of the sun in degrees at the centre, if the metadata give it."""
    located = list(image.root.all("Located_Geometric_Values"))
    centre = [n for n in located if (n.text("LOCATION_TYPE") or "").upper() == "CENTER"]
    for node in (*centre, *located):
        if node.text("SUN_ELEVATION") is not None:
            elevation = node.number("SUN_ELEVATION")
            return elevation if 0 < elevation <= 90 else None
    return None
