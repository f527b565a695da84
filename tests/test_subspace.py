"""The spectral subspace of a scene: basis, noise and pure spectra from streamed sums."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.subspace import identify, noise_of, purest, subspace_of
from pansharpkit.methods.moments import Moments
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

BANDS, PURE = 24, 4
CONTEXT = Context()


def spectra(count: int = PURE) -> Tensor:
    """Return [C, count] positive, clearly different spectra."""
    wave = torch.linspace(0, 1, BANDS, dtype=torch.float64)[:, None]
    centre = torch.linspace(0.1, 0.9, count, dtype=torch.float64)
    return 0.2 + torch.exp(-(((wave - centre) / 0.15) ** 2))


def scene(noise: float = 0.0, side: int = 40) -> tuple[Observation, Tensor]:
    """Return mixtures of a few spectra, each pure somewhere, and the abundances."""
    generator = torch.Generator().manual_seed(1)
    shares = torch.rand(PURE, side, side, generator=generator, dtype=torch.float64)
    shares = shares / shares.sum(dim=0)
    shares[:, 0, :PURE] = torch.eye(PURE, dtype=torch.float64)
    cube = torch.tensordot(spectra(), shares, dims=1)
    cube = cube + noise * torch.randn(cube.shape, generator=generator, dtype=torch.float64)
    guide = torch.zeros(1, 2 * side, 2 * side, dtype=torch.float64)
    sampling = Sampling.edge_aligned(2)
    return Observation.whole(cube, guide, sampling, Optics((0.3,) * BANDS, 0.2)), shares


def halves(seen: Observation) -> list[Observation]:
    """Cut the target of an observation in two."""
    return [
        replace(seen, target=seen.target[:, part], target_mask=seen.target_mask[part])
        for part in (slice(0, 17), slice(17, None))
    ]


def test_a_noisy_mixture_spans_as_many_dimensions_as_it_has_spectra() -> None:
    seen, _ = scene(noise=1e-3)
    found = identify([seen], CONTEXT)
    assert found.dimension == PURE
    eye = torch.eye(PURE, dtype=torch.float64)
    torch.testing.assert_close(found.basis.T @ found.basis, eye, rtol=0, atol=1e-12)
    inside = found.cube(found.coefficients(spectra()))
    torch.testing.assert_close(inside, spectra(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("level", [1e-3, 1e-2])
def test_noise_is_what_other_bands_do_not_explain(level: float) -> None:
    seen, _ = scene(noise=level)
    found = identify([seen], CONTEXT).noise
    assert float((found / level - 1).abs().max()) < 0.15


def test_the_noise_of_each_band_is_its_own() -> None:
    seen, _ = scene()
    levels = torch.linspace(1e-3, 5e-3, BANDS, dtype=torch.float64)
    noise = torch.randn(seen.target.shape, generator=torch.Generator().manual_seed(3))
    found = identify([replace(seen, target=seen.target + levels[:, None, None] * noise)], CONTEXT)
    assert float((found.noise / levels - 1).abs().max()) < 0.2


@pytest.mark.parametrize("side", [4, 7, 9])
def test_few_samples_do_not_hide_the_noise(side: int) -> None:
    """Fewer samples than a regression on all other bands would need."""
    level = 5e-3
    seen, _ = scene(noise=level)
    few = replace(
        seen,
        target=seen.target[:, 20 : 20 + side, :side],
        target_mask=seen.target_mask[:side, :side],
    )
    found = identify([few], CONTEXT)
    assert 0.4 < float(found.noise.median()) / level < 2.5
    assert found.dimension <= PURE + 2


def test_blocks_do_not_matter() -> None:
    seen, _ = scene(noise=1e-3)
    whole, parts = identify([seen], CONTEXT), identify(halves(seen), CONTEXT)
    torch.testing.assert_close(parts.basis, whole.basis, rtol=0, atol=1e-9)
    torch.testing.assert_close(parts.noise, whole.noise, rtol=1e-9, atol=0)


def test_masked_samples_do_not_count() -> None:
    seen, _ = scene(noise=1e-3)
    mask = seen.target_mask.clone()
    mask[20:] = False
    spoilt = seen.target.clone()
    spoilt[:, 20:] = 1e6
    masked = identify([replace(seen, target=spoilt, target_mask=mask)], CONTEXT)
    kept = replace(seen, target=seen.target[:, :20], target_mask=mask[:20])
    torch.testing.assert_close(masked.basis, identify([kept], CONTEXT).basis, rtol=0, atol=1e-12)
    with pytest.raises(FusionError, match="no valid pixel"):
        identify([replace(seen, target_mask=torch.zeros_like(mask))], CONTEXT)


def test_a_dead_band_has_no_say() -> None:
    seen, _ = scene(noise=1e-3)
    target = seen.target.clone()
    target[5] = 0
    found = identify([replace(seen, target=target)], CONTEXT)
    assert found.dimension == PURE
    assert float(found.basis[5].abs().max()) < 1e-9
    assert bool(torch.isfinite(found.noise).all())
    assert float(found.noise.min()) > 0


def test_constant_and_black_cubes_have_a_subspace() -> None:
    for value in (0.0, 0.4):
        flat = torch.full((BANDS, 9, 9), value, dtype=torch.float64)
        moments = Moments.of(flat, torch.ones(9, 9, dtype=torch.bool))
        found = subspace_of(moments)
        torch.testing.assert_close(found.cube(found.coefficients(flat)), flat, rtol=0, atol=1e-12)
        assert float(noise_of(moments).min()) > 0
        assert float(found.power.min()) > 0


def test_dimensions_can_be_chosen_within_reason() -> None:
    seen, _ = scene(noise=1e-3)
    assert identify([seen], CONTEXT, 7).dimension == 7
    with pytest.raises(OptionError, match="25 dimensions"):
        identify([seen], CONTEXT, 25)


def test_pure_pixels_are_found() -> None:
    seen, _ = scene()
    subspace = identify([seen], CONTEXT, PURE)
    found = purest([seen], subspace, PURE, CONTEXT)
    distance = (found[:, :, None] - spectra()[:, None, :]).abs().amax(dim=0)
    assert sorted(distance.argmin(dim=1).tolist()) == list(range(PURE))
    assert float(distance.amin(dim=1).max()) < 1e-6


def test_pure_spectra_are_repeatable_and_no_more_than_dimensions() -> None:
    seen, _ = scene(noise=1e-3)
    subspace = identify([seen], CONTEXT)
    first, second = (purest([seen], subspace, 3, Context(seed=5)) for _ in range(2))
    assert torch.equal(first, second)
    with pytest.raises(OptionError, match="5 pure spectra"):
        purest([seen], subspace, 5, CONTEXT)
