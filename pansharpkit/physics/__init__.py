"""The observation model in torch: PSF, resampling at an explicit phase, and their adjoints."""

from pansharpkit.physics.observation import Compat, Observation, Optics
from pansharpkit.physics.pair_optics import PairOptics
from pansharpkit.physics.pair_optics import estimate as estimate_optics
from pansharpkit.physics.psf import spread_by, spread_by_adjoint
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
    "PairOptics",
    "decimate",
    "degrade",
    "degrade_adjoint",
    "estimate_optics",
    "lowpass",
    "sigma_of_gain",
    "spread_by",
    "spread_by_adjoint",
    "upsample",
]
