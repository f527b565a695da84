"""Products in zip archives, and archives that want something else."""

from __future__ import annotations

import gc
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pansharpkit.errors import FileReadError, OutputError
from pansharpkit.readers import open_landsat, open_product
from pansharpkit.readers.zipped import ZipFiles

MINI = Path(__file__).parent / "data" / "landsat8_alabama_mini"


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked during a test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("CPL_TMPDIR", str(folder))
    return folder


def pack(path: Path, prefix: str = "", comment: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for file in sorted(MINI.iterdir()):
            archive.write(file, prefix + file.name)
    return path


@pytest.mark.parametrize(("prefix", "comment"), [("", b""), ("LC8/", b"a comment")])
def test_same_pixels_as_the_folder(tmp_path: Path, prefix: str, comment: bytes) -> None:
    product = open_product([str(pack(tmp_path / "p.ZIP", prefix, comment))])
    window = product.target.grid.window
    expected = open_landsat(MINI).target.read(window)[0]
    np.testing.assert_array_equal(product.target.read(window)[0], expected)


def test_only_what_is_needed_is_unpacked_and_disappears(tmp_path: Path, scratch: Path) -> None:
    product = open_landsat(pack(tmp_path / "p.zip"))
    found = sorted(p.name[21:] for p in scratch.rglob("*") if p.is_file())
    bands = ["_B2.TIF", "_B3.TIF", "_B4.TIF", "_B5.TIF", "_B8.TIF", "_BQA.TIF", "_MTL.txt"]
    assert found == bands
    del product
    gc.collect()
    assert list(scratch.iterdir()) == []


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("evil", "cause"),
    [
        (entry("../outside.txt"), "out of the archive"),
        (entry("a/../../outside.txt"), "out of the archive"),
        (entry("/tmp/outside.txt"), "out of the archive"),
        (entry("..\\outside.txt"), "out of the archive"),
        (entry("link.TIF", stat.S_IFLNK | 0o777), "is a link"),
        (entry("pipe", stat.S_IFIFO), "not a regular file"),
        (entry("disk", stat.S_IFBLK), "not a regular file"),
        (entry("x/LC80200392015216LGN00_MTL.txt"), "twice"),
        (entry("LC80200392015216LGN00_MTL.txt"), "twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_one_bad_member_condemns_all(
    tmp_path: Path, scratch: Path, evil: zipfile.ZipInfo, cause: str
) -> None:
    path = pack(tmp_path / "evil.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(evil, b"/etc/passwd")
    with pytest.raises(FileReadError, match=rf"evil\.zip: refused, member .*{cause}"):
        open_product([str(path)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.zip", "scratch"]
    assert list(scratch.iterdir()) == []
    assert not Path("/tmp/outside.txt").exists()


def test_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a_MTL.txt", "w") as out,
    ):
        for _ in range(1200):
            out.write(bytes(2**20))
    started = time.process_time()
    with pytest.raises(FileReadError, match=r"bomb\.zip: refused.*far larger"):
        open_product([str(path)])
    assert time.process_time() - started < 1


def test_bomb_of_members(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(2000):
            archive.writestr(f"{i}.txt", b"")
    with pytest.raises(FileReadError, match="far larger than any product"):
        open_product([str(path)])


def patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change the first entry of the list of members."""
    data = bytearray(path.read_bytes())
    change(data, data.index(b"PK\x01\x02"))
    path.write_bytes(data)
    return path


def test_member_longer_than_it_says(tmp_path: Path) -> None:
    """The declared size decides about the bomb, so that it must hold."""
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a_MTL.txt", bytes(10**6))

    def lie(data: bytearray, start: int) -> None:
        data[start + 24 : start + 28] = struct.pack("<I", 100)

    files = ZipFiles(patched(path, lie))
    with pytest.raises(FileReadError, match=r"liar\.zip: (is broken|refused)"):
        files.fetch(["a_MTL.txt"])
    assert [p for p in files.scratch.rglob("*") if p.stat().st_size > 2**20] == []


def test_encrypted(tmp_path: Path) -> None:
    def lock(data: bytearray, start: int) -> None:
        data[start + 8] |= 1

    with pytest.raises(FileReadError, match="is encrypted"):
        open_product([str(patched(pack(tmp_path / "p.zip"), lock))])


def test_a_list_of_members_that_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    size = 2**23
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    path.write_bytes(bytes(size) + end)
    with pytest.raises(FileReadError, match=r"p\.zip: is broken or truncated \(its list"):
        open_product([str(path)])


@pytest.mark.parametrize("keep", [0.3, 0.97])
def test_truncated(tmp_path: Path, scratch: Path, keep: float) -> None:
    path = pack(tmp_path / "p.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(FileReadError, match=r"p\.zip: is broken or truncated"):
        open_product([str(path)])
    assert list(scratch.iterdir()) == []


def test_damaged_pixels(tmp_path: Path, scratch: Path) -> None:
    """A bit that flipped in the packed data is found by its checksum."""
    path = pack(tmp_path / "p.zip")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("LC80200392015216LGN00_B8.TIF")
    data = bytearray(path.read_bytes())
    data[info.header_offset + info.compress_size // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(FileReadError, match=r"p\.zip: is broken"):
        open_product([str(path)])
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "p.zip")
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="10 are free; set CPL_TMPDIR"):
        open_product([str(path)])


def test_no_product_in_it(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"x")
    with pytest.raises(FileReadError, match=r"p\.zip: holds no .*no product that is known"):
        open_product([str(path)])
    gc.collect()
    assert list(scratch.iterdir()) == []
