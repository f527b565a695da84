"""The Guided Deep Decoder for cubes: its problem, its presets, its results."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hs_pairs import GAIN, ground, guide_srf, pair_of
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.hs import FittedGddHs, GddHs, GddHsOptions, HsProblem
from pansharpkit.methods.networks.nets import count_parameters
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

TINY = {"channels": "8", "iterations": "6"}
SIDE = 48


@pytest.fixture(scope="module")
def scene() -> tuple[Observation, Tensor]:
    truth = ground(side=SIDE)
    seen = pair_of(Sampling.edge_aligned(3.0), truth)
    model = ObservationModel(tuple(tuple(row) for row in guide_srf().tolist()))
    return replace(seen, optics=replace(seen.optics, mtf=(GAIN,) * 48, model=model)), truth


def fitted(seen: Observation, options: dict[str, str]) -> FittedGddHs:
    found = create("gdd-hs", options).fit([seen], Context(0))
    assert isinstance(found, FittedGddHs)
    return found


def fused(seen: Observation, options: dict[str, str], seed: int = 0) -> Tensor:
    return fitted(seen, options).apply([seen], Context(seed))[0]


def problem(seen: Observation, options: dict[str, str]) -> HsProblem:
    method = create("gdd-hs", options)
    assert isinstance(method, GddHs)
    form = fitted(seen, options).form
    target = seen.target
    if method.options.resolved.subspace:
        target = fitted(seen, options).views.subspace.coefficients(target)
    return HsProblem(replace(seen, target=target), form, method.options, "cpu", 0)


def test_the_reference_is_the_published_network() -> None:
    seen = pair_of(Sampling.edge_aligned(2.0), ground(side=SIDE))
    three = replace(seen, target=seen.target[:31], guide=seen.guide[:3])
    three = replace(three, optics=replace(seen.optics, mtf=(0.3,) * 31))
    assert count_parameters(problem(three, {"preset": "reference"}).net) == 245_151


def test_the_truth_has_no_loss(scene: tuple[Observation, Tensor]) -> None:
    seen, truth = scene
    reference = problem(seen, {"preset": "reference"})
    assert float(reference._loss(truth.float())) < 1e-8  # nothing else can compute it
    assert float(reference._loss(0.9 * truth.float())) > 1e-4


def test_a_step_in_the_subspace_weighs_bands_as_the_reference_does(
    scene: tuple[Observation, Tensor],
) -> None:
    seen, truth = scene
    found = fitted(seen, {})
    coefficients = found.views.subspace.coefficients(truth).float()
    assert float(problem(seen, {})._loss(coefficients)) < 1e-3
    assert float(problem(seen, {})._loss(0.5 * coefficients)) > 0.1


@pytest.mark.parametrize("options", [TINY, {**TINY, "preset": "reference", "precision": "float32"}])
def test_the_same_seed_gives_the_same_cube(
    scene: tuple[Observation, Tensor], options: dict[str, str]
) -> None:
    first, again, other = (fused(scene[0], options, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == scene[1].shape
    assert torch.isfinite(first).all()


def test_iterations_bring_it_closer_to_the_truth(scene: tuple[Observation, Tensor]) -> None:
    seen, truth = scene
    errors: dict[int, float] = {}
    found = fitted(seen, {"channels": "16", "iterations": "40"})

    def watch(done: int, output: Tensor, average: Tensor) -> None:
        if done in (5, 40):
            cube = found.views.subspace.cube(average.double())
            errors[done] = float((cube - truth).square().mean())

    found.fused(seen, Context(0), watch=watch)
    assert errors[40] < 0.7 * errors[5]


def test_consistency_brings_the_cube_to_the_target(scene: tuple[Observation, Tensor]) -> None:
    from pansharpkit.methods.hs.hyperspectral import observe

    seen = scene[0]

    def lacks(consistent: str) -> float:
        cube = fused(seen, {**TINY, "consistent": consistent})
        return float((observe(seen, cube) - seen.target).square().mean())

    assert lacks("true") < 0.1 * lacks("false")


def test_no_response_needs_to_be_known(scene: tuple[Observation, Tensor]) -> None:
    blind = replace(scene[0], optics=replace(scene[0].optics, model=None))
    for preset in ("balanced", "reference"):
        assert torch.isfinite(fused(blind, {**TINY, "preset": preset})).all()


def test_a_small_guide_of_one_band(scene: tuple[Observation, Tensor]) -> None:
    seen = pair_of(Sampling.edge_aligned(2.0), ground(side=20))
    pan = replace(seen, guide=seen.guide.mean(dim=0, keepdim=True))
    assert fused(pan, TINY).shape == (48, 20, 20)


def test_masked_samples_do_not_count(scene: tuple[Observation, Tensor]) -> None:
    seen = scene[0]
    mask, fine = seen.target_mask.clone(), seen.guide_mask.clone()
    mask[:, :2], fine[:, :6] = False, False
    masked = replace(seen, target_mask=mask, guide_mask=fine)
    spoilt = replace(
        masked,
        target=torch.where(mask, masked.target, 9.0),
        guide=torch.where(fine, masked.guide, 9.0),
    )
    options = {"preset": "reference"}
    image = torch.rand(48, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    one, other = (problem(x, options)._loss(image) for x in (masked, spoilt))
    assert torch.equal(one, other)


def test_it_stops_once_the_cube_has_settled(scene: tuple[Observation, Tensor]) -> None:
    done: list[int] = []
    found = replace(
        fitted(scene[0], TINY), options=GddHsOptions(channels=8, iterations=200, tolerance=1.0)
    )
    found.fused(scene[0], Context(0), watch=lambda count, output, average: done.append(count))
    assert done[-1] == 30


@pytest.mark.parametrize(
    "wrong", [{"iterations": "0"}, {"mu": "0"}, {"ema": "1"}, {"rate": "-1"}, {"preset": "best"}]
)
def test_wrong_options_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        create("gdd-hs", wrong)
