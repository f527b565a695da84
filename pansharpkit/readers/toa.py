"""From radiance to reflectance at the top of the atmosphere."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from pansharpkit.errors import MetadataError
from pansharpkit.readers.product import Scaling

_EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)


def sun_distance(when: datetime) -> float:
    """Return the distance between earth and sun, in astronomical units.

    Source: low-precision formula of the Astronomical Almanac, section C, good to 1e-4 au.

    >>> round(sun_distance(datetime(2015, 7, 6, 12, tzinfo=UTC)), 4)
    1.0167
    """
    days = (when - _EPOCH).total_seconds() / 86400
    anomaly = math.radians(357.528 + 0.9856003 * days)
    return 1.00014 - 0.01671 * math.cos(anomaly) - 0.00014 * math.cos(2 * anomaly)


def parse_time(text: str, name: str, label: str) -> datetime:
    """Return a time as metadata write it, in UTC.

    Raises
    ------
    MetadataError
        Naming the key and its value.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise MetadataError(f"{label}: {name} = {text[:80]!r} is not a time") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def reflectance(
    radiance: Scaling, irradiance: float, sun_elevation_deg: float, when: datetime
) -> Scaling:
    """Return scale and offset to reflectance, given those to radiance.

    Parameters
    ----------
    radiance : scale and offset to W m-2 sr-1 um-1.
    irradiance : of the sun over the band at 1 au, W m-2 um-1.
    """
    sine = math.sin(math.radians(sun_elevation_deg))
    factor = math.pi * sun_distance(when) ** 2 / (irradiance * sine)
    return radiance[0] * factor, radiance[1] * factor
