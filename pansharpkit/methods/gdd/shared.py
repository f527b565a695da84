"""One network for a whole scene: the crops it learns from, the fit, and its file."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.options import GddOptions
from pansharpkit.methods.gdd.problem import SharedProblem, View, Weights, network, weights_of
from pansharpkit.methods.moments import gather, least_squares
from pansharpkit.methods.networks.optimise import Schedule, mixed_seed, optimise
from pansharpkit.methods.networks.weights import read_weights, write_weights
from pansharpkit.methods.operators import operators_of
from pansharpkit.physics import Observation

log = logging.getLogger(__name__)

CROP = 256
"""Guide pixels along the side of a crop: larger ones are better, and cost what they hold."""
POOL = 24
"""Crops in all, at most, so that memory does not grow with the scene."""
_OVERDRAWN = 1.5  # area of a block's crops in proportion to the block
_VALID = 0.5  # share of valid pixels below which a crop is not used
_KERNEL = 2.0  # target pixels within which a sample beyond the cut would be felt
FORMAT = "pansharpkit gdd 1"


def train(
    crops: Sequence[Observation],
    options: GddOptions,
    regression: Tensor | None,
    start: Weights | None,
    context: Context,
    member: int = 0,
) -> Weights:
    """Return the weights of one network that was shown all crops in turn.

    Raises
    ------
    FusionError
        If the loss is lost twice.
    """
    chosen = options.resolved
    bands = int(crops[0].target.shape[0])
    views = [
        View(
            crop,
            options,
            regression,
            context.device,
            torch.Generator().manual_seed(mixed_seed(context.seed, crop.index)),
        )
        for crop in crops
    ]

    def begin(seed: int) -> SharedProblem:
        net = network(bands, options, torch.Generator().manual_seed(seed))
        if start is not None:
            net.load_state_dict(start, strict=False)
        return SharedProblem(net, views, options, context.device, seed)

    found = optimise(
        begin,
        Schedule(chosen.shared, chosen.rate, optimiser=chosen.optimiser),
        seed=(context.seed, member, -1),
        steps=lambda total: context.steps("gdd network", total),
    )
    return weights_of(found.problem.net)


def draw_crops(sample: Sequence[Observation], context: Context) -> list[Observation]:
    """Return large crops from all blocks, numbered from 0; small blocks are taken whole.

    Crops of which less than half is valid are left out, unless there are no others.
    """
    each = max(1, POOL // max(1, len(sample)))
    good: list[Observation] = []
    best: tuple[float, Observation] | None = None
    for number in context.steps("gdd crops", len(sample)):
        draws = torch.Generator().manual_seed(mixed_seed(context.seed, number))
        for crop in _drawn(sample[number], each, draws):
            share = float(crop.guide_mask.float().mean())
            if share >= _VALID:
                good.append(crop)
            elif best is None or share > best[0]:
                best = share, crop
    chosen = good or ([best[1]] if best else [])
    return [replace(crop, index=number) for number, crop in enumerate(chosen)]


def _drawn(block: Observation, most: int, draws: torch.Generator) -> list[Observation]:
    size = [min(CROP, side) for side in block.size]
    room = [side - part for side, part in zip(block.size, size, strict=True)]
    if max(room) == 0:
        return [block]
    count = min(most, math.ceil(_OVERDRAWN * math.prod(block.size) / math.prod(size)))
    corners = [
        [int(torch.randint(r + 1, (1,), generator=draws)) for r in room] for _ in range(count)
    ]
    return [crop(block, (row, col), (size[0], size[1])) for row, col in corners]


def crop(block: Observation, corner: tuple[int, int], size: tuple[int, int]) -> Observation:
    """Cut guide pixels from a corner on, and the target samples centred among them.

    Samples whose kernel would reach beyond a cut do not count.
    """
    spans, counted = [], []
    for axis in (0, 1):
        start, stop = corner[axis], corner[axis] + size[axis]
        ratio, phase = block.sampling.ratio[axis], block.sampling.phase[axis]
        first = max(0, math.ceil((start - 0.5 - phase) / ratio))
        last = min(block.target_size[axis], math.ceil((stop - 0.5 - phase) / ratio))
        centres = ratio * torch.arange(first, last, dtype=torch.float64) + phase
        low = start + (_KERNEL * ratio if start > 0 else -0.5)
        high = stop - (_KERNEL * ratio if stop < block.size[axis] else 0.5)
        spans.append((slice(start, stop), slice(first, last)))
        counted.append((centres >= low) & (centres < high))
    (rows, small_rows), (cols, small_cols) = spans
    inside = (counted[0][:, None] & counted[1][None, :]).to(block.target_mask.device)
    return replace(
        block,
        target=block.target[:, small_rows, small_cols],
        guide=block.guide[:, rows, cols],
        sampling=block.sampling.windowed(corner, (small_rows.start, small_cols.start)),
        target_mask=block.target_mask[small_rows, small_cols] & inside,
        guide_mask=block.guide_mask[rows, cols],
        origin=(block.origin[0] + corner[0], block.origin[1] + corner[1]),
    )


def pan_regression(sample: Sequence[Observation], context: Context) -> Tensor:
    """Return the [C] least-squares weights of PAN on the bands, at the target's scale."""
    (moments,) = gather(sample, lambda seen: ((_with_pan(seen), seen.target_mask),), context)
    covariance = moments.covariance
    return least_squares(covariance[:-1, :-1], covariance[:-1, -1])


def _with_pan(seen: Observation) -> Tensor:
    coarse = operators_of(seen.optics).guide_as_target(seen)
    return torch.cat([seen.target, coarse[None].to(seen.target)])


def save_weights(path: str, weights: Weights, bands: int, options: GddOptions) -> None:
    """Write a shared network with what it was made for.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_weights(path, FORMAT, weights, _shape(bands, options))


def load_weights(path: str, bands: int, options: GddOptions) -> Weights:
    """Read a shared network.

    Raises
    ------
    OptionError
        If the file is missing, no such network, or one for other bands or options.
    """
    return read_weights(path, FORMAT, "gdd", _shape(bands, options))


def _shape(bands: int, options: GddOptions) -> dict[str, object]:
    chosen = options.resolved
    return {
        "bands": bands,
        "channels": chosen.channels,
        "sees_ms": chosen.sees_ms,
        "standardise": chosen.standardise,
        "mixing": options.mixing,
    }
