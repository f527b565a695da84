"""The variables that fits are made of, each with the mask of what counts."""

from __future__ import annotations

import torch

from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.moments import Table
from pansharpkit.methods.operators import operators_of, pan
from pansharpkit.physics import Observation


def coarse_table(observation: Observation) -> Table:
    """Target bands, and the guide as the last variable, on the target grid."""
    guide = operators_of(observation.optics).guide_as_target(observation)
    return torch.cat([observation.target, guide[None]]), observation.target_mask


def fine_table(observation: Observation) -> Table:
    """Upsampled bands, and the guide as the last variable, on the guide grid."""
    return torch.cat([upsampled_target(observation), pan(observation)]), observation.guide_mask


def spread_table(observation: Observation) -> Table:
    """Upsampled bands, the guide of each distinct MTF as sharp as they are, and the guide."""
    guides = operators_of(observation.optics).guide_spread(observation)
    variables = torch.cat([upsampled_target(observation), guides, pan(observation)])
    return variables, observation.guide_mask


def pyramid_table(observation: Observation) -> Table:
    """Upsampled bands, the low-pass guide of each distinct MTF, and the guide."""
    smooth = operators_of(observation.optics).guide_lowpass(observation)
    variables = torch.cat([upsampled_target(observation), smooth, pan(observation)])
    return variables, observation.guide_mask
