"""Indices of same-resolution fusion: known answers, invariances, masks, windows, limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_images import noisy, patchy_mask, texture
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics.differences import product_sums, scd
from pansharpkit.metrics.edges import (
    BRISTOL,
    XYDEAS_PETROVIC,
    EdgeModel,
    Edges,
    edge_sums,
    edge_value,
)
from pansharpkit.metrics.fusion import DEFINITIONS, NAMES, fusion_indices, of_rasters
from pansharpkit.metrics.information import Information, Levels, joint_histograms
from pansharpkit.metrics.rasters import Raster
from pansharpkit.metrics.saliency import Windows

every_index = pytest.mark.parametrize("name", NAMES)


def pair(height: int = 64, width: int = 48, bands: int = 1) -> tuple[Tensor, Tensor]:
    """Return two images that share half of what they show."""
    first, second = texture(bands, height, width, 0), texture(bands, height, width, 5)
    return first, (first + second) / 2


def white(height: int, width: int, seed: int) -> Tensor:
    """Return independent levels of 8-bit data."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width), generator=draw, dtype=torch.uint8)


def value(found: float | None) -> float:
    """Return a value that must be there, and finite."""
    assert found is not None
    assert math.isfinite(found)
    return found


# The image itself, from equal sources.


def test_an_image_is_its_own_best_fusion() -> None:
    image = white(64, 48, 0)
    found = fusion_indices([image, image], image)
    entropy = value(found["entropy_bits"])
    shares = torch.bincount(image.flatten().long(), minlength=256).double() / image.numel()
    assert entropy == pytest.approx(-float(torch.special.xlogy(shares, shares).sum()) / math.log(2))
    assert found["q_abf"] == pytest.approx(XYDEAS_PETROVIC.best, abs=1e-12)
    assert found["q_abf_bristol"] == pytest.approx(BRISTOL.best, abs=1e-12)
    assert found["mi"] == pytest.approx(2 * entropy, abs=1e-9)
    assert found["mi_normalised"] == pytest.approx(2, abs=1e-9)
    # Rényi's divergence of an image from itself is its Rényi entropy of order 3/2.
    assert found["mi_renyi"] == pytest.approx(-2 * math.log2(float((shares**1.5).sum())), abs=1e-9)
    for name in ("q_piella", "q_piella_w", "q_piella_e", "q_cvejic"):
        assert found[name] == pytest.approx(1, abs=1e-12)
    # The image less the other source is nothing, which correlates with nothing.
    assert found["scd"] == 0


def test_ceilings_of_the_sigmoids() -> None:
    published = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    bristol = math.sqrt(1 / (1 + math.exp(-3.3)) / (1 + math.exp(-4.8)))
    assert pytest.approx(published) == XYDEAS_PETROVIC.best
    assert pytest.approx(bristol) == BRISTOL.best
    assert round(published, 3) == 0.975
    assert round(bristol, 3) == 0.978


def test_independent_noise_tells_nothing() -> None:
    found = fusion_indices([white(600, 600, 0), white(600, 600, 1)], white(600, 600, 2))
    # 256² cells of 360,000 samples: the histogram's own bias is cells / (2 n ln 2) per source.
    bias = 255**2 / (2 * 360_000 * math.log(2))
    assert value(found["mi"]) == pytest.approx(2 * bias, rel=0.05)
    assert value(found["mi_renyi"]) < bias
    assert abs(value(found["q_piella"])) < 0.01
    assert abs(value(found["q_piella_e"])) < 0.05
    assert abs(value(found["scd"])) < 0.01
    assert value(found["entropy_bits"]) == pytest.approx(8, abs=1e-3)


def test_sum_of_the_sources_has_all_their_differences() -> None:
    first, second = texture(1, 64, 64, 0), texture(1, 64, 64, 5)
    assert fusion_indices([first, second], first + second)["scd"] == pytest.approx(2, abs=1e-12)
    assert fusion_indices([first, second], -first - second)["scd"] != pytest.approx(2, abs=0.1)


def test_scd_is_the_published_sum_of_correlations() -> None:
    first, second = (image.squeeze(0) for image in pair())
    fused = noisy(first) + 0.3 * second

    def r(x: Tensor, y: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1])

    expected = r(fused - second, first) + r(fused - first, second)
    assert fusion_indices([first, second], fused)["scd"] == pytest.approx(expected, abs=1e-10)


def test_scd_of_a_sum_of_three() -> None:
    sources = texture(3, 128, 128, 4)
    fused = sources.sum(dim=0)
    others = [(fused - (sources.sum(dim=0) - source) / 2, source) for source in sources]
    expected = sum(
        float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1]) for x, y in others
    )
    assert fusion_indices(list(sources), fused)["scd"] == pytest.approx(expected, abs=1e-10)


def two_focus_settings() -> tuple[list[Tensor], Tensor]:
    """Return an image blurred on the left, one blurred on the right, and the sharp one, 8 bits."""
    sharp = (texture(1, 128, 128) / 8 + 4 * noisy(torch.zeros(1, 128, 128), 1)).clamp(0, 255)
    blurred = torch.nn.functional.avg_pool2d(sharp[None], 5, 1, 2, count_include_pad=False)[0]
    left = torch.arange(128) < 64
    images = torch.where(left, blurred, sharp), torch.where(left, sharp, blurred), sharp
    first, second, fused = ((image + 0.5).to(torch.uint8) for image in images)
    return [first, second], fused


@pytest.mark.parametrize("name", [name for name in NAMES if name != "entropy_bits"])
def test_all_in_focus_is_better_than_the_mean_and_than_either(name: str) -> None:
    sources, sharp = two_focus_settings()
    mean = ((sources[0].double() + sources[1].double()) / 2).to(torch.uint8)
    best = value(fusion_indices(sources, sharp)[name])
    assert best > value(fusion_indices(sources, mean)[name])
    if "mi" not in name:  # To copy a source is to have all of its information.
        assert best > max(value(fusion_indices(sources, source)[name]) for source in sources)


def test_a_perfect_blend_is_above_the_published_figures_of_real_ones() -> None:
    """Of multi-focus pairs blended by DIP fusion: Pe .6375, MI 3.063, Q .8487, Q_C .6991."""
    sources, sharp = two_focus_settings()
    published = {"q_abf_bristol": 0.6375, "q_piella": 0.8487, "q_cvejic": 0.6991}
    found = fusion_indices(sources, sharp)
    for name, least in published.items():
        assert least < value(found[name]) <= 1


# Tiny cases worked out by hand.


def test_information_of_four_pixels() -> None:
    # Sources 0 0 1 1 and 0 1 0 1, fused 0 0 1 1: the first tells all, the second nothing.
    fused = torch.tensor([[0, 0], [255, 255]], dtype=torch.uint8)
    found = fusion_indices([fused, fused.T], fused)
    assert found["mi"] == pytest.approx(1, abs=1e-12)
    assert found["mi_normalised"] == pytest.approx(1, abs=1e-12)
    assert found["mi_renyi"] == pytest.approx((1 + 0) / 2, abs=1e-12)
    assert found["entropy_bits"] == pytest.approx(1, abs=1e-12)


def test_renyi_of_a_lopsided_table() -> None:
    # Shares [[1/2, 1/4], [0, 1/4]]: rows 3/4 and 1/4, columns 1/2 and 1/2.
    counts = torch.zeros(1, 256, 256, dtype=torch.int64)
    counts[0, 0, 0], counts[0, 0, 1], counts[0, 1, 1] = 2, 1, 1
    found = Information.of(counts)
    assert found is not None
    overlap = math.sqrt(1 / 2 * 3 / 8) + math.sqrt(1 / 4 * 3 / 8) + math.sqrt(1 / 4 * 1 / 8)
    assert found.renyi == pytest.approx(-2 * math.log2(overlap), abs=1e-12)
    shannon = 1 + (0.75 * math.log2(4 / 3) + 0.25 * 2) - 1.5
    assert found.shannon == pytest.approx(shannon, abs=1e-12)


def ramp(slope_col: float, slope_row: float) -> Tensor:
    """Return a plane of 3 x 3 pixels: one Sobel gradient of 8 times the slopes."""
    rows, cols = torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij")
    return (slope_col * cols + slope_row * rows).double()


def one_pixel(source: Tensor, fused: Tensor, model: EdgeModel) -> float:
    """Return Q_AB/F of one source at the only inner pixel."""
    edges = Edges.of(torch.stack([source, fused]))
    valid = torch.ones(1, 1, dtype=torch.bool)
    return value(edge_value(edge_sums(edges, valid, model)))


def test_one_edge_of_half_the_strength() -> None:
    strength = 0.9994 / (1 + math.exp(-15 * (0.5 - 0.5)))
    orientation = 0.9879 / (1 + math.exp(-22 * (1 - 0.8)))
    expected = strength * orientation
    assert one_pixel(ramp(2, 0), ramp(1, 0), XYDEAS_PETROVIC) == pytest.approx(expected)
    assert one_pixel(ramp(1, 0), ramp(2, 0), XYDEAS_PETROVIC) == pytest.approx(expected)
    root = math.sqrt(1 / (1 + math.exp(-11 * (0.5 - 0.7))) / (1 + math.exp(-24 * 0.2)))
    assert one_pixel(ramp(2, 0), ramp(1, 0), BRISTOL) == pytest.approx(root)


def test_one_edge_turned_by_45_degrees() -> None:
    length = math.sqrt(2)
    expected = XYDEAS_PETROVIC.best * (1 + math.exp(-4.4)) / (1 + math.exp(-22 * (0.5 - 0.8)))
    assert one_pixel(ramp(length, 0), ramp(1, 1), XYDEAS_PETROVIC) == pytest.approx(expected)


def test_edges_just_left_and_right_of_vertical() -> None:
    """They are all but parallel: the published difference of angles takes them for opposite."""
    left, right = ramp(1e-6, 1), ramp(-1e-6, 1)
    assert one_pixel(left, right, BRISTOL) == pytest.approx(BRISTOL.best, abs=1e-4)
    assert one_pixel(left, right, XYDEAS_PETROVIC) < 1e-6


def test_weights_are_the_strengths_of_the_sources() -> None:
    # The first source, three times as strong, is the fused image; the second is lost.
    first, second = ramp(3, 0), ramp(0, 1)
    kept = [one_pixel(source, first, BRISTOL) for source in (first, second)]
    found = fusion_indices([first, second], first)["q_abf_bristol"]
    assert found == pytest.approx((3 * kept[0] + 1 * kept[1]) / 4, abs=1e-12)


def naive_edges(sources: list[Tensor], fused: Tensor, *, published: bool) -> float:
    """Q_AB/F by its formulas, pixel by pixel, in plain floats."""

    def gradient_at(image: list[list[float]], row: int, col: int) -> tuple[float, float]:
        across = down = 0.0
        for step, weight in ((-1, 1), (0, 2), (1, 1)):
            across += weight * (image[row + step][col + 1] - image[row + step][col - 1])
            down += weight * (image[row + 1][col + step] - image[row - 1][col + step])
        angle = math.atan(down / across) if across else math.pi / 2
        return math.hypot(across, down), angle

    above = below = 0.0
    made = fused.tolist()
    for source in (image.tolist() for image in sources):
        for row, col in itertools.product(range(1, len(made) - 1), range(1, len(made[0]) - 1)):
            (g, a), (f, b) = gradient_at(source, row, col), gradient_at(made, row, col)
            strength = min(g, f) / max(g, f)
            turn = 2 * abs(a - b) / math.pi
            if published:
                kept = 0.9994 / (1 + math.exp(-15 * (strength - 0.5)))
                kept *= 0.9879 / (1 + math.exp(-22 * (1 - turn - 0.8)))
            else:
                kept = 1 / (1 + math.exp(-11 * (strength - 0.7)))
                kept = math.sqrt(kept / (1 + math.exp(-24 * (max(turn - 1, 1 - turn) - 0.8))))
            above, below = above + g * kept, below + g
    return above / below


@pytest.mark.parametrize("n", [2, 3])
def test_edges_by_the_formula(n: int) -> None:
    sources = list(texture(n, 21, 17, 3))
    fused = noisy(sources[0])
    found = fusion_indices(sources, fused)
    assert found["q_abf"] == pytest.approx(naive_edges(sources, fused, published=True), abs=1e-12)
    assert found["q_abf_bristol"] == pytest.approx(
        naive_edges(sources, fused, published=False), abs=1e-12
    )


def test_information_by_numpy() -> None:
    sources = [image[0] for image in pair(80, 70)]
    fused = noisy(sources[0])
    shannon, renyi, normalised = [], [], []
    for source in sources:
        binned = [
            np.floor(255 * (x - x.min()) / (x.max() - x.min()) + 0.5).ravel()
            for x in (source.numpy(), fused.numpy())
        ]
        joint = np.histogram2d(*binned, bins=256, range=[[-0.5, 255.5]] * 2)[0] / source.numel()
        s, f = joint.sum(axis=1), joint.sum(axis=0)
        shannon.append(scipy.stats.entropy(joint.ravel(), np.outer(s, f).ravel(), base=2))
        renyi.append(-2 * np.log2(np.sqrt(joint * np.outer(s, f)).sum()))
        both = scipy.stats.entropy(s, base=2) + scipy.stats.entropy(f, base=2)
        normalised.append(2 * shannon[-1] / both)
    found = fusion_indices(sources, fused)
    assert found["mi"] == pytest.approx(sum(shannon), abs=1e-10)
    assert found["mi_renyi"] == pytest.approx(sum(renyi) / 2, abs=1e-10)
    assert found["mi_normalised"] == pytest.approx(sum(normalised), abs=1e-10)


def naive_quality(x: Tensor, y: Tensor) -> float:
    """Wang and Bovik's index by its formula."""
    mx, my, vx, vy = x.mean(), y.mean(), x.var(correction=0), y.var(correction=0)
    covariance = ((x - mx) * (y - my)).mean()
    return float(4 * covariance * mx * my / ((vx + vy) * (mx.square() + my.square())))


def naive_saliency(sources: list[Tensor], fused: Tensor) -> tuple[float, float]:
    """Piella's Q and Q_W by their formulas, window by window."""
    qualities, weights = [], []
    height, width = fused.shape
    for row, col in itertools.product(range(height - 7), range(width - 7)):
        window = (slice(row, row + 8), slice(col, col + 8))
        saliency = [float(source[window].var(correction=0)) for source in sources]
        q = [naive_quality(source[window], fused[window]) for source in sources]
        qualities.append(sum(s * v for s, v in zip(saliency, q, strict=True)) / sum(saliency))
        weights.append(max(saliency))
    weighted = sum(w * q for w, q in zip(weights, qualities, strict=True)) / sum(weights)
    return sum(qualities) / len(qualities), weighted


@pytest.mark.parametrize("n", [2, 3])
def test_piella_by_the_formula(n: int) -> None:
    sources = list(texture(n, 14, 17, 3))
    fused = noisy(sum(sources) / n)  # type: ignore[arg-type]
    found = fusion_indices(sources, fused)
    plain, weighted = naive_saliency(sources, fused)
    assert found["q_piella"] == pytest.approx(plain, abs=1e-10)
    assert found["q_piella_w"] == pytest.approx(weighted, abs=1e-10)


def gradient(image: Tensor) -> Tensor:
    """Return the Sobel magnitude by its two kernels."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64)
    both = torch.stack([kernel, kernel.T])[:, None]
    return torch.nn.functional.conv2d(image[None, None], both)[0].square().sum(dim=0).sqrt()


def test_edge_variant_is_the_product_with_that_of_the_edges() -> None:
    sources = list(texture(2, 20, 18, 3))
    fused = noisy(sources[0])
    plain = naive_saliency(sources, fused)[1]
    edges = naive_saliency([gradient(source) for source in sources], gradient(fused))[1]
    assert fusion_indices(sources, fused)["q_piella_e"] == pytest.approx(plain * edges, abs=1e-10)


def naive_similarity(first: Tensor, second: Tensor, fused: Tensor) -> float:
    """Cvejic's index by its published weights, block by block."""
    values = []
    for row, col in itertools.product(range(0, len(fused), 4), range(0, fused.shape[1], 4)):
        block = (slice(row, row + 4), slice(col, col + 4))
        f = fused[block] - fused[block].mean()
        shared = [float((source[block] * f).mean()) for source in (first, second)]
        share = min(1.0, max(0.0, shared[0] / (shared[0] + shared[1])))
        q = [naive_quality(source[block], fused[block]) for source in (first, second)]
        values.append(share * q[0] + (1 - share) * q[1])
    return sum(values) / len(values)


@pytest.mark.parametrize("mix", [(0.5, 0.5), (1.0, 0.0), (-0.2, 1.0), (0.0, 0.0)])
def test_cvejic_by_the_formula(mix: tuple[float, float]) -> None:
    """With fused images that follow one source, both, or neither: all cases of the weights."""
    first, second = texture(2, 32, 40, 3)
    fused = noisy(500 + mix[0] * (first - 500) + mix[1] * (second - 500), 40)
    found = fusion_indices([first, second], fused)["q_cvejic"]
    assert found == pytest.approx(naive_similarity(first, second, fused), abs=1e-10)


# Levels.


def test_levels_are_the_values_of_8_bit_data() -> None:
    values = torch.arange(256, dtype=torch.float64)
    assert torch.equal(Levels(0, 255).of(values), values.long())
    halves = torch.tensor([-3.0, 0.5, 1.5, 2.4999, 300.0])
    assert Levels(0, 255).of(halves).tolist() == [0, 1, 2, 2, 255]


def test_levels_span_the_range() -> None:
    values = torch.tensor([-1e30, 0.0, 1e30], dtype=torch.float64)
    assert Levels(-1e30, 1e30).of(values).tolist() == [0, 128, 255]
    assert Levels(7.0, 7.0).of(torch.full((3,), 7.0)).tolist() == [0, 0, 0]


def test_own_range_makes_information_independent_of_units() -> None:
    first, second = pair()
    fused = noisy(first)
    plain = fusion_indices([first, second], fused)
    kelvin = fusion_indices([first, 273.15 + second / 100], fused)
    for name in ("mi", "mi_normalised", "mi_renyi", "entropy_bits"):
        assert kelvin[name] == pytest.approx(plain[name], abs=0.02)


def test_16_bit_and_float_data_of_the_same_values_agree() -> None:
    images = [(65535 * torch.rand(30, 30, dtype=torch.float64)).round() for _ in range(3)]
    as_float = fusion_indices(images[:2], images[2])
    integers = [image.to(torch.uint16) for image in images]
    as_integer = fusion_indices(integers[:2], integers[2])
    assert as_float == as_integer


def test_given_range_is_used() -> None:
    images = [white(30, 30, seed) for seed in range(3)]
    as_bytes = fusion_indices(images[:2], images[2])
    halved = [image.double() / 255 for image in images]
    assert fusion_indices(halved[:2], halved[2], value_range=(0, 1)) == pytest.approx(as_bytes)


# Invariances.


@every_index
def test_order_of_the_sources_does_not_matter(name: str) -> None:
    sources = list(texture(3, 40, 40, 2))
    fused = noisy(sources[0] / 2 + sources[1] / 2)
    found = [fusion_indices(list(order), fused) for order in itertools.permutations(sources)]
    assert [value(each[name]) for each in found] == pytest.approx([value(found[0][name])] * 6)


@every_index
def test_common_scale_does_not_matter(name: str) -> None:
    first, second = pair()
    fused = noisy(first)
    plain = fusion_indices([first, second], fused)[name]
    scaled = fusion_indices([8 * first, 8 * second], 8 * fused)[name]
    assert scaled == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turning_the_images_changes_only_angles_beyond_a_right_one(turn: int) -> None:
    first, second = pair(48, 48)
    fused = noisy(first)
    plain = fusion_indices([first, second], fused)
    turned = fusion_indices(
        [torch.rot90(image, turn, (1, 2)) for image in (first, second)],
        torch.rot90(fused, turn, (1, 2)),
    )
    for name in NAMES:
        # The published difference of angles depends on where the half turn is cut.
        loose = name == "q_abf"
        assert turned[name] == pytest.approx(plain[name], abs=0.05 if loose else 1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "entropy_bits"])
def test_noise_makes_it_worse(name: str) -> None:
    first, second = pair(96, 96)
    fused = (first + second) / 2
    found = [
        value(fusion_indices([first, second], noisy(fused, sigma))[name]) for sigma in (1, 60, 400)
    ]
    # A little noise may add to SCD, whose differences are small themselves.
    assert found == sorted(found, reverse=True) or (name == "scd" and found[2] < min(found[:2]))


def test_each_band_counts_alike() -> None:
    first, second = pair(bands=3)
    fused = noisy(first)
    whole = fusion_indices([first, second], fused)
    single = [fusion_indices([first[b], second[b]], fused[b]) for b in range(3)]
    for name in NAMES:
        assert whole[name] == pytest.approx(sum(value(band[name]) for band in single) / 3)


def test_a_single_band_source_stands_beside_every_band() -> None:
    first, second = pair(bands=3)
    fused = noisy(first)
    grey = second[:1]
    assert fusion_indices([first, grey], fused) == pytest.approx(
        fusion_indices([first, grey.expand(3, -1, -1)], fused)
    )


# Masks.


def test_masked_pixels_count_for_nothing() -> None:
    first, second = pair(90, 70)
    fused, mask = noisy(first), patchy_mask(90, 70)
    found = fusion_indices([first, second], fused, mask)
    spoilt = [torch.where(mask, image, seed * 1e5) for seed, image in enumerate((first, second), 1)]
    assert fusion_indices(spoilt, torch.where(mask, fused, -7e5), mask) == pytest.approx(found)
    assert found != pytest.approx(fusion_indices([first, second], fused))


def test_values_that_are_not_finite_are_masked() -> None:
    first, second = pair(60, 60)
    fused, mask = noisy(first), patchy_mask(60, 60)
    holes = torch.where(mask, fused, torch.nan)
    assert fusion_indices([first, second], holes) == fusion_indices([first, second], fused, mask)
    holes = torch.where(mask, second, torch.inf)
    assert fusion_indices([first, holes], fused) == fusion_indices([first, second], fused, mask)


def test_frame_of_nodata_changes_nothing_but_the_border_windows() -> None:
    first, second = pair(64, 64)
    fused = noisy(first)
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[16:80, 16:80] = True
    framed = [torch.nn.functional.pad(image, (16,) * 4) for image in (first, second, fused)]
    found = fusion_indices(framed[:2], framed[2], mask)
    plain = fusion_indices([first, second], fused)
    exact = ("q_abf", "q_abf_bristol", "mi", "mi_renyi", "mi_normalised", "entropy_bits", "scd")
    for name in (*exact, "q_cvejic"):
        assert found[name] == pytest.approx(plain[name], abs=1e-10)
    for name in ("q_piella", "q_piella_w", "q_piella_e"):
        assert found[name] == pytest.approx(plain[name], abs=0.03)


def test_without_a_valid_pixel_there_is_no_value() -> None:
    first, second = pair(20, 20)
    nothing = torch.zeros(20, 20, dtype=torch.bool)
    assert set(fusion_indices([first, second], first, nothing).values()) == {None}


# Large rasters.


@pytest.mark.parametrize(("height", "width"), [(70, 90), (33, 130), (17, 47), (64, 96), (40, 15)])
@pytest.mark.parametrize("masked", [False, True])
def test_windows_do_not_change_the_result(height: int, width: int, masked: bool) -> None:
    first, second = pair(height, width, bands=2)
    fused = noisy(first)
    mask = patchy_mask(height, width) if masked else None
    rasters = [Raster.of(image, mask) for image in (first, second, fused)]
    whole = of_rasters(rasters[:2], rasters[2], window=4096)
    for window in (16, 48):
        assert of_rasters(rasters[:2], rasters[2], window=window) == pytest.approx(whole, abs=1e-10)


def test_windows_bound_what_is_read() -> None:
    seen = []

    def read(row: int, col: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        seen.append(height * width)
        return torch.rand(1, height, width), torch.ones(height, width, dtype=torch.bool)

    raster = Raster(read, 1, (300, 2000))
    of_rasters([raster, raster], raster, window=128)
    assert max(seen) <= (128 + 2 * 16 + 16) ** 2


# Limits.

FLAT = torch.full((1, 40, 40), 0.1, dtype=torch.float64)


@pytest.mark.parametrize("level", [0.0, 0.1, -3.0, 1e9])
def test_constant_images(level: float) -> None:
    flat = FLAT - 0.1 + level
    found = fusion_indices([flat, flat], flat)
    expected = dict.fromkeys(NAMES, 0.0) | {
        "q_abf": XYDEAS_PETROVIC.best,
        "q_abf_bristol": BRISTOL.best,
        "mi_normalised": 2.0,
        **dict.fromkeys(("q_piella", "q_piella_w", "q_piella_e", "q_cvejic"), 1.0),
    }
    assert found == pytest.approx(expected, abs=1e-12)


def test_detail_out_of_nothing() -> None:
    found = fusion_indices([FLAT, FLAT], texture(1, 40, 40))
    for name in ("q_abf", "q_abf_bristol", "q_piella", "q_piella_w", "q_cvejic", "mi", "scd"):
        assert value(found[name]) == pytest.approx(0, abs=0.03)


def test_nothing_out_of_detail() -> None:
    first, second = pair(40, 40)
    found = fusion_indices([first, second], FLAT)
    for name in ("q_piella", "q_piella_w", "q_cvejic", "mi", "entropy_bits"):
        assert value(found[name]) == pytest.approx(0, abs=1e-12)
    assert value(found["q_abf"]) < 0.001
    assert value(found["q_abf_bristol"]) < 0.03
    # A difference from nothing is the other source, with its sign turned.
    assert value(found["scd"]) == pytest.approx(2 * -float(_correlation(first, second)), abs=1e-10)


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1]


def test_flat_ground_in_float_is_no_detail() -> None:
    """Rounding must not give the weights of windows that are constant."""
    first, second = pair(80, 80)
    fused = (first + second) / 2
    plain = fusion_indices([first, second], fused)
    beside = [torch.cat([image, 0.1 + 0 * image], dim=2) for image in (first, second, fused)]
    found = fusion_indices(beside[:2], beside[2])
    assert value(found["q_piella_w"]) == pytest.approx(value(plain["q_piella_w"]), abs=0.05)
    half = (value(plain["q_cvejic"]) + 1) / 2
    assert value(found["q_cvejic"]) == pytest.approx(half, abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 3), (7, 30), (8, 8), (9, 9)])
def test_tiny_images(size: tuple[int, int]) -> None:
    found = fusion_indices([white(*size, 0), white(*size, 1)], white(*size, 2))
    sobel = ("q_abf", "q_abf_bristol", "q_piella_e")
    for name in NAMES:
        if name in sobel and min(size) < 3:
            assert found[name] is None
        else:
            value(found[name])


IMAGES = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(
    seed=IMAGES,
    height=st.integers(3, 20),
    width=st.integers(3, 20),
    n=st.integers(2, 4),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
    offset=st.sampled_from([0.0, 1.0, -1e4]),
    share=st.sampled_from([0.2, 0.9, 1.0]),
)
def test_values_are_finite_and_within_their_bounds(
    seed: int, height: int, width: int, n: int, scale: float, offset: float, share: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    images = offset + scale * torch.randn(n + 1, height, width, generator=draw)
    mask = torch.rand(height, width, generator=draw) < share
    found = fusion_indices(list(images[:-1]), images[-1], mask)
    bounds = {"mi": 8.0 * n, "mi_normalised": float(n), "mi_renyi": 8.0, "entropy_bits": 8.0}
    for name, number in found.items():
        if number is None:
            continue
        low = -float(n) if name == "scd" else 0.0 if name in bounds or "abf" in name else -1.0
        high = bounds.get(name, float(n) if name == "scd" else 1.0)
        assert low - 1e-9 <= number <= high + 1e-9, name


def test_every_index_is_defined() -> None:
    assert set(NAMES) <= set(DEFINITIONS)


REFUSED: dict[str, Callable[[], object]] = {
    "two or more": lambda: fusion_indices([FLAT], FLAT),
    "source 2 is 1 x": lambda: fusion_indices([FLAT, FLAT[:, 1:]], FLAT),
    "its bands, or one band": lambda: fusion_indices([FLAT, FLAT.expand(2, -1, -1)], FLAT),
    "value_range": lambda: fusion_indices([FLAT, FLAT], FLAT, value_range=(1, 0)),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_does_not_fit_is_refused(said: str) -> None:
    with pytest.raises(OptionError, match=said):
        REFUSED[said]()


def test_parts_agree_with_the_whole() -> None:
    first, second = pair()
    fused = noisy(first)
    images = torch.cat([first, second, fused])
    valid = torch.ones(images.shape[1:], dtype=torch.bool)
    found = fusion_indices([first, second], fused)
    assert scd(product_sums(images, valid, images.mean(dim=(1, 2)))) == pytest.approx(found["scd"])
    levels = torch.stack([Levels(float(x.min()), float(x.max())).of(x) for x in images])
    information = Information.of(joint_histograms(levels, valid))
    assert information is not None
    assert information.shannon == pytest.approx(found["mi"])
    assert Windows.blocks(images, valid).quality.shape == (2, 16, 12)
