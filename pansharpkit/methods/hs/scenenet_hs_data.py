"""What scenenet-hs learns from: pixels of the scene's target, seen through one more degradation.

Degraded once more, the pair is a problem whose solution is known: the target as delivered. Its
pixels are lessons one by one, since the network looks at one pixel at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.rehearsal import Rehearsal
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation

PIXELS = 60_000
"""Lessons in all, at most."""
FOLDS = 8
"""Parts of the scene, each of which judges the network that the others taught."""


@dataclass(frozen=True)
class Lessons:
    """Pixels with their solution."""

    inputs: Tensor
    """[k, n] float32."""
    lacks: Tensor
    """[k, p] what the base lacks of the solution, float32."""
    fold: Tensor
    """[k] part of the scene, in [0, FOLDS)."""


def draw_lessons(
    sample: Sequence[Observation], relation: Relation, context: Context
) -> Lessons | None:
    """Return lessons from all blocks of the scene; none where no block is large enough."""
    each = max(1, PIXELS // max(1, len(sample)))

    def work(numbered: tuple[int, Observation]) -> Lessons | None:
        return _lessons_of(numbered[1], relation, each, mixed_seed(context.seed, numbered[0]))

    stream = side_by_side("scenenet lessons", _Numbered(sample), work, context)
    found = [one for one in stream if one is not None and len(one.inputs)]
    if not found:
        return None
    return Lessons(
        torch.cat([one.inputs for one in found]),
        torch.cat([one.lacks for one in found]),
        torch.cat([one.fold for one in found]),
    )


class _Numbered(Sequence[tuple[int, Observation]]):
    """A sample whose blocks know their number when they are read."""

    def __init__(self, sample: Sequence[Observation]) -> None:
        self._sample = sample

    def __len__(self) -> int:
        return len(self._sample)

    def __getitem__(self, index: int) -> tuple[int, Observation]:  # type: ignore[override]
        return index, self._sample[index]


def _lessons_of(block: Observation, relation: Relation, most: int, seed: int) -> Lessons | None:
    draws = torch.Generator().manual_seed(seed)
    rehearsal = Rehearsal.of(block, relation, draws)
    if rehearsal is None:
        return None
    fold = _folds(block.target_size)
    inputs, lacks, folds = [], [], []
    for seen in rehearsal.views:
        features = relation.features(seen, rehearsal.classic)
        picked = _picked(block.target_mask, max(1, most // len(rehearsal.views)), draws)
        inputs.append(features.inputs.flatten(1)[:, picked].T.float().cpu())
        lacks.append((rehearsal.truth - features.base).flatten(1)[:, picked].T.float().cpu())
        folds.append(fold[picked])
    return Lessons(torch.cat(inputs), torch.cat(lacks), torch.cat(folds))


def _picked(mask: Tensor, most: int, draws: torch.Generator) -> Tensor:
    """Return the flat indices of at most so many pixels that count."""
    found = mask.flatten().nonzero()[:, 0].cpu()
    if len(found) <= most:
        return found
    return found[torch.randperm(len(found), generator=draws)[:most]]


def _folds(size: tuple[int, int]) -> Tensor:
    """Return [h * w] the fold of each pixel: stripes across the longer side."""
    longer = 0 if size[0] >= size[1] else 1
    place = torch.arange(size[longer]) * FOLDS // size[longer]
    shape = (-1, 1) if longer == 0 else (1, -1)
    return place.reshape(shape).expand(size).flatten()
