"""CNMF as a classic beside FUSE and HySure, and the floor of CycFusion's subspace."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from mixtures import Mixture, mixture
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.method import CycFusion, CycFusionOptions, FittedSubspace
from pansharpkit.methods.hs.fuse import FittedFuse, Fuse
from pansharpkit.methods.hs.materials import Materials, lowest_of
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation

OPTIONS = CycFusionOptions(preset="fast", width=0.25, shared=5, materials=True)
CONTEXT = Context()


def first_estimate(seen: Observation) -> FittedFuse:
    fitted = Fuse().fit([seen], CONTEXT)
    assert isinstance(fitted, FittedFuse)
    return fitted


@lru_cache
def scene() -> Mixture:
    """Return more materials than the guide has bands."""
    made = mixture(materials=6)
    seen = replace(made.seen, target=made.seen.target.float(), guide=made.seen.guide.float())
    return replace(made, truth=made.truth.float(), seen=seen)


@lru_cache
def found() -> tuple[Materials, FittedFuse]:
    seen = scene().seen
    classic = first_estimate(seen)
    return Materials.of([seen], classic.views, classic.coefficients, CONTEXT), classic


def estimated(seen: Observation) -> Tensor:
    materials, classic = found()
    first = classic.coefficients(seen)
    return classic.views.subspace.cube(materials.coefficients(seen, first, CONTEXT))


def test_the_correction_makes_up_for_what_unmixing_misses() -> None:
    seen = scene().seen
    materials, _ = found()
    raw = materials.mixture.apply([seen], CONTEXT)[0]
    assert scene().error(estimated(seen)) < 0.8 * scene().error(raw)


def test_a_band_goes_as_low_as_the_target_and_no_lower_than_zero_without_need() -> None:
    seen, views = scene().seen, found()[1].views
    assert bool((lowest_of([seen], views) == 0).all())
    below = replace(seen, target=seen.target - 2 * seen.target.mean())
    assert bool((lowest_of([below], views) < 0).any())
    mask = torch.zeros_like(seen.target_mask)
    mask[:2] = True
    spoilt = replace(seen, target=torch.where(mask, seen.target, -50.0), target_mask=mask)
    assert bool((lowest_of([spoilt], views) == 0).all())


def test_cycfusion_takes_it_up_where_the_guide_has_several_bands() -> None:
    seen = scene().seen
    with_it, without = (
        CycFusion(replace(OPTIONS, materials=on)).fit([seen], CONTEXT) for on in (True, False)
    )
    assert isinstance(with_it, FittedSubspace)
    assert with_it.materials is not None
    made, plain = (fitted.apply([seen], CONTEXT)[0] for fitted in (with_it, without))
    assert scene().error(made) < scene().error(plain)
    assert float(made.min()) >= 0
    assert seen.optics.model is not None
    one = replace(
        seen,
        guide=seen.guide[:1],
        optics=replace(seen.optics, model=ObservationModel(seen.optics.model.srf[:1])),
    )
    alone = CycFusion(OPTIONS).fit([one], CONTEXT)
    assert isinstance(alone, FittedSubspace)
    assert alone.materials is None
