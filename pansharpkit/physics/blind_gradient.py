"""SRF and PSF as CycFusion learns them before it learns anything else.

One table of weights as large as a target pixel and one row of weights for each guide band, all
behind a softmax, so that they are positive and sum to 1; Adam brings the mean absolute difference
between the guide degraded by the one and the target mixed by the other down (Shi, Zhang, Altmann
and Chen). What a target pixel sees beyond its own footprint is not in that model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pansharpkit.model import Psf
from pansharpkit.physics.blind_sample import BlindSample, Floats, patches

STEPS = 10_000
RATE = 1e-3
_START = 0.01  # standard deviation of the first weights before the softmax


@dataclass(frozen=True)
class Descent:
    """How long and how fast the weights learn; as published by default."""

    steps: int = STEPS
    rate: float = RATE
    seed: int = 0


def descend(
    sample: BlindSample, descent: Descent, step_done: Callable[[int], None] | None = None
) -> tuple[Floats, Psf, Floats]:
    """Return SRF [c, C], PSF, and the share of each guide band [c] that they miss.

    `step_done` is called with the number of steps done.
    """
    side = math.ceil(max(sample.ratio) - 1e-6)
    found = [patches(part, side) for part in sample.parts]
    fine = torch.cat([values.flatten(2) for values, _ in found], dim=1).float()
    target = torch.from_numpy(sample.target).float()
    random = torch.Generator().manual_seed(descent.seed)
    rows = (_START * torch.randn(len(fine), len(target), generator=random)).requires_grad_()
    table = (_START * torch.randn(side**2, generator=random)).requires_grad_()
    adam = torch.optim.Adam([rows, table], lr=descent.rate)
    for step in range(descent.steps):
        adam.zero_grad(set_to_none=True)
        _difference(rows, table, fine, target).abs().mean().backward()  # type: ignore[no-untyped-call]
        adam.step()
        if step_done is not None:
            step_done(step + 1)
    with torch.no_grad():
        missed = _difference(rows, table, fine, target).square().mean(dim=1).sqrt()
        power = (fine @ table.softmax(dim=0)).square().mean(dim=1).sqrt()
        srf: Floats = rows.double().softmax(dim=1).numpy()
        weights = table.double().softmax(dim=0).reshape(side, side)
    psf = Psf(tuple(map(tuple, weights.tolist())), found[0][1])
    return srf, psf, np.asarray((missed / power).double().numpy(), dtype=np.float64)


def _difference(rows: Tensor, table: Tensor, fine: Tensor, target: Tensor) -> Tensor:
    """Return [c, N]: the target mixed, less the guide degraded."""
    return rows.softmax(dim=1) @ target - fine @ table.softmax(dim=0)
