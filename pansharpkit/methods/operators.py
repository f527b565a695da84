"""The operators that classical methods are made of, exact or as in the reference toolbox.

Each method is written once, on :class:`Operators`; what the reference toolbox does differently
(kernels, borders, decimation) is kept in :class:`ToolboxOperators`.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from pansharpkit.methods.exact import ExactOperators
from pansharpkit.methods.guides import (
    blur_reach,
    distinct_gains,
    gain_index,
    interpolation_reach,
    pan,
)
from pansharpkit.methods.toolbox import ToolboxOperators
from pansharpkit.physics import Observation, Optics

__all__ = [
    "ExactOperators",
    "Operators",
    "ToolboxOperators",
    "blur_reach",
    "distinct_gains",
    "gain_index",
    "interpolation_reach",
    "operators_of",
    "pan",
]


class Operators(Protocol):
    """The linear operators that relate the two grids of an observation."""

    def upsample(self, observation: Observation, x: Tensor) -> Tensor:
        """Interpolate [C, h, w] to the guide grid."""
        ...

    def observe(self, observation: Observation, x: Tensor) -> Tensor:
        """Degrade [C, H, W], one MTF gain per target band, to the target grid."""
        ...

    def spread(self, observation: Observation, x: Tensor, softness: float = 0.0) -> Tensor:
        """Spread [C, h, w] over the pixels that each target sample sees, [C, H, W].

        `softness`, in target pixels, is the σ of what the PSF is blurred with for that.
        """
        ...

    def guide_as_target(self, observation: Observation) -> Tensor:
        """Return the guide on the target grid, [h, w], as sharp as the target is."""
        ...

    def guide_lowpass(self, observation: Observation) -> Tensor:
        """Return the guide without what the target cannot resolve, [g, H, W].

        There is one for each of the :func:`distinct_gains`.
        """
        ...

    def lowpass_sums(self, observation: Observation) -> Tensor:
        """Return what :meth:`guide_lowpass` makes of a guide of ones, [g]."""
        ...

    def guide_spread(self, observation: Observation) -> Tensor:
        """Return the guide, [g, H, W], whose deviation is compared with that of the bands."""
        ...

    def guide_spline(self, observation: Observation) -> Tensor:
        """Return the guide through the scaling function of cubic B-spline wavelets, [1, H, W]."""
        ...

    def resolved(self, observation: Observation, x: Tensor) -> Tensor:
        """Return [n, H, W] without what the target grid could not carry, on the guide grid."""
        ...

    def equally_sharp(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return bands and guide at one resolution, [C + 1, ...], and the mask of their grid."""
        ...

    def ratio(self, above: Tensor, below: Tensor, floor: Tensor) -> Tensor:
        """Return above / below, where `floor`, positive, is the least sensible divisor."""
        ...

    def reduced(self, observation: Observation, exp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the observation one scale down, all on the target grid.

        The [C, h, w] bands, the same without what they would lose by one more degradation, and the
        [1, h, w] guide. `exp` is the upsampled target.
        """
        ...


def operators_of(optics: Optics) -> Operators:
    """Return the operators that the optics ask for."""
    return ToolboxOperators() if optics.compat == "toolbox" else ExactOperators()
