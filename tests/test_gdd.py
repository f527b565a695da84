from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.loss import DataTerm, DetailTerm
from pansharpkit.methods.gdd.method import PRESETS, FittedGdd, Gdd, GddOptions, sharpen
from pansharpkit.methods.gdd.options import Degradation
from pansharpkit.methods.gdd.problem import PansharpeningProblem
from pansharpkit.methods.networks.optimise import Schedule, optimise
from pansharpkit.methods.scenenet.method import Scenenet, ScenenetOptions
from pansharpkit.physics import Observation, Optics, decimate, degrade
from pansharpkit.sampling import Sampling

TINY = GddOptions(preset="reference", iterations=12, channels=8, mu=10.0)


def scene(
    size: tuple[int, int] = (32, 32), ratio: float = 4.0, bands: int = 3, phase: float | None = None
) -> tuple[Tensor, Observation]:
    """Return a smooth truth under a fine texture, and what is observed of it."""
    rows, cols = torch.meshgrid(*(torch.linspace(0, 1, n) for n in size), indexing="ij")
    waves = [torch.sin(7 * rows * (b + 1)) * torch.cos(5 * cols) for b in range(bands)]
    truth = 0.4 + 0.15 * torch.stack(waves) + 0.1 * torch.sin(90 * rows + 50 * cols)
    sampling = Sampling.edge_aligned(ratio)
    if phase is not None:
        sampling = Sampling((ratio, ratio), (phase, phase))
    small = (math.ceil(size[0] / ratio), math.ceil(size[1] / ratio))
    target = decimate(truth, sampling, small, antialias=True, border="symmetric")
    guide = truth.mean(dim=0, keepdim=True)
    return truth, Observation.whole(target, guide, sampling, Optics((0.3,) * bands, 0.15))


@pytest.mark.parametrize("degradation", ["bicubic", "mtf"])
@pytest.mark.parametrize(("ratio", "phase"), [(4.0, None), (2.0, 0.0), (2.5, 1.2)])
def test_data_term_is_the_mean_square_of_the_residual(
    degradation: Degradation, ratio: float, phase: float | None
) -> None:
    image, observation = scene((30, 35), ratio, phase=phase)
    observation = replace(observation, optics=Optics((0.2, 0.3, 0.4), 0.15))
    small, sampling = observation.target_size, observation.sampling
    if degradation == "mtf":
        seen = degrade(image, sampling, small, (0.2, 0.3, 0.4), border="symmetric")
    else:
        seen = decimate(image, sampling, small, antialias=True, border="symmetric")
    exact = replace(observation, target=seen)
    assert float(DataTerm(exact, degradation)(image)) == pytest.approx(0, abs=1e-12)
    shifted = replace(observation, target=seen + torch.tensor([0.1, 0.0, 0.2])[:, None, None])
    assert float(DataTerm(shifted, degradation)(image)) == pytest.approx(0.05 / 3, rel=1e-5)


def test_detail_term_compares_forward_differences() -> None:
    guide = torch.rand(1, 9, 7, generator=torch.Generator().manual_seed(0))
    image = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(1))
    term = DetailTerm(guide, torch.ones(9, 7, dtype=torch.bool))
    assert float(term(guide + torch.tensor([0.0, 1.0, -2.0])[:, None, None])) < 1e-12
    residual = image - guide
    down = (residual[:, 1:] - residual[:, :-1]).square().mean()
    right = (residual[..., 1:] - residual[..., :-1]).square().mean()
    assert float(term(image)) == pytest.approx(float(down + right), rel=1e-6)


def test_masked_pixels_do_not_count() -> None:
    image, observation = scene((32, 32))
    target_mask, guide_mask = observation.target_mask.clone(), observation.guide_mask.clone()
    target_mask[2:4, 3] = False
    guide_mask[8:16, 12:16] = False
    spoilt_target = torch.where(target_mask, observation.target, 50.0)
    spoilt_guide = torch.where(guide_mask, observation.guide, 50.0)
    kept = replace(observation, target_mask=target_mask, guide_mask=guide_mask)
    spoilt = replace(kept, target=spoilt_target, guide=spoilt_guide)
    data, detail = (
        [DataTerm(o, "bicubic")(image) for o in (kept, spoilt)],
        [DetailTerm(o.guide, o.guide_mask)(image) for o in (kept, spoilt)],
    )
    assert torch.equal(*data)
    assert torch.equal(*detail)
    assert float(detail[0]) > 0


def test_the_pansharpening_loss_trains_what_the_published_one_does() -> None:
    _, observation = scene((64, 64), bands=8)
    problem = PansharpeningProblem(observation, GddOptions(preset="reference"), "cpu", seed=0)
    loss, _ = problem.evaluate()
    torch.autograd.backward(loss)
    learning = [p for p in problem.parameters() if p.grad is not None]
    assert sum(p.numel() for p in learning) == 479_496


@pytest.mark.parametrize(
    ("size", "ratio", "bands", "phase"),
    [
        ((64, 64), 4.0, 8, None),
        ((37, 50), 2.0, 4, 0.0),
        ((45, 33), 2.5, 1, 0.3),
        ((16, 16), 4.0, 3, None),
        ((9, 70), 3.0, 13, None),
    ],
)
def test_any_size_ratio_and_number_of_bands(
    size: tuple[int, int], ratio: float, bands: int, phase: float | None
) -> None:
    _, observation = scene(size, ratio, bands, phase)
    fused = sharpen(observation, replace(TINY, iterations=2), Context())
    assert fused.shape == (bands, *size)
    assert bool(fused.isfinite().all())


def test_same_seed_same_pixels_in_any_order() -> None:
    _, observation = scene()
    other = replace(observation, index=1)
    fitted = Gdd(TINY).fit([], Context())
    before = torch.get_rng_state()
    first, second = fitted.apply([observation, other], Context(seed=5))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(fitted.apply([other], Context(seed=5))[0], second)
    assert torch.equal(fitted.apply([observation], Context(seed=5))[0], first)
    assert not torch.equal(first, second)
    assert not torch.equal(fitted.apply([observation], Context(seed=6))[0], first)


def test_the_fit_comes_to_explain_both_inputs() -> None:
    _, observation = scene((40, 40))
    options = GddOptions(preset="reference", channels=16, mu=10.0)
    problem = PansharpeningProblem(observation, options, "cpu", seed=0)
    first, _ = problem.evaluate()
    found = optimise(lambda seed: problem, Schedule(120), seed=(0,))
    seen = decimate(
        found.output,
        observation.sampling,
        observation.target_size,
        antialias=True,
        border="symmetric",
    )
    assert found.loss < 0.05 * float(first.detach())
    assert float((seen - observation.target).square().mean().sqrt()) < 0.03


def test_result_has_the_dtype_and_device_of_the_target_and_no_graph() -> None:
    _, observation = scene()
    double_precision = replace(
        observation, target=observation.target.double(), guide=observation.guide.double()
    )
    fused = sharpen(double_precision, TINY, Context())
    assert fused.dtype == torch.float64
    assert fused.device == observation.target.device
    assert not fused.requires_grad


def test_reports_progress_by_tile() -> None:
    _, observation = scene()
    seen: list[tuple[str, int, int]] = []
    context = Context(progress=lambda stage, done, total: seen.append((stage, done, total)))
    Gdd(TINY).fit([], context).apply([replace(observation, index=4)], context)
    assert seen == [("gdd tile 4", done, 12) for done in range(1, 13)]


def test_gives_up_with_a_clear_error_when_the_data_are_not_finite() -> None:
    _, observation = scene()
    broken = replace(observation, target=observation.target * torch.nan)
    with pytest.raises(FusionError, match="diverged from 2 random starts"):
        sharpen(broken, TINY, Context())


def test_needs_one_pan_band() -> None:
    _, observation = scene()
    with pytest.raises(FusionError, match="one PAN band"):
        sharpen(replace(observation, guide=observation.guide.repeat(2, 1, 1)), TINY, Context())


def test_reference_preset_is_as_published() -> None:
    options = GddOptions(preset="reference")
    chosen = options.resolved
    assert (chosen.iterations, chosen.channels, chosen.ema) == (8001, 64, 0.0)
    assert (chosen.rate, options.noise, chosen.mu) == (0.01, 0.01, 100.0)
    assert (chosen.shared, chosen.members, chosen.back_projection) == (0, 1, 0)
    assert (chosen.optimiser, chosen.precision) == ("adam", "float32")
    assert not any((chosen.standardise, chosen.sees_ms, options.tolerance))
    assert (chosen.degradation, options.detail, options.mixing) == ("bicubic", "l2", "full")


def test_the_default_is_balanced_and_presets_grow_in_work() -> None:
    assert GddOptions().preset == "balanced"
    assert GddOptions().resolved.degradation == "mtf"
    work = [
        p.members * p.channels**2 * (p.shared + p.iterations)
        for p in (PRESETS[name] for name in ("fast", "balanced", "quality", "reference"))
    ]
    assert work == sorted(work)


def test_options_override_the_preset() -> None:
    method = create("gdd", {"preset": "fast", "iterations": "7", "ema": "0", "shared": "0"})
    assert isinstance(method, Gdd)
    chosen = method.options.resolved
    assert (chosen.iterations, chosen.channels, chosen.ema) == (7, 32, 0.0)
    _, observation = scene()
    assert method.fit([observation], Context()).summary()["iterations"] == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": -1},
        {"iterations": 0, "shared": 0},
        {"shared": -1},
        {"members": 0},
        {"members": 2, "save_weights": "x"},
        {"save_weights": "x", "shared": 0},
        {"damping": 0.0},
        {"back_projection": -1},
        {"tolerance": -1.0},
        {"channels": 0},
        {"ema": 1.0},
        {"mu": 0.0},
        {"noise": -1.0},
        {"rate": 0.0},
        {"scenenet": 1.0},
        {"preset": "slow"},
    ],
)
def test_refuses_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        create("gdd", wrong)


def l1_of(residual: Tensor) -> float:
    down = (residual[:, 1:] - residual[:, :-1]).abs().mean()
    right = (residual[..., 1:] - residual[..., :-1]).abs().mean()
    return float(down + right)


def test_the_detail_term_of_the_paper_is_absolute() -> None:
    guide = torch.rand(1, 9, 7, generator=torch.Generator().manual_seed(0))
    image = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(1))
    term = DetailTerm(guide, torch.ones(9, 7, dtype=torch.bool), "l1")
    assert float(term(image)) == pytest.approx(l1_of(image - guide), rel=1e-6)


@pytest.mark.parametrize("degradation", ["bicubic", "mtf"])
def test_projection_makes_the_image_agree_with_valid_samples_only(
    degradation: Degradation,
) -> None:
    truth, observation = scene((48, 48))
    mask = observation.target_mask.clone()
    mask[:, 8:] = False
    broken = observation.target.clone()
    broken[..., 9:] = 50.0
    kept = replace(observation, target=broken, target_mask=mask)
    start = torch.zeros_like(truth)
    term = DataTerm(kept, degradation)
    before, after = term(start), term(term.projected(start, 10, 1.0))
    assert float(after) < 0.02 * float(before)
    assert float(term.projected(start, 10, 1.0).abs().max()) < 2
    damped = term(term.projected(start, 1, 0.3))
    assert float(term(term.projected(start, 1, 1.0))) < float(damped) < float(before)


@pytest.mark.parametrize("mixing", ["full", "diagonal", "regressed"])
@pytest.mark.parametrize("detail", ["l1", "l2"])
def test_every_mixing_and_detail_norm_runs(mixing: str, detail: str) -> None:
    _, observation = scene((48, 48))
    method = create(
        "gdd",
        {"preset": "fast", "channels": 8, "shared": 2, "iterations": 2,
         "mixing": mixing, "detail": detail},
    )  # fmt: skip
    fitted = method.fit([observation], Context())
    fused = fitted.apply([observation], Context())[0]
    assert fused.shape == (3, 48, 48)
    assert bool(fused.isfinite().all())
    assert fitted.summary()["mixing"] == mixing


def test_more_members_are_averaged() -> None:
    _, observation = scene((40, 40))
    options = replace(TINY, iterations=3, members=2)
    both = Gdd(options).fit([observation], Context()).apply([observation], Context())[0]
    one, two = (sharpen(observation, options, Context(), member=member) for member in (0, 1))
    assert not torch.equal(one, two)
    torch.testing.assert_close(both, (one + two) / 2)


def test_scenenet_takes_the_share_that_is_asked_for_and_the_summary_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = Scenenet(ScenenetOptions(steps=2, channels=4))
    monkeypatch.setattr("pansharpkit.methods.gdd.method.Scenenet", lambda: quick)
    _, observation = scene((128, 128))
    sample = [replace(observation, index=3)]
    alone = replace(TINY, iterations=3)
    plain = Gdd(alone).fit(sample, Context())
    mixed = Gdd(replace(alone, scenenet=0.25)).fit(sample, Context())
    own, both = (fitted.apply(sample, Context())[0] for fitted in (plain, mixed))
    other = quick.fit(sample, Context()).apply(sample, Context())[0]
    torch.testing.assert_close(both, 0.75 * own + 0.25 * other)
    assert not torch.allclose(both, own)
    assert mixed.summary()["scenenet"] == 0.25
    assert mixed.summary()["scenenet_fit"] == quick.fit(sample, Context()).summary()
    assert "scenenet_fit" not in plain.summary()
    assert Gdd(replace(alone, scenenet=0.25)).halo(observation.sampling) > Gdd(alone).halo(
        observation.sampling
    )


def test_a_compiled_network_is_the_same_one_in_every_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tracing alone: kernels that the C++ compiler makes take it a minute.
    monkeypatch.setattr("pansharpkit.methods.networks.compiled.BACKEND", "aot_eager")
    _, observation = scene((40, 40))
    tiles = [replace(observation, index=index) for index in (0, 1)]
    plain = replace(TINY, iterations=3, channels=4)
    for tile in tiles:
        expected = sharpen(tile, plain, Context())
        found = sharpen(tile, replace(plain, compiled=True), Context())
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_one_lost_start_is_repeated_and_two_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NaN injected into the first start leaves what the second start alone would give."""
    _, observation = scene()
    evaluate, made = PansharpeningProblem.evaluate, []

    def spoilt(first: int) -> object:
        def fake(self: PansharpeningProblem) -> tuple[Tensor, Tensor]:
            if self not in made:
                made.append(self)
            loss, image = evaluate(self)
            return (loss * torch.nan if len(made) <= first else loss), image

        return fake

    monkeypatch.setattr(PansharpeningProblem, "evaluate", spoilt(1))
    found = FittedGdd(TINY).apply([observation], Context())[0]
    assert len(made) == 2
    assert bool(found.isfinite().all())
    made.clear()
    assert torch.equal(FittedGdd(TINY).apply([observation], Context())[0], found)
    made.clear()
    monkeypatch.setattr(PansharpeningProblem, "evaluate", spoilt(2))
    with pytest.raises(FusionError, match="diverged"):
        FittedGdd(TINY).apply([observation], Context())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_repeats_itself_and_starts_like_the_cpu() -> None:
    _, observation = scene((64, 64), bands=4)
    options = replace(TINY, noise=0.0)
    first, second = (sharpen(observation, TINY, Context(device="cuda")) for _ in range(2))
    assert torch.equal(first, second)
    one = replace(options, iterations=1)
    on_gpu, on_cpu = (sharpen(observation, one, Context(device=d)) for d in ("cuda", "cpu"))
    torch.testing.assert_close(on_gpu, on_cpu, rtol=0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.skipif("PANSHARPKIT_DATA" not in os.environ, reason="needs the authors' scene")
def test_follows_the_published_curve() -> None:
    """The published program reaches 30.5 dB after 200 iterations."""
    from scipy.io import loadmat

    data = loadmat(Path(os.environ["PANSHARPKIT_DATA"]) / "gdd_official" / "pan_im4.mat")
    truth, target = (
        torch.from_numpy(data[key]).permute(2, 0, 1) for key in ("I_MS_GT", "I_MS_input")
    )
    guide = torch.from_numpy(data["I_PAN_input"])[None]
    optics = Optics((0.3,) * len(target), 0.15)
    observation = Observation.whole(target, guide, Sampling.edge_aligned(4), optics)
    fused = sharpen(observation, GddOptions(preset="reference", iterations=200, mu=10.0), Context())
    psnr = -10 * torch.log10((fused - truth).square().mean())
    assert 29.5 < float(psnr) < 32


def test_back_projection_is_gentle_where_the_image_is_judged_beside_pan() -> None:
    options = GddOptions(preset="balanced")
    assert options.projection("target") == (10, 1.0)
    assert options.projection("guide") == (1, 0.3)
    assert replace(options, back_projection=4).projection("guide") == (4, 1.0)
    assert GddOptions(preset="reference").projection("guide") == (0, 1.0)
