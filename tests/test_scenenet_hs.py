"""scenenet for cubes: what it learns, when it does not, and that tiles agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hs_pairs import GAIN, guide_srf, pair_of
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.scenenet_hs import FittedScenenetHs
from pansharpkit.methods.hs.scenenet_hs_data import FOLDS, Lessons
from pansharpkit.methods.hs.scenenet_hs_net import PixelNets, learn
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

QUICK = {"steps": "60", "channels": "16"}
RATIO = 3


def curved(side: int = 72) -> Tensor:
    """Ground whose spectra are no linear function of what the guide sees of them."""
    random = torch.Generator().manual_seed(1)
    count = -(-side // 3)
    patches = torch.rand(2, count, count, generator=random, dtype=torch.float64)
    a, b = patches.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)[:, :side, :side]
    amounts = [a, b, a * b, a**2, b**2, (a - b).abs(), torch.sin(4 * a), torch.cos(5 * b)]
    waves = torch.arange(48, dtype=torch.float64)
    spectra = [torch.exp(-(((waves - 3 - 6 * k) / 3) ** 2)) for k in range(len(amounts))]
    shades = [s[:, None, None] * x for s, x in zip(spectra, amounts, strict=True)]
    return 1.5 + torch.stack(shades).sum(dim=0)


def known(seen: Observation, psf: Psf | None = None) -> Observation:
    rows = tuple(tuple(row) for row in guide_srf().tolist())
    mtf = (GAIN,) * len(seen.target)
    model = ObservationModel(rows, psf)
    return replace(seen, optics=replace(seen.optics, mtf=mtf, model=model))


@pytest.fixture(scope="module")
def scene() -> tuple[Observation, Tensor]:
    truth = curved()
    return known(pair_of(Sampling.edge_aligned(RATIO), truth)), truth


def fused(name: str, seen: Observation, options: dict[str, str], seed: int = 0) -> Tensor:
    context = Context(seed)
    return create(name, options).fit([seen], context).apply([seen], context)[0]


def rmse(image: Tensor, truth: Tensor) -> float:
    return float((image - truth).square().mean().sqrt())


def test_it_learns_what_no_linear_method_can(scene: tuple[Observation, Tensor]) -> None:
    seen, truth = scene
    ours = rmse(fused("scenenet-hs", seen, {"steps": "200"}), truth)
    assert ours < 0.9 * rmse(fused("fuse", seen, {}), truth)


def test_the_same_seed_gives_the_same_image(scene: tuple[Observation, Tensor]) -> None:
    first, again, other = (fused("scenenet-hs", scene[0], QUICK, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_response_needs_to_be_known(scene: tuple[Observation, Tensor]) -> None:
    seen, truth = scene
    blind = replace(seen, optics=replace(seen.optics, model=None))
    image = fused("scenenet-hs", blind, QUICK)
    assert rmse(image, truth) < 1.2 * rmse(fused("fuse", blind, {}), truth)


@pytest.mark.parametrize("ratio", [2.0, 2.5, 4.0])
def test_ratios_and_a_psf_of_any_shape(ratio: float) -> None:
    truth = curved()
    mean = Psf(((1 / 9,) * 3,) * 3)
    seen = known(pair_of(Sampling.edge_aligned(ratio), truth), mean)
    image = fused("scenenet-hs", seen, QUICK)
    assert image.shape == truth.shape
    assert torch.isfinite(image).all()


def test_a_guide_of_one_band(scene: tuple[Observation, Tensor]) -> None:
    seen, truth = scene
    pan = replace(
        seen, guide=seen.guide.mean(dim=0, keepdim=True), optics=replace(seen.optics, model=None)
    )
    image = fused("scenenet-hs", pan, QUICK)
    assert rmse(image, truth) < rmse(fused("exp", pan, {}), truth)


def test_a_tiny_target_falls_back_to_the_base() -> None:
    truth = curved(24)
    seen = known(pair_of(Sampling.edge_aligned(4.0), truth))
    base = (fused("fuse", seen, {}) + fused("hysure", seen, {})) / 2
    assert torch.allclose(fused("scenenet-hs", seen, {}), base, atol=1e-6)


def test_masked_samples_teach_nothing(scene: tuple[Observation, Tensor]) -> None:
    seen = scene[0]
    mask = seen.target_mask.clone()
    mask[:, :4] = False
    guide_mask = seen.guide_mask.clone()
    guide_mask[:, : 4 * RATIO] = False
    masked = replace(seen, target_mask=mask, guide_mask=guide_mask)
    context = Context(0)
    fitted = create("scenenet-hs", QUICK).fit([masked], context)
    assert torch.isfinite(fitted.apply([masked], context)[0]).all()
    every = create("scenenet-hs", QUICK).fit([seen], context)
    assert fitted.summary()["share"] != every.summary()["share"]


def test_tiles_agree(scene: tuple[Observation, Tensor]) -> None:
    seen, _ = scene
    context = Context(0)
    method = create("scenenet-hs", QUICK)
    fitted = method.fit([seen], context)
    whole = fitted.apply([seen], context)[0]
    cols = 16
    part = replace(
        seen,
        target=seen.target[:, :, :cols],
        guide=seen.guide[:, :, : cols * RATIO],
        target_mask=seen.target_mask[:, :cols],
        guide_mask=seen.guide_mask[:, : cols * RATIO],
    )
    tile = fitted.apply([part], context)[0]
    far = slice(0, 8)  # 40 pixels from the cut
    spread = float(whole.amax() - whole.amin())
    assert float((whole[:, :, far] - tile[:, :, far]).abs().max()) < 1e-3 * spread


def test_networks_that_are_no_help_are_not_followed() -> None:
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(4000, 6, generator=draws)
    lacks = torch.randn(4000, 3, generator=draws)
    lacks[:, 0] = inputs[:, 0] * inputs[:, 1]
    fold = torch.arange(4000) * FOLDS // 4000
    learned = learn(Lessons(inputs, lacks, fold), 24, 200, Context(0))
    assert learned.share[0] > 0.8
    assert (learned.share[1:] < 0.2).all()
    assert learned.gain_db > 0.5


def test_each_network_is_judged_by_what_it_was_not_shown() -> None:
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 4, generator=draws)
    lessons = Lessons(inputs, torch.randn(16, 1, generator=draws), torch.arange(16) % FOLDS)
    learned = learn(lessons, 64, 600, Context(0))
    with torch.no_grad():
        own = (learned.nets(inputs).mean(dim=0) * learned.scale - lessons.lacks).square().mean()
    assert own < 0.6 * lessons.lacks.square().mean()  # learnt by heart
    assert learned.share[0] < 0.6


def test_untrained_networks_correct_nothing() -> None:
    nets = PixelNets(5, 2, 8, seed=0)
    assert not nets(torch.randn(7, 5)).any()
    assert nets(torch.randn(7, 5)).shape == (FOLDS, 7, 2)


def test_the_summary_says_what_was_learnt(scene: tuple[Observation, Tensor]) -> None:
    fitted = create("scenenet-hs", QUICK).fit([scene[0]], Context(0))
    assert isinstance(fitted, FittedScenenetHs)
    summary = fitted.summary()
    assert isinstance(summary["dimension"], int)
    assert len(summary["share"]) == summary["dimension"]  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"steps": "0"}, {"channels": "0"}, {"depth": "3"}])
def test_wrong_options_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        create("scenenet-hs", wrong)
