from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from synthetic_pairs import cut
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.method import (
    PRESETS,
    CycFusion,
    CycFusionOptions,
    FittedSubspace,
)
from pansharpkit.methods.cycfusion.net import (
    CycFusionNet,
    LearnedPsf,
    SpatialUp,
    Taps,
    ladder,
    stages_of,
    untrained,
)
from pansharpkit.methods.cycfusion.networks import UNREHEARSED
from pansharpkit.methods.cycfusion.problem import View, camera_loss, cycle_loss
from pansharpkit.methods.cycfusion.published import FittedPublished
from pansharpkit.methods.cycfusion.subspace import FOLDS, Base, Lesson
from pansharpkit.methods.hs.rehearsal import Rehearsal
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.hs.statistics import pair_statistics
from pansharpkit.methods.networks.nets import count_parameters
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics, degrade, spread_by
from pansharpkit.sampling import Sampling

BANDS, GUIDES = 12, 4
PUBLISHED = CycFusionOptions(preset="reference", width=0.25, pretraining=3, iterations=4)
SMALL = CycFusionOptions(preset="fast", width=0.25, shared=5)
GEOMETRIES = {
    "2": Sampling.edge_aligned(2),
    "4": Sampling.edge_aligned(4),
    "3": Sampling.edge_aligned(3),
    "6, phase of its own": Sampling((6.0, 6.0), (1.7, 3.4)),
    "2.5 x 3.2": Sampling((2.5, 3.2), (0.4, 1.3)),
}
ANY_GEOMETRY = pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES)


def scene(
    sampling: Sampling = GEOMETRIES["4"],
    size: tuple[int, int] = (48, 56),
    psf: Psf | None = None,
    seed: int = 0,
) -> tuple[Tensor, Observation]:
    """Return a truth of five materials under light that varies, and what two cameras see of it."""
    draws = torch.Generator().manual_seed(seed)
    rows, cols = torch.meshgrid(*(torch.arange(n) / 40 for n in size), indexing="ij")
    phases = 6 * torch.rand(5, 1, 1, generator=draws)
    amounts = torch.softmax(4 * torch.sin(5 * rows + phases) * torch.cos(7 * cols - phases), dim=0)
    light = 0.8 + 0.2 * torch.sin(50 * rows + 31 * cols)
    x = torch.linspace(0, 3, BANDS)
    spectra = torch.stack([0.5 + 0.3 * torch.sin(k + (k + 1) * x) for k in range(5)])
    truth = light * torch.einsum("kC,khw->Chw", spectra, amounts)
    srf = torch.softmax(-((torch.linspace(0, 3, GUIDES)[:, None] - x) ** 2) / 0.1, dim=1)
    model = ObservationModel(tuple(tuple(row) for row in srf.tolist()), psf)
    small = tuple(
        math.floor((size[a] - 1 - sampling.phase[a]) / sampling.ratio[a]) + 1 for a in (0, 1)
    )
    optics = Optics((0.3,) * BANDS, 0.15, model=model)
    if psf is None:
        target = degrade(truth, sampling, (small[0], small[1]), optics.mtf)
    else:
        target = spread_by(truth, sampling, (small[0], small[1]), psf)
    guide = torch.tensordot(srf, truth, dims=1)
    return truth, Observation.whole(target, guide, sampling, optics)


def fused(options: CycFusionOptions, seen: Observation, seed: int = 0) -> Tensor:
    context = Context(seed=seed)
    return CycFusion(options).fit([seen], context).apply([seen], context)[0]


def error(x: Tensor, truth: Tensor) -> float:
    return float((x - truth).square().mean().sqrt())


@pytest.mark.parametrize(
    ("bands", "guides", "count"), [(31, 3, 467_867), (128, 4, 521_280), (103, 4, 507_530)]
)
def test_parameter_counts_are_the_published_ones(bands: int, guides: int, count: int) -> None:
    net = untrained(bands, guides, Sampling.edge_aligned(32), 1.0, torch.Generator())
    assert count_parameters(net) == count


def test_the_width_multiplies_hidden_layers() -> None:
    nets = [
        untrained(31, 3, Sampling.edge_aligned(32), width, torch.Generator())
        for width in (0.5, 1.0, 2.0)
    ]
    assert [net.from_guide.last.in_channels for net in nets] == [64, 128, 256]
    assert [net.from_target.last.out_channels for net in nets] == [31, 31, 31]
    counts = [count_parameters(net) for net in nets]
    assert counts[0] < 0.3 * counts[1] < 0.1 * counts[2]


@ANY_GEOMETRY
def test_the_ladder_takes_every_sample_to_its_place(sampling: Sampling) -> None:
    """A ramp comes out as a ramp, wherever no border is near."""
    small = (14, 13)
    size = tuple(math.ceil(sampling.ratio[a] * small[a]) for a in (0, 1))
    places = [
        sampling.ratio[a] * torch.arange(small[a], dtype=torch.float64) + sampling.phase[a]
        for a in (0, 1)
    ]
    x = places[0][:, None] + 100 * places[1]
    rungs = ladder(sampling, small, (size[0], size[1]))
    assert len(rungs) == stages_of(sampling)
    for rows, cols in rungs:
        x = rows @ x @ cols.T
    assert x.shape == size
    wanted = torch.arange(size[0])[:, None] + 100.0 * torch.arange(size[1])
    reach = [math.ceil(4 * ratio) for ratio in sampling.ratio]
    inner = tuple(
        slice(reach[a], max(reach[a] + 1, min(size[a], int(places[a][-1])) - reach[a]))
        for a in (0, 1)
    )
    torch.testing.assert_close(x[inner], wanted[inner].double(), rtol=0, atol=1e-9)


def test_powers_of_two_double_as_published() -> None:
    rungs = ladder(Sampling.edge_aligned(8), (5, 6), (40, 48))
    assert [tuple(rows.shape) for rows, _ in rungs] == [(10, 5), (20, 10), (40, 20)]
    for rows, cols in rungs:
        assert torch.allclose(rows.sum(dim=1), torch.ones_like(rows[:, 0]))
        assert torch.allclose(cols.sum(dim=1), torch.ones_like(cols[:, 0]))


@ANY_GEOMETRY
def test_a_learned_kernel_acts_as_a_psf_of_the_same_values(sampling: Sampling) -> None:
    side = round(sampling.mean_ratio)
    psf = LearnedPsf(side)
    psf.logits.data.normal_(generator=torch.Generator().manual_seed(1))
    cube = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(2))
    small = (6, 7)
    taps = Taps(sampling, (40, 50), small, side, "cpu")
    values = psf.values.detach()
    assert float(values.sum()) == pytest.approx(1)
    known = Psf(tuple(tuple(row) for row in values.tolist()))
    seen = spread_by(cube, sampling, small, known)
    torch.testing.assert_close(psf(cube, taps).detach(), seen, rtol=0, atol=1e-5)


def test_as_published_a_uniform_kernel_is_the_mean_of_disjoint_blocks() -> None:
    sampling, psf = Sampling.edge_aligned(4), LearnedPsf(4)
    psf.logits.data.zero_()
    cube = torch.rand(2, 16, 24, generator=torch.Generator().manual_seed(2))
    blocks = cube.reshape(2, 4, 4, 6, 4).mean(dim=(2, 4))
    seen = psf(cube, Taps(sampling, (16, 24), (4, 6), 4, "cpu"))
    torch.testing.assert_close(seen.detach(), blocks)


def perfect(truth: Tensor) -> CycFusionNet:
    """Return networks that know the answer."""
    answer = SimpleNamespace(
        from_target=lambda target, rungs: truth[None], from_guide=lambda guide: truth[None]
    )
    return cast(CycFusionNet, cast(Any, answer))


@ANY_GEOMETRY
def test_the_loss_is_zero_for_the_truth_and_only_for_it(sampling: Sampling) -> None:
    truth, seen = scene(sampling)
    view = View(seen, "cpu", None)
    loss, cube = cycle_loss(view, perfect(truth))
    assert float(loss) < 1e-6
    torch.testing.assert_close(cube[0], truth)
    off, _ = cycle_loss(view, perfect(truth + 0.1))
    assert float(off) == pytest.approx(0.4, rel=0.05)  # both marginal and both cycle losses


def test_the_camera_loss_is_zero_for_the_true_camera() -> None:
    side = 4
    psf = Psf(((1 / side**2,) * side,) * side)
    _, seen = scene(psf=psf)
    view = View(seen, "cpu", None)
    net = untrained(BANDS, GUIDES, seen.sampling, 0.25, torch.Generator().manual_seed(0))
    assert float(camera_loss(view, net)[0]) < 1e-6
    learned = View(seen, "cpu", side)
    assert float(camera_loss(learned, net)[0].detach()) > 1e-3
    net.psf.logits.data.zero_()
    assert seen.optics.model is not None
    net.srf.logits.data = torch.tensor(seen.optics.model.srf).log()
    assert float(camera_loss(learned, net)[0].detach()) < 1e-6


def test_masked_pixels_do_not_count() -> None:
    truth, seen = scene()
    target_mask, guide_mask = seen.target_mask.clone(), seen.guide_mask.clone()
    target_mask[2:4, 3] = False
    guide_mask[8:16, 12:16] = False
    kept = replace(seen, target_mask=target_mask, guide_mask=guide_mask)
    spoilt = replace(
        kept,
        target=torch.where(target_mask, seen.target, 50.0),
        guide=torch.where(guide_mask, seen.guide, 50.0),
    )
    losses = [cycle_loss(View(o, "cpu", None), perfect(truth + 0.1))[0] for o in (kept, spoilt)]
    assert torch.equal(*losses)


def test_pretraining_finds_the_response_of_the_guide() -> None:
    psf = Psf(((1 / 16,) * 4,) * 4)
    _, seen = scene(psf=psf, size=(96, 96))
    blind = replace(seen, optics=replace(seen.optics, model=None))
    assert seen.optics.model is not None
    wanted = torch.tensordot(torch.tensor(seen.optics.model.srf), seen.target, dims=1)
    errors = []
    for steps in (1, 800):
        fitted = CycFusion(replace(PUBLISHED, pretraining=steps)).fit([blind], Context())
        summary = fitted.summary()
        assert summary["camera_learned"] is True
        kernel = torch.tensor(cast(list[list[float]], summary["psf"]))
        assert float(kernel.sum()) == pytest.approx(1)
        found = torch.tensor(cast(list[list[float]], summary["srf"]))
        errors.append(error(torch.tensordot(found, seen.target, dims=1), wanted))
    assert errors[1] < 0.6 * errors[0]


@ANY_GEOMETRY
@pytest.mark.parametrize("options", [PUBLISHED, SMALL], ids=["published", "subspace"])
def test_any_ratio_and_phase(options: CycFusionOptions, sampling: Sampling) -> None:
    truth, seen = scene(sampling)
    made = fused(options, seen)
    assert made.shape == truth.shape
    assert made.dtype == seen.target.dtype
    assert not made.requires_grad
    assert bool(made.isfinite().all())


@pytest.mark.parametrize("options", [PUBLISHED, SMALL], ids=["published", "subspace"])
def test_same_seed_same_cube_in_any_order(options: CycFusionOptions) -> None:
    _, seen = scene()
    other = replace(seen, index=1)
    before = torch.get_rng_state()
    context = Context(seed=5)
    fitted = CycFusion(options).fit([seen], context)
    first, second = fitted.apply([seen, other], context)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(fitted.apply([other], context)[0], second)
    assert torch.equal(fused(options, seen, seed=5), first)
    assert not torch.equal(fused(options, seen, seed=6), first)


def test_tiles_of_the_subspace_agree() -> None:
    _, seen = scene(size=(160, 172))
    method, context = CycFusion(replace(SMALL, materials=True)), Context()
    fitted = method.fit([seen], context)
    assert method.overlap(seen.sampling) == 0
    whole = fitted.apply([seen], context)[0]
    for box in ((0, 0, 60, 60), (64, 60, 48, 64)):
        tile, own = cut(seen, box, method.halo(seen.sampling))
        every = Observation.whole(tile.target, tile.guide, tile.sampling, tile.optics)
        part = fitted.apply([every], context)[0][:, *own]
        inside = whole[:, box[0] : box[0] + box[2], box[1] : box[1] + box[3]]
        assert error(part, inside) < 1e-4


def test_tiles_of_the_published_form_are_blended() -> None:
    method = CycFusion(PUBLISHED)
    assert method.overlap(GEOMETRIES["4"]) == method.halo(GEOMETRIES["4"]) == 32


def test_shared_networks_start_the_tiles_of_the_published_form() -> None:
    _, seen = scene(size=(64, 300))
    _, tile = scene(size=(48, 48), seed=3)
    longer = replace(PUBLISHED, shared=40, iterations=0)
    fitted = CycFusion(longer).fit([seen], Context())
    assert isinstance(fitted, FittedPublished)
    raw = CycFusion(replace(longer, shared=1)).fit([seen], Context())
    view = View(tile, "cpu", None)
    losses = []
    for found in (raw, fitted):
        made = found.apply([tile], Context())[0]
        losses.append(float(cycle_loss(view, perfect(made))[0]))
    assert losses[1] < 0.85 * losses[0]


def test_the_published_loss_falls() -> None:
    truth, seen = scene(size=(32, 32))
    short, long = (fused(replace(PUBLISHED, iterations=n), seen) for n in (2, 90))
    assert error(long, truth) < 0.75 * error(short, truth)


def test_the_subspace_beats_its_regression_and_interpolation() -> None:
    truth, seen = scene(size=(96, 96))
    options = CycFusionOptions(preset="fast", shared=120)
    context = Context()
    fitted = CycFusion(options).fit([seen], context)
    assert isinstance(fitted, FittedSubspace)
    made = fitted.apply([seen], context)[0]
    base = fitted.networks.base.subspace.cube(fitted.networks.base.regressed(seen.guide))
    assert error(made, truth) < 0.9 * error(base, truth)
    raw = fused(replace(options, consistency=False), seen)
    missed = [
        error(degrade(x, seen.sampling, seen.target_size, seen.optics.mtf), seen.target)
        for x in (made, raw)
    ]
    assert missed[0] < missed[1]


def test_the_share_of_the_networks_is_rehearsed() -> None:
    _, seen = scene(size=(64, 64))
    fitted = CycFusion(SMALL).fit([seen], Context())
    assert isinstance(fitted, FittedSubspace)
    assert fitted.rehearsed_error is not None
    error, share = fitted.rehearsed_error, fitted.share
    assert len(share) == fitted.networks.base.subspace.dimension
    assert bool(((share >= 0) & (share <= 1)).all())
    assert bool((share[error > 2] < 0.02).all())
    assert bool((share[error < 1] > 0.5).all())
    assert len(cast(Any, fitted.summary()["share_of_networks"])) == len(share)


def test_scenes_too_small_to_rehearse_follow_the_networks_a_little() -> None:
    truth, seen = scene(size=(24, 32))
    fitted = CycFusion(SMALL).fit([seen], Context())
    assert isinstance(fitted, FittedSubspace)
    assert fitted.rehearsed_error is None
    assert fitted.share.tolist() == pytest.approx([UNREHEARSED] * len(fitted.share))
    assert fitted.apply([seen], Context())[0].shape == truth.shape


def test_what_does_not_count_does_not_judge() -> None:
    _, seen = scene(size=(64, 64))
    mask = torch.ones_like(seen.target_mask)
    mask[3:5, 4:6] = False
    kept = replace(seen, target_mask=mask)
    relation = Relation.of(kept, pair_statistics([kept], Context()), 4)
    spoilt = Rehearsal.of(kept, relation, torch.Generator().manual_seed(0))
    assert spoilt is not None
    assert torch.equal(spoilt.counted, mask)
    assert [view.target_size for view in spoilt.views] == [(8, 8)] * 4
    wanted = relation.views.subspace.coefficients(kept.target)
    torch.testing.assert_close(spoilt.truth, wanted)


def test_samples_left_out_are_not_learned_from() -> None:
    """What a fold of the target holds has no part in the lessons of the network that leaves it."""
    _, seen = scene()
    statistics = pair_statistics([seen], Context())
    subspace = statistics.subspace(4)
    base = Base.of(statistics, subspace, statistics.guide_noise(subspace))
    lesson = Lesson(seen, base, "cpu")
    counts = [int((lesson.fold == k).sum()) for k in range(FOLDS)]
    assert sum(counts) == lesson.fold.numel()
    assert min(counts) > 0.05 * sum(counts)
    part = replace(
        seen,
        target=seen.target[:, 2:],
        target_mask=seen.target_mask[2:],
        sampling=seen.sampling.windowed((0, 0), (2, 0)),
    )
    assert torch.equal(Lesson(part, base, "cpu").fold, lesson.fold[2:])


def test_blind_estimates_the_camera_from_the_pair() -> None:
    truth, seen = scene(size=(96, 96))
    blind = replace(seen, optics=replace(seen.optics, model=None))
    options = CycFusionOptions(preset="fast", shared=40)
    known, found = (fused(options, o) for o in (seen, blind))
    assert error(found, truth) < 1.3 * error(known, truth)
    fitted = CycFusion(SMALL).fit([blind], Context())
    assert len(cast(Any, fitted.summary()["estimated_srf"])) == GUIDES


def test_a_camera_that_has_to_be_known_is() -> None:
    _, seen = scene()
    blind = replace(seen, optics=replace(seen.optics, model=None))
    with pytest.raises(FusionError, match="spectral response"):
        fused(replace(SMALL, camera="known"), blind)


def test_learned_where_asked_for_although_known() -> None:
    _, seen = scene()
    fitted = CycFusion(replace(PUBLISHED, camera="learned")).fit([seen], Context())
    assert fitted.summary()["camera_learned"] is True


def test_one_guide_band_will_do() -> None:
    truth, seen = scene()
    assert seen.optics.model is not None
    one = replace(
        seen,
        guide=seen.guide[:1],
        optics=replace(seen.optics, model=ObservationModel(seen.optics.model.srf[:1])),
    )
    assert fused(SMALL, one).shape == truth.shape
    assert REGISTRY["cycfusion"].takes(1)


def test_reports_every_stage() -> None:
    _, seen = scene()
    heard: dict[str, int] = {}
    context = Context(progress=lambda stage, done, total: heard.__setitem__(stage, total))
    blind = replace(seen, optics=replace(seen.optics, model=None), index=2)
    CycFusion(replace(PUBLISHED, shared=2)).fit([blind], context).apply([blind], context)
    assert heard["cycfusion camera"] == 3
    assert heard["cycfusion networks"] == 2
    assert heard["cycfusion tile 2"] == 4
    CycFusion(SMALL).fit([seen], context)
    assert heard["cycfusion networks"] == 5


def test_without_a_valid_pixel_there_is_one_clear_error() -> None:
    _, seen = scene()
    empty = replace(
        seen,
        target_mask=torch.zeros_like(seen.target_mask),
        guide_mask=torch.zeros_like(seen.guide_mask),
    )
    for options in (PUBLISHED, SMALL):
        with pytest.raises(FusionError, match="no valid pixel"):
            fused(options, empty)


def test_reference_preset_is_as_published() -> None:
    chosen = PRESETS["reference"]
    assert (chosen.form, chosen.width, chosen.members) == ("published", 1.0, 1)
    assert (chosen.pretraining, chosen.shared, chosen.iterations) == (10_000, 0, 30_000)
    assert (chosen.optimiser, chosen.ema) == ("adam", 0.0)
    assert chosen.warm_up == pytest.approx(1 / 3)
    net = SpatialUp(31, 5)
    assert [net.stages[k].conv.out_channels for k in range(5)] == [32, 64, 128, 128, 128]  # type: ignore[union-attr]


def test_the_default_is_balanced_and_options_override() -> None:
    assert CycFusionOptions().preset == "balanced"
    method = create("cycfusion", {"preset": "fast", "shared": "7", "members": "2"})
    assert isinstance(method, CycFusion)
    chosen = method.options.resolved
    assert (chosen.shared, chosen.members, chosen.width) == (7, 2, 0.5)
    work = [
        PRESETS[n].members * PRESETS[n].shared * PRESETS[n].width ** 2
        for n in ("fast", "balanced", "quality")
    ]
    assert work == sorted(work)


WRONG: list[dict[str, object]] = [
    {"width": 0.0}, {"pretraining": -1}, {"shared": -1}, {"iterations": -1}, {"rate": 0.0},
    {"warm_up": 1.0}, {"ema": 1.0}, {"members": 0}, {"dimension": 0}, {"tolerance": -1.0},
    {"camera": "learned"}, {"shared": 0}, {"iterations": 5}, {"pretraining": 5}, {"preset": "slow"},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_refuses_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        create("cycfusion", wrong)
