"""Where faults are put in and watched: two folders, a small pair, and what a run left behind."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rasterio
from affine import Affine
from command_line import Outcome, pansharpkit
from numpy.typing import NDArray
from rasters import ORIGIN, make_pair, write_geotiff

COARSE = ORIGIN @ Affine.scale(4)
Array = NDArray[Any]


@dataclass(frozen=True)
class Ground:
    """Pixels of a synthetic pair of ratio 4: 96 x 128 and 24 x 32."""

    pan: Array
    ms: Array


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    pair = make_pair(tmp_path_factory.mktemp("ground"))
    return Ground(read(pair.pan), read(pair.ms))


@dataclass(frozen=True)
class Place:
    """Two folders: one with inputs, which a run must not touch, one for what it makes."""

    inputs: Path
    outputs: Path
    ground: Ground

    @property
    def output(self) -> Path:
        return self.outputs / "fused.tif"

    def pan(self, name: str = "pan.tif", values: Any = None, *where: Any, **how: Any) -> Path:
        """Write a PAN: that of the ground unless something else is asked for."""
        values = self.ground.pan if values is None else values
        return write_geotiff(self.inputs / name, values, *(where or (ORIGIN,)), **how)

    def ms(self, name: str = "ms.tif", values: Any = None, *where: Any, **how: Any) -> Path:
        """Write an MS: that of the ground unless something else is asked for."""
        values = self.ground.ms if values is None else values
        return write_geotiff(self.inputs / name, values, *(where or (COARSE,)), **how)

    def file(self, name: str, content: bytes | str) -> Path:
        """Write anything."""
        path = self.inputs / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def fuse(self, *inputs: object, output: Path | None = None, options: Any = ()) -> Outcome:
        """Fuse without a report, with the quickest method unless another is asked for."""
        return pansharpkit(
            "fuse", *inputs, "-o", output or self.output, "-m", "exp", "--no-report", *options
        )

    def listing(self) -> list[tuple[str, int]]:
        """Everything there is in both folders, hidden files too, with sizes."""
        return sorted(
            (str(path), path.stat().st_size)
            for folder in (self.inputs, self.outputs)
            for path in folder.rglob("*")
            if path.is_file()
        )


@pytest.fixture
def place(tmp_path: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("in", "out", "scratch"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CPL_TMPDIR", str(tmp_path / "scratch"))
    return Place(tmp_path / "in", tmp_path / "out", ground)


def read(path: Path) -> Array:
    with rasterio.open(path) as dataset:
        values: Array = dataset.read()
    return values


def valid(path: Path) -> Array:
    with rasterio.open(path) as dataset:
        mask: Array = dataset.dataset_mask() > 0
    return mask


Fault = tuple[int, tuple[str, ...], Callable[[Place], Sequence[object]]]


def half(path: Path, size: int | None = None) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if size is None else size])
    return path


def bad_block(place: Place, *more: tuple[int, int]) -> Path:
    """A file with one block, 32 to 47 by 48 to 63, that cannot be decompressed, and more such."""
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    path = place.pan("bad.tif", options=blocks)
    content = bytearray(path.read_bytes())
    for row, col in ((2, 3), *more):
        with rasterio.open(path) as dataset:
            offset, size = (
                int(dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=1))
                for what in ("OFFSET", "SIZE")
            )
        content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    return path


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_fails(done: Outcome, code: int, *said: str) -> None:
    """Check the exit code and that exactly one line says what is wrong, after any warnings."""
    lines = [line for line in done.lines if not line.startswith("warning ")]
    assert (done.code, len(lines), done.stdout) == (code, 1, ""), done.stderr
    assert lines[0].startswith("error ")
    assert "bug" not in lines[0]
    for words in said:
        assert words in lines[0]
