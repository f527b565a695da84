"""Finished tiles survive on disk, and nothing else is taken for one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansharpkit.errors import OutputError
from pansharpkit.parts import Fused, Parts
from pansharpkit.radiometry import Cast

ABOUT = {"method": "gsa", "seed": 0, "size": [3, 5]}


def blended(seed: int = 0) -> Fused:
    rng = np.random.default_rng(seed)
    return Fused(rng.random((2, 3, 5), np.float32), rng.random((3, 5)) > 0.5, "fell back")


def final() -> Fused:
    rng = np.random.default_rng(1)
    pixels = Cast(
        rng.integers(0, 9, (2, 3, 5)).astype(np.uint16), np.array([1, 0]), np.array([0, 2**40])
    )
    return Fused(pixels, np.ones((3, 5), bool), None)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path / "parts", ABOUT)
    assert made.open() == ()
    return made


def assert_same(found: Fused | None, wanted: Fused) -> None:
    assert found is not None
    assert found.fault == wanted.fault
    np.testing.assert_array_equal(found.valid, wanted.valid)
    assert type(found.values) is type(wanted.values)
    if isinstance(found.values, Cast) and isinstance(wanted.values, Cast):
        for name in ("values", "low", "high"):
            ours, theirs = getattr(found.values, name), getattr(wanted.values, name)
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    else:
        np.testing.assert_array_equal(found.values, wanted.values)


@pytest.mark.parametrize("tile", [blended(), final()])
def test_a_tile_comes_back_as_it_was(parts: Parts, tile: Fused) -> None:
    assert parts.get(12_345) is None
    assert not parts.done(12_345)
    parts.put(12_345, tile)
    assert_same(parts.get(12_345), tile)
    assert parts.done(12_345)
    assert len(parts) == 1


def test_a_run_that_goes_on_finds_its_tiles(parts: Parts) -> None:
    parts.put(0, blended())
    again = Parts(parts.folder, ABOUT)
    assert again.open() == ()
    assert_same(again.get(0), blended())


def test_tiles_of_another_run_are_dropped_and_the_difference_said(parts: Parts) -> None:
    parts.put(0, blended())
    other = Parts(parts.folder, {**ABOUT, "seed": 1})
    assert other.open() == ("seed: 0 became 1",)
    assert other.get(0) is None


@pytest.mark.parametrize("about", [b"", b"{", b"[]"])
def test_tiles_of_nobody_knows_which_run_are_dropped(parts: Parts, about: bytes) -> None:
    parts.put(0, blended())
    (parts.folder / "run.json").write_bytes(about)
    assert parts.open() == ()
    assert len(parts) == 0


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_damaged_tile_is_no_tile(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    parts = Parts(tmp_path_factory.mktemp("damaged") / "parts", ABOUT)
    parts.open()
    parts.put(7, final())
    (file,) = parts.folder.glob("*/*.tile")
    stored = bytearray(file.read_bytes())
    stored[int(place * len(stored))] ^= flip
    file.write_bytes(stored)
    found = parts.get(7)
    if found is not None:  # a checksum in capitals is the same checksum
        assert_same(found, final())


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_truncated_tile_is_no_tile(parts: Parts, kept: int) -> None:
    parts.put(7, blended())
    (file,) = parts.folder.glob("*/*.tile")
    file.write_bytes(file.read_bytes()[:kept])
    assert parts.get(7) is None


def test_what_a_process_of_another_run_writes_late_is_no_tile(parts: Parts) -> None:
    parts.put(3, final())
    other = Parts(parts.folder, {**ABOUT, "seed": 1})
    other.open()
    parts.put(3, final())  # it does not know that it is late
    assert other.indices() == {3}
    assert other.get(3) is None


def test_what_a_killed_process_was_writing_is_no_tile(parts: Parts) -> None:
    parts.put(7, blended())
    (file,) = parts.folder.glob("*/*.tile")
    file.rename(file.with_name(f".{file.name}.1-2"))
    assert parts.get(7) is None
    assert len(parts) == 0


def test_everything_can_be_removed(parts: Parts) -> None:
    parts.put(7, blended())
    parts.remove()
    assert not parts.folder.exists()
    parts.remove()


def test_no_room_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="finished tiles cannot be kept here"):
        Parts(tmp_path / "file" / "parts", ABOUT).open()
