"""Nonnegative structured sparse representation, and the quadratic that couples both images."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from mixtures import Mixture, mixture
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.shared import crop
from pansharpkit.methods.hs.coupled import Coupled, conjugate_gradients
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.nssr import Nssr, NssrOptions, Similar, learnt_dictionary
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

BLOCK = Psf(((1 / 16,) * 4,) * 4)
EXACT = NssrOptions(atoms=10, structure=0.0, sparsity=0.0, penalty=0.001, iterations=100)


def fuse(seen: Observation, options: NssrOptions | None = None, seed: int = 0) -> Tensor:
    context = Context(seed)
    return Nssr(options or NssrOptions()).fit([seen], context).apply([seen], context)[0]


def problem_of(scene: Mixture) -> Coupled:
    return Coupled(scene.seen, scene.seen.target, srf_of(scene.seen))


@pytest.fixture(scope="module")
def scene() -> Mixture:
    return mixture(psf=BLOCK, patch=3.0)


def test_quadratic_is_symmetric_and_least_at_the_truth(scene: Mixture) -> None:
    problem = problem_of(scene)
    draws = torch.Generator().manual_seed(0)
    x, y = (torch.rand(scene.truth.shape, generator=draws, dtype=torch.float64) for _ in "xy")
    assert float((problem.normal(x) * y).sum()) == pytest.approx(
        float((problem.normal(y) * x).sum())
    )
    assert problem.error(scene.truth) < 1e-20
    assert problem.error(x) == pytest.approx(
        float((x * problem.normal(x)).sum() - 2 * (x * problem.wanted()).sum())
        + problem.weight * float(scene.seen.target.square().sum())
        + float(scene.seen.guide.square().sum())
    )


def test_quadratic_ignores_what_does_not_count(scene: Mixture) -> None:
    masked = dataclasses.replace(
        scene.seen,
        target_mask=torch.zeros_like(scene.seen.target_mask),
        guide_mask=torch.zeros_like(scene.seen.guide_mask),
    )
    problem = Coupled(masked, masked.target, srf_of(masked))
    assert not problem.wanted().any()
    assert problem.error(torch.rand_like(scene.truth)) == 0


def test_conjugate_gradients_solve_in_as_many_steps_as_there_are_eigenvalues() -> None:
    draws = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=draws, dtype=torch.float64)
    matrix, solution = root @ root.T, torch.randn(6, generator=draws, dtype=torch.float64)
    start = torch.zeros(6, dtype=torch.float64)
    found = conjugate_gradients(lambda x: matrix @ x, matrix @ solution, start, 6)
    assert torch.allclose(found, solution, atol=1e-6)
    assert not conjugate_gradients(lambda x: 0 * x, start, start, 5).any()


def test_dictionary_represents_its_spectra(scene: Mixture) -> None:
    spectra = scene.seen.target.flatten(1)
    found = learnt_dictionary(spectra, 8, Context())
    assert (found >= 0).all()
    assert torch.allclose(found.norm(dim=0), torch.ones(8).double())
    worst = torch.linalg.lstsq(found, spectra).solution
    assert float((found @ worst - spectra).norm() / spectra.norm()) < 1e-3


def test_finds_a_sparse_mixture(scene: Mixture) -> None:
    assert scene.error(fuse(scene.seen, EXACT)) < 1e-3


def test_any_ratio_and_phase() -> None:
    uneven = mixture(sampling=Sampling((3.5, 3.2), (1.1, 0.4)), patch=3.0)
    assert uneven.error(fuse(uneven.seen, EXACT)) < 3e-3


def test_data_terms_decrease(scene: Mixture) -> None:
    errors = []
    for iterations in (1, 5, 40):
        options = dataclasses.replace(EXACT, iterations=iterations)
        fitted = Nssr(options).fit([scene.seen], Context())
        fused = fitted.apply([scene.seen], Context())[0]
        errors.append(problem_of(scene).error(fused))
    assert errors[0] > errors[1] > errors[2]


def test_same_seed_same_result(scene: Mixture) -> None:
    options = NssrOptions(iterations=5)
    assert torch.equal(fuse(scene.seen, options, 3), fuse(scene.seen, options, 3))


def test_tiles_agree() -> None:
    wide = mixture(size=(48, 96), psf=BLOCK, patch=3.0)
    context, method = Context(), Nssr(NssrOptions(atoms=10))
    fitted = method.fit([wide.seen], context)
    whole = fitted.apply([wide.seen], context)[0]
    halo = method.halo(wide.seen.sampling)
    part = fitted.apply([crop(wide.seen, (0, 0), (48, 32 + halo))], context)[0]
    assert float((part - whole[:, :, : 32 + halo])[:, :, :32].abs().max()) < 1e-3


def test_similar_pixels_are_averaged_and_others_are_not() -> None:
    guide = torch.zeros(1, 6, 8, dtype=torch.float64)
    guide[:, :, 4:] = 1.0
    noisy = 5 * guide + torch.randn(
        2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    means = Similar(guide, NssrOptions(search=2, bandwidth=0.05), 1.0).mean(noisy)
    assert float(means[:, :, :3].var()) < 0.5 * float(noisy[:, :, :3].var())
    assert float((means[:, :, 4:].mean() - noisy[:, :, 4:].mean()).abs()) < 0.2


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_constant_images(scene: Mixture, value: float) -> None:
    seen = scene.seen
    flat = Observation.whole(
        torch.full_like(seen.target, value), torch.full_like(seen.guide, value),
        seen.sampling, seen.optics,
    )  # fmt: skip
    assert torch.allclose(fuse(flat), torch.full_like(scene.truth, value), atol=0.01)


def test_dead_bands_and_negatives_stay_finite(scene: Mixture) -> None:
    target, guide = scene.seen.target.clone(), scene.seen.guide.clone()
    target[5], guide[1] = 0.0, 0.0
    target[:, 2, 2] = -0.2
    fused = fuse(Observation.whole(target, guide, scene.seen.sampling, scene.seen.optics))
    assert torch.isfinite(fused).all()
    assert float(fused[5].abs().max()) < 0.05


def test_says_what_it_lacks(scene: Mixture) -> None:
    blind = dataclasses.replace(scene.seen.optics, model=None)
    with pytest.raises(FusionError, match="spectral response"):
        fuse(dataclasses.replace(scene.seen, optics=blind))
