"""Blind estimates of SRF and PSF on pairs whose model is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError, SensorError
from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.physics.blind import BlindEstimate, centre_of, estimate_model
from pansharpkit.physics.blind_bands import noise_of
from pansharpkit.physics.blind_psf import Aperture
from pansharpkit.physics.blind_sample import LEAST, gather
from pansharpkit.physics.psf import spread_by
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import load_sensor
from pansharpkit.sensor.projection import srf_matrix

CENTRES = tuple(410.0 + 10 * i for i in range(48))
SIDE = 96
GAIN = 0.35


def _cube(seed: int = 0, side: int = SIDE) -> Tensor:
    """Return patches of ground whose spectra mix a few smooth ones, with texture of their own."""
    random = np.random.default_rng(seed)
    centres, widths = random.uniform(380, 900, 12), random.uniform(30, 150, 12)
    spectra = np.exp(-0.5 * ((np.array(CENTRES) - centres[:, None]) / widths[:, None]) ** 2)
    places = random.uniform(0, side, (60, 2))
    rows, cols = np.mgrid[:side, :side]
    nearest = np.argmin([(rows - r) ** 2 + (cols - c) ** 2 for r, c in places], axis=0)
    shares = random.dirichlet(np.ones(12) / 3, 60)[nearest]
    shares = shares + random.uniform(0, 0.1, shares.shape)
    values = np.einsum("ck,rsc->krs", spectra, shares) + random.normal(0, 2e-3, (48, side, side))
    return torch.from_numpy(values)


def _srf() -> Tensor:
    sensor = load_sensor("worldview2").subset(["Blue", "Green", "Red", "NIR1"])
    return torch.tensor(srf_matrix(sensor, CENTRES), dtype=torch.float64)


def _pair(
    sampling: Sampling, cube: Tensor, *, gain: float = GAIN, seen_at: Sampling | None = None
) -> Observation:
    size = (int(cube.shape[1] / sampling.ratio[0]), int(cube.shape[2] / sampling.ratio[1]))
    target = degrade(cube, seen_at or sampling, size, (gain,) * len(cube))
    guide = torch.tensordot(_srf(), cube, dims=1)
    return Observation.whole(target, guide, sampling, Optics((0.3,) * len(cube), 0.15))


def _cosine(found: BlindEstimate) -> float:
    rows, truth = np.array(found.model.srf), _srf().numpy()
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(truth, axis=1)
    return float(((rows * truth).sum(axis=1) / norms).min())


def _width(gain: float, ratio: float) -> float:
    return ratio / np.pi * np.sqrt(-2 * np.log(gain))


@pytest.mark.parametrize("ratio", [3.0, 4.0, 6.5])
def test_model_is_found_at_any_ratio(ratio: float) -> None:
    found = estimate_model([_pair(Sampling.edge_aligned(ratio), _cube())], CENTRES)
    assert _cosine(found) > 0.99
    assert max(map(abs, found.centre)) < 0.1
    assert found.width == pytest.approx((_width(GAIN, ratio),) * 2, rel=0.05)
    assert max(found.residual) < 2e-3
    assert found.model.psf is not None
    assert sum(map(sum, found.model.psf.values)) == pytest.approx(1)


def test_a_shift_that_the_grids_do_not_know() -> None:
    nominal = Sampling.edge_aligned(4)
    pair = _pair(nominal, _cube(), seen_at=nominal.shifted(1.3, -0.8))
    found = estimate_model([pair], CENTRES)
    assert found.centre == pytest.approx((1.3, -0.8), abs=0.1)
    assert _cosine(found) > 0.99


def test_the_mean_over_blocks_is_a_box() -> None:
    cube = _cube()
    blocks = cube.unfold(1, 4, 4).unfold(2, 4, 4).mean(dim=(-1, -2))
    pair = replace(_pair(Sampling.edge_aligned(4), cube), target=blocks)
    found = estimate_model([pair], CENTRES)
    psf = found.model.psf
    assert psf is not None
    middle = np.array(psf.values)[psf.side // 2 - 2 : psf.side // 2 + 2, :][
        :, psf.side // 2 - 2 : psf.side // 2 + 2
    ]
    assert middle.sum() > 0.95
    np.testing.assert_allclose(middle, 1 / 16, atol=0.01)


def test_the_model_explains_the_pair() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
    model = estimate_model([pair], CENTRES).model
    assert model.psf is not None
    seen = spread_by(pair.guide, pair.sampling, pair.target_size, model.psf)
    mixed = torch.tensordot(torch.tensor(model.srf, dtype=torch.float64), pair.target, dims=1)
    inner = (slice(None), slice(3, -3), slice(3, -3))
    assert float((seen - mixed)[inner].square().mean().sqrt()) < 2e-3 * float(seen.mean())


def test_noise_costs_the_psf_little() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
    random = torch.Generator().manual_seed(1)

    def noisy(image: Tensor) -> Tensor:
        noise = torch.randn(image.shape, generator=random, dtype=image.dtype)
        return image + 0.015 * image.square().mean(dim=(1, 2), keepdim=True).sqrt() * noise

    found = estimate_model([replace(pair, target=noisy(pair.target), guide=noisy(pair.guide))])
    assert max(map(abs, found.centre)) < 0.15
    assert found.width == pytest.approx((_width(GAIN, 4),) * 2, rel=0.15)


def test_masked_pixels_do_not_count() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
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
    blocks = [_pair(Sampling.edge_aligned(4), _cube(seed, 64)) for seed in range(3)]
    found = estimate_model(blocks, CENTRES)
    assert _cosine(found) > 0.995
    assert estimate_model(blocks, CENTRES) == found


def test_bands_in_any_order() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
    order = np.random.default_rng(3).permutation(len(CENTRES))
    mixed = replace(pair, target=pair.target[order.tolist()])
    found = estimate_model([mixed], [CENTRES[k] for k in order])
    rows = np.empty((4, len(CENTRES)))
    rows[:, order] = np.array(found.model.srf)
    straight = np.array(estimate_model([pair], CENTRES).model.srf)
    np.testing.assert_allclose(rows, straight, atol=2e-3)


def test_one_guide_band() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
    found = estimate_model([replace(pair, guide=pair.guide[2:3])], CENTRES)
    assert np.array(found.model.srf).shape == (1, 48)
    assert max(map(abs, found.centre)) < 0.1


def test_too_little_to_go_by() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube(side=16))
    with pytest.raises(FusionError, match=f"only 4 target pixels .* at least {LEAST}"):
        estimate_model([pair], CENTRES)


def test_wavelengths_must_fit() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube())
    with pytest.raises(OptionError, match="3 wavelengths for 48 bands"):
        estimate_model([pair], [1.0, 2.0, 3.0])
    with pytest.raises(SensorError, match="band 1 "):
        estimate_model([pair], [None, *CENTRES[1:]])


def test_large_scenes_are_thinned() -> None:
    cube = _cube(side=64)
    blocks = [_pair(Sampling.edge_aligned(2), cube)] * 40
    gathered = gather(blocks)
    assert len(gathered.parts) == 6
    assert gathered.target.shape[1] == 6 * 30**2
    assert set(gathered.folds.tolist()) == set(range(5))


def test_noise_is_what_neighbours_do_not_tell() -> None:
    random = np.random.default_rng(0)
    smooth = np.outer(np.linspace(1, 2, 40), random.normal(size=3000))
    noise = np.linspace(0.01, 0.1, 40)
    found = noise_of(smooth + random.normal(size=smooth.shape) * noise[:, None], np.arange(40.0))
    np.testing.assert_allclose(np.sqrt(found), noise, rtol=0.15)


def test_table_of_an_aperture_keeps_its_place() -> None:
    pair = _pair(Sampling.edge_aligned(4), _cube(side=64))
    part = gather([pair]).parts[0]
    aperture = Aperture((0.4, 0.5), 0.3, (0.7, -1.2))
    assert centre_of(aperture.table(part)) == pytest.approx((0.7, -1.2), abs=5e-3)
