"""Machines with too little memory, through the command line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from affine import Affine
from command_line import Outcome, environment, pansharpkit
from fault_place import Place, assert_fails
from rasters import ORIGIN, write_geotiff

from pansharpkit import pipeline
from pansharpkit.methods.classical.interpolation import FittedExp

LIMITED = """
    import resource, sys
    import pansharpkit.pipeline, scipy.ndimage
    from pansharpkit_cli import app

    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + int(sys.argv.pop(1)) * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    app.main()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pair of 1024 x 1024 and 256 x 256 pixels."""
    folder = tmp_path_factory.mktemp("large")
    ms = np.random.default_rng(0).integers(1000, 3000, (4, 256, 256)).astype("u2")
    pan = ms.mean(0, keepdims=True).repeat(4, 1).repeat(4, 2).astype("u2")
    coarse = ORIGIN @ Affine.scale(4)
    return write_geotiff(folder / "pan.tif", pan), write_geotiff(folder / "ms.tif", ms, coarse)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space so")
@pytest.mark.parametrize("megabytes", [120, 200])
def test_too_little_memory_is_one_clear_line(
    megabytes: int, large: tuple[Path, Path], place: Place
) -> None:
    command = [
        sys.executable, "-c", textwrap.dedent(LIMITED), str(megabytes), "fuse", *map(str, large),
        "-o", str(place.output), "-m", "mtf-glp-fs", "--tile", "2048", "--no-report",
        "--device", "cpu", "--on-bad-block", "mask",
    ]  # fmt: skip
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert_fails(
        Outcome(done.returncode, done.stdout, done.stderr), 1, "out of memory", "smaller --tile"
    )
    assert not any(place.outputs.iterdir())


def test_a_block_for_which_there_is_no_memory_is_not_a_bad_block(
    large: tuple[Path, Path], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masking it would lose pixels that are sound."""
    from rasterio.errors import RasterioIOError

    from pansharpkit.readers.geotiff import GeoTiffSource

    def starve(*_: object) -> None:
        raise RasterioIOError("Read failed") from OSError("cannot allocate 33554432 bytes")

    monkeypatch.setattr(GeoTiffSource, "_read", starve)
    done = pansharpkit(
        "fuse", *large, "-o", place.output, "-m", "exp", "--on-bad-block", "mask", "--no-report"
    )
    assert_fails(done, 1, "out of memory")
    assert not any(place.outputs.iterdir())


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_tile_too_large_for_the_gpu(
    device: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs on the CPU, unless the device was asked for by name."""
    armed = []

    def run(*args: Any, **named: Any) -> Any:
        armed.append("once")
        return running(*args, **named)

    def apply(self: FittedExp, *args: Any) -> Any:
        if armed:
            armed.pop()
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return applying(self, *args)

    running, applying = pipeline.run, FittedExp.apply
    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(FittedExp, "apply", apply)
    done = place.fuse(place.pan(), place.ms(), options=("--device", device))
    if device == "auto":
        assert done.code == 0
        assert "did not fit into GPU memory and ran on the CPU" in done.stderr
    else:
        assert_fails(done, 1, "GPU memory", "smaller --tile")
        assert not any(place.outputs.iterdir())
