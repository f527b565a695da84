"""Blending pixel by pixel, and what methods of one resolution see of an observation."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import REGISTRY, create, method_names
from pansharpkit.methods.base import Context
from pansharpkit.methods.same.pixelwise import best_blend, patch_gains, principal
from pansharpkit.methods.same.same_grid import same_grid, sources
from pansharpkit.physics import Observation, Optics
from pansharpkit.requested import MethodRequest
from pansharpkit.sampling import Sampling

CONTEXT = Context()
SAME = Sampling((1.0, 1.0), (0.0, 0.0))


def random_images(n: int = 2, bands: int = 1, size: tuple[int, int] = (24, 30)) -> Tensor:
    """Return [n, C, H, W] positive images that have much in common."""
    draws = torch.Generator().manual_seed(n)
    shared = torch.rand(1, bands, *size, generator=draws, dtype=torch.float64)
    return 0.1 + shared + 0.4 * torch.rand(n, bands, *size, generator=draws, dtype=torch.float64)


def pair_of(images: Tensor) -> Observation:
    """Return the observation of [n, C, H, W] sources."""
    first, others = images[0], images[1:].flatten(0, 1)
    return Observation.whole(first, others, SAME, Optics((0.3,) * len(first), 0.15))


def blended(name: str, images: Tensor, **options: object) -> Tensor:
    seen = pair_of(images)
    return create(name, options, "blend").fit([seen], CONTEXT).apply([seen], CONTEXT)[0]


def window(seen: Observation, box: tuple[int, int, int, int], margin: int = 0) -> Observation:
    """Return a window as the engine reads it: the target has a margin beyond the guide."""
    row, col, height, width = box
    top, left = max(0, row - margin), max(0, col - margin)
    wide = (slice(top, row + height + margin), slice(left, col + width + margin))
    here = (slice(row, row + height), slice(col, col + width))
    return replace(
        seen,
        target=seen.target[:, *wide],
        target_mask=seen.target_mask[wide],
        guide=seen.guide[:, *here],
        guide_mask=seen.guide_mask[here],
        sampling=Sampling((1.0, 1.0), (top - row, left - col)),
        origin=(row, col),
    )


def test_methods_are_for_tasks() -> None:
    assert all(entry.tasks for entry in REGISTRY.values())
    assert {"mean", "pca-gain"} <= set(method_names("blend"))
    assert "mean" not in method_names("sharpen")
    assert not REGISTRY["mean"].takes(1)
    with pytest.raises(OptionError, match=r"gsa is a method of `pansharpkit fuse`; for .*blend"):
        create("gsa", task="blend")
    with pytest.raises(OptionError, match=r"mean is a method of `pansharpkit blend`; .*exp, bro"):
        MethodRequest("mean").create()
    assert MethodRequest("mean", task="blend").create() == create("mean")


def test_the_targets_margin_is_cut_off() -> None:
    seen = pair_of(random_images())
    inner = same_grid(window(seen, (6, 4, 10, 9), margin=3))
    assert torch.equal(inner.target, seen.target[:, 6:16, 4:13])
    assert bool(inner.target_mask.all())
    corner = same_grid(window(seen, (0, 0, 10, 30), margin=6))
    assert torch.equal(corner.target, seen.target[:, :10])


def test_pixels_that_the_target_does_not_cover_do_not_count() -> None:
    seen = pair_of(random_images())
    short = replace(
        seen,
        target=seen.target[:, 2:],
        target_mask=seen.target_mask[2:],
        sampling=Sampling((1.0, 1.0), (2.0, 0.0)),
    )
    found = same_grid(short)
    assert torch.equal(found.target[:, 2:], seen.target[:, 2:])
    assert not bool(found.target_mask[:2].any())
    assert bool(found.target_mask[2:].all())


def test_grids_a_fraction_of_a_pixel_apart_are_interpolated() -> None:
    row = torch.linspace(0, 1, 30, dtype=torch.float64).expand(1, 24, 30)
    seen = replace(pair_of(torch.stack([row, row])), sampling=Sampling((1.0, 1.0), (0.0, 0.25)))
    found = same_grid(seen).target
    torch.testing.assert_close(found[..., 4:-4], row[..., 4:-4] - 0.25 / 29)


def test_other_resolutions_and_numbers_of_bands_are_refused() -> None:
    seen = pair_of(random_images(n=4))
    with pytest.raises(FusionError, match="ratio of 2;"):
        same_grid(replace(seen, sampling=Sampling.edge_aligned(2)))
    assert sources(seen)[0].shape == (4, 1, 24, 30)
    two = replace(seen, target=seen.target.repeat(2, 1, 1))
    with pytest.raises(FusionError, match="the first has 2, the others 3 in all"):
        sources(two)


@pytest.mark.parametrize(("n", "bands"), [(2, 1), (3, 1), (2, 3), (4, 2)])
def test_the_mean_is_the_mean(n: int, bands: int) -> None:
    images = random_images(n, bands)
    torch.testing.assert_close(blended("mean", images), images.mean(dim=0))


@pytest.mark.parametrize("level", ["unit", "largest"])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_gains_of_a_rank_one_patch_are_known(n: int, level: str) -> None:
    truth = torch.tensor([1.0, 0.5, 0.8, 0.25, 0.6][:n], dtype=torch.float64)
    shared = torch.rand(6, dtype=torch.float64)
    scatter = torch.einsum("i,j->ij", truth, truth) * shared.square().sum()
    expected = truth if level == "largest" else truth / truth.norm()
    torch.testing.assert_close(principal(scatter, level), expected)  # type: ignore[arg-type]


def test_two_sources_have_the_gains_of_the_general_case() -> None:
    draws = torch.randn(50, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    scatter = draws @ draws.mT
    _, vectors = torch.linalg.eigh(scatter)
    torch.testing.assert_close(principal(scatter, "unit"), vectors[..., -1].abs())


@pytest.mark.parametrize("n", [2, 3])
def test_patches_without_a_direction_have_gains_of_one(n: int) -> None:
    for scatter in (torch.zeros(n, n), torch.eye(n)):
        assert torch.equal(principal(scatter, "unit"), torch.ones(n))


def test_gains_belong_to_patches_of_the_scene() -> None:
    images = random_images(size=(8, 10))
    mask = torch.ones(8, 10, dtype=torch.bool)
    gains = patch_gains(images, mask, (0, 0), 2, "unit")
    torch.testing.assert_close(gains.square().sum(dim=0), torch.ones(1, 8, 10).double())
    block = images[:, 0, 2:4, 4:6].flatten(1)
    expected = torch.linalg.eigh(block @ block.T)[1][:, -1].abs()
    torch.testing.assert_close(gains[:, 0, 2:4, 4:6], expected[:, None, None].expand(2, 2, 2))
    cut = patch_gains(images[..., 1:, 3:], mask[1:, 3:], (1, 3), 2, "unit")
    torch.testing.assert_close(cut[..., 1:, 1:], gains[..., 2:, 4:])


def test_the_blend_explains_the_sources_better_than_its_neighbours() -> None:
    images = random_images(3)
    gains = patch_gains(images, torch.ones(24, 30, dtype=torch.bool), (0, 0), 2, "unit")
    best = best_blend(images, gains)

    def loss(image: Tensor) -> float:
        return float((images - gains * image).square().sum())

    for step in (1e-3, -1e-3):
        assert loss(best + step) > loss(best)
    assert loss(best) < loss(images.mean(dim=0))


@pytest.mark.parametrize("gains", ["patch", "scene"])
@pytest.mark.parametrize("level", ["unit", "largest"])
def test_equal_sources_are_kept_or_root_two_as_bright(gains: str, level: str) -> None:
    images = random_images()[:1].repeat(2, 1, 1, 1)
    expected = images[0] * (2**0.5 if level == "unit" else 1)
    found = blended("pca-gain", images, gains=gains, level=level)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("gains", ["patch", "scene"])
def test_an_empty_source_leaves_the_other(gains: str) -> None:
    images = random_images()
    images[1] = 0
    torch.testing.assert_close(blended("pca-gain", images, gains=gains), images[0])


@pytest.mark.parametrize("gains", ["patch", "scene"])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_sources_give_a_constant(gains: str, value: float) -> None:
    images = torch.full((2, 1, 9, 11), value)
    torch.testing.assert_close(blended("pca-gain", images, gains=gains), images[0])


def test_pixels_without_data_do_not_enter_the_gains() -> None:
    seen = pair_of(random_images())
    mask = seen.guide_mask.clone()
    mask[3, 4] = False
    spoilt = replace(seen, guide=torch.where(mask, seen.guide, 90.0), guide_mask=mask)
    clean = replace(seen, guide_mask=mask)
    for gains in ("patch", "scene"):
        method = create("pca-gain", {"gains": gains})
        found = [method.fit([o], CONTEXT).apply([o], CONTEXT)[0] for o in (spoilt, clean)]
        assert torch.equal(found[0][:, mask], found[1][:, mask])


@pytest.mark.parametrize("name", ["mean", "pca-gain"])
@pytest.mark.parametrize("gains", ["patch", "scene"])
def test_tiles_equal_the_whole(name: str, gains: str) -> None:
    seen = pair_of(random_images(3, 2, (37, 41)))
    method = create(name, {"gains": gains} if name == "pca-gain" else {})
    fitted = method.fit([seen], CONTEXT)
    whole, halo = fitted.apply([seen], CONTEXT)[0], method.halo(SAME)
    for row, col in itertools.product((0, 13, 26), (0, 15)):
        height, width = min(13, 37 - row), 41 - col if col else 15
        top, left = max(0, row - halo), max(0, col - halo)
        bottom, right = min(37, row + height + halo), min(41, col + width + halo)
        tile = window(seen, (top, left, bottom - top, right - left), margin=6)
        made = fitted.apply([tile], CONTEXT)[0]
        inner = made[:, row - top : row - top + height, col - left : col - left + width]
        torch.testing.assert_close(inner, whole[:, row : row + height, col : col + width])
