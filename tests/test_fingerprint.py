"""A file is the same as long as its contents are."""

import os
from pathlib import Path

import pytest

from pansharpkit.errors import InputError
from pansharpkit.fingerprint import Fingerprint, changes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    path.write_bytes(b"pixels" * 1000)
    return path


def test_an_untouched_file_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Fingerprint.of(file)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("was read"))
    assert taken.still(file)


def test_only_the_time_differs(file: Path) -> None:
    taken = Fingerprint.of(file)
    os.utime(file, ns=(0, 0))  # a copy, or a clock that was put back
    assert taken.still(file)


def test_contents_differ_though_size_is_the_same(file: Path) -> None:
    taken = Fingerprint.of(file)
    file.write_bytes(b"Pixels" * 1000)
    os.utime(file, ns=(0, taken.modified_ns + 1))
    assert not taken.still(file)


def test_size_differs(file: Path) -> None:
    taken = Fingerprint.of(file)
    file.write_bytes(b"pixels" * 999)
    assert not taken.still(file)


def test_a_file_that_is_gone(file: Path) -> None:
    taken = Fingerprint.of(file)
    file.unlink()
    assert not taken.still(file)
    with pytest.raises(InputError, match=r"scene\.tif: cannot be read"):
        Fingerprint.of(file)


def test_changes_name_what_differs() -> None:
    assert changes({"seed": 0, "tile": 512, "old": 1}, {"seed": 1, "tile": 512, "new": 2}) == (
        "new: unset became 2",
        "old: 1 became unset",
        "seed: 0 became 1",
    )
