"""What an archive and the place of its outputs may do to a batch: nothing lost, nothing wrong."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from archive_batches import batch, in_this_process, make_archive, request, rows, states
from fault_place import files_end_at
from numpy.typing import NDArray

from pansharpkit.archive.batch import run
from pansharpkit.archive.find import FindRequest
from pansharpkit.archive.survey import BatchRequest
from pansharpkit.errors import OutputError, PansharpkitError
from pansharpkit.requested import MethodRequest
from pansharpkit.runs import RunOptions

TRIALS = int(os.environ.get("PANSHARPKIT_TRIALS", "4")) // 4
SECRET = 61_234
"""A pixel value that no raster within an archive has."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "in", "abcd")


@pytest.fixture
def asked(archive: Path, tmp_path: Path) -> BatchRequest:
    return request(archive, tmp_path / "out")


def pixels(folder: Path) -> dict[str, NDArray[np.generic]]:
    found = {}
    for path in sorted(folder.glob("*/*.tif")):
        with rasterio.open(path) as file:
            found[path.stem] = file.read()
    return found


def assert_same(found: dict[str, NDArray[np.generic]], wanted: NDArray[np.generic]) -> None:
    for values in found.values():
        np.testing.assert_array_equal(values, wanted)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.generic]:
    """What a scene of the archive becomes: all are of the same ground."""
    folder = tmp_path_factory.mktemp("undisturbed")
    batch(request(make_archive(folder / "in", "a"), folder / "out"))
    return pixels(folder / "out")["a"]


@pytest.mark.fault("a disk that is full at a random size of file, then has room")
@pytest.mark.parametrize("seed", range(12))
def test_a_disk_that_is_full_for_a_while(
    seed: int, asked: BatchRequest, undisturbed: NDArray[np.generic]
) -> None:
    limit = int(10 ** random.Random(seed).uniform(2.5, 5.2))
    with suppress(PansharpkitError), files_end_at(limit):  # there may be no room for the ledger
        batch(asked)
    assert_same(pixels(asked.folder), undisturbed)
    found, _ = batch(asked)
    assert found.counts == {"done": 4}
    made = pixels(asked.folder)
    assert sorted(made) == list("abcd")
    assert_same(made, undisturbed)
    hidden = [path.name for path in asked.folder.rglob(".*")]
    assert hidden == []


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small disk on a folder, or skip the test."""
    if os.geteuid():
        pytest.skip("only root may mount")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.fault("an output disk that fills up between scenes")
def test_a_disk_that_fills_up(asked: BatchRequest, undisturbed: NDArray[np.generic]) -> None:
    with mounted(asked.folder, "size=64m"):
        (asked.folder / "ballast").write_bytes(bytes((64 << 20) - 17_400_000))
        first, records = batch(asked)
        assert first.counts["failed"] > 0
        assert {r.error.kind for r in records if r.error is not None} == {"OutputError"}
        assert_same(pixels(asked.folder), undisturbed)
        (asked.folder / "ballast").unlink()
        found, records = batch(asked)
        assert found.counts == {"done": 4}, [record.error for record in records]
        assert_same(pixels(asked.folder), undisturbed)


@pytest.mark.fault("an output disk that can only be read")
def test_a_disk_that_can_only_be_read(asked: BatchRequest) -> None:
    with mounted(asked.folder, "ro"), pytest.raises(OutputError, match="Read-only") as caught:
        batch(asked)
    assert "\n" not in str(caught.value)


@pytest.mark.fault("a poison scene among 100")
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_poison_scene_among_a_hundred(
    seed: int, tmp_path: Path, undisturbed: NDArray[np.generic]
) -> None:
    chance = random.Random(seed)
    archive = make_archive(tmp_path / "in", "a")
    names = [f"s{number:03d}" for number in range(100)]
    for name in names:
        for kind in "PM":
            os.link(archive / f"a_{kind}.tif", archive / f"{name}_{kind}.tif")
    for kind in "PM":
        (archive / f"a_{kind}.tif").unlink()
    poison = archive / f"{chance.choice(names)}_{chance.choice('PM')}.tif"
    whole = poison.read_bytes()
    poison.unlink()
    poison.write_bytes(
        chance.choice((b"", b"<html>", whole[: len(whole) // 2], whole[:-2000], bytes(len(whole))))
    )
    asked = request(archive, tmp_path / "out")
    found, _ = batch(asked)
    assert found.counts == {"done": 99, "failed": 1}
    assert found.failed[0].id == poison.stem[:-2]
    made = pixels(asked.folder)
    assert len(made) == 99
    assert_same(made, undisturbed)


@contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """Listen where nobody should knock; yield the address and what was asked for."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.05)
        open_ = threading.Event()

        def answer() -> None:
            while not open_.is_set():
                try:
                    visitor, _ = door.accept()
                except TimeoutError:
                    continue
                heard.append(visitor.recv(1000))
                visitor.close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{door.getsockname()[1]}", heard
        open_.set()
        thread.join()


def vrt(path: Path, source: str) -> None:
    path.write_text(
        '<VRTDataset rasterXSize="128" rasterYSize="96"><SRS>EPSG:32630</SRS>'
        "<GeoTransform>605000, 15, 0, 4745000, 0, -15</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )


def hostile_tar(path: Path, *, name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> None:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        content = b"pwned" if kind == tarfile.REGTYPE else b""
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def set_traps(archive: Path, secret: Path, where: str) -> None:
    """Put everything into an archive that tries to get at other files, or at the network."""
    for name, source in (
        ("v", str(secret)), ("w", f"/vsicurl/http://{where}/pan.tif"), ("x", f"http://{where}/p"),
    ):  # fmt: skip
        vrt(archive / f"{name}_P.tif", source)
        shutil.copyfile(archive / "a_M.tif", archive / f"{name}_M.tif")
    for end in (".ovr", ".aux.xml", ".msk"):  # beside rasters that are fine by themselves
        vrt(archive / f"b_P.tif{end}", f"/vsicurl/http://{where}/sidecar")
    (archive / "l_P.tif").symlink_to(secret)
    shutil.copyfile(archive / "a_M.tif", archive / "l_M.tif")
    (archive / "loop").symlink_to(archive)
    product = "LC08_L1TP_200030_20180718_20180730_01_T1"
    up = "../" * 3
    hostile_tar(archive / f"{product}.tar", name=f"{up}escaped.txt")
    hostile_tar(archive / f"{product[:-1]}2.tar", name=f"{product}_MTL.txt",
                kind=tarfile.SYMTYPE, target=str(secret))  # fmt: skip
    hostile_tar(archive / f"{product[:-2]}RT.tar", name="fifo", kind=tarfile.FIFOTYPE)


@pytest.mark.fault("an archive full of traps: VRTs, sidecars, links, tars that reach outside")
def test_traps_in_an_archive(
    asked: BatchRequest,
    archive: Path,
    tmp_path: Path,
    undisturbed: NDArray[np.generic],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path / "secret.tif"
    with rasterio.open(archive / "a_P.tif") as pan:
        profile = pan.profile
    with rasterio.open(secret, "w", **profile) as file:
        file.write(np.full((1, profile["height"], profile["width"]), SECRET, np.uint16))
    with listener() as (where, heard):
        set_traps(archive, secret, where)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        patterns = replace(asked, skip_missing_pairs=True)
        guessed = replace(
            patterns, find=FindRequest(archive), folder=tmp_path / "guessed",
        )  # fmt: skip
        summaries = [batch(patterns)[0], batch(guessed)[0]]
        time.sleep(0.1)
    assert heard == []
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(tmp_path.rglob("escaped.txt"))
    for asked_for, found in zip((patterns, guessed), summaries, strict=True):
        made = pixels(asked_for.folder)
        assert set("abcd") <= set(made) or asked_for is guessed
        assert not set(made) & set("vwx")
        for name, values in made.items():
            assert not (values == SECRET).any(), name
        assert_same({name: made[name] for name in "abcd" if name in made}, undisturbed)
        for failed in found.failed:
            assert failed.error is not None
            assert "is a bug" not in failed.error.text


@pytest.mark.fault("a manifest or STAC catalogue that names files outside its folder")
@pytest.mark.parametrize(
    "path",
    ["../secret.tif", "/etc/passwd", "file:///etc/passwd", "vrt://a_P.tif", "/vsizip/x.zip/a",
     "http://{where}/pan.tif", "s3://bucket/key", "a_P.tif\x00", "<VRTDataset/>"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "stac"])
def test_lists_that_reach_outside(path: str, kind: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.tif").write_bytes((archive / "a_P.tif").read_bytes())
    with listener() as (where, heard):
        named = path.format(where=where)
        if kind == "csv":
            listing = archive / "scenes.csv"
            listing.write_text(f'id,pan,ms\ngood,b_P.tif,b_M.tif\nbad,"{named}",a_M.tif\n')
        else:
            listing = archive / "item.json"
            listing.write_text(json.dumps(_item(named)))
        asked = replace(request(archive, tmp_path / "out"), find=FindRequest(listing))
        refused: PansharpkitError | None = None
        try:
            batch(replace(asked, skip_missing_pairs=True))
        except PansharpkitError as error:
            refused = error
        time.sleep(0.06)
    assert heard == []
    assert set(pixels(asked.folder)) <= {"good"}
    if refused is not None:
        assert refused.exit_code in (2, 4)
        assert "\n" not in str(refused)


def _item(pan: str) -> dict[str, object]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "bad", "geometry": None, "links": [],
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "assets": {"pan": {"href": pan, "roles": ["data"]}, "ms": {"href": "a_M.tif"}},
    }  # fmt: skip


@pytest.mark.fault("two batches on one output at the same time")
def test_two_batches_on_one_output(
    asked: BatchRequest, archive: Path, undisturbed: NDArray[np.generic]
) -> None:
    refused: list[str] = []

    def intrude(record: object) -> None:
        try:
            batch(asked)
        except OutputError as error:
            refused.append(str(error))

    found = run(asked, in_this_process, intrude)
    assert found.counts == {"done": 4}
    assert len(refused) == 4
    assert all(f"process {os.getpid()}" in text for text in refused)
    assert_same(pixels(asked.folder), undisturbed)


@pytest.mark.fault("options changed between two runs, the first one interrupted")
@pytest.mark.parametrize(
    "changed",
    [{"method": MethodRequest("brovey")}, {"run": RunOptions(threads=1, dtype="float32")}],
)
def test_options_that_change_in_between(
    changed: dict[str, object], asked: BatchRequest, tmp_path: Path
) -> None:
    def stops(record: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, in_this_process, stops)
    assert "done" in states(asked.folder).values()
    other = replace(asked, scene=replace(asked.scene, **changed))  # type: ignore[arg-type]
    assert batch(other)[0].counts == {"done": 4}
    fresh = replace(other, folder=tmp_path / "fresh")
    batch(fresh)
    assert_same(pixels(asked.folder), pixels(fresh.folder)["a"])


@pytest.mark.fault("clocks that are wrong, or were put back")
@pytest.mark.parametrize("skew", [-1e9, -3600.0, 3600.0, 1e9])
def test_clocks_that_are_wrong(
    skew: float, asked: BatchRequest, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(asked)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + skew)
    for path in archive.iterdir():
        os.utime(path, (now() + skew, now() + skew))
    assert batch(asked)[0].ran == 0, "the same pixels are no reason to fuse them again"
    with rasterio.open(archive / "a_P.tif", "r+") as pan:
        pan.write(np.full((1, 1, 1), 9, np.uint16), window=rasterio.windows.Window(5, 5, 1, 1))
    os.utime(archive / "a_P.tif", (0, 0))  # older than the result
    found, records = batch(asked)
    assert [record.id for record in records] == ["a"]
    assert {row.state for row in rows(asked.folder).values()} == {"done"}
    assert found.counts == {"done": 4}
