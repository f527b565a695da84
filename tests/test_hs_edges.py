"""What lies beyond a guide, or in its holes, tells nothing of how the two images go together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hs_cubes import fuse, hs_pair
from torch import Tensor

from pansharpkit.methods import create
from pansharpkit.methods.hs.hyperspectral import shown
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

RATIO = 4
CUT = 4
"""Target pixels of a larger scene that are cut off at each side."""


def cropped(side: int = 24, noise: float = 0.0) -> tuple[Observation, Tensor]:
    """Return a pair of `side` target pixels within ground that goes on, and its truth."""
    whole = (side + 2 * CUT) * RATIO
    seen, truth = hs_pair(Sampling.edge_aligned(RATIO), (whole, whole), noise=noise)
    small, fine = (slice(n, -n) for n in (CUT, CUT * RATIO))
    pair = Observation.whole(
        seen.target[:, small, small], seen.guide[:, fine, fine], seen.sampling, seen.optics
    )
    return pair, truth[:, fine, fine]


def test_samples_at_the_edge_are_not_shown() -> None:
    mask = shown(cropped()[0])
    assert mask[1:-1, 1:-1].all()
    assert int(mask.sum()) == 22 * 22


def test_samples_in_holes_of_the_guide_are_not_shown() -> None:
    seen, _ = cropped()
    ground = seen.guide_mask.clone()
    ground[40:56, 40:56] = False
    mask = shown(replace(seen, guide_mask=ground))
    assert not mask[10:14, 10:14].any()
    assert mask[1:8, 1:-1].all()


def test_what_surrounds_a_block_is_shown() -> None:
    """It does not count, but it was read."""
    seen, _ = cropped()
    target_mask, guide_mask = seen.target_mask.clone(), seen.guide_mask.clone()
    target_mask[:8], guide_mask[:32] = False, False
    mask = shown(replace(seen, target_mask=target_mask, guide_mask=guide_mask))
    assert mask[8:-1, 1:-1].all()
    assert not mask[:8].any()


def test_a_frame_of_the_guide_alone_is_not_shown() -> None:
    seen, _ = cropped()
    ground = seen.guide_mask.clone()
    ground[:12] = False
    mask = shown(replace(seen, guide_mask=ground))
    assert not mask[:3].any()
    assert mask[4:-1, 1:-1].all()


def test_few_samples_count_at_the_edge_as_well() -> None:
    seen, _ = cropped(8)
    assert shown(seen).all()
    assert shown(replace(seen, guide_mask=torch.zeros_like(seen.guide_mask))).any()


@pytest.mark.parametrize(("method", "most"), [("fuse", 0.5), ("glp-hs", 0.9), ("gsa-hs", 1.0)])
def test_ground_that_goes_on_costs_nothing_inside(
    method: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the error of statistics that take what surrounds the guide for seen."""
    seen, truth = cropped()
    inner = (slice(None), slice(16, -16), slice(16, -16))

    def error() -> float:
        return float((fuse(create(method, {}), seen) - truth)[inner].square().mean().sqrt())

    found = error()
    for module in ("statistics", "component"):
        monkeypatch.setattr(f"pansharpkit.methods.hs.{module}.shown", lambda pair: pair.target_mask)
    assert found < most * error()
