"""Flat, empty, identical, masked: classical methods answer, or say what is wrong."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import pytest
import torch
from classical_methods import (
    CONTEXT,
    METHODS,
    Classical,
    every_method,
    every_or_projected,
    fuse,
)
from synthetic_pairs import GEOMETRIES, as_float32, pair
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Method
from pansharpkit.methods.classical.bdsd import Bdsd, BdsdPc
from pansharpkit.methods.classical.component import Brovey
from pansharpkit.methods.classical.haze import BtH, MtfGlpHpmH
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.classical.substitution import Ihs
from pansharpkit.sampling import Sampling


@every_or_projected
def test_a_flat_scene_stays_flat(method: Method) -> None:
    observation, _ = pair(GEOMETRIES["oblong 2 x 3.2"])
    levels = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)[:, None, None]
    flat = replace(
        observation,
        target=levels.expand_as(observation.target),
        guide=torch.full_like(observation.guide, 0.27),
    )
    for scene in (flat, as_float32(flat)):
        fused = fuse(method, scene).double()
        torch.testing.assert_close(fused, levels.expand_as(fused), rtol=1e-6, atol=0)


DEGENERATE = {
    "one flat band": lambda o: replace(o, target=_with_band(o.target, 1, 0.25)),
    "one empty band": lambda o: replace(o, target=_with_band(o.target, 2, 0.0)),
    "identical bands": lambda o: replace(o, target=o.target[:1].expand_as(o.target)),
    "flat PAN": lambda o: replace(o, guide=torch.full_like(o.guide, 0.4)),
    "empty PAN": lambda o: replace(o, guide=torch.zeros_like(o.guide)),
    "empty scene": lambda o: replace(
        o, guide=torch.zeros_like(o.guide), target=torch.zeros_like(o.target)
    ),
    "negative PAN": lambda o: replace(o, guide=-o.guide),
    "flat target": lambda o: replace(o, target=torch.full_like(o.target, 0.4)),
    "one valid pixel": lambda o: replace(
        o, guide_mask=_one_pixel(o.guide_mask), target_mask=_one_pixel(o.target_mask)
    ),
}


def _with_band(target: Tensor, band: int, value: float) -> Tensor:
    changed = target.clone()
    changed[band] = value
    return changed


def _one_pixel(mask: Tensor) -> Tensor:
    one = torch.zeros_like(mask)
    one[5, 5] = True
    return one


@every_or_projected
@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_degenerate_scenes_give_bounded_values(
    method: Method, case: str, dtype: torch.dtype
) -> None:
    observation = DEGENERATE[case](pair(Sampling.edge_aligned(2))[0])
    if dtype == torch.float32:
        observation = as_float32(observation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = method.fit([observation], CONTEXT)
        fused = fitted.apply([observation], CONTEXT)[0]
    assert bool(fused.isfinite().all())
    assert float(fused.abs().max()) < 10
    json.dumps(fitted.summary(), allow_nan=False)


@pytest.mark.parametrize("name", ["gsa", "mtf-glp-fs"])
def test_a_flat_target_takes_no_detail_in_additive_methods(name: str) -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    flat = as_float32(replace(observation, target=torch.full_like(observation.target, 0.4)))
    fused = fuse(METHODS[name], flat)
    torch.testing.assert_close(fused, torch.full_like(fused, 0.4))


@every_or_projected
def test_a_flat_band_among_others_stays_flat_where_detail_is_added(method: Method) -> None:
    if isinstance(method, Brovey | Ihs | BtH | MtfGlpHpmH | Bdsd | BdsdPc):
        return  # these follow PAN by definition; BDSD is checked below
    observation, _ = pair(Sampling.edge_aligned(2))
    fused = fuse(method, DEGENERATE["one flat band"](observation))
    torch.testing.assert_close(fused[1], torch.full_like(fused[1], 0.25))


@pytest.mark.parametrize("name", ["bdsd", "bdsd-pc"])
def test_bdsd_gives_a_flat_band_nothing(name: str) -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    fused = fuse(METHODS[name], DEGENERATE["one flat band"](observation))
    torch.testing.assert_close(fused[1], torch.full_like(fused[1], 0.25), rtol=0, atol=1e-6)


@every_method
def test_no_valid_pixel_is_an_error(method: Classical) -> None:
    if isinstance(method, Exp):
        return
    observation, _ = pair(Sampling.edge_aligned(2))
    blind = replace(
        observation,
        guide_mask=torch.zeros_like(observation.guide_mask),
        target_mask=torch.zeros_like(observation.target_mask),
    )
    with pytest.raises(FusionError, match="no valid pixel"):
        method.fit([blind, blind], CONTEXT)
    with pytest.raises(FusionError, match="no valid pixel"):
        method.fit([], CONTEXT)


@every_method
def test_a_coloured_guide_is_refused(method: Classical) -> None:
    if isinstance(method, Exp):
        return
    observation, _ = pair(Sampling.edge_aligned(2))
    coloured = replace(observation, guide=observation.guide.repeat(3, 1, 1))
    with pytest.raises(FusionError, match="one PAN band, the guide has 3"):
        method.fit([coloured], CONTEXT)
