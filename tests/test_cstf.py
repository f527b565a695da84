"""Coupled sparse tensor factorisation."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from mixtures import Mixture, mixture
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.coupled import Coupled
from pansharpkit.methods.hs.cstf import Cstf, CstfOptions, Tucker
from pansharpkit.methods.hs.hyperspectral import observe, project, srf_of
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

BLOCK = Psf(((1 / 16,) * 4,) * 4)


def fuse(seen: Observation, options: CstfOptions | None = None, seed: int = 0) -> Tensor:
    context = Context(seed)
    return Cstf(options or CstfOptions()).fit([seen], context).apply([seen], context)[0]


@pytest.fixture(scope="module")
def scene() -> Mixture:
    return mixture(psf=BLOCK, patch=3.0)


def random(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(sum(shape))
    return torch.rand(shape, generator=draws, dtype=torch.float64)


def test_core_and_image_are_transposes() -> None:
    found = Tucker(random(3, 4, 5), random(3, 1, 1), random(9, 4), random(8, 5))
    z = random(3, 9, 8)
    assert float((found.image() * z).sum()) == pytest.approx(
        float((found.core * found.onto_core(z)).sum())
    )
    assert torch.allclose(found.flipped().image(), found.image().mT)


def test_finds_what_the_guide_determines(scene: Mixture) -> None:
    assert scene.error(fuse(scene.seen, CstfOptions(sparsity=0.0))) < 1e-6
    assert scene.error(fuse(scene.seen)) < 1e-3


def test_finds_a_low_rank_scene_that_the_guide_alone_does_not_determine() -> None:
    """Five spectra, three guide bands: rows and columns of rank 4 are what makes it possible."""
    scene = mixture(materials=5, bands=20, guides=3, psf=BLOCK, size=(48, 48))
    rows, columns = (torch.linalg.qr(random(n, 4))[0] for n in scene.seen.size)
    truth = torch.einsum("cp,pab,ha,wb->chw", scene.spectra, random(5, 4, 4), rows, columns)
    seen = dataclasses.replace(
        scene.seen,
        target=observe(scene.seen, truth),
        guide=project(srf_of(scene.seen), truth),
    )
    low = CstfOptions(
        share=4 / 48, spectra=5, sparsity=0.0, proximity=1e-9, penalty=1e-9, iterations=60
    )
    errors = [
        float((fuse(seen, options) - truth).norm() / truth.norm())
        for options in (low, dataclasses.replace(low, share=1.0))
    ]
    assert errors[0] < 1e-3
    assert errors[0] < 0.3 * errors[1]


def test_any_ratio_and_phase() -> None:
    uneven = mixture(sampling=Sampling((3.5, 3.2), (1.1, 0.4)), patch=3.0)
    assert uneven.error(fuse(uneven.seen)) < 1e-3


def test_data_terms_decrease() -> None:
    scene = mixture(materials=5, guides=3, psf=BLOCK, pure=False)
    problem = Coupled(scene.seen, scene.seen.target, srf_of(scene.seen))
    errors = [
        problem.error(fuse(scene.seen, CstfOptions(iterations=n, sparsity=0.0, proximity=0.1)))
        for n in (1, 3, 10)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_sparsity_shrinks_the_image(scene: Mixture) -> None:
    sizes = [float(fuse(scene.seen, CstfOptions(sparsity=s)).norm()) for s in (0.0, 0.01, 0.1)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_same_seed_same_result(scene: Mixture) -> None:
    options = CstfOptions(iterations=2)
    assert torch.equal(fuse(scene.seen, options, 3), fuse(scene.seen, options, 3))


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_constant_images(scene: Mixture, value: float) -> None:
    seen = scene.seen
    flat = Observation.whole(
        torch.full_like(seen.target, value), torch.full_like(seen.guide, value),
        seen.sampling, seen.optics,
    )  # fmt: skip
    assert torch.allclose(fuse(flat), torch.full_like(scene.truth, value), atol=0.01)


def test_dead_bands_negatives_and_holes_stay_finite(scene: Mixture) -> None:
    target, guide = scene.seen.target.clone(), scene.seen.guide.clone()
    target[5], guide[1] = 0.0, 0.0
    target[:, 2, 2] = -0.2
    seen = Observation.whole(target, guide, scene.seen.sampling, scene.seen.optics)
    coarse, fine = seen.target_mask.clone(), seen.guide_mask.clone()
    coarse[:4], fine[:16] = False, False
    fused = fuse(dataclasses.replace(seen, target_mask=coarse, guide_mask=fine))
    assert torch.isfinite(fused).all()


def test_single_precision_is_enough(scene: Mixture) -> None:
    single = dataclasses.replace(
        scene.seen, target=scene.seen.target.float(), guide=scene.seen.guide.float()
    )
    fused = fuse(single)
    assert fused.dtype == torch.float32
    assert scene.error(fused) < 2e-3


def test_says_what_it_lacks(scene: Mixture) -> None:
    blind = dataclasses.replace(scene.seen.optics, model=None)
    with pytest.raises(FusionError, match="spectral response"):
        fuse(dataclasses.replace(scene.seen, optics=blind))
