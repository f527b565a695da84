"""Indices against a reference: known answers, scale, masks, and images that break formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from metric_images import noisy, patchy_mask, texture
from torch import Tensor

from pansharpkit.metrics import reference as rr
from pansharpkit.metrics.blocks import to_uint16
from pansharpkit.metrics.local import box_sum

Index = Callable[[Tensor, Tensor, Tensor | None], float | None]

INDICES: dict[str, Index] = {
    "q2n": lambda x, y, m: rr.q2n(x, y, m),
    "q2n toolbox": lambda x, y, m: rr.q2n(x, y, m, compat="toolbox"),
    "q2n shifted": lambda x, y, m: rr.q2n(x, y, m, shift=8),
    "q": lambda x, y, m: rr.q(x, y, m),
    "sam_deg": lambda x, y, m: rr.sam_deg(x, y, m),
    "ergas": lambda x, y, m: rr.ergas(x, y, m, ratio=4),
    "scc": lambda x, y, m: rr.scc(x, y, m),
    "ssim": lambda x, y, m: rr.ssim(x, y, m, peak=2047),
    "rmse": lambda x, y, m: rr.rmse(x, y, m),
    "psnr_db": lambda x, y, m: rr.psnr_db(x, y, m, peak=2047),
    "psnr_band_mean_db": lambda x, y, m: rr.psnr_band_mean_db(x, y, m, peak=2047),
}
BEST = {"sam_deg": 0.0, "ergas": 0.0, "rmse": 0.0, "psnr_db": None, "psnr_band_mean_db": None}
PIXELWISE = ("sam_deg", "ergas", "rmse", "psnr_db", "psnr_band_mean_db")

every_index = pytest.mark.parametrize("name", INDICES)


@every_index
@pytest.mark.parametrize("bands", [1, 3, 4, 5, 8])
def test_equal_images_get_the_best_value(name: str, bands: int) -> None:
    image = texture(bands, 70, 50)
    best = BEST.get(name, 1.0)
    found = INDICES[name](image, image, None)
    assert found is None if best is None else found == pytest.approx(best, abs=1e-12)


@every_index
def test_more_noise_is_worse(name: str) -> None:
    image = texture(4, 96, 96)
    values = [INDICES[name](image, noisy(image, sigma), None) for sigma in (2, 10, 50)]
    assert None not in values
    up = name in ("sam_deg", "ergas", "rmse")
    assert values == sorted(values, reverse=not up)  # type: ignore[type-var]


@pytest.mark.parametrize("name", ["q2n", "q", "sam_deg", "ergas", "scc"])
def test_common_scale_does_not_matter(name: str) -> None:
    image = texture(4, 64, 64)
    fused = noisy(image)
    small = INDICES[name](image / 2047, fused / 2047, None)
    assert small == pytest.approx(INDICES[name](image, fused, None), abs=1e-12)


def test_only_the_toolbox_rounds() -> None:
    image, fused = texture(4, 64, 64) / 1000, noisy(texture(4, 64, 64)) / 1000
    exact, rounded = rr.q2n(image, fused), rr.q2n(image, fused, compat="toolbox")
    assert exact == pytest.approx(rr.q2n(1000 * image, 1000 * fused), abs=1e-12)
    assert rounded == rr.q2n(to_uint16(image), to_uint16(fused))
    assert rounded != pytest.approx(exact, abs=0.05)


def test_cast_rounds_half_away_from_zero_and_clips() -> None:
    values = torch.tensor([-3.0, -0.4, 0.5, 1.5, 2.5, 2.4999, 65535.7, 1e6])
    assert to_uint16(values).tolist() == [0, 0, 1, 2, 3, 2, 65535, 65535]


def test_known_errors() -> None:
    image = torch.full((2, 40, 40), 100.0)
    fused = torch.stack([image[0] + 10, image[1] - 20])
    assert rr.rmse(image, fused) == pytest.approx(math.sqrt(250))
    assert rr.ergas(image, fused, ratio=4) == pytest.approx(25 * math.sqrt(0.025))
    assert rr.psnr_db(image, fused, peak=1000) == pytest.approx(10 * math.log10(1e6 / 250))
    bands = (10 * math.log10(1e4) + 10 * math.log10(1e6 / 400)) / 2
    assert rr.psnr_band_mean_db(image, fused, peak=1000) == pytest.approx(bands)


def test_known_angle() -> None:
    x = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 5, 5)
    y = torch.tensor([3.0, 3.0])[:, None, None].expand(2, 5, 5)
    assert rr.sam_deg(x, y) == pytest.approx(45)
    assert rr.sam_deg(x, 7 * x) == pytest.approx(0, abs=1e-12)
    assert rr.sam_deg(x, -x) == pytest.approx(180)


def test_tiny_angles_keep_their_size() -> None:
    x = torch.tensor([1.0, 0.0], dtype=torch.float64)[:, None, None].expand(2, 4, 4)
    y = torch.tensor([1.0, 1e-9], dtype=torch.float64)[:, None, None].expand(2, 4, 4)
    assert rr.sam_deg(x, y) == pytest.approx(math.degrees(1e-9), rel=1e-6)


def test_quality_of_a_shifted_level_is_the_luminance_term() -> None:
    image = texture(1, 32, 32)
    mean = float(image.mean())
    expected = 2 * mean * (mean + 50) / (mean**2 + (mean + 50) ** 2)
    assert rr.q(image, image + 50) == pytest.approx(expected, abs=1e-12)
    assert rr.q2n(image, image + 50) is not None


def test_one_band_q2n_is_q_on_one_block() -> None:
    image = texture(1, 32, 32)
    fused = noisy(image, 40)
    assert rr.q2n(image, fused) is not None
    # Q2n shifts each block to mean and deviation 1 of the reference, which changes the
    # luminance term only.
    scaled = (image - image.mean()) / image.std() + 1
    other = (fused - image.mean()) / image.std() + 1
    assert rr.q2n(image, fused) == pytest.approx(rr.q(scaled, other), abs=1e-12)


@pytest.mark.parametrize("order", [2, 4])
def test_q2n_equals_an_explicit_hypercomplex_product(order: int) -> None:
    """Against complex numbers and quaternions multiplied pixel by pixel."""
    x, y = texture(order, 32, 32), noisy(texture(order, 32, 32), 60)
    mean, std = x.mean(dim=(1, 2), keepdim=True), x.std(dim=(1, 2), keepdim=True)
    x, y = (x - mean) / std + 1, (y - mean) / std + 1
    conjugate = torch.cat([y[:1], -y[1:]])
    multiply = _complex if order == 2 else _quaternion
    n = 32 * 32
    unbiased = n / (n - 1)
    first, second = (image.mean(dim=(1, 2)) for image in (x, conjugate))
    product = multiply(x, conjugate).mean(dim=(1, 2)) - multiply(first, second)
    spread = sum(
        image.square().sum(dim=0).mean() - mean.square().sum()
        for image, mean in ((x, first), (y, second))
    )
    norms = first.norm(), second.norm()
    bias = 2 * norms[0] * norms[1] / (norms[0] ** 2 + norms[1] ** 2)
    expected = float((unbiased * product).norm() * bias * 2 / (unbiased * spread))
    scaled = (texture(order, 32, 32), noisy(texture(order, 32, 32), 60))
    assert rr.q2n(*scaled) == pytest.approx(expected, abs=1e-12)


def _complex(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]])


def _quaternion(x: Tensor, y: Tensor) -> Tensor:
    a, b, c, d = x
    e, f, g, h = y
    return torch.stack(
        [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ]
    )


@every_index
def test_masked_pixels_do_not_matter(name: str) -> None:
    image = texture(4, 100, 90)
    fused = noisy(image)
    mask = patchy_mask(100, 90)
    spoilt, wild = image.clone(), fused.clone()
    spoilt[:, ~mask] = torch.nan
    wild[:, ~mask] = 1e9
    value = INDICES[name](image, fused, mask)
    assert value is not None
    assert INDICES[name](spoilt, wild, mask) == value


@every_index
def test_pixels_that_are_not_finite_are_masked(name: str) -> None:
    image = texture(3, 64, 64)
    fused = noisy(image)
    mask = torch.ones(64, 64, dtype=torch.bool)
    mask[10:20, 30] = False
    holes = fused.clone()
    holes[1, 10:15, 30] = torch.inf
    holes[2, 15:20, 30] = torch.nan
    assert INDICES[name](image, holes, None) == INDICES[name](image, fused, mask)


@pytest.mark.parametrize("name", [*PIXELWISE, "q2n"])
def test_masking_whole_blocks_equals_cropping(name: str) -> None:
    image = texture(4, 96, 96)
    fused = noisy(image)
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[32:, 32:] = True
    cropped = INDICES[name](image[:, 32:, 32:], fused[:, 32:, 32:], None)
    assert INDICES[name](image, fused, mask) == pytest.approx(cropped, abs=1e-12)


@every_index
def test_nothing_valid_gives_none(name: str) -> None:
    image = texture(2, 40, 40)
    assert INDICES[name](image, image + 1, torch.zeros(40, 40, dtype=torch.bool)) is None


def test_a_block_counts_from_half_its_pixels_on() -> None:
    image, mask = texture(2, 32, 32), torch.zeros(32, 32, dtype=torch.bool)
    mask[:16] = True
    assert rr.q2n(image, noisy(image), mask) is not None
    assert rr.q(image, noisy(image), mask) is not None
    mask[0, 0] = False
    assert rr.q2n(image, noisy(image), mask) is None
    assert rr.q(image, noisy(image), mask) is None


@every_index
@pytest.mark.parametrize("value", [0.0, 0.1, 1000.3])
def test_constant_images_give_finite_values(name: str, value: float) -> None:
    flat = torch.full((3, 64, 64), value, dtype=torch.float64)
    for fused in (flat, flat + 5, noisy(flat)):
        found = INDICES[name](flat, fused, None)
        assert found is None or math.isfinite(found)


def test_equal_constant_images_are_perfect() -> None:
    for value in (0.0, 0.1, 700.0):
        flat = torch.full((4, 40, 40), value, dtype=torch.float64)
        assert rr.q(flat, flat) == 1
        assert rr.q2n(flat, flat) == pytest.approx(1, abs=1e-12)
        assert rr.scc(flat, flat) == 1


def test_flat_against_textured_has_no_spatial_correlation() -> None:
    assert rr.scc(torch.zeros(1, 40, 40), texture(1, 40, 40)) == 0


def test_zero_spectra_have_no_angle() -> None:
    image = texture(3, 20, 20)
    fused = noisy(image)
    with_zeros = image.clone()
    with_zeros[:, :10] = 0
    mask = torch.ones(20, 20, dtype=torch.bool)
    mask[:10] = False
    assert rr.sam_deg(with_zeros, fused) == rr.sam_deg(image, fused, mask)


def test_bands_of_zero_mean_are_left_out_of_ergas() -> None:
    image, fused = texture(1, 20, 20), noisy(texture(1, 20, 20))
    zero = torch.zeros_like(image)
    both = rr.ergas(torch.cat([image, zero]), torch.cat([fused, zero + 1]), ratio=2)
    assert both == pytest.approx(rr.ergas(image, fused, ratio=2))
    assert rr.ergas(zero, zero + 1, ratio=2) is None


@pytest.mark.parametrize("size", [(1, 40), (2, 2), (12, 31), (33, 33)])
def test_small_images(size: tuple[int, int]) -> None:
    image = texture(3, *size)
    for name, index in INDICES.items():
        value = index(image, noisy(image), None)
        assert value is None or math.isfinite(value), name
    assert rr.q2n(image, image) == pytest.approx(1)
    if min(size) < 32:
        assert rr.q(image, image) is None


def test_single_precision_input_is_computed_in_double() -> None:
    image, fused = texture(3, 40, 40).float(), noisy(texture(3, 40, 40)).float()
    for index in INDICES.values():
        assert index(image, fused, None) == index(image.double(), fused.double(), None)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 7, 8, 13, 32])
def test_box_sums(side: int) -> None:
    image = torch.randint(0, 1000, (2, 40, 37)).double()
    expected = image.unfold(1, side, 1).unfold(2, side, 1).sum(dim=(3, 4))
    assert torch.equal(box_sum(image, side), expected)
