"""Denoising: networks, the noise that is measured, where the fit stops, the classical filter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_same_resolution import SAME, window
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.networks.deep_decoder import DeepDecoder
from pansharpkit.methods.networks.held_out import LOUDER, BestOnHeldOut, split
from pansharpkit.methods.networks.nets import count_parameters, initialised
from pansharpkit.methods.networks.optimise import Schedule, optimise
from pansharpkit.methods.networks.priors import Prior
from pansharpkit.methods.same.gdd_denoise import DENOISE_PRESETS, GddDenoise, GddDenoiseOptions
from pansharpkit.methods.same.joint_bilateral import JointBilateral, JointBilateralOptions
from pansharpkit.methods.same.noise_level import noise_level
from pansharpkit.methods.same.restoration import FittedRestoration
from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.sampling import Sampling

CONTEXT = Context()
QUICK = {
    "gdd-denoise": {"channels": 8, "shared": 0, "iterations": 5},
    "dip": {"channels": 8, "iterations": 8},
    "deep-decoder": {"channels": 8, "iterations": 12},
    "joint-bilateral": {},
}
every_method = pytest.mark.parametrize("name", QUICK)
every_network = pytest.mark.parametrize("name", [n for n in QUICK if n != "joint-bilateral"])


def scene(
    sigma: float = 0.1, size: tuple[int, int] = (48, 56), bands: int = 1, guides: int = 1
) -> tuple[Tensor, Observation]:
    """Return a clean image with steps, and the observation of it under noise beside a guide."""
    rows, cols = torch.meshgrid(*(torch.linspace(0, 1, side) for side in size), indexing="ij")
    steps = ((6 * rows).floor() + (5 * cols).floor()) % 2
    clean = torch.stack([0.3 + 0.3 * steps + 0.1 * (b + 1) * cols for b in range(bands)])
    guide = torch.stack([0.8 - 0.4 * steps + 0.05 * (g + 1) * rows for g in range(guides)])
    draws = torch.Generator().manual_seed(1)
    noisy = clean + sigma * torch.randn(bands, *size, generator=draws)
    return clean, Observation.whole(noisy, guide, SAME, Optics((0.3,) * bands, 0.15))


def error(image: Tensor, clean: Tensor) -> float:
    return float((image - clean).square().mean().sqrt())


def restored(name: str, seen: Observation, context: Context = CONTEXT, **more: object) -> Tensor:
    method = create(name, {**QUICK[name], **more}, "denoise")
    return method.fit([seen], context).apply([seen], context)[0]


@pytest.mark.parametrize(("channels", "count"), [(64, 25_536), (128, 100_224)])
def test_the_deep_decoder_has_as_many_parameters_as_published(channels: int, count: int) -> None:
    net = initialised(lambda: DeepDecoder(3, channels), torch.Generator().manual_seed(0))
    assert count_parameters(net) == count
    assert net(torch.rand(1, channels, 3, 2), (75, 41)).shape == (1, 3, 75, 41)


def test_the_network_of_denoising_is_the_published_one() -> None:
    method = GddDenoise(GddDenoiseOptions(preset="published"))
    net = method.plan.prior.network(3, 3, torch.Generator().manual_seed(0))
    assert count_parameters(net) == 140_780
    chosen = DENOISE_PRESETS["published"]
    assert (chosen.iterations, chosen.rate, chosen.ema, chosen.rule) == (1001, 0.01, 0.0, "never")


@pytest.mark.parametrize("sees", ["guide", "noise"])
def test_a_deep_image_prior_sees_what_it_is_asked_to(sees: str) -> None:
    prior = Prior("dip", sees=sees).wide(4)  # type: ignore[arg-type]
    net = prior.network(2, 3, torch.Generator().manual_seed(0))
    shape = prior.noise_shape(2, (40, 44))
    noises, guides = (
        [torch.rand(1, *s, generator=torch.Generator().manual_seed(i)) for i in range(2)]
        for s in (shape, (3, 40, 44))
    )
    made = [net.last(net.features(n, g)) for n in noises for g in guides]
    assert made[0].shape == (1, 2, 40, 44)
    assert torch.equal(made[0], made[1]) == (sees == "noise")
    assert torch.equal(made[0], made[2]) == (sees == "guide")


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_the_noise_is_measured(sigma: float) -> None:
    _, seen = scene(sigma, (160, 180), bands=2)
    found = noise_level([seen], CONTEXT)
    assert found.tolist() == pytest.approx([sigma, sigma], rel=0.06)


def test_detail_that_the_guide_explains_is_not_noise() -> None:
    texture = torch.rand(1, 120, 120, generator=torch.Generator().manual_seed(4))
    _, seen = scene(0.02, (120, 120))
    busy = replace(seen, target=seen.target + texture, guide=1 - 2 * texture)
    assert float(noise_level([busy], CONTEXT)) == pytest.approx(0.02, rel=0.1)
    itself = replace(seen, guide=seen.target)
    assert float(noise_level([itself], CONTEXT)) == pytest.approx(0.02, rel=0.1)


def test_masked_pixels_do_not_count_as_noise() -> None:
    _, seen = scene(0.05, (120, 120))
    mask = seen.target_mask.clone()
    mask[20:90, 20:90] = False
    draws = torch.Generator().manual_seed(2)
    spoilt = torch.where(mask, seen.target, 5 * torch.rand(1, 120, 120, generator=draws))
    found = noise_level([replace(seen, target=spoilt, target_mask=mask)], CONTEXT)
    assert float(found) == pytest.approx(0.05, rel=0.1)
    with pytest.raises(FusionError, match="no pixel"):
        noise_level([replace(seen, target_mask=torch.zeros_like(mask))], CONTEXT)


def test_the_fit_ends_at_the_noise() -> None:
    clean, seen = scene(0.15, (40, 40))
    options = {"channels": 8, "shared": 0, "iterations": 300, "rule": "residual", "base": False}
    method = create("gdd-denoise", options, "denoise")
    fitted = method.fit([seen], CONTEXT)
    assert isinstance(fitted, FittedRestoration)
    done: list[int] = []
    image = fitted.restored(seen, CONTEXT, lambda n, output, average: done.append(n))
    assert 10 <= len(done) < 300
    left = error(image, seen.target)
    assert left <= float(fitted.noise)
    assert error(image, clean) < 0.5 * 0.15


@pytest.mark.slow
def test_the_noise_comes_back_where_nothing_stops_the_fit() -> None:
    clean, seen = scene(0.2, (32, 32))
    stopped = restored("gdd-denoise", seen, iterations=150)
    endless = restored("gdd-denoise", seen, iterations=150, rule="never", base=False, ema=0)
    assert error(stopped, clean) < error(endless, clean)


def test_a_known_noise_is_taken() -> None:
    _, seen = scene(0.1)
    method = create("gdd-denoise", {**QUICK["gdd-denoise"], "noise": "0.07"}, "denoise")
    assert method.fit([seen], CONTEXT).summary()["noise"] == pytest.approx([0.07])


@every_method
def test_noise_is_removed_and_edges_stay(name: str) -> None:
    clean, seen = scene(0.15, (40, 40))
    more = {} if name == "joint-bilateral" else {"channels": 16, "iterations": 40}
    image = restored(name, seen, **more)
    # A deep decoder sees no guide and cannot place sharp edges exactly.
    assert error(image, clean) < (1.0 if name == "deep-decoder" else 0.55) * 0.15


@every_method
@pytest.mark.parametrize(
    ("size", "bands", "guides"), [((40, 33), 2, 3), ((9, 50), 1, 1), ((1, 2), 3, 1)]
)
def test_any_size_and_number_of_bands(
    name: str, size: tuple[int, int], bands: int, guides: int
) -> None:
    _, seen = scene(0.1, size, bands, guides)
    seen = replace(seen, target=seen.target.double(), guide=seen.guide.double())
    more = {} if name == "joint-bilateral" else {"iterations": 2, "noise": 0.1}
    image = restored(name, seen, **more)
    assert image.shape == (bands, *size)
    assert image.dtype == torch.float64
    assert bool(image.isfinite().all())


@every_method
def test_an_image_may_guide_itself(name: str) -> None:
    clean, seen = scene()
    image = restored(name, replace(seen, guide=seen.target))
    assert bool(image.isfinite().all())
    if name == "gdd-denoise":
        assert error(image, clean) < 0.8 * error(seen.target, clean)


@every_method
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_constant_images_stay_bounded(name: str, value: float) -> None:
    _, seen = scene()
    flat = replace(
        seen, target=torch.full_like(seen.target, value), guide=torch.full_like(seen.guide, 0.3)
    )
    image = restored(name, flat)
    assert bool(image.isfinite().all())
    assert float((image - value).abs().max()) < (1e-6 if name == "joint-bilateral" else 3)


@every_method
def test_masked_pixels_do_not_enter(name: str) -> None:
    _, seen = scene(size=(32, 36))
    mask = seen.target_mask.clone()
    mask[10:20, 10:20] = False
    spoilt = replace(seen, target=torch.where(mask, seen.target, 40.0), target_mask=mask)
    kept = replace(seen, target_mask=mask)
    images = [restored(name, one) for one in (spoilt, kept)]
    torch.testing.assert_close(images[0][:, mask], images[1][:, mask])


@every_network
def test_same_seed_same_pixels_in_any_order(name: str) -> None:
    _, seen = scene(size=(24, 28))
    other = replace(seen, index=1)
    fitted = create(name, QUICK[name]).fit([seen], CONTEXT)
    before = torch.get_rng_state()
    first, second = fitted.apply([seen, other], Context(seed=5))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(fitted.apply([other], Context(seed=5))[0], second)
    assert torch.equal(fitted.apply([seen], Context(seed=5))[0], first)
    assert not torch.equal(first, second)
    assert not torch.equal(fitted.apply([seen], Context(seed=6))[0], first)


def test_several_blocks_share_a_network_and_one_does_not() -> None:
    _, seen = scene(size=(40, 80))
    blocks = [replace(window(seen, (0, 40 * i, 40, 40)), index=i) for i in range(2)]
    options = GddDenoiseOptions(channels=8, shared=4, iterations=3, rule="never")
    shared = GddDenoise(options).fit(blocks, CONTEXT)
    assert shared.weights is not None
    assert shared.apply(blocks[1:], CONTEXT)[0].shape == (1, 40, 40)
    alone = GddDenoise(options).fit(blocks[:1], CONTEXT)
    assert (alone.weights, alone.plan.iterations) == (None, 7)


@pytest.mark.parametrize("name", ["dip", "deep-decoder"])
def test_both_sharpen_as_well(name: str) -> None:
    from test_gdd import scene as pair

    truth, seen = pair((64, 60))
    target = degrade(truth, seen.sampling, seen.target_size, seen.optics.mtf)
    seen = replace(seen, target=target)
    options = {"channels": 8, "iterations": 120}
    fitted = create(name, options, "sharpen").fit([seen], CONTEXT)
    (image,) = fitted.apply([seen], CONTEXT)
    assert image.shape == truth.shape
    assert error(image, truth) < 0.95 * float(truth.std())
    assert fitted.summary()["channels"] == 8


def by_hand(seen: Observation, spatial: float, tonal: float, row: int, col: int) -> Tensor:
    """Return one pixel of the joint bilateral filter, by its definition."""
    deviation = seen.guide.double().std(dim=(1, 2), correction=0)
    radius = JointBilateralOptions(spatial, tonal).radius
    above, below = torch.zeros(len(seen.target)), 0.0
    for y in range(max(0, row - radius), min(seen.size[0], row + radius + 1)):
        for x in range(max(0, col - radius), min(seen.size[1], col + radius + 1)):
            apart = (seen.guide[:, y, x] - seen.guide[:, row, col]) / deviation
            near = ((y - row) ** 2 + (x - col) ** 2) / (2 * spatial**2)
            weight = torch.exp(-near - apart.square().mean() / (2 * tonal**2))
            above, below = above + weight * seen.target[:, y, x], below + weight
    return above / below


def test_the_filter_is_the_joint_bilateral_one() -> None:
    _, seen = scene(0.1, (14, 17), bands=2, guides=2)
    image = restored("joint-bilateral", seen, spatial=1.3, tonal=0.4)
    for place in ((0, 0), (7, 8), (13, 5)):
        expected = by_hand(seen, 1.3, 0.4, *place)
        torch.testing.assert_close(image[:, *place].double(), expected.double(), rtol=1e-4, atol=0)


def test_tiles_of_the_filter_equal_the_whole() -> None:
    _, seen = scene(size=(50, 60))
    method = JointBilateral()
    fitted, halo = method.fit([seen], CONTEXT), method.halo(SAME)
    whole = fitted.apply([seen], CONTEXT)[0]
    box = (20 - halo, 25 - halo, 15 + 2 * halo, 20 + 2 * halo)
    inner = fitted.apply([window(seen, box, margin=6)], CONTEXT)[0]
    torch.testing.assert_close(inner[:, halo : halo + 15, halo : halo + 20], whole[:, 20:35, 25:45])


def test_the_loop_stops_when_told_that_it_is_enough() -> None:
    class Square:
        def __init__(self) -> None:
            self.x = torch.nn.Parameter(torch.ones(1))

        def parameters(self) -> list[torch.nn.Parameter]:
            return [self.x]

        def evaluate(self) -> tuple[Tensor, Tensor]:
            return self.x.square().sum(), self.x * 1

    found = optimise(
        lambda seed: Square(), Schedule(200), seed=(0,), enough=lambda done, output: done >= 40
    )
    assert found.iterations == 40


def test_other_resolutions_are_refused() -> None:
    _, seen = scene()
    with pytest.raises(FusionError, match="one resolution"):
        restored("joint-bilateral", replace(seen, sampling=Sampling.edge_aligned(2)))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("joint-bilateral", {"spatial": 0}),
        ("joint-bilateral", {"tonal": -1}),
        ("gdd-denoise", {"channels": 0}),
        ("gdd-denoise", {"shared": -1}),
        ("gdd-denoise", {"iterations": 0}),
        ("gdd-denoise", {"ema": 1}),
        ("gdd-denoise", {"stop": -1}),
        ("gdd-denoise", {"noise": -1}),
        ("gdd-denoise", {"shake": -1}),
        ("dip", {"sees": "nothing"}),
        ("dip", {"mu": 0}),
        ("deep-decoder", {"rate": 0}),
    ],
)
def test_refuses_options_that_make_no_sense(name: str, wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        create(name, wrong)


def test_the_guided_filter_is_a_line_in_the_guide() -> None:
    from pansharpkit.methods.same.guided_filter import guided

    _, seen = scene(0.0, (30, 34))
    line = 2 * seen.guide - 0.3
    mask = seen.guide_mask
    assert error(guided(line, seen.guide, mask, torch.tensor([0.002])), line) < 0.01
    believed_noisy = guided(line, seen.guide, mask, torch.tensor([0.05]))
    assert error(believed_noisy, line) < 0.02
    draws = torch.Generator().manual_seed(0)
    noisy = line + 0.1 * torch.randn(line.shape, generator=draws)
    cleaned = guided(noisy, seen.guide, mask, torch.tensor([0.1]))
    assert error(cleaned, line) < 0.3 * 0.1
    spoilt = torch.where(mask, noisy, 9.0)
    assert torch.equal(guided(spoilt, seen.guide, mask, torch.tensor([0.1])), cleaned)


def test_a_copy_that_is_not_fitted_says_how_long_to_fit() -> None:
    clean, seen = scene(0.15, (40, 40))
    begun: list[str] = []
    context = Context(progress=lambda stage, done, total: begun.extend([stage] * (done == 1)))
    image = restored("gdd-denoise", seen, context, iterations=40)
    assert error(image, clean) < 0.4 * 0.15
    assert begun.count("gdd tile 0") == 2


def test_a_fit_ends_when_the_copy_is_no_better_explained() -> None:
    errors = iter([5.0, 3.0, 4.0, 2.0, 2.5, 2.4, 2.3, 2.2, 1.0])
    best = BestOnHeldOut(lambda image: (next(errors), 0.7))
    looks = 10
    while not best(looks, torch.empty(0)):
        looks += 10
    assert (looks, best.done, best.share) == (80, 40, 0.7)


def test_the_two_copies_have_noises_of_their_own() -> None:
    draws = torch.Generator().manual_seed(3)
    noise = 0.2 * torch.randn(1, 200, 200, generator=draws)
    one, other = split(noise, torch.tensor([0.2]), 0)
    assert abs(float((one * other).mean())) < 0.01 * 0.2**2 * 4
    assert float(one.std()) == pytest.approx(0.2 * LOUDER, rel=0.02)


def test_the_guided_filter_listens_to_a_guide_as_far_as_it_knows() -> None:
    from pansharpkit.methods.same.guided_filter import guided

    draws = torch.Generator().manual_seed(0)
    clean, seen = scene(0.0, (64, 64))
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=draws)
    foreign = torch.rand(clean.shape, generator=draws)
    noise, mask = torch.tensor([0.1]), seen.guide_mask
    helped = error(guided(noisy, seen.guide, mask, noise), clean)
    alone = error(guided(noisy, foreign, mask, noise), clean)
    assert helped < 0.5 * alone < alone < 0.1
