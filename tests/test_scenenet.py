from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from scenes import demo_scene
from synthetic_pairs import GEOMETRIES, boxes, cut, pair
from torch import Tensor

from pansharpkit.batches import Batches, batch_limit
from pansharpkit.engine import RunOptions
from pansharpkit.errors import FusionError, OptionError, OutputError
from pansharpkit.evaluate import wald
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.finishing import (
    FOREIGN,
    FULL,
    STEPS,
    WEAKEST,
    Finish,
    Judge,
    Look,
    calm_of,
    choose,
    foreign,
    variation,
)
from pansharpkit.methods.networks.nets import count_parameters
from pansharpkit.methods.pair_operators import FARTHEST, PairOperators
from pansharpkit.methods.scenenet.data import (
    WINDOWS,
    draw_windows,
    gain_as_sharp_as_guide,
    gain_as_sharp_as_target,
    lesson,
)
from pansharpkit.methods.scenenet.method import (
    FittedScenenet,
    Scenenet,
    ScenenetOptions,
)
from pansharpkit.methods.scenenet.net import DEPTH, untrained
from pansharpkit.methods.scenenet.relation import beside_image, guide_gain, instrument
from pansharpkit.methods.scenenet.train import Course, best_linear, gain_over_base
from pansharpkit.physics import Observation, Optics, PairOptics, degrade
from pansharpkit.sampling import Sampling

CONTEXT = Context()
QUICK = ScenenetOptions(steps=25, channels=8)


def scene(size: tuple[int, int] = (170, 150), ratio: float = 2, seed: int = 0) -> Observation:
    return pair(Sampling.edge_aligned(ratio), size, seed=seed)[0]


def wanted(observation: Observation, sharp_as: str) -> Observation:
    return replace(observation, optics=replace(observation.optics, sharp_as=sharp_as))


@lru_cache
def usual(sharp_as: str = "guide") -> tuple[Observation, FittedScenenet]:
    observation = wanted(scene(), sharp_as)
    return observation, fitted(observation)


def fitted(observation: Observation, options: ScenenetOptions = QUICK) -> FittedScenenet:
    return Scenenet(options).fit([observation], CONTEXT)


def rms(image: Tensor, truth: Tensor, edge: int = 8) -> float:
    inner = (image - truth)[:, edge:-edge, edge:-edge]
    return float(inner.square().mean().sqrt())


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("sharp_as", ["guide", "target"])
def test_tiles_equal_the_whole(geometry: str, sharp_as: str) -> None:
    observation = wanted(pair(GEOMETRIES[geometry], (231, 239))[0], sharp_as)
    calm = calm_of([observation])
    finish = Finish(0.5, (1.0,) * STEPS, calm=calm) if sharp_as == "guide" else FULL
    found = replace(fitted(observation), finish=finish)
    assert found.wins
    whole = found.apply([observation], CONTEXT)[0]
    for box in boxes(observation.size, (120, 130)):
        tile, own = cut(observation, box, Scenenet().halo(observation.sampling))
        inner = found.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(inner, expected, rtol=0, atol=2e-5)


def test_a_batch_is_its_tiles() -> None:
    observation, found = usual()
    tiles = [cut(observation, (r, c, 60, 52), 20)[0] for r, c in ((40, 30), (44, 34), (60, 40))]
    assert batch_limit(found, "cuda", 0) > 1
    for batch in (tiles, [*tiles, observation]):
        alone = [found.apply([tile], CONTEXT)[0] for tile in batch]
        torch.testing.assert_close(found.apply(batch, CONTEXT), alone, rtol=0, atol=2e-5)
    made = Batches(found, CONTEXT).apply(
        [replace(tile, index=n) for n, tile in enumerate([*tiles, observation])]
    )
    torch.testing.assert_close([made[n] for n in range(4)], alone, rtol=0, atol=2e-5)


@pytest.mark.slow
def test_it_beats_the_classics_by_walds_protocol() -> None:
    """On the city of the bundled Landsat scene, 400 x 400 PAN pixels."""
    city = demo_scene(200, 200, row=60, col=80)
    names = {"scenenet": {"steps": 150, "channels": 24}, "mtf-glp-fs": {}, "gsa": {}, "bdsd-pc": {}}
    methods = {name: create(name, options) for name, options in names.items()}
    rows = {row.method: row for row in wald(city, methods, RunOptions())}
    assert rows["scenenet"].run.fit["sharpness"] == "target"
    for index, best in (("ergas", min), ("sam_deg", min), ("q2n", max)):
        values = {name: row.indices.values[index] for name, row in rows.items()}
        assert best(values, key=values.__getitem__) == "scenenet"


def test_the_finish_leaves_detail_and_calm_areas_nearly_as_they_were() -> None:
    observation = scene((230, 230))
    found = fitted(observation, ScenenetOptions(steps=80, channels=8))
    now, base = found.looks
    assert now.clean_beside(base)
    assert now.inconsistency < base.inconsistency


@pytest.mark.parametrize(
    ("detail", "ripple", "clean"),
    [(0.95, 0.02, True), (0.90, 0.02, False), (0.95, 0.03, False), (-0.1, 0.02, False)],
)
def test_clean_is_measured_by_the_detail_that_is_not_pans(
    detail: float, ripple: float, clean: bool
) -> None:
    base = Look((0.96, 0.97), (0.02, 0.02), 0.1)
    assert Look((detail, 0.97), (ripple, 0.02), 0.1).clean_beside(base) is clean
    # .96 has .29 of it for each part that is PAN's, and may get to .44: .916.
    assert foreign(0.96) * FOREIGN == pytest.approx(foreign(0.916), abs=2e-3)


def test_no_more_of_pans_detail_is_injected_than_a_band_shares() -> None:
    observation = scene((240, 240))
    fine, coarse = (torch.linspace(0, 20, n, dtype=torch.float64) for n in (240, 120))
    target = observation.target + coarse
    own = (observation.target[3] - observation.target[3].mean()).flip(0, 1) + coarse
    # All bands rise with PAN across the scene; the last one has another detail.
    trend = replace(
        observation, guide=observation.guide + fine, target=torch.cat([target[:3], own[None]])
    )
    gains = fitted(trend, ScenenetOptions(steps=1, channels=4)).based.gains
    assert bool((gains[:3] > 0.5).all())
    assert 0 <= float(gains[3]) < 0.2


def test_an_image_that_rings_is_refused() -> None:
    observation, found = usual()
    operators = PairOperators(observation.optics.mtf, ((0.0, 0.0),) * 4)
    base = found.based.features(observation).base
    draws = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn(base.shape, generator=draws, dtype=base.dtype) * base.mean()
    calm = calm_of([observation])
    finish, _, _ = choose([Judge(observation, operators)], [(base, base + noise)], calm, CONTEXT)
    assert finish.share < 1 or finish.width > 0


def test_corrections_go_where_pan_varies() -> None:
    observation = scene((240, 240))
    flat = observation.guide.clone()
    flat[..., :120] = flat[..., :120].mean() + 1e-3 * (flat[..., :120] - flat[..., :120].mean())
    half = replace(observation, guide=flat)
    operators = PairOperators(half.optics.mtf, ((0.0, 0.0),) * 4)
    base = operators.upsample(half, half.target)
    finish = Finish(rates=(1.0, 1.0), calm=0.1 * float(variation(half).mean()))
    moved = (finish.applied(half, operators, base, base) - base).square().mean(dim=(0, 1))
    assert float(moved[:100].mean()) < 0.01 * float(moved[140:].mean())
    everywhere = replace(finish, calm=0.0).applied(half, operators, base, base) - base
    left, right = (everywhere[..., part].square().mean() for part in (slice(100), slice(140, None)))
    assert float(left) > 0.3 * float(right)


def test_how_calm_a_scene_is_does_not_depend_on_its_level() -> None:
    observation = scene((240, 240))
    calm = calm_of([observation])
    assert calm > 0
    assert calm_of([replace(observation, guide=observation.guide + 5)]) == pytest.approx(calm)
    empty = replace(observation, guide_mask=torch.zeros_like(observation.guide_mask))
    assert calm_of([empty]) == 0


def test_four_steps_of_the_full_finish_go_as_far_as_ten_plain_ones() -> None:
    response = torch.linspace(WEAKEST, 1, 200)
    left = torch.ones_like(response)
    for rate in FULL.rates:
        left = left * (1 - rate * response)
    assert float(left.abs().max()) < 0.06
    assert float(left.abs().max()) <= float((1 - response).pow(10).abs().max()) + 1e-3


def test_a_network_that_does_not_win_is_not_used(tmp_path: Path) -> None:
    observation = scene()
    trained = fitted(observation, replace(QUICK, save_weights=str(tmp_path / "net")))
    net = trained.trained.net
    with torch.no_grad():
        net.last.bias.add_(5.0)
    from pansharpkit.methods.scenenet.files import save_weights

    spoilt = tmp_path / "spoilt"
    save_weights(str(spoilt), net, 4, 8)
    found = fitted(observation, replace(QUICK, weights=str(spoilt), steps=0))
    assert not found.wins
    assert found.summary()["network_used"] is False
    base = found.based.features(observation).base
    without = replace(found, finish=Finish(share=0.0)).apply([observation], CONTEXT)[0]
    torch.testing.assert_close(without, base)


def test_weights_of_another_scene_need_fewer_steps(tmp_path: Path) -> None:
    path = str(tmp_path / "net.safetensors")
    fitted(scene(seed=1), ScenenetOptions(steps=150, channels=8, save_weights=path))
    here = scene(seed=2)
    fresh = fitted(here, ScenenetOptions(steps=10, channels=8))
    warm = fitted(here, ScenenetOptions(steps=10, channels=8, weights=path))
    assert warm.trained.gain_db > fresh.trained.gain_db + 0.1


def test_weights_that_do_not_fit_are_one_clear_error(tmp_path: Path) -> None:
    path = str(tmp_path / "net.safetensors")
    fitted(scene(), replace(QUICK, save_weights=path))
    with pytest.raises(OptionError, match="channels is 8 there and 16 here"):
        fitted(scene(), ScenenetOptions(steps=1, channels=16, weights=path))
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(OptionError, match="not a readable safetensors file"):
        fitted(scene(), replace(QUICK, weights=str(tmp_path / "text")))
    with pytest.raises(OptionError, match="no such file"):
        fitted(scene(), replace(QUICK, weights=str(tmp_path / "gone")))
    with pytest.raises(OutputError, match="cannot be written"):
        fitted(scene(), replace(QUICK, save_weights=str(tmp_path / "no" / "folder")))
    assert not list(tmp_path.glob("*.part"))


def test_options_that_make_no_sense_are_refused() -> None:
    for options in ({"steps": -1}, {"channels": 0}, {"steps": 0}):
        with pytest.raises(OptionError, match="scenenet"):
            create("scenenet", options)


def test_the_wanted_sharpness_follows_the_pair_unless_asked_for() -> None:
    assert usual()[1].sharp_as == "guide"
    assert usual("target")[1].sharp_as == "target"
    asked = replace(QUICK, sharpness="guide")
    assert fitted(wanted(scene(), "target"), asked).sharp_as == "guide"


def test_the_seed_alone_decides() -> None:
    observation, found = usual()
    first, again = (f.apply([observation], CONTEXT)[0] for f in (found, fitted(observation)))
    assert torch.equal(first, again)
    other = Scenenet(QUICK).fit([observation], Context(seed=1))
    assert not torch.equal(first, other.apply([observation], Context(seed=1))[0])


def test_nothing_valid_is_nothing_to_learn_from() -> None:
    observation = scene()
    empty = replace(observation, target_mask=torch.zeros_like(observation.target_mask))
    with pytest.raises(FusionError, match="nothing to learn from"):
        fitted(empty)
    with pytest.raises(FusionError, match="nothing to learn from"):
        fitted(scene((24, 24)))


def test_gaps_are_not_learnt_from() -> None:
    observation, _ = pair(Sampling.edge_aligned(2), (200, 200))
    target, mask = observation.target.clone(), observation.target_mask.clone()
    target[:, :30, :40], mask[:30, :40] = 1e3, False
    guide_mask = observation.guide_mask.clone()
    guide_mask[:60, :80] = False
    spoilt = replace(observation, target=target, target_mask=mask, guide_mask=guide_mask)
    found = fitted(spoilt)
    assert float(found.standard.target.mean.max()) < 10
    assert found.trained.gain_db > 0


def test_windows_are_seeded_bounded_and_of_all_contrasts() -> None:
    block = scene((600, 520))
    calm = replace(block, target=block.target * 0 + 0.3, guide=block.guide * 0 + 0.3)
    first, again = (draw_windows([block, calm], CONTEXT) for _ in range(2))
    assert len(first) <= WINDOWS + 2
    assert all(torch.equal(a.target, b.target) for a, b in zip(first, again, strict=True))
    assert [w.index for w in first] == list(range(len(first)))
    contrasts = [float(w.target.std()) for w in first]
    assert min(contrasts) < 0.5 * max(contrasts)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_window_is_the_pair_over_the_same_ground(geometry: str) -> None:
    sampling = GEOMETRIES[geometry]
    whole, truth = pair(sampling, (330, 340))
    window = draw_windows([whole], CONTEXT)[3]
    corner = next(
        (row, col)
        for row in range(whole.size[0] - window.size[0] + 1)
        for col in range(whole.size[1] - window.size[1] + 1)
        if torch.equal(whole.guide[0, row, col : col + 9], window.guide[0, 0, :9])
    )
    rows, cols = (slice(c, c + s) for c, s in zip(corner, window.size, strict=True))
    again = degrade(truth[:, rows, cols], window.sampling, window.target_size, whole.optics.mtf)
    inner = (again - window.target)[:, 4:-4, 4:-4]
    assert float(inner.abs().max()) < 1e-9


def test_a_lesson_is_the_problem_one_scale_down_with_its_solution() -> None:
    observation = scene((330, 340))
    operators = PairOperators(observation.optics.mtf, ((0.0, 0.0),) * 4)
    window = draw_windows([observation], CONTEXT)[0]
    item = lesson(window, operators, 0.4)
    assert torch.equal(item.truth, window.target)
    assert item.seen.size == window.target_size
    again = degrade(item.truth, item.seen.sampling, item.seen.target_size, operators.gains)
    torch.testing.assert_close(item.seen.target, again)
    other = lesson(window, operators, 0.4, turn=1)
    assert other.seen.sampling != item.seen.sampling


def test_what_judges_is_shown_by_no_window() -> None:
    block = scene((400, 400))
    places = torch.zeros(2, *block.target_size, dtype=torch.bool)
    for window in draw_windows([block], CONTEXT):
        item = lesson(window, PairOperators(block.optics.mtf, ((0.0, 0.0),) * 4), 0.4)
        rows, cols = (
            slice(start // 2, start // 2 + side)
            for start, side in zip(window.origin, window.target_size, strict=True)
        )
        assert torch.equal(block.target[:, rows, cols], window.target)
        places[0, rows, cols] |= item.mask
        places[1, rows, cols] |= item.held
    assert not places.all(dim=0).any()
    assert 0.1 < float(places[1].sum() / places.sum()) < 0.3


def test_the_guard_looks_where_the_truth_was_held_out() -> None:
    torch.manual_seed(0)
    inputs, shown = torch.randn(6, 2, 20, 20), torch.ones(6, 1, 20, 20)
    shown[..., :10] = 0
    lacks = torch.where(shown > 0, 9.0, 2 * inputs[:, :1])
    course = Course(inputs, lacks, shown, 1 - shown)
    assert gain_over_base(lambda x: x[:, :1], course) == pytest.approx(20 * math.log10(2), abs=1e-4)
    assert gain_over_base(lambda x: -x[:, :1], course) < 0
    assert gain_over_base(lambda x: x[:, :1], course.shown()) == 0


def test_the_linear_path_starts_at_the_best_fit() -> None:
    torch.manual_seed(0)
    inputs, ones = torch.randn(6, 3, 20, 20), torch.ones(6, 1, 20, 20)
    lacks = torch.stack([inputs[:, 0] - 0.5 * inputs[:, 2], inputs[:, 1] + 0.2], dim=1)
    mask = ones.clone()
    mask[:, :, :5] = 0
    spoilt = torch.where(mask > 0, lacks, torch.full_like(lacks, 9.0))
    found = best_linear(Course(inputs, spoilt, mask, ones - mask))
    wanted = torch.tensor([[1.0, 0.0, -0.5, 0.0], [0.0, 1.0, 0.0, 0.2]])
    torch.testing.assert_close(found.float(), wanted, rtol=0, atol=5e-3)
    net = untrained(3, 2, 4, seed=0, device="cpu")
    net.set_direct(found)
    torch.testing.assert_close(net(inputs), lacks, rtol=0, atol=2e-2)


def test_a_lesson_brings_shifted_bands_into_place() -> None:
    sampling = Sampling.edge_aligned(2)
    observation, _ = pair(sampling, (330, 340))
    moved = replace(observation, sampling=sampling.shifted(-0.8, 0.4))
    operators = PairOperators.bounded(observation.optics.mtf, ((0.8, -0.4),) * 4)
    windows = [draw_windows([o], CONTEXT)[0] for o in (observation, moved)]
    truth, shifted = windows[0].target, lesson(windows[1], operators, 0.4).truth
    # What lies at k + 0.4 rows and k - 0.2 columns is brought to k.
    assert float((shifted - truth).abs().mean()) > 1e-3
    back = lesson(replace(windows[1], target=shifted), PairOperators.bounded(
        observation.optics.mtf, ((-0.8, 0.4),) * 4
    ), 0.4).truth  # fmt: skip
    error = (back - windows[1].target)[:, 8:-8, 8:-8]
    assert float(error.square().mean().sqrt()) < 0.1 * float(windows[1].target.std())


def test_far_shifts_are_left_to_the_registration() -> None:
    operators = PairOperators.bounded((0.3, 0.3), ((3.0, 4.0), (0.2, 0.0)))
    assert max(map(abs, operators.shifts[0])) == pytest.approx(FARTHEST)
    assert operators.shifts[1] == (0.2, 0.0)


@pytest.mark.parametrize("gain", [0.25, 0.5])
def test_equal_sharpness_is_found_by_the_look_of_the_images(gain: float) -> None:
    observation = scene((600, 600))
    same = degrade(observation.guide, observation.sampling, observation.target_size, (gain,))
    windows = draw_windows([replace(observation, target=same.expand(4, -1, -1))], CONTEXT)
    assert gain_as_sharp_as_target(windows) == pytest.approx(gain, abs=0.02)


def test_pan_is_never_taken_for_softer_than_it_was_built() -> None:
    windows = draw_windows([scene((300, 300))], CONTEXT)
    assert gain_as_sharp_as_guide(windows) >= windows[0].optics.guide_mtf


def test_the_network_starts_as_no_correction_and_reaches_five_pixels() -> None:
    net = untrained(10, 4, 40, seed=0, device="cpu")
    assert count_parameters(net) == 48_448
    image = torch.zeros(1, 10, 32, 32)
    assert not net(image).any()
    with torch.no_grad():
        torch.nn.init.ones_(net.last.weight)
    image[0, :, 16, 16] = 1
    touched = (net(image) - net(image * 0)).abs().sum(dim=(0, 1)).nonzero()
    assert int((touched - 16).abs().max()) == DEPTH


def test_the_preset_gives_way_only_to_bands_that_agree() -> None:
    optics = Optics((0.3, 0.3, 0.3), 0.15)

    def shown(*mtf: float, sure: float = 0.9) -> list[float]:
        pair = PairOptics(mtf, ((0.0, 0.0),) * 3, (sure,) * 3, (0.0,) * 3)
        return instrument(optics, pair, 4.0)

    assert shown(0.31, 0.33, 0.30) == [0.3] * 3
    assert shown(0.60, 0.65, 0.30) == [0.3] * 3  # one band does not say so
    assert shown(0.60, 0.65, 0.62, sure=0.1) == [0.3] * 3
    raised = shown(0.60, 0.65, 0.62)
    assert raised == pytest.approx([0.60 * (0.15 / 0.60) ** (1 / 16)] * 3)
    assert max(shown(0.2, 0.15, 0.18)) < 0.25


def test_bands_that_disagree_are_heard_with_those_built_alike() -> None:
    optics = Optics((0.55, 0.53, 0.3, 0.3), 0.4)

    def found(*changes: float) -> list[float]:
        """Return what becomes of the preset where each band is so many times as sharp as it."""
        mtf = tuple(
            (change * gain / 0.4**0.25) ** (1 / 0.75)
            for change, gain in zip(changes, optics.mtf, strict=True)
        )
        pair = PairOptics(mtf, ((0.0, 0.0),) * 4, (0.9,) * 4, (0.0,) * 4)
        return instrument(optics, pair, 2.0)

    assert found(0.95, 0.95, 1.4, 1.3) == pytest.approx([0.55, 0.53, 0.39, 0.39])
    assert found(0.95, 0.95, 0.9, 1.3) == [0.55, 0.53, 0.3, 0.3]
    assert found(0.7, 0.75, 0.7, 0.7) == pytest.approx([0.55 * 0.75, 0.53 * 0.75, 0.225, 0.225])


def test_so_little_more_blur_may_be_a_pan_that_is_sharper_than_said() -> None:
    def found(ratio: float) -> list[float]:
        shown = (0.87 * 0.5 / 0.4 ** (1 / ratio**2)) ** (1 / (1 - 1 / ratio**2))
        pair = PairOptics((shown,), ((0.0, 0.0),), (0.9,), (0.0,))
        return instrument(Optics((0.5,), 0.4), pair, ratio)

    assert found(2.0) == [0.5]
    assert found(4.0) == pytest.approx([0.87 * 0.5])


def test_a_pan_that_is_too_sharp_is_measured_against_the_image() -> None:
    """PAN sharper than its preset, a target blurred by .35: the truth's own gain must come out."""
    ratio, gain = 4.0, 0.35
    for truth, pan in ((0.2, 0.6), (0.6, 0.6), (0.3, 0.2)):
        beside = gain * (truth / pan) ** (1 / ratio**2)  # what the pair shows of a band
        found = PairOptics((beside,) * 3, ((0.0, 0.0),) * 3, (0.9, 0.9, 0.1), (0.0,) * 3)
        shown = beside_image(found, (gain,) * 3, ratio)
        assert shown == pytest.approx(beside * pan / truth)
    unsure = replace(found, confidence=(0.1,) * 3)
    assert beside_image(unsure, (gain,) * 3, ratio) is None


def test_the_preset_of_pan_is_believed_while_pan_looks_like_it() -> None:
    assert guide_gain(0.11, 0.2, preset=0.11) == 0.11
    assert guide_gain(0.11, 3.0, preset=0.11) == 0.11  # no PAN is that sharp: the target is soft
    assert guide_gain(0.11, 0.7, preset=0.11) == pytest.approx((0.11 * 0.7) ** 0.5)
    assert guide_gain(0.30, None, preset=0.11) == 0.30
    assert guide_gain(0.18, 0.72, preset=0.11) == pytest.approx((0.18 * 0.72) ** 0.5)
    assert guide_gain(0.50, 1e-6, preset=0.11) == pytest.approx((0.50 * 0.11) ** 0.5)
    assert guide_gain(0.50, 1e6, preset=0.11) == pytest.approx((0.50 * 0.80) ** 0.5)
