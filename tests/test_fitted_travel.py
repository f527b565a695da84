"""What a method fitted can be sent to another process, whichever method it is."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from hs_cubes import hs_pair
from synthetic_pairs import as_float32, pair

from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.base import Context
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class Hasty(Context):
    """Ends every loop after a step."""

    rehearsing: ClassVar[bool] = True

    def steps(self, stage: str, total: int) -> Iterator[int]:
        del stage
        yield from range(min(total, 1))


def seen_by(name: str) -> Observation:
    """Return a pair of the kind that a method is for."""
    entry = REGISTRY[name]
    if "sharpen" not in entry.tasks:
        image = as_float32(pair(Sampling.edge_aligned(1), (40, 40))[0])
        return replace(image, guide=image.target.flip(0))
    if entry.takes(1):
        return as_float32(pair(Sampling.edge_aligned(4), (96, 96))[0])
    return as_float32(hs_pair(Sampling.edge_aligned(4), (96, 96))[0])


@pytest.mark.parametrize("name", REGISTRY)
def test_what_was_fitted_travels(name: str) -> None:
    seen, context = seen_by(name), Hasty()
    fitted = create(name, {}).fit([seen], context)
    sent = pickle.loads(pickle.dumps(fitted))
    assert sent.summary() == fitted.summary()
    (ours,), (theirs,) = fitted.apply([seen], context), sent.apply([seen], context)
    torch.testing.assert_close(theirs, ours, rtol=0, atol=0)
