"""Which paths are taken for cubes."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hs_products import PLACE, cube, write_desis, write_enmap, write_envi
from rasters import write_geotiff

from pansharpkit.errors import FileReadError
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.cubes.cube import FAMILIES, is_cube
from pansharpkit.readers.peek import first_names, names_in


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_folder_with_another_product_is_that_product(tmp_path: Path) -> None:
    write_envi(tmp_path / "a.img", cube(3))
    assert is_cube(tmp_path)
    (tmp_path / "LC08_L1TP_199030_20150630_MTL.txt").write_text("")
    assert not is_cube(tmp_path)
    assert is_cube(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["x.IMD", "DIM_PHR1A_MS.XML"])
def test_maxar_and_airbus_keep_their_folders(tmp_path: Path, name: str) -> None:
    write_envi(tmp_path / "a.img", cube(3))
    (tmp_path / name).write_text("")
    assert not is_cube(tmp_path)


def test_numbers_without_header_make_no_folder_a_cube(tmp_path: Path) -> None:
    (tmp_path / "log.dat").write_bytes(b"1")
    write_geotiff(tmp_path / "a.tif", cube(3), PLACE)
    assert not is_cube(tmp_path)
    assert is_cube(tmp_path / "log.dat")
    assert len(open_cube(tmp_path).source.names) == 3  # the only raster there


def test_what_does_not_exist_or_is_broken_is_no_cube(tmp_path: Path) -> None:
    for name in ("none", "none.tar.gz", "none.zip"):
        assert not is_cube(tmp_path / name)
    for name in ("a.tar.gz", "a.zip", "a.tar"):
        (tmp_path / name).write_bytes(b"junk")
        assert not is_cube(tmp_path / name)
        with pytest.raises(FileReadError):
            open_cube(tmp_path / name)


def test_archives_tell_what_they_hold(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path / "e", cube(3))
    members = {f"e/{file.name}": file.read_bytes() for file in metadata.parent.iterdir()}
    for name in ("e.tar", "e.tar.gz"):
        path = tar_of(tmp_path / name, members)
        assert is_cube(path)
        assert len(open_cube(path).source.names) == 3
    desis = write_desis(tmp_path / "d", cube(3))
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in desis.parent.iterdir():
            archive.write(file, file.name)
    assert is_cube(tmp_path / "d.zip")
    assert not is_cube(tar_of(tmp_path / "l.tar.gz", {"LC08_MTL.txt": b"", "b.hdr": b""}))


def test_a_large_archive_is_not_unpacked_to_be_told(tmp_path: Path) -> None:
    zeros = b"\0" * 2**26
    path = tar_of(tmp_path / "l.tar.gz", {"a_B1.TIF": zeros, "a_B2.TIF": zeros, "a.hdr": b"x"})
    started = time.process_time()
    assert first_names(path) == ("a_B1.TIF",)
    assert not is_cube(path)
    assert time.process_time() - started < 1


def test_a_file_in_a_crowded_folder_is_told_by_its_name_alone(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", np.ones((3, 4, 5), np.uint8), PLACE)
    assert names_in(path) == ("a.tif",)


def test_a_remote_cube_needs_permission(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", cube(4), PLACE)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.tif")
    name = f"/vsizip/{tmp_path}/a.zip/a.tif"
    with pytest.raises(FileReadError, match="pass --allow-remote"):
        open_cube(name)
    assert len(open_cube(name, ReadOptions(allow_remote=True)).source.names) == 4


def test_every_family_is_described_and_none_takes_a_plain_name() -> None:
    assert len({family.description for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.description.startswith(("a ", "an ", "the "))
        assert not family.named("readme.txt")
        assert not family.named("scene_MTL.txt")
