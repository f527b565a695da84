"""Pairs of a cube and a fine image of several bands whose observation model is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import load_sensor
from pansharpkit.sensor.projection import srf_matrix

CENTRES = tuple(410.0 + 10 * i for i in range(48))
SIDE = 96
GAIN = 0.35
"""MTF gain of the cube's camera at its Nyquist frequency."""
GUIDE = ("Blue", "Green", "Red", "NIR1")
"""Bands of WorldView-2 that the guide has."""


def ground(seed: int = 0, side: int = SIDE) -> Tensor:
    """Return patches of ground whose spectra mix a few smooth ones, with texture of their own."""
    random = np.random.default_rng(seed)
    centres, widths = random.uniform(380, 900, 12), random.uniform(30, 150, 12)
    spectra = np.exp(-0.5 * ((np.array(CENTRES) - centres[:, None]) / widths[:, None]) ** 2)
    places = random.uniform(0, side, (60, 2))
    rows, cols = np.mgrid[:side, :side]
    nearest = np.argmin([(rows - r) ** 2 + (cols - c) ** 2 for r, c in places], axis=0)
    shares = random.dirichlet(np.ones(12) / 3, 60)[nearest]
    shares = shares + random.uniform(0, 0.1, shares.shape)
    values = np.einsum("ck,rsc->krs", spectra, shares) + random.normal(0, 2e-3, (48, side, side))
    return torch.from_numpy(values)


def guide_srf() -> Tensor:
    """Return [4, 48] what the guide's bands see of the cube's."""
    sensor = load_sensor("worldview2").subset(GUIDE)
    return torch.tensor(srf_matrix(sensor, CENTRES), dtype=torch.float64)


def pair_of(
    sampling: Sampling, cube: Tensor, *, gain: float = GAIN, seen_at: Sampling | None = None
) -> Observation:
    """Observe ground as guide and cube would; `seen_at` where the grids do not tell the truth."""
    size = (int(cube.shape[1] / sampling.ratio[0]), int(cube.shape[2] / sampling.ratio[1]))
    target = degrade(cube, seen_at or sampling, size, (gain,) * len(cube))
    guide = torch.tensordot(guide_srf(), cube, dims=1)
    return Observation.whole(target, guide, sampling, Optics((0.3,) * len(cube), 0.15))
