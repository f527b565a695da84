"""DIP fusion: its network, its losses, and that the closed form is the floor of its data term."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_same_resolution import pair_of, random_images, window
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.networks.nets import count_parameters, initialised
from pansharpkit.methods.networks.optimise import Lowest
from pansharpkit.methods.networks.skip_net import PUBLISHED, SkipArchitecture, SkipNet
from pansharpkit.methods.same.dip_fusion import (
    MARGIN,
    BlendView,
    DipFusion,
    DipFusionOptions,
    FittedDipFusion,
    Span,
)
from pansharpkit.methods.same.pixelwise import best_blend
from pansharpkit.physics import Observation

CONTEXT = Context()
TINY = DipFusionOptions(channels=8, shared=0, iterations=12, copies=3, scales=3)


def smooth(n: int = 2, bands: int = 1, size: tuple[int, int] = (40, 48)) -> Tensor:
    rows, cols = torch.meshgrid(*(torch.linspace(0, 1, side) for side in size), indexing="ij")
    waves = [torch.sin((5 + 3 * i) * rows) * torch.cos((9 - 2 * i) * cols) for i in range(n)]
    images = 0.5 + 0.2 * torch.stack(waves)[:, None]
    return images.repeat(1, bands, 1, 1) + 0.05 * torch.sin(60 * rows + 40 * cols)


def fitted(options: DipFusionOptions, seen: Observation) -> FittedDipFusion:
    return DipFusion(options).fit([seen], CONTEXT)


def test_the_network_has_as_many_parameters_as_the_published_one() -> None:
    net = initialised(lambda: SkipNet(32, 3, PUBLISHED), torch.Generator().manual_seed(0))
    assert count_parameters(net) == 2_217_831
    assert net(torch.rand(1, 32, 70, 65)).shape == (1, 3, 70, 65)


@pytest.mark.parametrize("scales", [1, 3])
def test_any_size_from_the_smallest_on(scales: int) -> None:
    arch = SkipArchitecture(4, 2, scales)
    net = initialised(lambda: SkipNet(2, 1, arch), torch.Generator().manual_seed(0))
    for size in ((arch.smallest, arch.smallest + 6), (arch.smallest + 3, 40)):
        assert net(torch.rand(1, 2, *size)).shape == (1, 1, *size)


def test_the_published_preset_is_as_published() -> None:
    chosen = DipFusionOptions(preset="published").resolved
    assert (chosen.channels, chosen.iterations, chosen.copies) == (128, 2000, 10)
    assert (chosen.rate, chosen.optimiser, chosen.sees) == (0.01, "adam", "noise")
    assert (chosen.level, chosen.bounded, chosen.shared) == ("unit", True, 0)
    assert chosen.norm == "unsquared"
    assert (PUBLISHED.skips, PUBLISHED.scales) == (4, 5)


def test_the_data_term_approaches_the_closed_form_and_does_not_beat_it() -> None:
    seen = pair_of(smooth())
    options = replace(TINY, iterations=150, channels=16, norm="squared", bounded=False)
    found = fitted(options, seen)
    view = BlendView(seen, found, "cpu", 0)
    best = best_blend(smooth(), found.gains.on(seen))
    floor = float(view.loss(best[None]))
    made = float(view.loss(found.blended(seen, CONTEXT)[None]))
    mean = float(view.loss(smooth().mean(dim=0)[None]))
    assert floor <= made < floor + 0.1 * (mean - floor)


def test_absolute_differences_are_least_for_the_source_with_the_largest_gain() -> None:
    seen = pair_of(smooth())
    options = replace(TINY, iterations=100, channels=16, norm="absolute", bounded=False)
    found, squared = fitted(options, seen), fitted(replace(options, norm="squared"), seen)
    view, gains = BlendView(seen, found, "cpu", 0), found.gains.on(seen)
    strongest = torch.where(gains[0] >= gains[1], *smooth())
    floor = float(view.loss(strongest[None]))
    made = float(view.loss(found.blended(seen, CONTEXT)[None]))
    compromise = float(view.loss(squared.blended(seen, CONTEXT)[None]))
    assert floor <= made < compromise


@pytest.mark.parametrize("norm", ["squared", "unsquared", "absolute"])
def test_the_norms_are_what_they_are_called(norm: str) -> None:
    images = random_images(3).float()
    seen = pair_of(images)
    found = fitted(replace(TINY, norm=norm), seen)  # type: ignore[arg-type]
    view = BlendView(seen, found, "cpu", 0)
    power = 1.0 if norm == "squared" else 0.5
    copies = torch.rand(3, 1, 24, 30)
    gains = found.gains.on(seen)
    residuals = [
        (image - gain * copies) / found.span.deviation
        for image, gain in zip(images, gains, strict=True)
    ]
    expected = sum(
        float(r.abs().mean()) if norm == "absolute" else float(r.square().mean()) ** power
        for r in residuals
    )
    assert float(view.loss(copies)) == pytest.approx(expected, rel=1e-5)


def test_the_output_of_the_lowest_loss_is_kept() -> None:
    lowest = Lowest()
    losses = [3.0, 1.0, 2.0, 0.5, float("nan"), 0.7]
    kept = [float(lowest(torch.tensor(v), torch.tensor([v]))) for v in losses]
    assert kept == [3.0, 1.0, 1.0, 0.5, 0.5, 0.5]


def test_the_result_is_the_mean_of_the_copies() -> None:
    seen = pair_of(smooth())
    problem = fitted(TINY, seen).problem([seen], "cpu", 3)
    _, output = problem.evaluate()
    view = BlendView(seen, fitted(TINY, seen), "cpu", 3)
    assert view.outputs == 3
    assert output.shape == (1, 40, 48)


@pytest.mark.parametrize("sees", ["noise", "sources"])
@pytest.mark.parametrize(
    ("n", "bands", "size"), [(2, 1, (40, 33)), (3, 2, (9, 50)), (2, 3, (1, 2))]
)
def test_any_number_of_sources_and_bands(
    sees: str, n: int, bands: int, size: tuple[int, int]
) -> None:
    seen = pair_of(smooth(n, bands, size))
    options = replace(TINY, iterations=2, sees=sees)  # type: ignore[arg-type]
    (image,) = fitted(options, seen).apply([seen], CONTEXT)
    assert image.shape == (bands, *size)
    assert bool(image.isfinite().all())
    assert image.dtype == seen.target.dtype


def test_same_seed_same_pixels_in_any_order() -> None:
    seen = pair_of(smooth())
    other = replace(seen, index=1)
    method = fitted(TINY, seen)
    state = torch.get_rng_state()
    first, second = method.apply([seen, other], Context(seed=5))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(method.apply([other], Context(seed=5))[0], second)
    assert not torch.equal(first, second)
    assert not torch.equal(method.apply([seen], Context(seed=6))[0], first)


def test_masked_pixels_do_not_count() -> None:
    seen = pair_of(smooth())
    mask = seen.guide_mask.clone()
    mask[8:20, 8:20] = False
    clean = replace(seen, guide_mask=mask)
    spoilt = replace(clean, guide=torch.where(mask, seen.guide, 30.0))
    assert Span.of([clean], CONTEXT) == Span.of([spoilt], CONTEXT)
    views = [BlendView(o, fitted(TINY, clean), "cpu", 0) for o in (clean, spoilt)]
    copies = torch.rand(3, 1, 40, 48)
    assert torch.equal(*(view.loss(copies) for view in views))


@pytest.mark.parametrize("value", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("bounded", [True, False])
def test_constant_sources_give_bounded_values(value: float, bounded: bool) -> None:
    seen = pair_of(torch.full((2, 1, 36, 36), value))
    (image,) = fitted(replace(TINY, bounded=bounded), seen).apply([seen], CONTEXT)
    assert bool(image.isfinite().all())
    assert float((image - value).abs().max()) < 5


def test_an_empty_source_leaves_the_other() -> None:
    images = smooth()
    images[1] = 0
    seen = pair_of(images)
    (image,) = fitted(replace(TINY, iterations=60, channels=16), seen).apply([seen], CONTEXT)
    error = (image - images[0]).square().mean().sqrt()
    assert float(error) < 0.5 * float(images[0].std())


def test_several_blocks_share_a_network_and_one_does_not() -> None:
    whole = pair_of(smooth(size=(40, 80)))
    blocks = [replace(window(whole, (0, 40 * i, 40, 40)), index=i) for i in range(2)]
    steps: list[str] = []
    context = Context(progress=lambda stage, done, total: steps.append(stage))
    method = DipFusion(replace(TINY, shared=4, iterations=3))
    shared = method.fit(blocks, context)
    assert shared.weights is not None
    shared.apply(blocks, context)
    assert [steps.count(s) for s in ("dip network", "dip tile 0", "dip tile 1")] == [4, 3, 3]
    alone = method.fit(blocks[:1], CONTEXT)
    assert alone.weights is None
    assert alone.options.resolved.iterations == 7


def test_neighbours_are_blended() -> None:
    from test_same_resolution import SAME

    assert DipFusion().overlap(SAME) == DipFusion().halo(SAME) == MARGIN


def test_what_is_not_finite_is_a_clear_error() -> None:
    seen = pair_of(smooth())
    method = fitted(TINY, seen)
    broken = replace(seen, target=seen.target * torch.nan)
    with pytest.raises(FusionError, match="diverged from 2 random starts"):
        method.apply([broken], CONTEXT)


@pytest.mark.parametrize(
    "wrong",
    [{"channels": 0}, {"scales": 0}, {"iterations": 0}, {"copies": 0}, {"rate": 0}, {"patch": 0}],
)
def test_refuses_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        create("dip-fusion", wrong)
