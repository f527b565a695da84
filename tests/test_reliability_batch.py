"""A batch of which something dies at a random moment loses nothing and makes nothing wrong."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from archive_batches import PAIR, make_archive, states
from fork_server import Server, serving
from numpy.typing import NDArray

from pansharpkit.archive.ledger import NAME

IN_A_FORK = re.compile(
    r"Exception ignored in: <(?:function|bound method) [^\n]*>\nTraceback.*?KeyboardInterrupt: *\n",
    re.S,
)
"""What Python says of Ctrl-C in a hook of a fork; only here are workers forked."""

SCENES = "abcdef"
OPTIONS = ("-m", "gsa", "--tile", "32", "--no-report", "--device", "cpu", "--jobs", "2")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TRIALS = int(os.environ.get("PANSHARPKIT_TRIALS", "5"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as ready:
        yield ready


@dataclass(frozen=True)
class Undisturbed:
    """An archive, and what a batch makes of it if nobody stops it."""

    archive: Path
    pixels: NDArray[np.generic]
    seconds: float


def command(archive: Path, out: Path) -> tuple[object, ...]:
    return ("batch", archive, "--out", out, "--pair", *PAIR, *OPTIONS, "--quiet")


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    archive = make_archive(folder / "in", SCENES)
    done, seconds = server.run(*command(archive, folder / "out"))
    assert done.code == 0, done.stderr
    return Undisturbed(archive, read(folder / "out" / "a" / "a.tif"), seconds)


def read(path: Path) -> NDArray[np.generic]:
    with rasterio.open(path) as file:
        return file.read()  # type: ignore[no-any-return]


def assert_right(out: Path, wanted: NDArray[np.generic]) -> int:
    """Check every raster under a final name; return how many there are."""
    rasters = sorted(out.glob("*/[a-z].tif"))
    for path in rasters:
        np.testing.assert_array_equal(read(path), wanted)
    return len(rasters)


def assert_complete(out: Path, undisturbed: Undisturbed) -> None:
    assert assert_right(out, undisturbed.pixels) == len(SCENES)
    names = {path.name for path in out.iterdir()}
    assert states(out) == dict.fromkeys(SCENES, "done")
    assert names == {*SCENES, "catalog.json", "collection.json", NAME}
    for id in SCENES:
        made = {path.name for path in (out / id).iterdir()}
        assert made == {f"{id}{end}" for end in (".tif", ".json", ".thumbnail.jpg")}
    with sqlite3.connect(out / NAME) as ledger:
        assert ledger.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.fault("`batch` ended by SIGKILL, SIGTERM or SIGINT at a random moment")
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_batch_goes_on_whenever_it_was_ended(
    seed: int, server: Server, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    chance, run = random.Random(seed), command(undisturbed.archive, tmp_path / "out")
    after, by = chance.uniform(0, undisturbed.seconds), SIGNALS[seed % len(SIGNALS)]
    done, _ = server.run(*run, after=after, by=by)
    assert done.code in (0, 130, -signal.SIGKILL, -by), done.stderr
    assert "Traceback" not in IN_A_FORK.sub("", done.stderr)
    assert_right(tmp_path / "out", undisturbed.pixels)
    done, _ = server.run(*run)
    assert done.code == 0, done.stderr
    assert_complete(tmp_path / "out", undisturbed)


@pytest.mark.fault("a worker of `batch` ended by SIGKILL or SIGTERM at a random moment")
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_batch_survives_its_workers(
    seed: int, server: Server, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    chance, run = random.Random(seed), command(undisturbed.archive, tmp_path / "out")
    after, by = chance.uniform(0.3, 1) * undisturbed.seconds, SIGNALS[seed % 2]
    done, _ = server.run(*run, after=after, by=by, worker=chance.randrange(9))
    assert done.code == 0, done.stderr
    assert_complete(tmp_path / "out", undisturbed)
