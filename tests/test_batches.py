"""Batches of tiles: as many as memory takes, and what happens when it takes fewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from scenes import demo_scene
from test_engine import Memory
from torch import Tensor

from pansharpkit import tilework
from pansharpkit.batches import MOST, Batches, Uploader, affordable, batch_limit, groups
from pansharpkit.engine import RunOptions, run
from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.physics import Observation, Optics, upsample
from pansharpkit.sampling import Sampling

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Room:
    """A fitted method that counts its batches and has room for some tiles only."""

    batched = True

    def __init__(self, room: int = MOST, bad: frozenset[int] = frozenset()) -> None:
        self.room, self.bad = room, bad
        self.calls: list[list[int]] = []

    def halo(self, sampling: Sampling) -> int:
        return 8

    def overlap(self, sampling: Sampling) -> int:
        return 0

    def fit(self, sample: object, context: Context) -> Room:
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        self.calls.append([seen.index for seen in batch])
        assert len({seen.size for seen in batch}) == 1
        if len(batch) > self.room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        if self.bad & {seen.index for seen in batch}:
            raise FusionError("a tile that the method cannot do")
        return [upsample(seen.target, seen.sampling, seen.size) for seen in batch]

    def summary(self) -> Mapping[str, object]:
        return {}


def tiles(*sizes: int) -> list[Observation]:
    made = []
    for index, size in enumerate(sizes):
        target = torch.full((2, size // 2, size // 2), float(index))
        guide = torch.zeros(1, size, size)
        seen = Observation.whole(target, guide, Sampling.edge_aligned(2), Optics((0.3, 0.3), 0.15))
        made.append(Observation(**{**vars(seen), "index": index}))
    return made


def test_all_tiles_come_back_under_their_own_number() -> None:
    method = Room()
    made = Batches(method, Context()).apply(tiles(*[8] * 6))
    assert method.calls == [[0], [1, 2, 3, 4, 5]]  # the first one is measured
    assert sorted(made) == list(range(6))
    for index, fused in made.items():
        torch.testing.assert_close(fused, torch.full((2, 8, 8), float(index)))


def test_a_batch_that_does_not_fit_is_halved_for_good() -> None:
    method = Room(room=3)
    batches = Batches(method, Context())
    assert sorted(batches.apply(tiles(*[8] * 9))) == list(range(9))
    assert [len(call) for call in method.calls] == [1, 8, 4, 2, 2, 2, 2]
    method.calls.clear()
    batches.apply(tiles(*[8] * 4))
    assert [len(call) for call in method.calls] == [2, 2]


def test_a_tile_too_large_by_itself_is_left_to_the_caller() -> None:
    method = Room(room=0)
    assert Batches(method, Context()).apply(tiles(8, 8)) == {}
    assert method.calls == [[0], [1]]


def test_a_refused_batch_is_left_to_the_caller_and_the_others_are_done() -> None:
    method = Room(bad=frozenset({1}))
    assert sorted(Batches(method, Context()).apply(tiles(8, 8, 8, 12, 12))) == [0, 3, 4]
    assert method.calls == [[0], [1, 2], [3, 4]]


def test_tiles_of_different_shapes_are_never_mixed() -> None:
    method = Room()
    assert len(Batches(method, Context()).apply(tiles(8, 8, 12, 12, 8))) == 5
    assert method.calls == [[0], [1, 4], [2, 3]]


def test_the_size_of_a_batch_follows_the_memory() -> None:
    assert [affordable(1000, each) for each in (1, 60, 100, 300, 900, 0)] == [16, 8, 8, 2, 1, 16]


def test_groups_keep_order_and_leave_nothing_out() -> None:
    assert list(groups(range(7), 3)) == [(0, 1, 2), (3, 4, 5), (6,)]
    assert list(groups([], 3)) == []


def test_only_methods_that_say_so_get_batches_and_only_on_a_gpu() -> None:
    class Plain(Room):
        batched = False

    assert batch_limit(Room(), "cuda", 0) == MOST
    assert batch_limit(Room(), "cuda", 32) == 1
    assert batch_limit(Room(), "cpu", 0) == 1
    assert batch_limit(Plain(), "cuda", 0) == 1


@pytest.mark.parametrize("room", [2, 3, MOST])
def test_the_engine_gives_the_same_pixels_with_and_without_batches(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = demo_scene(100, 110)
    alone, grouped = Memory(scene, "float32"), Memory(scene, "float32")
    options = RunOptions(tile=32, dtype="float32", device="cpu", threads=1)  # as on a GPU
    run(scene, Room(), alone, options)
    monkeypatch.setattr(tilework, "batch_limit", lambda *given: MOST)
    method = Room(room)
    result = run(scene, method, grouped, options)
    np.testing.assert_array_equal(alone.values, grouped.values)
    assert (grouped.seen == 1).all()
    assert not result.warnings
    assert any(1 < len(call) <= room for call in method.calls)


def test_a_tile_that_fails_in_a_batch_falls_back_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tilework, "batch_limit", lambda *given: MOST)
    scene = demo_scene(60, 70)
    result = run(
        scene, Room(bad=frozenset({5})), Memory(scene, "uint16"), RunOptions(tile=32, device="cpu")
    )
    assert [fault.index for fault in result.faults] == [5]


@pytest.mark.gpu
@needs_cuda
def test_uploads_arrive_whole() -> None:
    upload = Uploader("cuda")
    sent = tiles(8, 12)
    for seen, moved in zip(sent, [upload(seen) for seen in sent], strict=True):
        there = moved.ready()
        assert there.target.device.type == "cuda"
        torch.testing.assert_close(there.target.cpu(), seen.target)
        torch.testing.assert_close(there.guide_mask.cpu(), seen.guide_mask)


@pytest.mark.gpu
@needs_cuda
def test_batches_on_a_gpu_agree_with_the_cpu() -> None:
    scene = demo_scene(60, 70)
    on_cpu, on_gpu = Memory(scene, "float32"), Memory(scene, "float32")
    for sink, device in ((on_cpu, "cpu"), (on_gpu, "cuda")):
        run(scene, Room(), sink, RunOptions(tile=32, dtype="float32", device=device))
    np.testing.assert_allclose(on_cpu.values, on_gpu.values, atol=0.02)
