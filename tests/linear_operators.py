"""The linear operators of the observation model, and strategies that draw geometries for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from pansharpkit.physics import decimate, degrade, lowpass, upsample
from pansharpkit.physics.resample import Border
from pansharpkit.sampling import Sampling

GAINS = (0.3, 0.22)
Size = tuple[int, int]


def noise(bands: int, size: Size, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(bands, *size, generator=generator, dtype=torch.float64)


def target_size(sampling: Sampling, size: Size) -> Size:
    rows, cols = (
        max(1, math.floor((size[axis] - 1 - sampling.phase[axis]) / sampling.ratio[axis]) + 1)
        for axis in (0, 1)
    )
    return rows, cols


@dataclass(frozen=True)
class Operator:
    """A linear map between [2, *fine] and [2, *coarse] or [2, *fine] arrays, either way round."""

    apply: Callable[[Tensor, Sampling, Size, Size], Tensor]
    """x, sampling, size of the guide, size of the target."""
    up: bool
    same: bool = False
    """Whether the result has the size of the input."""

    def sizes(self, fine: Size, coarse: Size) -> tuple[Size, Size]:
        """Return the sizes of input and output."""
        if self.same:
            return fine, fine
        return (coarse, fine) if self.up else (fine, coarse)


BORDERS: tuple[Border, ...] = ("replicate", "symmetric", "circular")


def _operators() -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for border in BORDERS:
        found |= {
            f"lagrange, {border}": Operator(
                lambda x, s, fine, coarse, b=border: upsample(x, s, fine, border=b), up=True
            ),
            f"cubic, {border}": Operator(
                lambda x, s, fine, coarse, b=border: upsample(x, s, fine, kernel="cubic", border=b),
                up=True,
            ),
            f"decimate, {border}": Operator(
                lambda x, s, fine, coarse, b=border: decimate(x, s, coarse, border=b), up=False
            ),
            f"antialiased, {border}": Operator(
                lambda x, s, fine, coarse, b=border: decimate(
                    x, s, coarse, antialias=True, border=b
                ),
                up=False,
            ),
            f"degrade, {border}": Operator(
                lambda x, s, fine, coarse, b=border: degrade(x, s, coarse, GAINS, border=b),
                up=False,
            ),
            f"lowpass, {border}": Operator(
                lambda x, s, fine, coarse, b=border: lowpass(x, s.ratio, GAINS, border=b),
                up=False,
                same=True,
            ),
        }
    return found


OPERATORS = _operators()
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())

ratios = st.sampled_from([1.3, 2.0, 2.5, 3.0, 4.0, 6.0])
samplings = st.builds(
    lambda a, b, p, q: Sampling((a, b), (p * a, q * b)),
    ratios,
    ratios,
    st.floats(-1, 1),
    st.floats(-1, 1),
)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def matrix(operator: Operator, sampling: Sampling, fine: Size, coarse: Size) -> Tensor:
    """Return the [n_out, n_in] matrix of the operator on its first band."""
    (height, width), _ = operator.sizes(fine, coarse)
    columns = []
    for index in range(height * width):
        unit = torch.zeros(2, height * width, dtype=torch.float64)
        unit[:, index] = 1
        image = operator.apply(unit.reshape(2, height, width), sampling, fine, coarse)
        columns.append(image[0].flatten())
    return torch.stack(columns, dim=1)
