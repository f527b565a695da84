"""The part of a scene's sample that what iterates over pixels can afford to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.shared import crop
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.physics import Observation

_BLOCKS = 9
_SMALLEST = 8  # target pixels along a side


def excerpt(sample: Sequence[Observation], pixels: int, context: Context) -> list[Observation]:
    """Return crops with about `pixels` guide pixels in all, from blocks all over the sample.

    A sample that is no larger comes back whole. Blocks without a valid target sample are left out.

    Raises
    ------
    FusionError
        If no block has one.
    """
    count = min(len(sample), _BLOCKS)
    numbers = [round(i * (len(sample) - 1) / max(1, count - 1)) for i in range(count)]
    found: list[Observation] = []
    for number in numbers:
        seen = _cropped(sample[number], pixels // count, mixed_seed(context.seed, number))
        if seen.target_mask.any():
            found.append(seen)
    found = found or _first_valid(sample, pixels)
    if not found:
        raise FusionError("no pixel of the target is valid: there is nothing to learn from")
    return [replace(seen, index=number) for number, seen in enumerate(found)]


def _first_valid(sample: Sequence[Observation], pixels: int) -> list[Observation]:
    """Return the first block with a valid sample, cut around one, in a list; or an empty one."""
    for seen in sample:
        places = seen.target_mask.nonzero()
        if len(places):
            row, col = places[len(places) // 2].tolist()
            centre = [
                r * k + p
                for r, k, p in zip(
                    seen.sampling.ratio, (row, col), seen.sampling.phase, strict=True
                )
            ]
            side = _side(seen, pixels)
            corner = [
                min(max(0, round(middle) - part // 2), full - part)
                for middle, part, full in zip(centre, side, seen.size, strict=True)
            ]
            return [crop(seen, (corner[0], corner[1]), side)]
    return []


def _cropped(seen: Observation, pixels: int, seed: int) -> Observation:
    side = _side(seen, pixels)
    room = [full - part for full, part in zip(seen.size, side, strict=True)]
    if max(room) == 0:
        return seen
    draws = torch.Generator().manual_seed(seed)
    row, col = (int(torch.randint(r + 1, (1,), generator=draws)) for r in room)
    return crop(seen, (row, col), side)


def _side(seen: Observation, pixels: int) -> tuple[int, int]:
    """Return the size of a crop: square as far as the block allows, within the number of pixels."""
    least = math.ceil(_SMALLEST * max(seen.sampling.ratio))
    height, width = seen.size
    if height * width <= pixels:
        return height, width
    rows = max(min(height, math.isqrt(pixels)), min(height, least))
    return rows, max(min(width, pixels // rows), min(width, least))
