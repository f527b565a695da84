"""Sensors: bands, spectral responses, MTF gains and radiometry, loaded from TOML presets."""

from pansharpkit.sensor.catalogue import list_sensors, load_sensor
from pansharpkit.sensor.model import (
    COMMON_NAMES,
    DEFAULT_MTF,
    DEFAULT_MTF_SOURCE,
    DEFAULT_PAN_MTF,
    IN_PAN,
    Band,
    CommonName,
    Gsd,
    Sensor,
    generic_sensor,
)
from pansharpkit.sensor.spectral import SpectralResponse

__all__ = [
    "COMMON_NAMES",
    "DEFAULT_MTF",
    "DEFAULT_MTF_SOURCE",
    "DEFAULT_PAN_MTF",
    "IN_PAN",
    "Band",
    "CommonName",
    "Gsd",
    "Sensor",
    "SpectralResponse",
    "generic_sensor",
    "list_sensors",
    "load_sensor",
]
