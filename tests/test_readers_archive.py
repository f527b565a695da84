"""Products in tar archives, and archives that want something else."""

from __future__ import annotations

import gc
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from pansharpkit.errors import FileReadError, InputError, OutputError
from pansharpkit.grid import Window
from pansharpkit.readers import open_landsat, open_product
from pansharpkit.readers.archive import ArchiveFiles

MINI = Path(__file__).parent / "data" / "landsat8_alabama_mini"


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked during a test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("CPL_TMPDIR", str(folder))
    return folder


def pack(path: Path, *, mode: str = "w", prefix: str = "") -> Path:
    """Put the small product into an archive."""
    with tarfile.open(path, mode) as tar:
        for file in sorted(MINI.iterdir()):
            tar.add(file, prefix + file.name)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


class TestGoodArchives:
    @pytest.mark.parametrize(
        ("name", "mode", "prefix"),
        [
            ("p.tar", "w", ""),
            ("p.tar", "w", "./"),
            ("p.tar.gz", "w:gz", ""),
            ("p.TGZ", "w:gz", "LC80200392015216LGN00/"),
        ],
    )
    def test_same_pixels_as_the_folder(
        self, tmp_path: Path, name: str, mode: str, prefix: str
    ) -> None:
        product = open_product([str(pack(tmp_path / name, mode=mode, prefix=prefix))])
        folder = open_landsat(MINI)
        for ours, theirs in ((product.guide, folder.guide), (product.target, folder.target)):
            window = Window(5, 9, 100, 120)
            np.testing.assert_array_equal(ours.read(window)[0], theirs.read(window)[0])
        assert product.metadata == folder.metadata

    def test_only_what_is_needed_is_unpacked(self, tmp_path: Path, scratch: Path) -> None:
        product = open_landsat(pack(tmp_path / "p.tar"))
        found = sorted(p.name[21:] for p in scratch.rglob("*") if p.is_file())
        bands = ["_B2.TIF", "_B3.TIF", "_B4.TIF", "_B5.TIF", "_B8.TIF", "_BQA.TIF", "_MTL.txt"]
        assert found == bands
        assert product.guide.names == ("B8",)

    def test_scratch_lives_as_long_as_any_source(self, tmp_path: Path, scratch: Path) -> None:
        product = open_landsat(pack(tmp_path / "p.tar"))
        guide = product.guide
        del product
        gc.collect()
        assert guide.read(Window(0, 0, 4, 4))[1].all()
        del guide
        gc.collect()
        assert list(scratch.iterdir()) == []

    @pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt", "sys.exit(3)"])
    def test_scratch_ends_with_the_program(self, tmp_path: Path, scratch: Path, end: str) -> None:
        path = pack(tmp_path / "p.tar")
        code = (
            "import os, sys; from pansharpkit.readers import open_landsat; "
            f"product = open_landsat({str(path)!r}); "
            "assert os.listdir(os.environ['CPL_TMPDIR'])\n" + end
        )
        here = Path(__file__).parents[1]
        done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True)
        assert (done.returncode == 0) == (end == "")
        assert b"AssertionError" not in done.stderr
        assert list(scratch.iterdir()) == []


class TestHostileArchives:
    @pytest.mark.parametrize(
        ("evil", "cause"),
        [
            (member("../outside.txt"), "out of the archive"),
            (member("a/../../outside.txt"), "out of the archive"),
            (member("/tmp/outside.txt"), "out of the archive"),
            (member("..\\outside.txt"), "out of the archive"),
            (member("pipe_B2.TIF", tarfile.FIFOTYPE), "not a regular file"),
            (member("device", tarfile.CHRTYPE), "not a regular file"),
            (member("disk", tarfile.BLKTYPE), "not a regular file"),
            (member("odd", b"Z"), "not a regular file"),
            (member("LC80200392015216LGN00_B2.TIF"), "twice"),
            (member("sub/LC80200392015216LGN00_MTL.txt"), "twice"),
        ],
    )
    @pytest.mark.parametrize("last", [True, False])
    def test_one_bad_member_condemns_all(
        self, tmp_path: Path, scratch: Path, evil: tarfile.TarInfo, cause: str, last: bool
    ) -> None:
        path = tmp_path / "evil.tar"
        with tarfile.open(path, "w") as tar:
            if not last:
                tar.addfile(evil)
            for file in sorted(MINI.iterdir()):
                tar.add(file, file.name)
            if last:
                tar.addfile(evil)
        with pytest.raises(FileReadError, match=rf"evil\.tar: refused, member .*{cause}"):
            open_landsat(path)
        self.nothing_outside(tmp_path, scratch)

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
    @pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "LC80200392015216LGN00_B3.TIF"])
    def test_links(self, tmp_path: Path, scratch: Path, kind: bytes, target: str) -> None:
        link = member("LC80200392015216LGN00_B1.TIF", kind)
        link.linkname = target
        path = tmp_path / "evil.tar"
        with tarfile.open(path, "w") as tar:
            tar.addfile(link)
        with pytest.raises(FileReadError, match=r"evil\.tar: refused, .*is a link"):
            open_landsat(path)
        self.nothing_outside(tmp_path, scratch)

    def nothing_outside(self, tmp_path: Path, scratch: Path) -> None:
        assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar", "scratch"]
        assert list(scratch.iterdir()) == []
        assert not Path("/tmp/outside.txt").exists()

    def test_bomb_in_gzip(self, tmp_path: Path) -> None:
        """Two gigabytes of zeros in two megabytes: refused at the first header."""
        path = tmp_path / "bomb.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as out:
            out.write(member("a_B8.TIF", size=2 << 30).tobuf())
            for _ in range(16):
                out.write(bytes(1 << 20))
        self.refused_quickly(path, "far larger")

    def test_bomb_of_members(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as out:
            for i in range(5000):
                out.write(member(f"{i}.txt").tobuf())
        self.refused_quickly(path, "far larger")

    def test_bomb_in_a_header(self, tmp_path: Path) -> None:
        """A name of a gigabyte would be read into memory before any member is seen."""
        path = tmp_path / "bomb.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as out:
            out.write(member("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 30).tobuf())
            for _ in range(64):
                out.write(bytes(1 << 20))
        self.refused_quickly(path, "too large")

    def test_sparse_member(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.tar"
        info = member("a_B8.TIF", tarfile.GNUTYPE_SPARSE)
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            tar.addfile(info)
        with pytest.raises(FileReadError, match=r"bomb\.tar"):
            open_landsat(path)

    def test_negative_size(self, tmp_path: Path) -> None:
        """An archive that sends its reader back to the start."""
        info = member("a_B8.TIF")
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b"\xff" * 10 + (-512 & 0xFFFF).to_bytes(2, "big")
        header[148:156] = b" " * 8
        header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
        path = tmp_path / "loop.tar"
        path.write_bytes(bytes(header) + bytes(10240))
        self.refused_quickly(path, "negative size")

    def refused_quickly(self, path: Path, cause: str) -> None:
        started = time.process_time()  # work done, whatever else the machine does
        with pytest.raises(FileReadError, match=cause) as caught:
            open_landsat(path)
        assert time.process_time() - started < 2
        assert path.name in str(caught.value)


class TestBrokenArchives:
    @pytest.mark.parametrize("name", ["p.tar", "p.tar.gz"])
    @pytest.mark.parametrize("keep", [0.3, 0.97])
    def test_truncated(self, tmp_path: Path, scratch: Path, name: str, keep: float) -> None:
        path = pack(tmp_path / name, mode="w:gz" if name.endswith("gz") else "w")
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(InputError, match=rf"{name}: .*(truncated|missing|holds no)"):
            open_landsat(path)
        gc.collect()
        assert list(scratch.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"rubbish" * 300, b"\x1f\x8bgarbage" * 90])
    def test_not_an_archive(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "p.tar"
        path.write_bytes(content)
        with pytest.raises(FileReadError, match=r"p\.tar: is (empty|broken)"):
            open_landsat(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match=r"gone\.tar.*No such file"):
            open_product([str(tmp_path / "gone.tar")])

    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "p.tar")
        with pytest.raises(FileReadError, match="not a regular file"):
            open_landsat(tmp_path / "p.tar")

    def test_no_room(self, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = pack(tmp_path / "p.tar")
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
        with pytest.raises(OutputError, match=r"bytes are needed .* 100000 are free; set CPL_TMP"):
            open_landsat(path)
        gc.collect()
        assert list(scratch.iterdir()) == []


def test_unpacked_files_are_plain(tmp_path: Path) -> None:
    """Neither owner nor set-id bits come out of an archive."""
    info = member("a_MTL.txt", size=3)
    info.mode = 0o6777
    path = tmp_path / "p.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(info, io.BytesIO(b"END"))
    files = ArchiveFiles(path)
    unpacked = files.fetch(["a_MTL.txt"])["a_MTL.txt"]
    assert unpacked.read_bytes() == b"END"
    assert unpacked.stat().st_mode & 0o7000 == 0
    files.close()
    assert not files.scratch.exists()
