"""How long a run will take: loops cut short, time counted as if they had not been."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import demo_scene
from torch import Tensor

from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import FusionError
from pansharpkit.estimate import FEW, Estimate, estimate
from pansharpkit.methods import create
from pansharpkit.methods.base import Context, Method
from pansharpkit.methods.rehearsal import Rehearsal, Stopwatch
from pansharpkit.output import output_profile
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling
from pansharpkit.scene import ArraySource, Scene
from pansharpkit.trial import Work, stages
from pansharpkit.writer import open_output

TINY_GDD = {"preset": "fast", "iterations": 4, "channels": 2, "shared": 4}


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rehearsal(clock: Clock) -> Rehearsal:
    return Rehearsal(watch=Stopwatch(clock=clock))


# --- loops


@pytest.mark.parametrize(("seconds", "total"), [(0.001, 50_000), (0.1, 36), (2.0, 400), (8.0, 1)])
def test_a_loop_cut_short_counts_as_long_as_the_whole(
    clock: Clock, seconds: float, total: int
) -> None:
    context = rehearsal(clock)
    done = 0
    for step in context.steps("iterations", total):
        assert step == done
        clock.sleep(seconds)
        done += 1
    assert context.watch.now() == pytest.approx(total * seconds)
    assert clock.seconds <= max(5.0, 2 * seconds)
    assert 1 <= done <= total


def test_a_short_loop_is_watched_for_a_part_of_it(clock: Clock) -> None:
    context = rehearsal(clock)
    for _ in context.steps("blocks", 100):
        clock.sleep(0.005)
    assert clock.seconds == pytest.approx(0.05, abs=0.006)  # a long loop is watched for 0.25
    assert context.watch.now() == pytest.approx(0.5)


def test_the_first_step_warms_up_and_counts_once(clock: Clock) -> None:
    context = rehearsal(clock)
    for step in context.steps("iterations", 1000):
        clock.sleep(0.1 if step else 3.0)
    assert context.watch.now() == pytest.approx(3.0 + 999 * 0.1)


def test_loops_inside_loops_count_their_steps_in_full(clock: Clock) -> None:
    context = rehearsal(clock)
    for _ in context.steps("networks", 20):
        clock.sleep(0.05)
        for _ in context.steps("iterations", 500):
            clock.sleep(0.02)
    assert context.watch.now() == pytest.approx(20 * (0.05 + 500 * 0.02))
    assert clock.seconds < 2


def test_stages_one_after_the_other_add_up(clock: Clock) -> None:
    context = rehearsal(clock)
    for stage, total, seconds in (("crops", 40, 0.03), ("training", 2000, 0.01), ("guard", 3, 0.2)):
        for _ in context.steps(stage, total):
            clock.sleep(seconds)
    assert context.watch.now() == pytest.approx(40 * 0.03 + 20 + 0.6)


def test_no_steps_are_no_time(clock: Clock) -> None:
    assert list(rehearsal(clock).steps("nothing", 0)) == []
    assert rehearsal(clock).watch.now() == 0


def test_a_loop_that_its_owner_leaves_counts_what_it_took(clock: Clock) -> None:
    context = rehearsal(clock)
    for step in context.steps("iterations", 1000):
        clock.sleep(0.01)
        if step == 1:
            break
    assert context.watch.now() == pytest.approx(0.02)


def test_an_ordinary_context_counts_to_the_end_and_reports() -> None:
    seen: list[tuple[str, int, int]] = []
    context = Context(progress=lambda *step: seen.append(step))
    assert list(context.steps("blocks", 3)) == [0, 1, 2]
    assert seen == [("blocks", 1, 3), ("blocks", 2, 3), ("blocks", 3, 3)]


# --- whole runs


def work(scene: Scene, method: Method, **options: object) -> Work:
    given = RunOptions(dtype="uint16", nodata=0.0, device="cpu", **options)  # type: ignore[arg-type]
    profile = output_profile(scene, np.dtype("u2"), 0.0, tags={}, creation_options={})
    return Work(scene, method, given, profile)


class Paced:
    """A method that takes as long as it is told to."""

    def __init__(self, block: float = 0.0, iteration: float = 0.0, iterations: int = 0) -> None:
        self.block, self.iteration, self.iterations = block, iteration, iterations
        self.counted = 0

    def halo(self, sampling: Sampling) -> int:
        return 8

    def overlap(self, sampling: Sampling) -> int:
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Paced:
        for index in context.steps("statistics", len(sample)):
            assert sample[index].guide_mask.any()
            time.sleep(self.block)
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        for _ in context.steps("iterations", self.iterations):
            self.counted += 1
            time.sleep(self.iteration)
        return [upsample(seen.target, seen.sampling, seen.size) for seen in batch]

    def summary(self) -> Mapping[str, object]:
        return {}


def assert_about(found: float, least: float) -> None:
    """Sleeping takes as long as it was asked to, and longer where others use the processor."""
    assert 0.85 * least < found < 2 * least


def test_an_iterative_method_takes_its_iterations_times_all_tiles() -> None:
    scene = demo_scene(60, 60)
    method = Paced(iteration=0.02, iterations=400)
    found = stages(work(scene, method, tile=40), "cpu")
    padded = sum(min(40 + 8 * (1 if edge else 2), 120) for edge in (1, 0, 1)) ** 2
    middle = (40 + 2 * 8) ** 2
    assert_about(found["apply"], 0.02 * 400 * padded / middle)
    assert method.counted < 40
    assert set(found) == {"fit", "apply", "finish", "report"}


def test_the_fit_takes_all_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pansharpkit.observe.FIT_BLOCK", 16)
    scene = demo_scene(60, 60)
    found = stages(work(scene, Paced(block=0.1)), "cpu")
    blocks = 36  # FIT_BLOCKS of the 64 that there are
    assert_about(found["fit"], 0.1 * blocks)


def test_short_runs_are_not_looked_at_closely() -> None:
    scene = demo_scene(60, 60)
    found = estimate(work(scene, create("gsa")))
    assert found is not None
    assert (found.seconds, found.describe(), found.long) == (None, "a few seconds", False)


@pytest.mark.parametrize("name", ["exp", "gsa", "mtf-glp-fs"])
@pytest.mark.parametrize("compat", ["none", "toolbox"])
def test_larger_scenes_get_every_stage(name: str, compat: str) -> None:
    scene = aligned() if compat == "toolbox" else demo_scene(280, 290, 5, 5)
    found = stages(work(scene, create(name), compat=compat), "cpu")
    assert set(found) == {"fit", "apply", "finish", "report"}
    assert all(0 <= seconds < 60 for seconds in found.values())
    assert found["finish"] > 0
    assert set(stages(replace(work(scene, create(name)), report=False), "cpu")) == set(found) - {
        "report"
    }


def aligned() -> Scene:
    """Return a scene that toolbox mode takes: the target's pixels lie on whole guide pixels."""
    scene = demo_scene(280, 290, 5, 5)
    grid = scene.guide.grid
    moved = grid.transform @ grid.transform.scale(2, 2)
    target = scene.target
    assert isinstance(target, ArraySource)
    placed = replace(target.grid, transform=moved @ moved.translation(0.25, 0.25))
    return replace(scene, target=replace(target, grid=placed))


def test_the_estimate_changes_neither_pixels_nor_random_state(tmp_path: Path) -> None:
    scene = demo_scene(40, 40)
    pixels = []
    for rehearsed in (False, True):
        torch.manual_seed(3)
        method = create("gdd", TINY_GDD)
        job = work(scene, method, tile=64)
        before = torch.get_rng_state()
        if rehearsed:
            estimate(job)
        assert torch.equal(torch.get_rng_state(), before)
        path = tmp_path / f"{rehearsed}.tif"
        with open_output(path, job.profile) as sink:
            run(scene, method, sink, job.options)
        pixels.append(path.read_bytes())
    assert pixels[0] == pixels[1]


def test_a_scene_with_an_empty_frame_is_tried_where_it_has_pixels() -> None:
    scene = demo_scene(150, 150, 5, 5)
    pan = scene.guide
    assert isinstance(pan, ArraySource)
    values = np.zeros_like(pan.values)
    values[:, 200:, 200:] = pan.values[:, 200:, 200:]
    cornered = replace(scene, guide=replace(pan, values=values))
    found = stages(work(cornered, Paced(iteration=0.01, iterations=300), tile=32), "cpu")
    assert 0 < found["apply"] < 3.0 * 0.35 * 100  # a ninth of a hundred tiles has pixels


class Hopeless(Paced):
    def fit(self, sample: Sequence[Observation], context: Context) -> Paced:
        raise FusionError("nothing to learn")


def test_what_fails_is_left_to_the_run(caplog: pytest.LogCaptureFixture) -> None:
    assert estimate(work(demo_scene(40, 40), Hopeless())) is None
    assert not caplog.records


def test_a_rehearsal_keeps_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    method = create("gdd", TINY_GDD | {"save_weights": str(path)})
    assert stages(work(demo_scene(40, 40), method, tile=64), "cpu") is not None
    assert list(tmp_path.iterdir()) == []


# --- words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5.0, "a few seconds"),
        (FEW, "about 10 s on 2 cores"),
        (80.0, "about 80 s on 2 cores"),
        (240.0, "about 4 min on 2 cores"),
        (3.0 * 3600, "about 3 h on 2 cores"),
        (5.0 * 86400, "about 5 days on 2 cores"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert Estimate("cpu", 2, {"apply": seconds}).describe() == text


def test_devices_are_named() -> None:
    assert Estimate("cpu", 1, {"apply": 60.0}).describe() == "about 60 s on 1 core"
    assert Estimate("cuda", 8, {"apply": 60.0}).describe() == "about 60 s on cuda"
