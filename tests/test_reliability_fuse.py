"""A scene whose process is ended at a random moment goes on, and nothing of it is wrong."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fork_server import Server, serving
from numpy.typing import NDArray
from rasters import Pair, make_pair

METHODS = {
    "gsa": ("-m", "gsa", "--tile", "32", "--no-report"),
    "gsa, report": ("-m", "gsa", "--tile", "32"),
    "gdd": (
        "-m", "gdd", "--option", "preset=fast", "--option", "shared=2", "--option",
        "iterations=1", "--option", "channels=4", "--tile", "64", "--no-report",
    ),
}  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TRIALS = 36


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as ready:
        yield ready


@dataclass(frozen=True)
class Undisturbed:
    """What a method makes of the pair if nobody stops it, and how long that takes."""

    pair: Pair
    pixels: dict[str, NDArray[np.generic]]
    seconds: dict[str, float]


def command(pair: Pair, method: str, output: Path) -> tuple[object, ...]:
    files = ("fuse", pair.pan, pair.ms, "-o", output)
    return (*files, "--resume", "--quiet", "--device", "cpu", *METHODS[method])


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    pair = make_pair(tmp_path_factory.mktemp("pair"), size=(32, 40))
    pixels, seconds = {}, {}
    for method in METHODS:
        output = tmp_path_factory.mktemp(method) / "fused.tif"
        done, seconds[method] = server.run(*command(pair, method, output))
        assert done.code == 0, done.stderr
        pixels[method] = read(output)
    return Undisturbed(pair, pixels, seconds)


def read(path: Path) -> NDArray[np.generic]:
    with rasterio.open(path) as file:
        return np.concatenate([file.read(), file.dataset_mask()[None].astype(file.dtypes[0])])


@pytest.mark.fault("`fuse` ended by SIGKILL, SIGTERM or SIGINT at a random moment")
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_scene_goes_on_whenever_it_was_ended(
    seed: int, server: Server, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    method = chance.choices(list(METHODS), (4, 1, 1))[0]
    output = tmp_path / "fused.tif"
    run = command(undisturbed.pair, method, output)
    for _ in range(chance.choice((1, 1, 2))):
        after, by = chance.uniform(0, undisturbed.seconds[method]), SIGNALS[seed % 3]
        done, _ = server.run(*run, after=after, by=by)
        if done.code in (-signal.SIGKILL, 130, -by):  # the first instants have no handler yet
            assert "Traceback" not in done.stderr
        else:
            assert done.code == 0, done.stderr
        if output.exists():  # then it was whole when the signal came
            break
    if not output.exists():
        done, _ = server.run(*run)
        assert done.code == 0, done.stderr
    np.testing.assert_array_equal(read(output), undisturbed.pixels[method])
    if done.code == 0:
        hidden = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        assert not hidden
