"""The observation model in torch: PSF, resampling at an explicit phase, and their adjoints."""

from pansharpkit.physics.observation import Compat, Observation, Optics
from pansharpkit.physics.resample import (
    decimate,
    degrade,
    degrade_adjoint,
    lowpass,
    sigma_of_gain,
    upsample,
)

__all__ = [
    "Compat",
    "Observation",
    "Optics",
    "decimate",
    "degrade",
    "degrade_adjoint",
    "lowpass",
    "sigma_of_gain",
    "upsample",
]
