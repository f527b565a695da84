"""Band names, and the way from counts to reflectance, for Maxar images."""

from __future__ import annotations

from collections.abc import Mapping

from pansharpkit.errors import MetadataError
from pansharpkit.readers.maxar.isd import Image
from pansharpkit.readers.product import Scaling
from pansharpkit.readers.toa import parse_time, reflectance
from pansharpkit.sensor import Band, Sensor

_NAMES: Mapping[str, tuple[str, ...]] = {
    "C": ("Coastal",),
    "B": ("Blue",),
    "G": ("Green",),
    "Y": ("Yellow",),
    "R": ("Red",),
    "RE": ("RedEdge", "RedEdge1"),
    "RE1": ("RedEdge1",),
    "RE2": ("RedEdge2",),
    "N": ("NIR1", "NIR"),
    "N2": ("NIR2",),
}
"""What presets call the bands, by the codes of the metadata."""
_SAME_SUN = 1.0  # degrees between the acquisitions of one image


class UncalibratedError(MetadataError):
    """A product does not say how its counts become reflectance."""


def is_native(image: Image) -> bool:
    """Whether the pixels are calibrated counts, neither enhanced nor rescaled."""
    enhanced = (image.first("radiometricEnhancement") or "Off").upper() != "OFF"
    return not enhanced and image.imd.get("bitsPerPixel") != "8"


def band_reflectance(image: Image, code: str, sensor: Sensor | None) -> Scaling:
    """Return scale and offset of a band to reflectance at the top of the atmosphere.

    Radiance is gain * DN * absCalFactor / effectiveBandwidth + offset, with gain and offset of the
    vendor's table that the preset names under abscal, or 1 and 0.

    Raises
    ------
    UncalibratedError
        If the metadata or the preset lack a figure, or the pixels are no calibrated counts.
    MetadataError
        If a figure makes no sense.
    """
    if not is_native(image):
        raise UncalibratedError(f"{image.label}: its pixels are no calibrated counts, so no --toa")
    band = _band(image, code, sensor)
    irradiance = band.esun or band.esun_computed
    group = image.imd.child(f"BAND_{code}")
    known = group is not None and group.get("absCalFactor") and group.get("effectiveBandwidth")
    if group is None or irradiance is None or not known:
        raise UncalibratedError(
            f"{image.label}: no calibration of band {code} is known, so no --toa"
        )
    bandwidth = group.number("effectiveBandwidth")
    factor = group.number("absCalFactor")
    if bandwidth <= 0 or factor <= 0:
        group.reject("effectiveBandwidth", f"or absCalFactor of BAND_{code} is not positive")
    gain, offset = band.abscal or (1.0, 0.0)
    time = image.first("firstLineTime", "earliestAcqTime", "TLCTime")
    if time is None:
        raise UncalibratedError(
            f"{image.label}: has no firstLineTime or earliestAcqTime, so no --toa"
        )
    when = parse_time(time, "firstLineTime", image.label)
    return reflectance((gain * factor / bandwidth, offset), irradiance, _sun(image), when)


def _band(image: Image, code: str, sensor: Sensor | None) -> Band:
    if sensor is None:
        raise UncalibratedError(
            f"{image.label}: no preset tells the solar irradiance of {image.satellite}, so no --toa"
        )
    if code == "P" and sensor.pan is not None:
        return sensor.pan
    return sensor.match([name_of(code, sensor)])[0]


def _sun(image: Image) -> float:
    """Return the elevation of the sun in degrees, if all acquisitions agree on it."""
    found = [group.number("meanSunEl") for group in image.images if group.get("meanSunEl")]
    if not found:
        raise UncalibratedError(f"{image.label}: has no IMAGE group with meanSunEl, so no --toa")
    if min(found) <= 0 or max(found) > 90:
        raise UncalibratedError(f"{image.label}: meanSunEl is not between 0 and 90 degrees")
    if max(found) - min(found) > _SAME_SUN:
        raise UncalibratedError(
            f"{image.label}: was taken under suns {max(found) - min(found):.1f} degrees apart, so "
            "no single conversion holds; no --toa"
        )
    return sum(found) / len(found)


def name_of(code: str, sensor: Sensor | None) -> str:
    """Return what the preset calls the band of a code; a name in words if it has none."""
    names = _NAMES.get(code, (code,))
    known = sensor.names if sensor else ()
    return next((name for name in names if name in known), names[-1])
