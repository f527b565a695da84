"""Folders as they come: links, loops, odd names, thousands of files, hostile archives."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_files import MINI, found_in, inputs, left, pack_members, write_ms, write_pan
from vendor_products import write_dimap, write_maxar
from watched import never_opened

from pansharpkit.archive.find import look
from pansharpkit.archive.find.walk import walk
from pansharpkit.errors import FileReadError, InputError
from pansharpkit.readers import open_product

NAME = "LC80200392015216LGN00"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@contextmanager
def counted_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[list[str]]:
    """Collect the calls of functions of os, by name."""
    calls: list[str] = []
    with monkeypatch.context() as patched:
        for name in names:
            true = getattr(os, name)

            def counting(*args: object, _true=true, _name=name, **options: object) -> object:  # type: ignore[no-untyped-def]
                calls.append(_name)
                return _true(*args, **options)

            patched.setattr(os, name, counting)
        yield calls


class TestLinks:
    def test_loop(self, archive: Path) -> None:
        (archive / "a").mkdir()
        (archive / "a" / "b").symlink_to(archive)
        (archive / "a" / "self").symlink_to(archive / "a")
        write_pan(archive / "a" / "s_pan.tif")
        write_ms(archive / "a" / "s_ms.tif")
        found = found_in(archive)
        assert inputs(found, archive) == {"s": ["a/s_pan.tif", "a/s_ms.tif"]}
        assert found.unpaired == ()

    def test_links_that_lead_nowhere(self, archive: Path) -> None:
        (archive / "one").symlink_to("two")
        (archive / "two").symlink_to("one")
        (archive / "self_pan.tif").symlink_to("self_pan.tif")
        (archive / "gone.tar").symlink_to("not there.tar")
        (archive / "notes.txt").symlink_to("not there.txt")
        os.mkfifo(archive / "pipe.tif")
        write_pan(archive / "s_pan.tif")
        write_ms(archive / "s_ms.tif")
        found = found_in(archive)
        assert inputs(found, archive) == {"s": ["s_pan.tif", "s_ms.tif"]}
        nowhere = "is a link that leads nowhere; mend or remove it"
        assert left(found) == {
            "gone.tar": nowhere, "self_pan.tif": nowhere, "pipe.tif": "is no regular file",
        }  # fmt: skip

    def test_folder_outside(self, archive: Path, tmp_path: Path) -> None:
        write_pan(tmp_path / "other" / "s_pan.tif")
        write_ms(tmp_path / "other" / "s_ms.tif")
        (archive / "link").symlink_to(tmp_path / "other")
        found = found_in(archive)
        assert found.entries == ()
        assert "is a link that leads out of the archive" in left(found)["link"]

    def test_file_outside(self, archive: Path, tmp_path: Path) -> None:
        secret = write_ms(tmp_path / "secret.tif")
        write_pan(archive / "s_pan.tif")
        (archive / "s_ms.tif").symlink_to(secret)
        (archive / "notes.txt").symlink_to(tmp_path / "notes.txt")
        with never_opened(secret):
            found = found_in(archive)
        assert found.entries == ()
        assert set(left(found)) == {"s_ms.tif", "s_pan.tif"}

    def test_file_inside(self, archive: Path) -> None:
        write_pan(archive / "s_pan.tif")
        write_ms(archive / "pool" / "x.tif")
        (archive / "s_ms.tif").symlink_to(Path("pool") / "x.tif")
        assert inputs(found_in(archive), archive)["s"] == ["s_pan.tif", "s_ms.tif"]

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
    def test_product_with_a_band_outside(self, archive: Path, tmp_path: Path, target: str) -> None:
        shutil.copytree(MINI, archive / "p")
        band = archive / "p" / f"{NAME}_B4.TIF"
        band.unlink()
        (tmp_path / "secret").write_bytes(b"II*\0")
        band.symlink_to(target)
        found = found_in(archive)
        assert found.entries == ()
        assert f"holds {band.name}, a link that leads out of the archive" in left(found)["p"]

    def test_bundle_with_a_tile_outside(self, archive: Path, tmp_path: Path) -> None:
        write_maxar(archive / "order")
        tile = next((archive / "order").rglob("*P2AS*R1C1*.TIF"))
        tile.rename(tmp_path / "tile.tif")
        tile.symlink_to(tmp_path / "tile.tif")
        found = found_in(archive)
        assert found.entries == ()
        assert any(f"holds {tile.name}, a link" in one.why for one in found.unpaired)

    def test_bundle_with_a_link_further_down(self, archive: Path, tmp_path: Path) -> None:
        write_dimap(archive / "order")
        image = next((archive / "order").glob("IMG_PHR1A_P*"))
        (image / "deeper").mkdir()
        (image / "deeper" / "x.tif").symlink_to(write_pan(tmp_path / "x.tif"))
        assert found_in(archive).entries == ()

    def test_a_link_to_a_folder_spoils_no_bundle(self, archive: Path, tmp_path: Path) -> None:
        write_dimap(archive / "order")
        (archive / "order" / "IMG_PHR1A_P_001" / "LIBRARY").symlink_to(tmp_path)
        assert len(found_in(archive).entries) == 1

    def test_broken_link_and_pipe(self, archive: Path) -> None:
        (archive / "gone.tif").symlink_to(archive / "nothing")
        os.mkfifo(archive / "pipe.tif")
        os.mkfifo(archive / "pipe.tar")
        assert found_in(archive).entries == ()

    def test_the_archive_may_be_a_link(self, archive: Path, tmp_path: Path) -> None:
        write_pan(archive / "s_pan.tif")
        write_ms(archive / "s_ms.tif")
        link = tmp_path / "link"
        link.symlink_to(archive)
        assert inputs(found_in(link), link) == {"s": ["s_pan.tif", "s_ms.tif"]}


class TestNames:
    def test_not_utf8(self, archive: Path) -> None:
        try:
            (archive / os.fsdecode(b"caf\xe9_pan.tif")).touch()
        except OSError:
            pytest.skip("the file system takes UTF-8 only")
        (archive / os.fsdecode(b"\xff")).mkdir()
        found = found_in(archive)
        assert len(found.unpaired) == 2
        assert all("is not UTF-8" in one.why for one in found.unpaired)
        assert all(one.path.encode() for one in found.unpaired)

    def test_every_line_is_one_line(self, archive: Path) -> None:
        (archive / "a\nb\x1b[31m.tif").write_text("no")
        (one,) = found_in(archive).unpaired
        assert one.path.isprintable()
        assert one.why.isprintable()


class TestLargeArchives:
    def test_ten_thousand_files(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The work is bounded: each folder is listed once and no raster is opened."""
        for folder in range(10):
            (archive / f"{folder}").mkdir()
            for scene in range(500):
                for role in ("pan", "ms"):
                    (archive / f"{folder}" / f"s{scene}_{role}.tif").write_bytes(b"")
        opened: list[Path] = []
        monkeypatch.setattr(look, "look", lambda path, _: opened.append(path))
        with counted_calls(monkeypatch, "scandir", "stat", "lstat") as calls:
            found = found_in(archive)
        assert len(found.entries) == 5000
        assert found.unpaired == ()
        assert opened == []
        assert calls.count("scandir") == 11
        assert len(calls) < 100
        assert len({entry.id for entry in found.entries}) == 5000

    def test_many_by_pattern_in_one_folder(self, archive: Path) -> None:
        for scene in range(1000):
            for role in "PM":
                (archive / f"s_{role}_{scene}.tif").write_bytes(b"")
        found = found_in(archive, "PAN=*_P_*.tif", "MS=*_M_*.tif")
        assert len(found.entries) == 1000
        assert found.entries[0].id == "s_0"

    def test_deep_folders(self, archive: Path) -> None:
        deep = archive.joinpath(*["d"] * 200)
        write_pan(deep / "s_pan.tif")
        write_ms(deep / "s_ms.tif")
        assert len(found_in(archive).entries) == 1

    def test_listed_in_order(self, archive: Path) -> None:
        for place in ("b/x", "a/y", "a/x"):
            (archive / place).mkdir(parents=True)
        assert [f.place for f in walk(archive).folders] == ["", "a", "a/x", "a/y", "b", "b/x"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
    def test_folder_that_cannot_be_listed(self, archive: Path) -> None:
        (archive / "closed").mkdir(mode=0o000)
        assert "Permission denied" in left(found_in(archive))["closed"]

    def test_archive_that_cannot_be_listed(
        self, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(FileReadError, match="cannot be listed: Permission denied"):
            walk(archive)


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"{NAME}_B8.TIF")
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "up": {f"../{NAME}_MTL.txt": b"END"},
    "absolute": {f"/tmp/{NAME}_MTL.txt": b"END"},
    "symlink": {f"{NAME}_MTL.txt": b"END", "l": _link(tarfile.SYMTYPE, "/etc/passwd")},
    "hardlink": {f"{NAME}_MTL.txt": b"END", "l": _link(tarfile.LNKTYPE, "/etc/passwd")},
    "fifo": {f"{NAME}_MTL.txt": b"END", "l": _link(tarfile.FIFOTYPE, "")},
    "device": {f"{NAME}_MTL.txt": b"END", "l": _link(tarfile.CHRTYPE, "")},
}


class TestHostileArchives:
    @pytest.fixture(autouse=True)
    def scratch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "scratch"
        folder.mkdir()
        monkeypatch.setenv("CPL_TMPDIR", str(folder))
        return folder

    @pytest.mark.parametrize("kind", HOSTILE)
    def test_nothing_comes_out(self, archive: Path, scratch: Path, kind: str) -> None:
        """Finding unpacks nothing; opening what was found refuses the whole archive."""
        pack_members(archive / "bad.tar", HOSTILE[kind])
        shutil.copytree(MINI, archive / "good")
        before = sorted(archive.parent.rglob("*"))
        found = found_in(archive)
        assert NAME in {entry.id for entry in found.entries}
        assert sorted(archive.parent.rglob("*")) == before
        for entry in found.entries:
            if entry.inputs[0].endswith(".tar"):
                with pytest.raises(InputError, match=r"bad\.tar: refused"):
                    open_product(entry.inputs)
        assert sorted(archive.parent.rglob("*")) == before

    def test_broken(self, archive: Path) -> None:
        (archive / "zero.tar").write_bytes(b"")
        (archive / "noise.tar.gz").write_bytes(b"\x1f\x8bnoise" * 99)
        (archive / "noise.zip").write_bytes(b"PK\3\4noise" * 99)
        pack_members(archive / "notes.tar", {"readme.txt": b"nothing to fuse"})
        reasons = left(found_in(archive))
        assert "is empty" in reasons["zero.tar"]
        assert "no product that is known, or is broken" in reasons["noise.tar.gz"]
        assert "broken or truncated" in reasons["noise.zip"]
        assert "no product that is known" in reasons["notes.tar"]

    def test_zip_that_points_outside(self, archive: Path, scratch: Path) -> None:
        with zipfile.ZipFile(archive / "bad.zip", "w") as packed:
            packed.writestr(f"../{NAME}_MTL.txt", "END")
        found = found_in(archive)
        assert found.entries == ()
        assert "points out of the archive" in left(found)["bad.zip"]
        assert list(scratch.iterdir()) == []

    def test_headers_without_end(self, archive: Path) -> None:
        """A bomb of long names is not unpacked for the sake of its names."""
        with tarfile.open(archive / "bomb.tar.gz", "w:gz", compresslevel=1) as tar:
            for i in range(600):
                tar.addfile(tarfile.TarInfo("x" * 30_000 + str(i)))
        assert "no product that is known" in left(found_in(archive))["bomb.tar.gz"]

    def test_vrt_in_the_shape_of_a_raster(self, archive: Path, tmp_path: Path) -> None:
        secret = write_ms(tmp_path / "secret.tif")
        (archive / "x.tif").write_text(
            f"<VRTDataset rasterXSize='4' rasterYSize='4'><VRTRasterBand dataType='Byte' band='1'>"
            f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
            f"</VRTRasterBand></VRTDataset>"
        )
        with never_opened(secret):
            assert "virtual raster" in left(found_in(archive))["x.tif"]
