"""Images of one resolution on one grid: what blending and denoising see of an observation."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling

_SAME = 1e-4  # of a pixel: closer than this to whole pixels, nothing is interpolated


def same_grid(observation: Observation) -> Observation:
    """Return the observation with its target on the pixels of its guide.

    Targets come with a margin around the guide; it is cut off. Pixels that the target does not
    cover repeat its edge and do not count.

    Raises
    ------
    FusionError
        If the target is coarser than the guide.
    """
    sampling = observation.sampling
    if max(abs(ratio - 1) for ratio in sampling.ratio) > _SAME:
        raise FusionError(
            f"this method takes images of one resolution, and these have a ratio of "
            f"{sampling.mean_ratio:.4g}; sharpen the coarser one first"
        )
    rows, cols = (_places(observation, axis) for axis in (0, 1))
    covered = observation.target_mask[rows[0]][:, cols[0]] & (rows[1][:, None] & cols[1])
    return replace(
        observation,
        target=_moved(observation, rows[0], cols[0]),
        target_mask=covered,
        sampling=Sampling((1.0, 1.0), (0.0, 0.0)),
    )


def _places(observation: Observation, axis: int) -> tuple[Tensor, Tensor]:
    """Return for each guide pixel of an axis the target's index, and whether there is one."""
    last = observation.target_size[axis] - 1
    wanted = torch.arange(observation.size[axis], device=observation.target.device)
    wanted = wanted - round(observation.sampling.phase[axis])
    return wanted.clamp(0, last), (wanted >= 0) & (wanted <= last)


def _moved(observation: Observation, rows: Tensor, cols: Tensor) -> Tensor:
    if all(abs(phase - round(phase)) < _SAME for phase in observation.sampling.phase):
        return observation.target[:, rows][:, :, cols]
    return upsample(observation.target, observation.sampling, observation.size, kernel="cubic")


def sources(observation: Observation) -> tuple[Tensor, Tensor]:
    """Return the [n, C, H, W] images to be blended, and the [H, W] mask of where all count.

    Raises
    ------
    FusionError
        If they are of different resolution or number of bands.
    """
    here = same_grid(observation)
    bands, others = int(here.target.shape[0]), int(here.guide.shape[0])
    if others % bands:
        raise FusionError(
            f"sources to be blended need equal numbers of bands: the first has {bands}, the others "
            f"{others} in all"
        )
    stacked = torch.cat([here.target, here.guide.to(here.target)])
    return stacked.reshape(-1, bands, *observation.size), here.target_mask & here.guide_mask
