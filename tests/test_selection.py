"""-m auto: what is tried, on which pixels, what is chosen and why, and where that is recorded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from command_line import pansharpkit
from rasters import write_geotiff
from scenes import BANDS, MS, PAN, demo_scene, demo_source, synthetic

import pansharpkit as library
from pansharpkit import evaluate, sampled, selection
from pansharpkit.engine import RunOptions
from pansharpkit.errors import FusionError, OptionError
from pansharpkit.grid import Window
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context
from pansharpkit.metrics import Raster, brief, full_resolution, reduced_resolution
from pansharpkit.physics import Observation, Optics
from pansharpkit.report import QualityReport
from pansharpkit.requested import AUTO, YARDSTICK, MethodRequest
from pansharpkit.sampled import BLOCKS, FullTrial, ReducedTrial, windows_of
from pansharpkit.sampling import Sampling
from pansharpkit.scene import ArraySource, Scene

REQUEST = MethodRequest(AUTO)
Figures = Mapping[str, float | None]
GOOD = {"detail_correlation": 0.9, "ripple_percent": 2.0, "consistency_error_percent": 3.0,
        "ndvi_drift": 0.01}  # fmt: skip


def scene() -> Scene:
    return demo_scene(120, 140)


def comparison(
    monkeypatch: pytest.MonkeyPatch,
    reduced: dict[str, tuple[float, float, float] | None],
    guards: dict[str, Figures],
) -> selection._Comparison:
    """Return a comparison of methods that are known by made-up figures."""
    tried = []
    for name, found in reduced.items():
        values: dict[str, float | None] = dict(
            zip(("ergas", "sam_deg", "q2n"), found or (None, None, None), strict=True)
        )
        tried.append((MethodRequest(name), values))
    looked_at: list[str] = []

    def figures(self: selection._Comparison, request: MethodRequest) -> Figures:
        looked_at.append(request.name)
        return {**GOOD, **guards.get(request.name, {})}

    monkeypatch.setattr(selection._Comparison, "_guards", figures)
    monkeypatch.setattr(selection._Comparison, "looked_at", looked_at, raising=False)
    return selection._Comparison(None, None, Context(), tuple(tried))  # type: ignore[arg-type]


def test_the_best_score_wins_if_its_guards_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    found = comparison(
        monkeypatch,
        {YARDSTICK: (2.0, 2.0, 0.9), "gsa": (1.8, 1.6, 0.91), "brovey": (1.9, 2.0, 0.9)},
        {},
    )
    choice = found.choice()
    assert choice.request.name == "gsa"
    trials = choice.selection.trials
    assert [trial.method for trial in trials] == ["gsa", "brovey", YARDSTICK]
    assert trials[0].score == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert trials[2].score == pytest.approx(1)
    assert [trial.verdict for trial in trials] == ["chosen", *["worse one scale down"] * 2]
    assert trials[1].ripple_percent is None
    assert trials[2].ripple_percent == GOOD["ripple_percent"]
    assert "errors 13.3 % below those of mtf-glp-fs" in choice.selection.why
    assert found.looked_at == [YARDSTICK, "gsa"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("guard", "value", "said"),
    [
        ("detail_correlation", 0.80, "detail correlation 0.800 is below 0.9 x 0.900"),
        ("ripple_percent", 2.4, "ripple 2.4 is above 1.15 x 2"),
        ("consistency_error_percent", 4.6, "consistency error 4.6 is above 1.5 x 3"),
        ("ndvi_drift", 0.016, "NDVI drift 0.016 is above 1.5 x 0.01"),
        ("ripple_percent", float("nan"), "has no ripple"),
        ("ripple_percent", None, "has no ripple"),
    ],
)
def test_a_guard_that_does_not_hold_rules_a_method_out(
    monkeypatch: pytest.MonkeyPatch, guard: str, value: float | None, said: str
) -> None:
    found = comparison(
        monkeypatch,
        {YARDSTICK: (2.0, 2.0, 0.9), "gsa": (1.0, 1.0, 0.95), "brovey": (1.9, 1.9, 0.9)},
        {"gsa": {guard: value}},
    )
    choice = found.choice()
    assert choice.request.name == "brovey"
    assert choice.selection.trials[0].verdict == said
    assert f"Passed over: gsa ({said})" in choice.selection.why


def test_the_yardstick_is_left_where_all_others_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    found = comparison(
        monkeypatch,
        {YARDSTICK: (2.0, 2.0, 0.9), "gsa": (1.0, 1.0, 0.95), "exp": None},
        {"gsa": {"ripple_percent": 9.0}},
    )
    choice = found.choice()
    assert choice.request.name == YARDSTICK
    assert [trial.method for trial in choice.selection.trials] == ["gsa", YARDSTICK, "exp"]
    assert choice.selection.trials[2].score is None


def test_a_drift_that_does_not_exist_rules_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drift: dict[str, Figures] = {name: {"ndvi_drift": None} for name in (YARDSTICK, "gsa")}
    found = comparison(monkeypatch, {YARDSTICK: (2.0, 2.0, 0.9), "gsa": (1.0, 1.0, 0.95)}, drift)
    assert found.choice().request.name == "gsa"


def test_without_valid_pixels_the_default_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = comparison(monkeypatch, {YARDSTICK: None, "gsa": (1.0, 1.0, 0.95)}, {}).choice()
    assert choice.request.name == YARDSTICK
    assert "no valid pixel" in choice.selection.why


def test_every_quick_method_is_tried_with_and_without_back_projection() -> None:
    tried = selection.candidates(REQUEST)
    quick = {name for name, entry in REGISTRY.items() if entry.auto}
    assert {request.name for request in tried} == quick
    assert "gdd" not in quick
    assert tried[0] == MethodRequest(YARDSTICK)
    assert len(tried) == 2 * len(quick)
    projected = [request for request in tried if request.back_projection]
    assert {request.name for request in projected} == quick
    assert {(r.back_projection, r.damping) for r in projected} == {
        (BackProjected.steps, BackProjected.damping)
    }


def test_a_request_for_back_projection_holds_for_all() -> None:
    tried = selection.candidates(MethodRequest(AUTO, back_projection=2, damping=0.5, outside="exp"))
    assert {(r.back_projection, r.damping, r.outside) for r in tried} == {(2, 0.5, "exp")}
    assert selection.label(tried[0]) == "mtf-glp-fs + 2 bp (0.5)"


def test_a_real_scene_is_judged_and_the_choice_is_the_same_each_time() -> None:
    first, second = (selection.choose(scene(), REQUEST) for _ in range(2))
    assert first == second
    trials = first.selection.trials
    assert len(trials) == len(selection.candidates(REQUEST))
    scores = [trial.score for trial in trials if trial.score is not None]
    assert scores == sorted(scores)
    assert trials[-1].method == "exp"
    (chosen,) = (trial for trial in trials if trial.verdict == "chosen")
    assert chosen.method == first.selection.chosen == selection.label(first.request)
    assert chosen.score is not None
    assert chosen.score <= 1


def test_the_trial_one_scale_down_agrees_with_the_protocol() -> None:
    whole = scene()
    method = MethodRequest("gsa").prepared(whole).method
    quick = ReducedTrial.of(whole).values(method, Context())
    (row,) = evaluate.wald(whole, {"gsa": method}, RunOptions())
    for name in ("ergas", "sam_deg", "q2n"):
        assert quick[name] == pytest.approx(row.indices.values[name], rel=2e-3)


def test_sums_of_blocks_are_those_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(1)
    reference = 1 + torch.rand(3, 64, 96, generator=generator, dtype=torch.float64)
    fused = reference + 0.1 * torch.rand(3, 64, 96, generator=generator, dtype=torch.float64)
    mask = torch.rand(64, 96, generator=generator) > 0.1
    halves = [
        brief.reduced_sums(reference[..., part], fused[..., part], mask[..., part])
        for part in (slice(0, 32), slice(32, 96))
    ]
    found = brief.reduced_values(brief.added(halves), 4.0)
    expected = reduced_resolution(
        Raster.of(reference, mask), Raster.of(fused), ratio=4.0, peak=2.0
    ).values
    assert found == pytest.approx({name: expected[name] for name in found})


def test_quick_guards_are_near_those_of_the_report() -> None:
    whole = scene()
    area = whole.domain
    block = whole.read(area)
    optics = Optics(whole.sensor.mtf, whole.sensor.pan_mtf)
    target, guide = (
        torch.from_numpy(values.astype(np.float64)) for values in (block.target, block.guide)
    )
    observation = Observation.whole(target, guide, block.sampling, optics)
    method = create("brovey")
    fused = method.fit([observation], Context()).apply([observation], Context())[0]
    quick = brief.guard_values(brief.guard_sums(fused, observation, (2, 3)))
    full = full_resolution(
        Raster.of(fused), Raster.of(guide), Raster.of(target), block.sampling, optics,
        red_nir=(2, 3),
    ).values  # fmt: skip
    assert quick["detail_correlation"] == pytest.approx(full["detail_correlation"], abs=0.01)
    assert quick["ripple_percent"] == pytest.approx(full["ripple_percent"], rel=0.15)
    for name in ("consistency_error_percent", "ndvi_drift"):
        assert quick[name] == pytest.approx(full[name], rel=0.02)


def test_guards_without_a_valid_pixel_have_no_values() -> None:
    generator = torch.Generator().manual_seed(0)
    observation = Observation.whole(
        torch.rand(2, 16, 16, generator=generator), torch.rand(1, 32, 32, generator=generator),
        Sampling.edge_aligned(2), Optics((0.3, 0.3), 0.15),
    )  # fmt: skip
    empty = dataclasses.replace(
        observation,
        target_mask=torch.zeros(16, 16, dtype=torch.bool),
        guide_mask=torch.zeros(32, 32, dtype=torch.bool),
    )
    found = brief.guard_values(brief.guard_sums(torch.rand(2, 32, 32), empty, (0, 1)))
    assert set(found.values()) == {None}


@pytest.mark.parametrize("side", [64, 100, 1000])
def test_windows_are_few_disjoint_and_inside(side: int) -> None:
    whole = scene()
    windows = windows_of(whole, side)
    assert 1 <= len(windows) <= BLOCKS
    assert len({(w.row, w.col) for w in windows}) == len(windows)
    for window in windows:
        assert window.clip(whole.extent) == window
        assert max(window.height, window.width) <= max(1.5 * side, 1)
    if side == 1000:
        assert windows == [whole.extent]


def test_gaps_and_clouds_are_avoided() -> None:
    base = scene()
    assert isinstance(base.target, ArraySource)
    values = base.target.values.copy()
    values[:, :60] = 0  # nodata
    clouds = np.zeros((1, *values.shape[1:]), np.uint8)
    clouds[:, :, :70] = 1
    holed = dataclasses.replace(
        base,
        target=dataclasses.replace(base.target, values=values),
        clouds=ArraySource(base.target.grid, clouds, ("clouds",)),
    )
    for window in windows_of(holed, 48):
        assert window.row >= 118
        assert window.col >= 138


def test_the_sample_does_not_grow_with_the_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "REDUCED_SIDE", 24)
    monkeypatch.setattr(sampled, "FULL_SIDE", 32)
    reduced, full = ReducedTrial.of(scene()), FullTrial.of(scene())
    assert len(reduced.observations) == len(full.observations) == BLOCKS
    assert max(max(o.size) for o in reduced.observations) <= 36
    assert sum(int(o.guide_mask.sum()) for o in full.observations) <= BLOCKS * 48**2


def test_a_method_that_cannot_be_tried_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, sample: object, context: object) -> None:
        raise FusionError("does not work here")

    monkeypatch.setattr("pansharpkit.methods.classical.component.Gsa.fit", broken)
    choice = selection.choose(demo_scene(), REQUEST)
    assert not any(trial.method.startswith("gsa") for trial in choice.selection.trials)
    assert len(choice.selection.trials) == len(selection.candidates(REQUEST)) - 2


@pytest.mark.parametrize(
    ("size", "said"), [((4, 4), "too few to be degraded"), ((40, 40), "400 MS samples are valid")]
)
def test_a_scene_too_small_to_tell_takes_the_default(
    caplog: pytest.LogCaptureFixture, size: tuple[int, int], said: str
) -> None:
    choice = selection.choose(synthetic(size=size), REQUEST)
    assert choice.request.name == YARDSTICK
    assert choice.selection.trials == ()
    assert said in choice.selection.why
    assert "auto falls back to mtf-glp-fs" in caplog.text


@pytest.mark.parametrize(
    ("request_", "compat", "message"),
    [
        (REQUEST, "toolbox", "exclude each other"),
        (MethodRequest(AUTO, {"weights": "equal"}), "none", "goes with a method by name"),
    ],
)
def test_what_auto_cannot_do_is_said(request_: MethodRequest, compat: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        selection.choose(demo_scene(), request_, compat=compat)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("crop")
    pan = demo_source(PAN, Window(199, 240, 100, 120))
    ms = demo_source(MS, Window(100, 120, 50, 60))
    return (
        write_geotiff(folder / "pan.tif", pan.values, pan.grid.transform, nodata=0),
        write_geotiff(folder / "ms.tif", ms.values, ms.grid.transform, nodata=0, names=BANDS),
    )


def test_fuse_records_the_choice(crop: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "fused.tif"
    done = pansharpkit(
        "fuse", *crop, "-o", output, "-m", "auto", "--sensor", "landsat8_oli", "--json"
    )
    assert done.code == 0, done.stderr
    report = QualityReport.from_json(output.with_suffix(".report.json").read_bytes())
    found = report.selection
    assert found is not None
    assert report.method.name == done.json["method"]
    assert report.method.name in REGISTRY
    assert found.chosen.startswith(report.method.name)
    assert done.json["chosen"] == found.why
    with rasterio.open(output) as dataset:
        tags = dataset.tags()
    assert tags["PANSHARPKIT_METHOD"] == report.method.name
    recorded = json.loads(tags["PANSHARPKIT_OPTIONS"])["auto"]
    assert recorded == {"why": found.why, "scores": found.scores}
    assert recorded["scores"][found.chosen] <= 1
    page = output.with_suffix(".report.html").read_text()
    assert "Why this method" in page
    assert page.count("worse one scale down") > 10
    again = tmp_path / "again.tif"
    named = ["-m", report.method.name, "--sensor", "landsat8_oli", "--no-report"]
    if "bp" in found.chosen:
        named += ["--back-projection", "1"]
    assert pansharpkit("fuse", *crop, "-o", again, *named).code == 0
    with rasterio.open(output) as one, rasterio.open(again) as other:
        np.testing.assert_array_equal(one.read(), other.read())


def test_a_named_method_has_no_selection(crop: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "fused.tif"
    done = pansharpkit("fuse", *crop, "-o", output, "-m", "gsa", "--json")
    assert done.json["chosen"] is None
    assert json.loads(output.with_suffix(".report.json").read_text())["selection"] is None
    assert "Why this method" not in output.with_suffix(".report.html").read_text()


def test_dry_run_says_what_would_be_chosen(crop: tuple[Path, Path], tmp_path: Path) -> None:
    done = pansharpkit("fuse", *crop, "-o", tmp_path / "x.tif", "-m", "auto", "--dry-run", "--json")
    assert done.code == 0, done.stderr
    assert done.json["method"] in REGISTRY
    assert "one scale down" in done.json["chosen"]
    assert list(tmp_path.iterdir()) == []


def test_evaluate_chooses_without_seeing_the_reference() -> None:
    area = ["--sensor", "landsat8_oli", "--bounds", "607000,4739000,609500,4741500"]
    files = library.demo_files()
    done = pansharpkit("evaluate", *files, "-m", "auto,exp,mtf-glp-fs", "--json", *area)
    assert done.code == 0, done.stderr
    rows = {row["method"]: row for row in done.json}
    assert set(rows) == {"auto", "exp", "mtf-glp-fs"}
    assert rows["auto"]["why"].startswith(rows["auto"]["chosen"])
    assert "chosen" not in rows["exp"]
    assert rows["auto"]["ergas"] < rows["exp"]["ergas"]
    shown = pansharpkit("evaluate", *files, "-m", "auto", *area)
    assert f"auto ({rows['auto']['chosen']})".split()[1] in shown.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--option", "weights=equal"], "--option goes with a method by name, not with auto"),
        (["--compat", "toolbox"], "exclude each other: name a method"),
    ],
)
def test_usage_errors(
    crop: tuple[Path, Path], tmp_path: Path, options: list[str], message: str
) -> None:
    done = pansharpkit("fuse", *crop, "-o", tmp_path / "x.tif", "-m", "auto", *options)
    assert done.code == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_list_of_methods_names_auto() -> None:
    assert "auto" in pansharpkit("methods").stdout
    done = pansharpkit("methods", "auto")
    assert done.code == 2
    assert "auto has no options" in done.stderr


def test_auto_in_python() -> None:
    pan, ms = library.demo_files()
    box = (607000.0, 4739000.0, 608500.0, 4740500.0)
    opened = library.open_scene(pan, ms, sensor="landsat8_oli", bounds=box)
    found = opened.select()
    fused = opened.fuse("auto")
    assert found.chosen.startswith(str(fused.name))
    assert bool(np.isfinite(fused).all())
