"""Tiles of a scene on a cluster: the same pixels, whatever becomes of the workers."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import psutil
import pytest
import rasterio
from clusters import (
    Deadly,
    at_tile,
    kill_one,
    listening,
    scheduler_apart,
    value_of,
)
from command_line import pansharpkit
from numpy.typing import NDArray
from rasters import Pair, make_pair

from pansharpkit import crew as crews
from pansharpkit.cluster import ClusterRequest, connected
from pansharpkit.crew import Crew, answer
from pansharpkit.errors import ClusterError, InputError, OptionError
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.luggage import Luggage, check_alike
from pansharpkit.parts import Parts
from pansharpkit.pipeline import FuseRequest, fuse
from pansharpkit.requested import MethodRequest
from pansharpkit.resuming import parts_folder
from pansharpkit.runs import RunOptions
from pansharpkit.tilecluster import Tiles, portions

if TYPE_CHECKING:
    from distributed import Client

TILE = 16
TILES = 48


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with connected(ClusterRequest(n_workers=2, deaths=1)) as made:
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"), size=(24, 32))


def asked(pair: Pair, folder: Path, **changed: object) -> FuseRequest:
    request = FuseRequest(
        SceneRequest((str(pair.pan), str(pair.ms))),
        folder / "fused.tif",
        MethodRequest("mtf-glp-fs"),
        RunOptions(tile=TILE, device="cpu", threads=1),
        report=False,
    )
    return replace(request, **changed)  # type: ignore[arg-type]


def pixels(path: Path) -> NDArray[np.generic]:
    with rasterio.open(path) as file:
        values: NDArray[np.generic] = file.read()
    return values


@pytest.fixture(scope="module")
def undisturbed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.generic]:
    folder = tmp_path_factory.mktemp("alone")
    fuse(asked(pair, folder))
    return pixels(folder / "fused.tif")


def test_a_cluster_gives_the_same_pixels_and_leaves_nothing_else(
    crew: Crew, pair: Pair, tmp_path: Path, undisturbed: NDArray[np.generic]
) -> None:
    outcome = fuse(asked(pair, tmp_path), workers=Tiles.of(crew))
    assert outcome.run.tiles == TILES
    np.testing.assert_array_equal(pixels(tmp_path / "fused.tif"), undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["fused.tif"]


def test_blended_tiles_too(crew: Crew, pair: Pair, tmp_path: Path) -> None:
    gdd = MethodRequest("gdd", {"preset": "fast", "shared": 1, "iterations": 1, "channels": 4})
    small = asked(pair, tmp_path, method=gdd, run=RunOptions(tile=128, device="cpu", threads=1))
    fuse(replace(small, output=tmp_path / "alone.tif"))
    fuse(small, workers=Tiles.of(crew))
    np.testing.assert_array_equal(pixels(tmp_path / "fused.tif"), pixels(tmp_path / "alone.tif"))


@pytest.mark.fault("a dask worker ended by SIGKILL while it fuses tiles of a scene")
@pytest.mark.parametrize("seed", range(int(os.environ.get("PANSHARPKIT_TRIALS", "2"))))
def test_a_worker_that_is_killed_costs_nothing(
    seed: int, crew: Crew, pair: Pair, tmp_path: Path, undisturbed: NDArray[np.generic]
) -> None:
    crew.client.wait_for_workers(2, timeout=60)  # those of the trial before are back
    killed: list[int] = []
    tile = random.Random(seed).randrange(1, 10)
    progress = at_tile(tile, lambda: killed.append(kill_one(crew)))
    fuse(asked(pair, tmp_path), progress, workers=Tiles.of(crew))
    np.testing.assert_array_equal(pixels(tmp_path / "fused.tif"), undisturbed)
    assert len(killed) == 1
    assert not psutil.pid_exists(killed[0])


@dataclass
class Canvas:
    """Takes what is written."""

    written: list[Window] = field(default_factory=list)

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        assert values.shape[1:] == valid.shape
        self.written.append(window)


@pytest.mark.fault("tiles that end every dask worker they meet: a clear error")
def test_tiles_that_kill_every_worker_fail_clearly(crew: Crew, pair: Pair, tmp_path: Path) -> None:
    scene = open_scene(SceneRequest((str(pair.pan), str(pair.ms))))
    method, canvas = Deadly(os.getpid(), tile=30), Canvas()
    parts = Parts(tmp_path / "tiles", {})
    parts.open()
    tiles = Tiles.of(crew)
    options = tiles.settled(scene, method, RunOptions(tile=TILE, device="cpu"))
    with pytest.raises(ClusterError, match=r"tiles \d+ to \d+ ended 2 workers"):
        tiles.run(scene, method, canvas, options, None, parts)
    assert not any(path.name.startswith("job-") for path in parts.folder.iterdir())
    crew.client.wait_for_workers(2, timeout=60)


def test_what_a_worker_finds_wrong_is_said_as_without_one(
    crew: Crew, pair: Pair, tmp_path: Path
) -> None:
    pan = tmp_path / "pan.tif"
    pan.write_bytes(pair.pan.read_bytes())

    def spoil() -> None:
        pan.write_bytes(pan.read_bytes()[:5000])

    own = replace(pair, pan=pan)
    progress = at_tile(1, spoil)
    with pytest.raises(InputError, match=r"pan\.tif"):
        fuse(asked(own, tmp_path, output=tmp_path / "out.tif"), progress, workers=Tiles.of(crew))
    assert not parts_folder(tmp_path / "out.tif").exists()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs Linux's /proc")
def test_a_folder_that_is_not_shared_is_refused(
    crew: Crew, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the workers stay where they were: this path is another for them
    request = asked(pair, Path("/proc/self/cwd"))
    with pytest.raises(ClusterError, match=r"worker .* does not share this folder"):
        fuse(request, workers=Tiles.of(crew))
    assert list(tmp_path.iterdir()) == []


def test_the_scheduler_never_knows_of_many_tiles(crew: Crew) -> None:
    known = crew.client.cluster.scheduler.tasks
    most, taken, count = 0, 0, 150
    flying: list[int] = []

    def items() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, count + 1):
            flying.append(taken - ended)
            yield "HOME"

    ended = 0
    for _, future in crew.done(items(), value_of, ahead=2):
        assert answer(future, crew.client) == os.environ.get("HOME")
        ended += 1
        most = max(most, len(known))
    assert ended == taken == count
    assert max(flying) <= 4
    assert most <= 40  # those in flight, and some that it is about to forget


class Endless(Future[object]):
    """Work that nobody does."""

    def release(self) -> None:
        self.cancel()


class Deserted:
    """A scheduler without workers."""

    scheduler = SimpleNamespace(address="tcp://127.0.0.1:1")

    def scheduler_info(self, n_workers: int) -> dict[str, dict[str, object]]:
        return {"workers": {}}

    def submit(self, *_: object, **__: object) -> Endless:
        return Endless()


def test_nobody_waits_for_ever_where_no_worker_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(crews, "_LOOK_AGAIN_S", 0.02)
    alone = Crew(cast("Client", Deserted()), threads=1)
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1 has had no worker for"):
        next(alone.done([1], str))


def test_portions_hold_every_tile_once_and_end_small() -> None:
    found = list(portions(range(7, 100_007), 3))
    assert [index for portion in found for index in portion] == list(range(7, 100_007))
    assert len(found) < 100_000 / 30
    assert len(found[0]) == 32
    assert len(found[-1]) == 1


def test_only_this_machine_can_reach_the_workers(crew: Crew) -> None:
    assert crew.size(gpu=False) == 2
    assert set(listening()) == {"127.0.0.1"}


def test_the_environment_of_gdal_travels_and_is_not_shown(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tell-nobody")
    monkeypatch.setenv("GDAL_CACHEMAX", "12")
    monkeypatch.setenv("MY_OWN", "stays")
    packed = replace(crew, luggage=Luggage.of_here())
    assert set(packed.luggage.environment) >= {"AWS_SECRET_ACCESS_KEY"}
    assert not {"GDAL_CACHEMAX", "MY_OWN"} & set(packed.luggage.environment)
    assert "tell-nobody" not in repr(packed)
    ((_, future),) = packed.done(["AWS_SECRET_ACCESS_KEY"], value_of)
    assert answer(future, crew.client) == "tell-nobody"
    assert set(crew.client.run(value_of, "AWS_SECRET_ACCESS_KEY").values()) == {None}


def test_workers_of_other_versions_are_refused(crew: Crew) -> None:
    luggage = replace(crew.luggage, versions={**crew.luggage.versions, "torch": "0.1"})
    ((_, future),) = replace(crew, luggage=luggage).done(["HOME"], value_of)
    with pytest.raises(ClusterError, match=r"has torch .* instead of 0\.1"):
        answer(future, crew.client)
    with pytest.raises(ClusterError, match=r"worker a has numpy missing instead of 2"):
        check_alike({"numpy": "2"}, {}, "a")


@pytest.mark.fault("the dask scheduler ended by SIGKILL, then `--resume`")
def test_a_scheduler_that_is_lost_costs_no_tile(
    pair: Pair, tmp_path: Path, undisturbed: NDArray[np.generic]
) -> None:
    with scheduler_apart(tmp_path) as (file, kill):
        (tmp_path / "out").mkdir()
        request = asked(pair, tmp_path / "out")
        with (
            pytest.raises(ClusterError, match=r"connection to the scheduler at .* was lost"),
            connected(ClusterRequest(scheduler_file=file)) as crew,
        ):
            fuse(request, at_tile(3, kill), workers=Tiles.of(crew))
    kept = len(list(parts_folder(request.output).glob("*/*.tile")))
    assert 3 <= kept < TILES
    assert not request.output.exists()
    fuse(replace(request, resume=True))
    np.testing.assert_array_equal(pixels(request.output), undisturbed)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give one of"),
        ({"n_workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "give one of"),
        ({"scheduler": "tcp://127.0.0.1:1", "memory_limit": "1GB"}, "goes with --n-workers"),
        ({"scheduler": "nonsense"}, "nonsense: is no address .*; write tcp://HOST:8786"),
        ({"scheduler": "http://host:1"}, "is no address"),
        *(
            ({"n_workers": 1, "memory_limit": odd}, "is no size; write 4GB")
            for odd in ("rubbish", "-4GB", "1e400GB")
        ),
    ],
)
def test_a_request_says_one_thing(given: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        ClusterRequest(**given)  # type: ignore[arg-type]


def test_the_command_line_says_what_is_wrong(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", tmp_path / "a.tif", "--no-report",
                       "--scheduler-file", file)  # fmt: skip
    assert done.code == 1
    assert f"{file}: is not what `dask scheduler --scheduler-file` writes" in done.stderr
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", tmp_path / "a.tif", "--memory-limit", "1GB")
    assert done.code == 2
    assert "--memory-limit goes with --n-workers" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == []
