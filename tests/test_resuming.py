"""A run that ended early goes on, with the pixels of one that did not."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasters import Pair, make_pair

from pansharpkit import engine, pipeline, preparing
from pansharpkit.errors import InputError, OutputError
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import create
from pansharpkit.parts import Fused, Parts
from pansharpkit.pipeline import FuseRequest, fuse
from pansharpkit.requested import MethodRequest
from pansharpkit.resuming import parts_folder
from pansharpkit.runs import RunOptions
from pansharpkit.tilework import TileWork

GDD = MethodRequest("gdd", {"preset": "fast", "shared": 2, "iterations": 2, "channels": 8})
GSA = MethodRequest("gsa")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def asked(pair: Pair, folder: Path, method: MethodRequest, **changed: object) -> FuseRequest:
    run = RunOptions(tile=32, device="cpu", threads=1)
    scene = SceneRequest((str(pair.pan), str(pair.ms)))
    request = FuseRequest(scene, folder / "fused.tif", method, run, report=False, resume=True)
    return replace(request, **changed)  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.array(file.read())


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the indices of the tiles that are computed from here on."""
    seen: list[int] = []
    whole = TileWork.fuse

    def counted(self: TileWork, tiles: tuple, reads: list) -> list[Fused]:  # type: ignore[type-arg]
        seen.extend(tile.index for tile in tiles)
        return whole(self, tiles, reads)

    monkeypatch.setattr(TileWork, "fuse", counted)
    return seen


def fails(request: FuseRequest, tiles: int, error: BaseException) -> None:
    """Fuse until so many tiles are kept, and fail with the error then."""
    put, kept = Parts.put, []

    def limited(self: Parts, index: int, tile: Fused) -> None:
        if len(kept) == tiles:
            raise error
        kept.append(index)
        put(self, index, tile)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "put", limited)
        with pytest.raises(type(error)):
            fuse(request)


@pytest.mark.parametrize(("method", "tiles"), [(GDD, 5), (GSA, 1), (GSA, 5), (GSA, 11)])
def test_the_pixels_are_those_of_an_undisturbed_run(
    method: MethodRequest, tiles: int, pair: Pair, tmp_path: Path, computed: list[int]
) -> None:
    (tmp_path / "other").mkdir()
    fuse(asked(pair, tmp_path / "other", method))
    every = sorted(computed)
    assert len(every) == 12
    request = asked(pair, tmp_path, method)
    fails(request, tiles, KeyboardInterrupt())
    assert not request.output.exists()
    computed.clear()
    fuse(request)
    assert len(computed) == 12 - tiles
    np.testing.assert_array_equal(pixels(request.output), pixels(tmp_path / "other" / "fused.tif"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fused.tif", "other"]


def left_early(request: FuseRequest) -> None:
    fails(request, 5, KeyboardInterrupt())
    assert parts_folder(request.output).is_dir()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda r: replace(r, run=replace(r.run, seed=1)), "seed: 0 became 1"),
        (lambda r: replace(r, run=replace(r.run, tile=40)), "tiles: "),
        (lambda r: replace(r, run=replace(r.run, dtype="float32")), "dtype: "),
        (lambda r: replace(r, method=MethodRequest("brovey")), "method: gsa became brovey"),
    ],
)
def test_tiles_of_other_options_are_not_used_and_it_says_why(
    change: Callable[[FuseRequest], FuseRequest],
    named: str,
    pair: Pair,
    tmp_path: Path,
    computed: list[int],
) -> None:
    left_early(asked(pair, tmp_path, GSA))
    computed.clear()
    outcome = fuse(change(asked(pair, tmp_path, GSA)))
    assert len(computed) == outcome.run.tiles
    assert any("of another run" in text and named in text for text in outcome.warnings)


def test_tiles_of_other_pixels_are_not_used(
    pair: Pair, tmp_path: Path, computed: list[int]
) -> None:
    files = [tmp_path / path.name for path in (pair.pan, pair.ms)]
    for file, path in zip(files, (pair.pan, pair.ms), strict=True):
        file.write_bytes(path.read_bytes())
    own = replace(pair, pan=files[0], ms=files[1])
    left_early(asked(own, tmp_path, GSA))
    before = files[0].stat()
    with rasterio.open(files[0], "r+") as pan:
        pan.write(np.full((1, 1, 1), 7, np.uint16), window=rasterio.windows.Window(3, 3, 1, 1))
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    computed.clear()
    outcome = fuse(asked(own, tmp_path, GSA))
    assert len(computed) == outcome.run.tiles
    assert any("of another run" in text and "pan" in text for text in outcome.warnings)


def test_without_resume_tiles_are_neither_kept_nor_used(
    pair: Pair, tmp_path: Path, computed: list[int]
) -> None:
    left_early(asked(pair, tmp_path, GSA))
    computed.clear()
    outcome = fuse(asked(pair, tmp_path, GSA, resume=False))
    assert len(computed) == outcome.run.tiles
    assert [path.name for path in tmp_path.iterdir()] == ["fused.tif"]


def test_tiles_that_take_long_are_kept_without_being_asked(
    pair: Pair, tmp_path: Path, computed: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    left_early(asked(pair, tmp_path, GDD, resume=False))
    assert "5 finished tiles are kept; --resume goes on from there" in caplog.text
    computed.clear()
    fuse(asked(pair, tmp_path, GDD))
    assert len(computed) == 7


def test_a_damaged_tile_is_computed_again(pair: Pair, tmp_path: Path, computed: list[int]) -> None:
    (tmp_path / "other").mkdir()
    fuse(asked(pair, tmp_path / "other", GSA))
    request = asked(pair, tmp_path, GSA)
    left_early(request)
    tile = sorted(parts_folder(request.output).glob("*/*.tile"))[2]
    tile.write_bytes(tile.read_bytes()[:-1] + b"\x01\x02")
    computed.clear()
    fuse(request)
    assert len(computed) == 8
    np.testing.assert_array_equal(pixels(request.output), pixels(tmp_path / "other" / "fused.tif"))


@pytest.mark.parametrize(
    ("error", "kept"), [(InputError("no"), False), (OutputError("full"), True)]
)
def test_tiles_are_kept_only_where_they_help(
    error: Exception, kept: bool, pair: Pair, tmp_path: Path
) -> None:
    request = asked(pair, tmp_path, GSA)
    fails(request, 5, error)
    assert parts_folder(request.output).exists() == kept


@pytest.mark.parametrize("method", [GDD, GSA])
def test_other_processes_can_fill_the_tiles(
    method: MethodRequest, pair: Pair, tmp_path: Path, computed: list[int]
) -> None:
    (tmp_path / "other").mkdir()
    fuse(asked(pair, tmp_path / "other", method))
    request = asked(pair, tmp_path, method)
    job = preparing.prepare(request)
    with pipeline._tiles(job, request) as parts:
        assert parts is not None
        scene, chosen = job.method.scene, job.method.method
        fitted = engine.fit(scene, chosen, job.options)
        sent = pickle.loads(pickle.dumps(fitted))  # as a cluster would
        computed.clear()
        assert engine.fill(scene, chosen, sent, job.options, parts, range(0, 12, 2)) == 6
        assert engine.fill(scene, chosen, sent, job.options, parts, range(6)) == 3
        assert sorted(computed) == [0, 1, 2, 3, 4, 5, 6, 8, 10]
        computed.clear()
        with preparing.fused_writer(request, job.profile) as sink:
            engine.run(scene, chosen, sink, job.options, parts=parts, fitted=sent)
        assert sorted(computed) == [7, 9, 11]
    np.testing.assert_array_equal(pixels(request.output), pixels(tmp_path / "other" / "fused.tif"))


def test_scenes_and_methods_travel_between_processes(pair: Pair) -> None:
    request = SceneRequest((str(pair.pan), str(pair.ms)))
    scene = open_scene(request)
    assert create("gsa", {}).halo(scene.sampling) >= 0
    assert pickle.loads(pickle.dumps(request)) == request
