"""Blind estimates of SRF and PSF on pairs whose model is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hs_pairs import CENTRES, GAIN, ground, guide_srf, pair_of
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError, SensorError
from pansharpkit.physics.blind import BlindEstimate, estimate_model
from pansharpkit.physics.blind_bands import noise_of
from pansharpkit.physics.blind_gradient import Descent
from pansharpkit.physics.blind_psf import Aperture
from pansharpkit.physics.blind_sample import LEAST, gather, patches
from pansharpkit.physics.psf import spread_by
from pansharpkit.sampling import Sampling


def _cosine(found: BlindEstimate) -> float:
    rows, truth = np.array(found.model.srf), guide_srf().numpy()
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(truth, axis=1)
    return float(((rows * truth).sum(axis=1) / norms).min())


def _width(gain: float, ratio: float) -> float:
    return ratio / np.pi * np.sqrt(-2 * np.log(gain))


@pytest.mark.parametrize("ratio", [3.0, 4.0, 6.5])
def test_model_is_found_at_any_ratio(ratio: float) -> None:
    found = estimate_model([pair_of(Sampling.edge_aligned(ratio), ground())], CENTRES)
    assert _cosine(found) > 0.99
    assert max(map(abs, found.centre)) < 0.1
    assert found.width == pytest.approx((_width(GAIN, ratio),) * 2, rel=0.05)
    assert max(found.residual) < 2e-3
    assert found.model.psf is not None
    assert sum(map(sum, found.model.psf.values)) == pytest.approx(1)


def test_a_shift_that_the_grids_do_not_know() -> None:
    nominal = Sampling.edge_aligned(4)
    pair = pair_of(nominal, ground(), seen_at=nominal.shifted(1.3, -0.8))
    found = estimate_model([pair], CENTRES)
    assert found.centre == pytest.approx((1.3, -0.8), abs=0.1)
    assert _cosine(found) > 0.99


def test_the_mean_over_blocks_is_a_box() -> None:
    cube = ground()
    blocks = cube.unfold(1, 4, 4).unfold(2, 4, 4).mean(dim=(-1, -2))
    pair = replace(pair_of(Sampling.edge_aligned(4), cube), target=blocks)
    found = estimate_model([pair], CENTRES)
    psf = found.model.psf
    assert psf is not None
    middle = np.array(psf.values)[psf.side // 2 - 2 : psf.side // 2 + 2, :][
        :, psf.side // 2 - 2 : psf.side // 2 + 2
    ]
    assert middle.sum() > 0.95
    np.testing.assert_allclose(middle, 1 / 16, atol=0.01)


def test_the_model_explains_thepair_of() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    model = estimate_model([pair], CENTRES).model
    assert model.psf is not None
    seen = spread_by(pair.guide, pair.sampling, pair.target_size, model.psf)
    mixed = torch.tensordot(torch.tensor(model.srf, dtype=torch.float64), pair.target, dims=1)
    inner = (slice(None), slice(3, -3), slice(3, -3))
    assert float((seen - mixed)[inner].square().mean().sqrt()) < 2e-3 * float(seen.mean())


def test_noise_costs_the_psf_little() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    random = torch.Generator().manual_seed(1)

    def noisy(image: Tensor) -> Tensor:
        noise = torch.randn(image.shape, generator=random, dtype=image.dtype)
        return image + 0.015 * image.square().mean(dim=(1, 2), keepdim=True).sqrt() * noise

    found = estimate_model([replace(pair, target=noisy(pair.target), guide=noisy(pair.guide))])
    assert max(map(abs, found.centre)) < 0.15
    assert found.width == pytest.approx((_width(GAIN, 4),) * 2, rel=0.15)


def test_what_only_the_guide_shows_is_not_taken_for_noise() -> None:
    """Light that differs between the images made a filter of single bands."""
    pair = pair_of(Sampling.edge_aligned(4), ground())
    rows = torch.arange(pair.size[0], dtype=torch.float64)[:, None]
    light = 1 + 0.1 * torch.sin(rows / 25)
    found = estimate_model([replace(pair, guide=pair.guide * light)], CENTRES)
    assert found.kind == ("shape",) * 4
    assert _cosine(found) > 0.7


def test_masked_pixels_do_not_count() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    target, guide = pair.target.clone(), pair.guide.clone()
    target_mask, guide_mask = pair.target_mask.clone(), pair.guide_mask.clone()
    target[:, 4:8, 4:9], target_mask[4:8, 4:9] = 50.0, False
    guide[:, 60:70, 50:58], guide_mask[60:70, 50:58] = 0.0, False
    holes = replace(
        pair, target=target, guide=guide, target_mask=target_mask, guide_mask=guide_mask
    )
    found = estimate_model([holes], CENTRES)
    assert found.samples < estimate_model([pair], CENTRES).samples - 20
    assert _cosine(found) > 0.99
    assert max(map(abs, found.centre)) < 0.1


def test_blocks_of_a_scene_and_the_same_again() -> None:
    blocks = [pair_of(Sampling.edge_aligned(4), ground(seed, 64)) for seed in range(3)]
    found = estimate_model(blocks, CENTRES)
    assert _cosine(found) > 0.995
    assert estimate_model(blocks, CENTRES) == found


def test_bands_in_any_order() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    order = np.random.default_rng(3).permutation(len(CENTRES))
    mixed = replace(pair, target=pair.target[order.tolist()])
    found = estimate_model([mixed], [CENTRES[k] for k in order])
    rows = np.empty((4, len(CENTRES)))
    rows[:, order] = np.array(found.model.srf)
    straight = np.array(estimate_model([pair], CENTRES).model.srf)
    np.testing.assert_allclose(rows, straight, atol=2e-3)


def test_one_guide_band() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    found = estimate_model([replace(pair, guide=pair.guide[2:3])], CENTRES)
    assert np.array(found.model.srf).shape == (1, 48)
    assert max(map(abs, found.centre)) < 0.1


def test_too_little_to_go_by() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground(side=16))
    with pytest.raises(FusionError, match=f"only 4 target pixels .* at least {LEAST}"):
        estimate_model([pair], CENTRES)


def test_wavelengths_must_fit() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground())
    with pytest.raises(OptionError, match="3 wavelengths for 48 bands"):
        estimate_model([pair], [1.0, 2.0, 3.0])
    with pytest.raises(SensorError, match="band 1 "):
        estimate_model([pair], [None, *CENTRES[1:]])


def test_large_scenes_are_thinned() -> None:
    cube = ground(side=64)
    blocks = [pair_of(Sampling.edge_aligned(2), cube)] * 40
    gathered = gather(blocks)
    assert len(gathered.parts) == 6 * 2
    assert 2000 < gathered.target.shape[1] <= 4000
    assert set(gathered.folds.tolist()) == set(range(5))


def test_patches_of_a_large_block_see_what_it_sees() -> None:
    seen = pair_of(Sampling((3.0, 2.0), (1.3, 0.4)), ground(side=180))
    gathered = gather([seen])
    assert len(gathered.parts) > 5
    aperture = Aperture((0.4, 0.45), 0.3, (0.4, -0.3))
    every = replace(
        gathered.parts[0], guide=seen.guide.double(), target=seen.target.double(),
        sampling=seen.sampling, used=torch.ones_like(seen.target_mask),
    )  # fmt: skip
    whole, values = aperture.degraded(every), seen.target.double().flatten(1).numpy()
    found = np.concatenate([aperture.degraded(part) for part in gathered.parts], axis=1)
    for sample, guide in zip(gathered.target.T[::50], found.T[::50], strict=True):
        (place,) = np.flatnonzero((values == sample[:, None]).all(axis=0))
        np.testing.assert_allclose(guide, whole[:, place], rtol=1e-9)


def test_noise_is_what_neighbours_do_not_tell() -> None:
    random = np.random.default_rng(0)
    smooth = np.outer(np.linspace(1, 2, 40), random.normal(size=3000))
    noise = np.linspace(0.01, 0.1, 40)
    found = noise_of(smooth + random.normal(size=smooth.shape) * noise[:, None], np.arange(40.0))
    np.testing.assert_allclose(np.sqrt(found), noise, rtol=0.15)


def test_table_of_an_aperture_keeps_its_place() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground(side=64))
    part = gather([pair]).parts[0]
    aperture = Aperture((0.4, 0.5), 0.3, (0.7, -1.2))
    assert aperture.table(part).centre == pytest.approx((0.7, -1.2), abs=5e-3)


def test_ridge_finds_the_place_but_smears_the_srf() -> None:
    nominal = Sampling.edge_aligned(4)
    pair = pair_of(nominal, ground(), seen_at=nominal.shifted(0.6, -0.4))
    free = estimate_model([pair], CENTRES, method="ridge")
    assert free.centre == pytest.approx((0.6, -0.4), abs=0.2)
    assert free.width == pytest.approx((_width(GAIN, 4),) * 2, rel=0.2)
    assert 0.4 < _cosine(free) < _cosine(estimate_model([pair], CENTRES))
    assert set(free.kind) == {"free"}


def test_cycfusion_learns_a_positive_model_of_sum_one() -> None:
    cube = ground()
    blocks = cube.unfold(1, 4, 4).unfold(2, 4, 4).mean(dim=(-1, -2))
    pair = replace(pair_of(Sampling.edge_aligned(4), cube), target=blocks)

    def learned(steps: int, seed: int = 0) -> BlindEstimate:
        descent = Descent(steps, rate=0.03, seed=seed)
        return estimate_model([pair], CENTRES, method="cycfusion", descent=descent)

    found, short = learned(400), learned(20)
    psf = found.model.psf
    assert psf is not None
    assert psf.side == 4
    assert max(found.residual) < 0.5 * max(short.residual)
    assert np.allclose(np.sum(found.model.srf, axis=1), 1)
    assert min(map(min, (*found.model.srf, *psf.values))) >= 0
    assert learned(20) == short
    assert learned(20, seed=1) != short


def test_cycfusion_reports_its_steps() -> None:
    done: list[int] = []
    estimate_model(
        [pair_of(Sampling.edge_aligned(4), ground())],
        method="cycfusion", descent=Descent(3), step_done=done.append,
    )  # fmt: skip
    assert done == [1, 2, 3]


def test_patches_are_the_pixels_around_samples() -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground(side=64))
    part = gather([pair]).parts[0]
    found, beyond = patches(part, 4)
    rows, cols = part.used.nonzero(as_tuple=True)
    assert beyond == (0.0, 0.0)
    for n in (0, 7, -1):
        r, c = 4 * int(rows[n]), 4 * int(cols[n])
        assert torch.equal(found[:, n], part.guide[:, r : r + 4, c : c + 4])
    odd = replace(part, sampling=Sampling((3.0, 3.0), (1.25, 1.0)))
    assert patches(odd, 3)[1] == pytest.approx((-0.25, 0.0))
