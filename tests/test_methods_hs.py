"""Methods for a cube and a guide of several bands: what must hold whatever the image."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from classical_methods import coefficients
from hs_cubes import BANDS, CONTEXT, fuse, fused, hs_pair
from synthetic_pairs import GEOMETRIES, as_float32, boxes, cut

from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.base import Method
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.hs.component import GsaHs
from pansharpkit.methods.hs.fuse import Fuse, FuseOptions
from pansharpkit.methods.hs.hyperspectral import observe
from pansharpkit.methods.hs.hysure import Hysure, HysureOptions
from pansharpkit.methods.hs.multiresolution import GlpHs, SfimHs
from pansharpkit.methods.hs.statistics import pair_statistics
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

METHODS: dict[str, Method] = {
    "gsa-hs": GsaHs(),
    "sfim-hs": SfimHs(),
    "glp-hs": GlpHs(),
    "fuse": Fuse(),
    "hysure": Hysure(),
}
FOUR = Sampling.edge_aligned(4)
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
every_geometry = pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def error(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found - truth).square().mean().sqrt())


@pytest.mark.parametrize("name", METHODS)
def test_the_registry_creates_each_for_any_guide(name: str) -> None:
    assert create(name) == METHODS[name]
    assert REGISTRY[name].takes(1)
    assert REGISTRY[name].takes(6)


def test_options_may_come_as_text() -> None:
    assert create("fuse", {"dimension": "7"}) == Fuse(FuseOptions(7))
    assert create("hysure", {"smoothness": "0.5"}) == Hysure(HysureOptions(smoothness=0.5))


@every_method
@every_geometry
def test_tiles_equal_the_whole(method: Method, sampling: Sampling) -> None:
    seen, _ = hs_pair(sampling, (151, 139))
    fitted = method.fit([seen], CONTEXT)
    whole = fused(fitted, seen)
    tolerance = 1e-5 if isinstance(method, Fuse | Hysure) else 1e-11
    for box in boxes(seen.size, (61, 71)):
        tile, own = cut(seen, box, method.halo(sampling))
        tile = replace(tile, target_mask=torch.ones_like(tile.target_mask))  # as the engine does
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        inner = fused(fitted, tile)[:, own[0], own[1]]
        torch.testing.assert_close(inner, expected, rtol=0, atol=tolerance)
    assert method.overlap(sampling) == 0


@every_method
def test_detail_is_found(method: Method) -> None:
    for noise in (0.0, 0.004):
        seen, truth = hs_pair(FOUR, (96, 88), noise=noise)
        assert error(fuse(method, seen), truth) < 0.75 * error(fuse(Exp(), seen), truth)


@every_method
def test_a_pan_guide_will_do(method: Method) -> None:
    seen, truth = hs_pair(FOUR, (96, 88), guides=1)
    assert error(fuse(method, seen), truth) < 0.9 * error(fuse(Exp(), seen), truth)


def test_knowing_how_images_came_about_helps() -> None:
    seen, truth = hs_pair(FOUR, (96, 88), noise=0.002)
    errors = {name: error(fuse(METHODS[name], seen), truth) for name in METHODS}
    assert errors["fuse"] < 0.8 * min(errors[name] for name in ("gsa-hs", "sfim-hs", "glp-hs"))
    assert errors["hysure"] < 1.1 * errors["fuse"]


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_a_response_found_by_regression_is_nearly_as_good(noise: float) -> None:
    known, truth = hs_pair(FOUR, (96, 88), noise=noise)
    blind, _ = hs_pair(FOUR, (96, 88), noise=noise, known=False)
    assert error(fuse(Fuse(), blind), truth) < 1.02 * error(fuse(Fuse(), known), truth)


@pytest.mark.parametrize("name", ["fuse", "hysure"])
def test_without_noise_the_result_gives_both_images(name: str) -> None:
    seen, _ = hs_pair(FOUR, (96, 88))
    found = fuse(METHODS[name], seen)
    assert error(observe(seen, found), seen.target) < 3e-4
    response = torch.tensor(seen.optics.model.srf, dtype=found.dtype)  # type: ignore[union-attr]
    assert error(torch.tensordot(response, found, dims=1), seen.guide) < 1e-3


@every_method
def test_an_image_without_detail_stays_as_it_is(method: Method) -> None:
    seen, _ = hs_pair(FOUR, (48, 44))
    levels = torch.linspace(0.1, 0.8, BANDS, dtype=torch.float64)
    target = levels[:, None, None].expand(seen.target.shape).contiguous()
    guide = torch.full_like(seen.guide, 0.3)
    found = fuse(method, replace(seen, target=target, guide=guide))
    tolerance = 1e-9
    if isinstance(method, Fuse | Hysure):  # the guide contradicts the target: a compromise
        guide = torch.tensordot(
            torch.tensor(seen.optics.model.srf, dtype=guide.dtype),  # type: ignore[union-attr]
            levels[:, None, None].expand(BANDS, *seen.size), dims=1,
        )  # fmt: skip
        found, tolerance = fuse(method, replace(seen, target=target, guide=guide)), 1e-6
    expected = levels[:, None, None].expand(found.shape)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@every_method
def test_units_do_not_matter(method: Method) -> None:
    seen, _ = hs_pair(FOUR, (64, 60), noise=0.002)
    plain = fuse(method, seen)
    scaled = replace(seen, target=seen.target * 1e4, guide=seen.guide * 1e4)
    torch.testing.assert_close(fuse(method, scaled) / 1e4, plain, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["gsa-hs", "glp-hs", "fuse"])
def test_what_is_fitted_is_linear_in_the_images(name: str) -> None:
    first, _ = hs_pair(FOUR, (64, 60))
    fitted = METHODS[name].fit([first], CONTEXT)
    generator = torch.Generator().manual_seed(3)

    def other(like: torch.Tensor) -> torch.Tensor:
        return torch.rand(like.shape, generator=generator, dtype=like.dtype)

    second = replace(first, target=other(first.target), guide=other(first.guide))
    half = replace(
        first,
        target=(first.target + second.target) / 2,
        guide=(first.guide + second.guide) / 2,
    )
    expected = (fused(fitted, first) + fused(fitted, second)) / 2
    torch.testing.assert_close(fused(fitted, half), expected, rtol=0, atol=1e-9)


@every_method
def test_single_precision_suffices(method: Method) -> None:
    seen, _ = hs_pair(FOUR, (64, 60))
    fitted = method.fit([seen], CONTEXT)
    found = fused(fitted, as_float32(seen))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), fused(fitted, seen), rtol=0, atol=5e-5)


@every_method
def test_masked_pixels_do_not_count(method: Method) -> None:
    seen, _ = hs_pair(FOUR, (192, 160), noise=0.002)
    reach = (
        76  # what a bad pixel spreads to, by the PSF, the interpolation and one degradation more
    )
    guide_mask, target_mask = seen.guide_mask.clone(), seen.target_mask.clone()
    guide_mask[150 - reach :] = False
    target_mask[(150 - reach) // 4 :] = False
    found = []
    for value in (0.0, 77.0):
        target, guide = seen.target.clone(), seen.guide.clone()
        target[:, 38:], guide[:, 152:] = value, value
        spoilt = replace(
            seen, target=target, guide=guide, target_mask=target_mask, guide_mask=guide_mask
        )
        found.append(coefficients(method.fit([spoilt], CONTEXT)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-7, atol=1e-9)


def test_statistics_do_not_depend_on_the_blocks() -> None:
    seen, _ = hs_pair(FOUR, (192, 160), noise=0.002)
    whole = pair_statistics([seen], CONTEXT)
    blocks = [cut(seen, box, GlpHs().halo(FOUR))[0] for box in boxes(seen.size, (96, 80))]
    parts = pair_statistics(blocks, CONTEXT)
    for name in ("coarse", "detail", "fine"):
        one, many = getattr(whole, name), getattr(parts, name)
        assert one.count == many.count
        torch.testing.assert_close(many.covariance, one.covariance, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(parts.calm, whole.calm, rtol=0.2, atol=0)
    assert parts.noise_gain == pytest.approx(whole.noise_gain)


@pytest.mark.parametrize("level", [0.002, 0.01])
def test_the_noise_of_the_guide_is_found(level: float) -> None:
    seen, _ = hs_pair(FOUR, (256, 240), noise=level)
    statistics = pair_statistics([seen], CONTEXT)
    found = statistics.guide_noise(statistics.subspace())
    assert float((found / level).log2().abs().max()) < 0.6


@every_method
def test_a_dead_band_stays_dead_and_harms_no_other(method: Method) -> None:
    seen, _ = hs_pair(FOUR, (64, 60), noise=0.002)
    target = seen.target.clone()
    target[7] = 0
    found = fuse(method, replace(seen, target=target))
    others = [band for band in range(BANDS) if band != 7]
    assert float(found[7].abs().max()) < 1e-6
    assert error(found[others], fuse(method, seen)[others]) < 5e-3


@every_method
@pytest.mark.parametrize("what", ["black target", "black guide", "black", "tiny"])
def test_hopeless_images_give_finite_pixels(method: Method, what: str) -> None:
    seen, _ = hs_pair(FOUR, (20, 20) if what == "tiny" else (48, 44))
    if what in ("black target", "black"):
        seen = replace(seen, target=torch.zeros_like(seen.target))
    if what in ("black guide", "black"):
        seen = replace(seen, guide=torch.zeros_like(seen.guide))
    assert bool(torch.isfinite(fuse(method, seen)).all())


@pytest.mark.parametrize("name", ["fuse", "hysure"])
def test_unknown_samples_say_nothing(name: str) -> None:
    """What stands in for them enters the interpolated target only, not what is to be matched."""
    seen, truth = hs_pair(FOUR, (96, 88), noise=0.002)
    fitted = METHODS[name].fit([seen], CONTEXT)
    mask, target = seen.target_mask.clone(), seen.target.clone()
    mask[10:13, 8:12] = False
    target[:, 10:13, 8:12] = target[:, 9:10, 8:12]
    spoilt = replace(seen, target=target)
    honest = replace(spoilt, target_mask=mask)
    around = (slice(None), slice(32, 60), slice(24, 56))
    errors = [error(fused(fitted, pair)[around], truth[around]) for pair in (honest, spoilt)]
    assert errors[0] < 0.9 * errors[1]


def block() -> Psf:
    """Return the mean over a block of 4 x 4 pixels."""
    return Psf(((1 / 16,) * 4,) * 4)


def test_what_the_model_gets_wrong_is_noticed() -> None:
    right, _ = hs_pair(FOUR, (96, 88), psf=block())
    wrong, _ = hs_pair(FOUR, (96, 88), psf=block(), known=False)
    found = []
    for seen in (right, wrong):
        statistics = pair_statistics([seen], CONTEXT)
        found.append(statistics.discrepancy(statistics.subspace()))
    assert found[0] < 1e-6
    assert 1e-3 < found[1] < 0.5


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_a_wrong_psf_does_no_great_harm(noise: float) -> None:
    """Taken at its word, it would cost more than the guide brings."""
    wrong, truth = hs_pair(FOUR, (96, 88), psf=block(), known=False, noise=noise)
    errors = {name: error(fuse(METHODS[name], wrong), truth) for name in METHODS}
    assert max(errors.values()) < 0.75 * error(fuse(Exp(), wrong), truth)
    assert errors["fuse"] < errors["glp-hs"]


@pytest.mark.parametrize("seed", range(3))
def test_modulation_stays_within_reason(seed: int) -> None:
    """Where a mixture nearly vanishes, a band is not multiplied by it."""
    seen, truth = hs_pair(FOUR, (96, 88), psf=block())
    generator = torch.Generator().manual_seed(seed)
    dark = 0.02 + torch.rand(1, 24, 22, generator=generator, dtype=torch.float64)
    shade = torch.nn.functional.interpolate(dark[None], size=seen.size, mode="nearest")[0]
    shaded = shade * truth
    guide = torch.tensordot(torch.tensor(seen.optics.model.srf, dtype=shaded.dtype), shaded, dims=1)  # type: ignore[union-attr]
    pair = replace(seen, target=observe(seen, shaded), guide=guide)
    additive = error(fuse(GlpHs(), pair), shaded)
    assert error(fuse(SfimHs(), pair), shaded) < 2.5 * additive


def shifted() -> tuple[Observation, Observation, torch.Tensor]:
    """Return a pair whose samples lie off their grid, told so and not told so, and the truth."""
    line = torch.exp(-0.5 * ((torch.arange(9, dtype=torch.float64) - 4) / 1.6) ** 2)
    values = torch.outer(line, line) / line.sum() ** 2
    psf = Psf(tuple(tuple(row) for row in values.tolist()), (0.7, -0.9))
    told, truth = hs_pair(FOUR, (96, 88), psf=psf)
    model = replace(told.optics.model, psf=replace(psf, shift=(0.0, 0.0)))  # type: ignore[type-var]
    return told, replace(told, optics=replace(told.optics, model=model)), truth


@every_method
def test_a_psf_beside_its_grid_is_put_where_it_is(method: Method) -> None:
    told, untold, truth = shifted()
    inner = (slice(None), slice(12, -12), slice(12, -12))
    good, bad = (error(fuse(method, seen)[inner], truth[inner]) for seen in (told, untold))
    assert good < 0.8 * bad
