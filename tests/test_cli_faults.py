"""Bad input through the command line: one clear line, the right exit code, nothing left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import Outcome, environment, pansharpkit
from numpy.typing import NDArray
from rasterio.shutil import copy as gdal_copy
from rasters import ORIGIN, UTM30, make_pair, write_geotiff

ALABAMA = Path(__file__).parent / "data" / "landsat8_alabama_mini"
COARSE = ORIGIN @ Affine.scale(4)
Array = NDArray[Any]


@dataclass(frozen=True)
class Ground:
    """Pixels of a synthetic pair of ratio 4: 96 x 128 and 24 x 32."""

    pan: Array
    ms: Array


@pytest.fixture(scope="module")
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


# --- the faults: (exit code, what the message must say, files and options that show it)

Fault = tuple[int, tuple[str, ...], Callable[[Place], Sequence[object]]]


def half(path: Path, size: int | None = None) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if size is None else size])
    return path


def cut_cog(place: Place) -> Path:
    """A file whose header is whole and whose last 2 KB of pixels are missing."""
    whole, cog = place.pan("whole.tif"), place.inputs / "cut.tif"
    gdal_copy(whole, cog, driver="COG", compress="NONE")
    return half(cog, cog.stat().st_size - 2048)


def bad_block(place: Place) -> Path:
    """A file with one block, 32 to 47 by 48 to 63, that cannot be decompressed."""
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    path = place.pan("bad.tif", options=blocks)
    with rasterio.open(path) as dataset:
        offset, size = (
            int(dataset.get_tag_item(f"BLOCK_{what}_3_2", "TIFF", bidx=1))
            for what in ("OFFSET", "SIZE")
        )
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    return path


def sparse(place: Place, name: str, side: int, block: int) -> Path:
    with rasterio.open(
        place.inputs / name, "w", driver="GTiff", count=1, width=side, height=side, dtype="uint16",
        crs=UTM30, transform=ORIGIN, tiled=True, blockxsize=block, blockysize=block,
        sparse_ok=True, bigtiff="yes",
    ):  # fmt: skip
        return place.inputs / name


def palette(place: Place) -> Path:
    with rasterio.open(
        place.inputs / "palette.tif", "w", driver="GTiff", count=1, width=128, height=96,
        dtype="uint8", crs=UTM30, transform=ORIGIN,
    ) as out:  # fmt: skip
        out.write((place.ground.pan % 255).astype("u1"))
        out.write_colormap(1, {i: (i, i, i, 255) for i in range(256)})
    return place.inputs / "palette.tif"


def vrt(place: Place, name: str = "sneaky.tif") -> Path:
    secret = place.pan("secret.tif")
    return place.file(
        name,
        f'<VRTDataset rasterXSize="128" rasterYSize="96"><SRS>{UTM30}</SRS><GeoTransform>605000, '
        f'15, 0, 4745000, 0, -15</GeoTransform><VRTRasterBand dataType="UInt16" band="1">'
        f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand>"
        "</VRTDataset>",
    )


def fifo(place: Place) -> Path:
    os.mkfifo(place.inputs / "pipe.tif")
    return place.inputs / "pipe.tif"


FILES: dict[str, Fault] = {
    "empty": (4, ("empty.tif", "0 bytes"), lambda p: (p.file("empty.tif", ""), p.ms())),
    "empty MS": (4, ("empty.tif", "0 bytes"), lambda p: (p.pan(), p.file("empty.tif", ""))),
    "HTML": (
        4, ("login.tif", "HTML"), lambda p: (p.file("login.tif", "<!DOCTYPE html>\n<p>"), p.ms()),
    ),
    "text": (4, ("notes.tif", "not a TIFF"), lambda p: (p.file("notes.tif", "a,b\n1,2"), p.ms())),
    "half a file": (4, ("pan.tif",), lambda p: (half(p.pan()), p.ms())),
    "half an MS": (4, ("ms.tif",), lambda p: (p.pan(), half(p.ms()))),
    "last 2 KB missing": (4, ("cut.tif", "truncated"), lambda p: (cut_cog(p), p.ms())),
    "zeros of a killed writer": (
        4, ("pan.tif", "interrupted"), lambda p: (p.pan(values=0 * p.ground.pan), p.ms()),
    ),
    "zeros in the MS": (
        4, ("ms.tif", "interrupted"), lambda p: (p.pan(), p.ms(values=0 * p.ground.ms)),
    ),
    "broken block": (4, ("bad.tif", "rows", "columns"), lambda p: (bad_block(p), p.ms())),
    "VRT by another name": (4, ("sneaky.tif", "VRT"), lambda p: (vrt(p), p.ms())),
    "VRT for the MS": (4, ("sneaky.tif", "VRT"), lambda p: (p.pan(), vrt(p))),
    "VRT": (4, ("a.vrt", "suffix"), lambda p: (vrt(p, "a.vrt"), p.ms())),
    "inline XML": (4, ("XML",), lambda p: ("<VRTDataset></VRTDataset>", p.ms())),
    "vrt://": (4, ("--allow-remote",), lambda p: (f"vrt://{p.pan()}", p.ms())),
    "/vsi": (4, ("/vsicurl/", "--allow-remote"), lambda p: ("/vsicurl/http://x/a.tif", p.ms())),
    "driver prefix": (4, ("GTIFF_DIR",), lambda p: (f"GTIFF_DIR:1:{p.pan()}", p.ms())),
    "https MS": (4, ("--allow-remote",), lambda p: (p.pan(), "https://127.0.0.1:1/ms.tif")),
    "other format": (4, ("a.jp2", "suffix"), lambda p: (p.file("a.jp2", "x"), p.ms())),
    "HDF5": (4, ("a.h5", "suffix"), lambda p: (p.file("a.h5", b"\x89HDF"), p.ms())),
    "missing": (4, ("no.tif", "No such file"), lambda p: (p.inputs / "no.tif", p.ms())),
    "missing MS": (4, ("no.tif", "No such file"), lambda p: (p.pan(), p.inputs / "no.tif")),
    "missing product": (4, ("scene", "does not exist"), lambda p: (p.inputs / "scene",)),
    "folder for a PAN": (4, ("in", "regular file"), lambda p: (p.inputs, p.ms())),
    "folder without a product": (4, ("in", "MTL"), lambda p: (p.inputs,)),
    "pipe": (4, ("pipe.tif", "regular file"), lambda p: (fifo(p), p.ms())),
    "one raster alone": (2, ("pan.tif", "MS raster"), lambda p: (p.pan(),)),
    "sparse giant": (
        4, ("giant.tif", "--max-pixels"), lambda p: (sparse(p, "giant.tif", 400_000, 4096), p.ms()),
    ),
    "giant block": (
        4, ("block.tif", "stored block"), lambda p: (sparse(p, "block.tif", 16384, 16384), p.ms()),
    ),
    "more pixels than allowed": (
        4, ("pan.tif", "128 x 96"), lambda p: (p.pan(), p.ms(), "--max-pixels", 12287),
    ),
}  # fmt: skip

SHIFTED = COARSE @ Affine.translation(31.5, 23.5)
GRIDS: dict[str, Fault] = {
    "PAN without CRS": (
        4, ("pan.tif", "--assume-crs"), lambda p: (p.pan("pan.tif", None, ORIGIN, None), p.ms()),
    ),
    "MS without CRS": (
        4, ("ms.tif", "--assume-crs"), lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, None)),
    ),
    "assumed CRS is none": (
        2, ("--assume-crs moon",),
        lambda p: (p.pan("pan.tif", None, ORIGIN, None), p.ms(), "--assume-crs", "moon"),
    ),
    "NaN transform": (
        4, ("pan.tif", "not finite"),
        lambda p: (p.pan("pan.tif", None, Affine(15, 0, np.nan, 0, -15, 0)), p.ms()),
    ),
    "transform without area": (
        4, ("pan.tif", "no area"),
        lambda p: (p.pan("pan.tif", None, Affine(0, 0, 605000, 0, 0, 4745000)), p.ms()),
    ),
    "another CRS, strictly": (
        4, ("ms.tif", "--strict"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, "EPSG:32631"), "--strict"),
    ),
    "far away in another CRS": (
        4, ("ms.tif", "do not overlap"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, "EPSG:32631")),
    ),
    "a CRS of no place": (
        4, ("ms.tif", "check its CRS"),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE, 'LOCAL_CS["x",UNIT["metre",1]]')),
    ),
    "degrees beyond the globe": (
        4, ("ms.tif", "check its CRS"),
        lambda p: (p.pan(), p.ms("ms.tif", None, Affine(0.1, 0, 400, 0, -0.1, 99), "EPSG:4326")),
    ),
    "apart": (
        4, ("pan.tif and ms.tif do not overlap",),
        lambda p: (p.pan(), p.ms("ms.tif", None, COARSE @ Affine.translation(100, 0))),
    ),
    "less than an MS pixel in common": (
        4, ("less than one MS pixel",), lambda p: (p.pan(), p.ms("ms.tif", None, SHIFTED)),
    ),
    "swapped": (4, ("ms.tif", "swapped"), lambda p: (p.ms(), p.pan())),
    "ratio 1": (
        4, ("same.tif", "swapped"),
        lambda p: (p.pan(), p.ms("same.tif", np.repeat(p.ground.pan, 4, 0), ORIGIN)),
    ),
    "ratio 1/2": (
        4, ("fine.tif", "swapped"),
        lambda p: (p.pan(), p.ms("fine.tif", None, ORIGIN @ Affine.scale(0.5))),
    ),
    "bands of different size": (
        4, ("a.tif and b.tif", "32 x 24 and 32 x 23"),
        lambda p: (p.pan(), p.ms("a.tif", p.ground.ms[0]), p.ms("b.tif", p.ground.ms[1, :-1])),
    ),
    "bands of different grids": (
        4, ("a.tif and b.tif", "apart"),
        lambda p: (
            p.pan(), p.ms("a.tif", p.ground.ms[0]),
            p.ms("b.tif", p.ground.ms[1], COARSE @ Affine.translation(0.5, 0)),
        ),
    ),
    "area outside": (
        2, ("--bounds", "do not touch"), lambda p: (p.pan(), p.ms(), "--bounds", "0,0,9,9"),
    ),
    "area without end": (
        2, ("--bounds",), lambda p: (p.pan(), p.ms(), "--bounds", "-inf,-inf,inf,inf"),
    ),
    "area inside out": (2, ("--bounds",), lambda p: (p.pan(), p.ms(), "--bounds", "9,9,0,0")),
    "area beyond the globe": (
        2, ("--bounds",),
        lambda p: (p.pan(), p.ms(), "--bounds", "400,95,500,99", "--bounds-crs", "EPSG:4326"),
    ),
    "area in no CRS": (
        2, ("--bounds-crs moon",),
        lambda p: (p.pan(), p.ms(), "--bounds", "0,0,1,1", "--bounds-crs", "moon"),
    ),
}  # fmt: skip

BANDS: dict[str, Fault] = {
    "PAN of 3 bands": (
        4, ("rgb.tif", "1 band, found 3"),
        lambda p: (p.pan("rgb.tif", np.repeat(p.ground.pan, 3, 0)), p.ms()),
    ),
    "MS of 1 band": (
        4, ("one.tif", "at least 2 bands, found 1"),
        lambda p: (p.pan(), p.ms("one.tif", p.ground.ms[:1])),
    ),
    "more bands than the sensor": (
        4, ("ms.tif has 5 bands", "has 8", "--band-names"),
        lambda p: (p.pan(), p.ms(values=p.ground.ms[[0, 1, 2, 3, 3]]), "--sensor", "landsat8_oli"),
    ),
    "unknown sensor": (4, ("'abacus'",), lambda p: (p.pan(), p.ms(), "--sensor", "abacus")),
    "band that is not there": (2, ("--bands 9",), lambda p: (p.pan(), p.ms(), "--bands", "1,9")),
    "too few names": (
        4, ("ms.tif has 4 bands", "gives 2"), lambda p: (p.pan(), p.ms(), "--band-names", "a,b"),
    ),
    "names twice": (2, ("--band-names",), lambda p: (p.pan(), p.ms(), "--band-names", "a,b,c,a")),
    "reflectance without metadata": (2, ("--toa",), lambda p: (p.pan(), p.ms(), "--toa")),
    "complex": (
        4, ("c.tif", "complex64"), lambda p: (p.pan("c.tif", p.ground.pan.astype("c8")), p.ms()),
    ),
    "palette": (4, ("palette.tif", "palette"), lambda p: (palette(p), p.ms())),
    "all nodata": (
        4, ("pan.tif", "no data"),
        lambda p: (p.pan(values=0 * p.ground.pan + 7, nodata=7), p.ms()),
    ),
    "all NaN": (
        4, ("pan.tif", "no data"),
        lambda p: (p.pan(values=np.full((96, 128), np.nan, "f4")), p.ms()),
    ),
    "no pixel valid in both": (
        4, ("pan.tif and ms.tif", "nodata"),
        lambda p: (
            p.pan(values=np.where(np.arange(128) < 64, p.ground.pan, 0), nodata=0),
            p.ms(values=np.where(np.arange(32) > 16, p.ground.ms, 0), nodata=0),
        ),
    ),
    "values beyond all measure": (
        4, ("pan.tif and ms.tif", "nodata"), lambda p: (p.pan(values=p.ground.pan * 1e300), p.ms()),
    ),
    "output type of no numbers": (2, ("--dtype S4",), lambda p: (p.pan(), p.ms(), "--dtype", "S4")),
    "unknown output type": (2, ("--dtype u99",), lambda p: (p.pan(), p.ms(), "--dtype", "u99")),
    "block size that ends GDAL": (
        2, ("BLOCKSIZE=abc",), lambda p: (p.pan(), p.ms(), "--co", "BLOCKSIZE=abc"),
    ),
    "compression that changes pixels": (
        2, ("JPEG",), lambda p: (p.pan(), p.ms(), "--co", "COMPRESS=JPEG"),
    ),
    "toolbox mode off its phase": (
        4, ("toolbox", "phase"), lambda p: (p.pan(), p.ms(), "--compat", "toolbox"),
    ),
}  # fmt: skip

TABLE = {**FILES, **GRIDS, **BANDS}


@pytest.mark.parametrize("name", TABLE)
def test_fault(name: str, place: Place) -> None:
    code, said, make = TABLE[name]
    arguments = make(place)
    before = place.listing()
    assert_fails(place.fuse(*arguments), code, *said)
    assert place.listing() == before


def assert_fails(done: Outcome, code: int, *said: str) -> None:
    """Check the exit code and that exactly one line says what is wrong, after any warnings."""
    lines = [line for line in done.lines if not line.startswith("warning ")]
    assert (done.code, len(lines), done.stdout) == (code, 1, ""), done.stderr
    assert lines[0].startswith("error ")
    assert "bug" not in lines[0]
    for words in said:
        assert words in lines[0]


def test_no_geotransform(place: Place) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        flat = place.pan("flat.tif", None, None)
    assert_fails(place.fuse(flat, place.ms()), 4, "flat.tif", "no geotransform")
    assert not any(place.outputs.iterdir())


def test_other_commands_fail_alike(place: Place) -> None:
    pan, ms, broken = place.pan(), place.ms(), half(place.pan("broken.tif"))
    commands = [
        ("info", broken, ms),
        ("evaluate", broken, ms, "-m", "exp"),
        ("evaluate", "--reference", broken, "--fused", ms, "--ratio", 4),
        ("evaluate", "--reference", ms, "--fused", broken, "--ratio", 4),
        ("assess", "--fused", broken, "--pan", pan, "--ms", ms),
        ("assess", "--fused", ms, "--pan", broken, "--ms", ms),
    ]
    for command in commands:
        assert_fails(pansharpkit(*command), 4, "broken.tif")
    assert_fails(
        pansharpkit("evaluate", "--reference", ms, "--fused", pan, "--ratio", 4),
        4, "pan.tif", "ms.tif",
    )  # fmt: skip
    assert_fails(
        pansharpkit("assess", "--fused", ms, "--pan", pan, "--ms", ms), 4, "ms.tif", "pan.tif"
    )
    for extra in (("--ratio", "nan"), ("--ratio", 1), ("--ratio", 4, "--peak", "nan")):
        assert_fails(pansharpkit("evaluate", "--reference", ms, "--fused", ms, *extra), 2)
    tiny = place.ms("tiny.tif", place.ground.ms[:, :2, :2])
    assert_fails(pansharpkit("evaluate", pan, tiny, "-m", "exp"), 4, "tiny.tif", "too few")


def test_urls_open_no_connection(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        sidecar = place.pan("side.tif")
        place.file("side.tif.ovr", f"<VRTDataset>/vsicurl/http://{where}/a</VRTDataset>")
        for name in (f"http://{where}/pan.tif", f"/vsicurl/http://{where}/pan.tif"):
            assert place.fuse(name, place.ms()).code == 4
        assert place.fuse(sidecar, place.ms()).code == 0
        with pytest.raises(BlockingIOError):
            server.accept()


def test_sidecars_do_not_matter(place: Place) -> None:
    pan, ms = place.pan(), place.ms()
    assert place.fuse(pan, ms).code == 0
    expected = read(place.output)
    place.file(
        "pan.tif.aux.xml",
        "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>0,1,0,0,0,1</GeoTransform></PAMDataset>",
    )
    place.file("ms.tif.msk", "<VRTDataset/>")
    place.file("ms.tif.ovr", "<VRTDataset/>")
    assert place.fuse(pan, ms, options=("--overwrite",)).code == 0
    np.testing.assert_array_equal(read(place.output), expected)
    with rasterio.open(place.output) as made:
        assert made.crs == UTM30


def test_broken_block_can_be_masked(place: Place) -> None:
    broken, ms = bad_block(place), place.ms()
    assert place.fuse(place.pan(), ms).code == 0
    whole = read(place.output)
    done = place.fuse(
        broken, ms, options=("--on-bad-block", "mask", "--overwrite", "--json", "-m", "exp")
    )
    assert done.code == 0
    assert "rows 32-47, columns 48-63" in done.stderr
    assert any("rows 32-47, columns 48-63" in text for text in done.json["warnings"])
    mask = valid(place.output)
    assert not mask[32:48, 48:64].any()
    grown = np.ones_like(mask)
    grown[28:52, 44:68] = False
    assert mask[grown].all()
    np.testing.assert_array_equal(read(place.output)[:, grown], whole[:, grown])


# --- other ground


def test_different_ground_is_refused_unless_forced(place: Place) -> None:
    noise = np.random.default_rng(0).integers(100, 4000, (5, 160, 160)).astype("u2")
    inputs = (place.pan(values=noise[0]), place.ms(values=noise[1:, :40, :40]))
    assert_fails(place.fuse(*inputs), 4, "same ground", "--force")
    assert not any(place.outputs.iterdir())
    done = place.fuse(*inputs, options=("--force",))
    assert done.code == 0
    assert "same ground" in done.stderr


# --- products


@pytest.fixture
def product(place: Place) -> Path:
    return Path(shutil.copytree(ALABAMA, place.inputs / "scene"))


def edit(product: Path, change: Callable[[str], str]) -> Path:
    mtl = next(product.glob("*_MTL.txt"))
    mtl.write_text(change(mtl.read_text()))
    return product


PRODUCTS: dict[str, tuple[int, tuple[str, ...], Callable[[Path], Sequence[object]]]] = {
    "no PAN": (4, ("scene", "B8"), lambda s: (next(s.glob("*_B8.TIF")).unlink() or s,)),
    "no band": (4, ("scene", "B4"), lambda s: (next(s.glob("*_B4.TIF")).unlink() or s,)),
    "no metadata": (4, ("scene", "MTL"), lambda s: (next(s.glob("*_MTL.txt")).unlink() or s,)),
    "empty metadata": (4, ("_MTL.txt",), lambda s: (edit(s, lambda text: ""),)),
    "missing key": (
        4, ("_MTL.txt", "SPACECRAFT_ID"),
        lambda s: (edit(s, lambda text: text.replace("SPACECRAFT_ID", "CRAFT")),),
    ),
    "no number": (
        4, ("_MTL.txt", "SUN_ELEVATION"),
        lambda s: (edit(s, lambda text: text.replace("SUN_ELEVATION = ", "SUN_ELEVATION = x")),
                   "--toa"),
    ),
    "another satellite": (
        4, ("_MTL.txt", "PAN"), lambda s: (edit(s, lambda t: t.replace("LANDSAT_8", "LANDSAT_5")),),
    ),
    "thermal band": (2, ("--bands", "thermal"), lambda s: (s, "--bands", "B10,B4")),
    "truncated band": (4, ("_B3.TIF",), lambda s: (half(next(s.glob("*_B3.TIF"))) and s,)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_product_fault(name: str, place: Place, product: Path) -> None:
    code, said, make = PRODUCTS[name]
    arguments = make(product)
    before = place.listing()
    assert_fails(place.fuse(*arguments), code, *said)
    assert place.listing() == before


def archive(place: Place, member: tarfile.TarInfo | None, content: bytes = b"") -> Path:
    """Pack the product together with something that does not belong there."""
    path = place.inputs / "scene.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(ALABAMA, arcname="scene")
        if member is not None:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def bomb(place: Place) -> Path:
    path = place.inputs / "bomb.tar.gz"
    with (
        gzip.open(path, "wb", compresslevel=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        info = member("scene/a_MTL.txt")
        info.size = 2**28
        tar.addfile(info, _Zeros())
    return path


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


ARCHIVES: dict[str, Callable[[Place], Path]] = {
    "path upwards": lambda p: archive(p, member("../evil.txt"), b"x"),
    "absolute path": lambda p: archive(p, member(str(p.outputs / "evil.txt")), b"x"),
    "symbolic link": lambda p: archive(p, member("scene/a.TIF", tarfile.SYMTYPE, "/etc/passwd")),
    "hard link": lambda p: archive(p, member("scene/a.TIF", tarfile.LNKTYPE, "/etc/passwd")),
    "pipe": lambda p: archive(p, member("scene/a.TIF", tarfile.FIFOTYPE)),
    "truncated": lambda p: half(archive(p, None)),
    "bomb": bomb,
    "no archive": lambda p: p.file("scene.tar", "hello" * 500),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_fault(name: str, place: Place) -> None:
    path = ARCHIVES[name](place)
    before = place.listing()
    assert_fails(place.fuse(path), 4, path.name)
    assert place.listing() == before
    assert not any((place.inputs.parent / "scratch").iterdir())
    assert not (place.inputs.parent / "evil.txt").exists()


# --- outputs

Target = Callable[[Place], tuple[Path, tuple[str, ...]]]


def existing(place: Place) -> Path:
    place.output.write_bytes(b"precious")
    return place.output


def folder(place: Place) -> Path:
    (place.outputs / "d.tif").mkdir()
    return place.outputs / "d.tif"


def linked(place: Place, how: Callable[[Path, Path], None]) -> Path:
    how(place.inputs / "ms.tif", place.outputs / "other.tif")
    return place.outputs / "other.tif"


OUTPUTS: dict[str, tuple[int, tuple[str, ...], Target]] = {
    "exists": (2, ("fused.tif", "--overwrite"), lambda p: (existing(p), ())),
    "is the PAN": (
        2, ("pan.tif", "is the input"), lambda p: (p.inputs / "pan.tif", ("--overwrite",)),
    ),
    "is the MS": (
        2, ("ms.tif", "is the input"), lambda p: (p.inputs / "ms.tif", ("--overwrite",)),
    ),
    "is a link to an input": (
        2, ("other.tif", "is the input"),
        lambda p: (linked(p, lambda a, b: b.symlink_to(a)), ("--overwrite",)),
    ),
    "is a hard link to an input": (
        2, ("other.tif", "is the input"),
        lambda p: (linked(p, lambda a, b: b.hardlink_to(a)), ("--overwrite",)),
    ),
    "is a folder": (2, ("out",), lambda p: (p.outputs, ())),
    "is a folder called .tif": (2, ("d.tif", "folder"), lambda p: (folder(p), ())),
    "has no TIFF name": (2, ("a.png", ".tif"), lambda p: (p.outputs / "a.png", ())),
    "in no folder": (1, ("none", "does not exist"), lambda p: (p.outputs / "none" / "a.tif", ())),
    "in a file": (1, ("pan.tif",), lambda p: (p.inputs / "pan.tif" / "a.tif", ())),
    "has too long a name": (1, ("too long",), lambda p: (p.outputs / f"{'x' * 300}.tif", ())),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("dry", [False, True], ids=["run", "dry run"])
def test_output_fault(name: str, dry: bool, place: Place) -> None:
    pan, ms = place.pan(), place.ms()
    code, said, make = OUTPUTS[name]
    output, options = make(place)
    before = place.listing()
    extra = (*options, "--dry-run") if dry else options
    assert_fails(place.fuse(pan, ms, output=output, options=extra), code, *said)
    assert place.listing() == before


def test_output_in_a_read_only_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit.writer import lock

    def deny(*_: object) -> bool:  # root may write anywhere, so that no mode helps
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock, "_create", deny)
    done = place.fuse(place.pan(), place.ms())
    assert_fails(done, 1, "fused.tif", "Permission denied", "writable")
    assert not any(place.outputs.iterdir())


def test_full_disk_is_known_before_the_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(place.outputs)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert_fails(place.fuse(place.pan(), place.ms()), 1, "fused.tif", "1000 bytes", "free")
    assert not any(place.outputs.iterdir())


def test_no_band_of_the_product_is_replaced(place: Place, product: Path) -> None:
    before = place.listing()
    for band in ("B8", "B4", "B10", "BQA"):
        output = next(product.glob(f"*_{band}.TIF"))
        done = place.fuse(product, output=output, options=("--overwrite",))
        assert_fails(done, 2, band, "is the input")
    assert place.listing() == before


def test_second_job_for_one_output_fails(place: Place) -> None:
    from pansharpkit.writer.lock import OutputLock

    lock = OutputLock(place.outputs / ".fused.tif.lock", place.output)
    lock.acquire()
    assert_fails(place.fuse(place.pan(), place.ms()), 1, "fused.tif", "is writing it")
    lock.release()
    assert place.fuse(place.pan(), place.ms()).code == 0


def test_failure_while_fusing_keeps_the_old_output(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pansharpkit import engine

    existing(place)

    def fail(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(engine, "cast", fail)
    done = place.fuse(place.pan(), place.ms(), options=("--overwrite",))
    assert done.code == 1
    assert len(done.lines) == 1
    assert "surprise" in done.stderr
    assert place.output.read_bytes() == b"precious"
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]


@pytest.mark.parametrize(
    "name", ["with space", "ünï-日本", "new\nline", "perc%20ent", "[a]*?", "#;&'\"{}", "-dash"]
)
def test_strange_names_work(name: str, place: Place) -> None:
    folder = place.inputs / name
    folder.mkdir()
    pan = Path(shutil.move(place.pan(), folder / f"{name}pan.tif"))
    ms = Path(shutil.move(place.ms(), folder / f"{name}ms.tif"))
    done = pansharpkit("fuse", pan, ms, "-o", folder / f"{name}.tif", "-m", "exp", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert done.json["output"] == str(folder / f"{name}.tif")
    made = {path.name.removeprefix(name) for path in folder.iterdir()}
    assert made == {"pan.tif", "ms.tif", ".tif", ".report.json", ".report.html"}


def test_strange_names_are_shown_on_one_line(place: Place) -> None:
    assert_fails(place.fuse(place.file("new\nline.tif", ""), place.ms()), 4, "new\\nline.tif")


def test_names_that_look_like_options(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.inputs)
    place.pan("-pan.tif")
    place.ms("-ms.tif")
    assert_fails(place.fuse("-pan.tif", "-ms.tif"), 2, "-p")
    assert place.fuse("--", "-pan.tif", "-ms.tif").code == 2, "-o is no option after --"
    done = pansharpkit("fuse", "-o", "-out.tif", "--no-report", "--", "-pan.tif", "-ms.tif")
    assert done.code == 0
    assert (place.inputs / "-out.tif").exists()


# --- unusual input that works


ROTATED = Affine.translation(605000, 4745000) @ Affine.rotation(30) @ Affine.scale(15, -15)
ORIENTATIONS = {
    "rotated": ROTATED,
    "south-up": Affine(15, 0, 605000, 0, 15, 4743560),
    "mirrored": Affine(-15, 0, 606920, 0, -15, 4745000),
    "longer than wide": ORIGIN @ Affine.scale(1, 1.7),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientation_changes_no_pixel(name: str, place: Place) -> None:
    options = ("-m", "mtf-glp-fs")
    assert place.fuse(place.pan(), place.ms(), options=options).code == 0
    expected = read(place.output)
    grid = ORIENTATIONS[name]
    pan = place.pan("other.tif", None, grid)
    ms = place.ms("coarse.tif", None, grid @ Affine.scale(4))
    done = place.fuse(pan, ms, options=(*options, "--overwrite"))
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(read(place.output), expected)
    with rasterio.open(place.output) as made:
        assert made.transform.almost_equals(grid, 1e-9)


@pytest.mark.parametrize("ratio", [1.998, 2.5, 3])
def test_odd_ratios_hit_the_truth(ratio: float, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, ratio=ratio, size=(40, 44))
    output = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", output, "-m", "gsa", "--no-report")
    assert (done.code, done.stderr) == (0, "")
    made = read(output)
    assert made.shape == pair.truth.shape
    inner = (slice(None), slice(16, -16), slice(16, -16))
    spread = pair.truth[inner].std()
    assert np.abs(made[inner] - pair.truth[inner]).mean() < 0.2 * spread


def test_ms_in_another_crs_is_reprojected_with_a_notice(place: Place) -> None:
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    pan = place.pan()
    box = rasterio.transform.array_bounds(24, 32, COARSE)
    transform, width, height = calculate_default_transform(UTM30, "EPSG:4326", 32, 24, *box)
    values = np.zeros((4, height, width), "f4")
    reproject(
        place.ground.ms.astype("f4"), values, src_transform=COARSE, src_crs=UTM30,
        dst_transform=transform, dst_crs="EPSG:4326", dst_nodata=-1, resampling=Resampling.cubic,
    )  # fmt: skip
    ms = place.ms("degrees.tif", values, transform, "EPSG:4326", nodata=-1)
    done = place.fuse(pan, ms)
    assert done.code == 0
    assert "degrees.tif (EPSG:4326) is reprojected" in done.stderr
    assert place.fuse(pan, place.ms(), output=place.outputs / "plain.tif").code == 0
    inner = (slice(None), slice(16, -16), slice(16, -16))
    made, plain = read(place.output)[inner], read(place.outputs / "plain.tif")[inner].astype(float)
    assert valid(place.output)[inner[1:]].all()
    assert np.abs(made - plain).mean() < 0.1 * plain.std()


@pytest.mark.parametrize("shift", [(0.4, 0.3), (4, 2), (-3, 0)])
def test_extents_that_differ_give_the_intersection(
    shift: tuple[float, float], place: Place
) -> None:
    moved = place.ms("ms.tif", None, COARSE @ Affine.translation(*shift))
    done = place.fuse(place.pan(), moved)
    assert done.code == 0
    assert "intersection" in done.stderr
    with rasterio.open(place.output) as made:
        col, row = ~ORIGIN @ (made.transform.c, made.transform.f)
        assert (col, row) == pytest.approx((round(col), round(row)), abs=1e-6)
        assert made.bounds.left >= ORIGIN.c
        assert made.width < 128
    assert valid(place.output).all()


FRAMES: dict[str, tuple[str, float, bool]] = {
    "0": ("uint16", 0, True),
    "65535": ("uint16", 65535, True),
    "-9999": ("int16", -9999, True),
    "float -9999": ("float32", -9999, True),
    "NaN": ("float32", np.nan, True),
    "undeclared NaN": ("float32", np.nan, False),
    "undeclared lowest float": ("float32", np.finfo("f4").min, False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frame_of_nodata_changes_no_pixel_inside(name: str, place: Place) -> None:
    dtype, nodata, declared = FRAMES[name]
    options = ("-m", "gsa", "--dtype", "float32")
    pan, ms = (values.astype(dtype) for values in (place.ground.pan, place.ground.ms))
    assert place.fuse(place.pan(values=pan), place.ms(values=ms), options=options).code == 0
    expected = read(place.output)
    framed = [
        np.pad(values, ((0, 0), (k, k), (k, k)), constant_values=dtype_of(values, nodata))
        for values, k in ((pan, 32), (ms, 8))
    ]
    known = nodata if declared else None
    inputs = (
        place.pan("p.tif", framed[0], ORIGIN @ Affine.translation(-32, -32), nodata=known),
        place.ms("m.tif", framed[1], COARSE @ Affine.translation(-8, -8), nodata=known),
    )
    done = place.fuse(*inputs, options=(*options, "--overwrite"))
    assert (done.code, done.stderr) == (0, "")
    mask = valid(place.output)
    inside = np.zeros_like(mask)
    inside[36:-36, 36:-36] = True
    np.testing.assert_array_equal(mask, inside)
    made = read(place.output)[:, 36:-36, 36:-36]
    np.testing.assert_allclose(made, expected[:, 4:-4, 4:-4], rtol=1e-5)


def dtype_of(values: Array, nodata: float) -> Any:
    return np.asarray(nodata).astype(values.dtype)


def test_nodata_of_each_input_counts(place: Place) -> None:
    pan = place.ground.pan.astype("i2")
    pan[:, :10] = -9999
    ms = place.ground.ms.copy()
    ms[2, :, :5] = 0
    done = place.fuse(place.pan(values=pan, nodata=-9999), place.ms(values=ms, nodata=0))
    assert done.code == 0
    expected = np.ones((96, 128), bool)
    expected[:14], expected[:, :24] = False, False
    np.testing.assert_array_equal(valid(place.output), expected)
    with rasterio.open(place.output) as made:
        assert (made.dtypes[0], made.nodata) == ("uint16", 0)


def test_nodata_that_the_output_cannot_hold_becomes_a_mask(place: Place) -> None:
    pan = place.ground.pan.astype("i2")
    pan[:, :10] = -9999
    assert place.fuse(place.pan(values=pan, nodata=-9999), place.ms()).code == 0
    with rasterio.open(place.output) as made:
        assert (made.nodata, made.dtypes[0]) == (None, "uint16")
    assert not valid(place.output)[:10].any()
    assert valid(place.output)[14:].all()


def test_nodata_that_cannot_occur_is_ignored_with_a_notice(place: Place) -> None:
    done = place.fuse(place.pan(), place.ms(), options=("--nodata", "-9999"))
    assert done.code == 0
    assert "nodata -9999 cannot occur in uint16" in done.stderr


def spotted(values: Array, *spots: float) -> Array:
    found = values.astype("f4")
    for place, spot in enumerate(spots):
        found[0, 8 + 2 * place, 8 + 2 * place] = spot
    return found


PIXELS: dict[str, tuple[Callable[[Ground], Array], Callable[[Ground], Array]]] = {
    "NaN and infinity in the PAN": (
        lambda g: spotted(g.pan, np.nan, np.inf, -np.inf), lambda g: g.ms,
    ),
    "NaN and infinity in the MS": (
        lambda g: g.pan, lambda g: spotted(g.ms, np.nan, np.inf, -np.inf),
    ),
    "negative integers": (
        lambda g: (g.pan - 3000.0).astype("i2"), lambda g: (g.ms - 3000.0).astype("i2"),
    ),
    "reflectance": (lambda g: (g.pan / 1e4).astype("f4"), lambda g: (g.ms / 1e4).astype("f4")),
    "constant PAN": (lambda g: np.full_like(g.pan, 500), lambda g: g.ms),
    "constant": (lambda g: np.full_like(g.pan, 500), lambda g: np.full_like(g.ms, 500)),
    "stripes of zeros": (
        lambda g: np.where(np.arange(128) % 32 < 2, 0, g.pan), lambda g: g.ms,
    ),
    "saturated": (
        lambda g: np.minimum(g.pan * 20.0, 65535).astype("u2"),
        lambda g: np.minimum(g.ms * 20.0, 65535).astype("u2"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PIXELS)
def test_unusual_pixels_give_finite_results(name: str, place: Place) -> None:
    nodata = 0 if "zeros" in name else None
    pan, ms = (make(place.ground) for make in PIXELS[name])
    inputs = (place.pan(values=pan, nodata=nodata), place.ms(values=ms))
    done = pansharpkit("fuse", *inputs, "-o", place.output, "-m", "gsa", "--json")
    assert done.code == 0, done.stderr
    mask = valid(place.output)
    assert mask.any()
    assert mask.all() == (nodata is None and "NaN" not in name)
    assert np.isfinite(read(place.output)[:, mask]).all()
    json.dumps(done.json, allow_nan=False)
    rows = pansharpkit("evaluate", *inputs, "-m", "exp,brovey,gsa,bdsd-pc,mtf-glp-fs", "--json")
    assert rows.code == 0, rows.stderr
    json.dumps(rows.json, allow_nan=False)


def test_values_are_clipped_and_never_wrapped(place: Place) -> None:
    pan = np.minimum(place.ground.pan * 20.0, 65535).astype("u2")
    ms = np.minimum(place.ground.ms * 20.0, 65535).astype("u2")
    for dtype in ("uint16", "int16", "uint8"):
        options = ("-m", "gsa", "--dtype", dtype, "--overwrite", "--json")
        done = place.fuse(place.pan(values=pan), place.ms(values=ms), options=options)
        top = np.iinfo(dtype).max
        made = read(place.output)
        assert made.min() > top // 2, "a wrapped value would be small"
        counted = [int((band == top).sum()) for band in made]
        assert all(n <= m for n, m in zip(done.json["clipped_high"], counted, strict=True))
        assert sum(done.json["clipped_high"]) > 1000


def test_output_of_zeros_stands_without_a_report(place: Place) -> None:
    pan, ms = (values / 1e5 for values in (place.ground.pan, place.ground.ms))
    done = pansharpkit(
        "fuse", place.pan(values=pan), place.ms(values=ms), "-o", place.output, "-m", "exp",
        "--dtype", "uint8", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert "cannot be assessed" in done.stderr
    assert done.json["report_html"] is None
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]


# --- tiny images

SIZES = [(1, 1), (2, 2), (3, 3), (1, 40), (40, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("ratio", [2, 4])
def test_tiny_images(size: tuple[int, int], ratio: int, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, size=size, ratio=ratio)
    for method in ("exp", "gsa", "mtf-glp-fs"):
        made = []
        for tile in (16, 4096):
            output = tmp_path / f"{method}{tile}.tif"
            done = pansharpkit(
                "fuse", pair.pan, pair.ms, "-o", output, "-m", method, "--tile", tile,
                "--no-report",
            )  # fmt: skip
            assert done.code == 0, done.stderr
            made.append(read(output))
        assert made[0].shape == (4, size[0] * ratio, size[1] * ratio)
        np.testing.assert_array_equal(*made)
        assert np.abs(made[0] - 2900.0).max() < 2500


def test_tiny_image_has_a_report(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, size=(2, 3))
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", tmp_path / "a.tif", "-m", "gsa", "--json")
    assert done.code == 0
    assert "registration could not be measured" in done.stderr
    json.dumps(done.json, allow_nan=False)
    assert Path(done.json["report_html"]).stat().st_size > 1000


@pytest.mark.parametrize("method", ["exp", "gsa", "bdsd-pc", "mtf-glp-fs"])
def test_one_pixel_more_than_the_tiles(method: str, place: Place) -> None:
    inputs = (place.pan(values=place.ground.pan[:, :65, :97]), place.ms())
    made = []
    for tile in (32, 4096):
        options = ("-m", method, "--tile", tile, "--overwrite", "--dtype", "float32")
        assert place.fuse(*inputs, options=options).code == 0
        made.append(read(place.output))
    assert made[0].shape == (4, 65, 97)
    np.testing.assert_allclose(*made, rtol=2e-6)


# --- interruptions


def test_interrupt_in_this_process(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pansharpkit import pipeline

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert_fails(place.fuse(place.pan(), place.ms()), 130, "interrupted")
    assert not any(place.outputs.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_no_final_file(number: signal.Signals, place: Place) -> None:
    pan, ms = place.pan(), place.ms()
    command = [
        sys.executable, "-m", "pansharpkit_cli.app", "fuse", str(pan), str(ms),
        "-o", str(place.output), "-m", "gdd", "--option", "iterations=1000000",
        "--tile", "32", "--device", "cpu",
    ]  # fmt: skip
    job = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list(place.outputs.glob(".fused.tif.partial-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
        assert job.poll() is None
    job.send_signal(number)
    out, err = job.communicate(timeout=60)
    assert not place.output.exists()
    if number is not signal.SIGKILL:
        assert_fails(Outcome(job.returncode, out, err), 130, "interrupted")
        assert not any(place.outputs.iterdir())
    assert place.fuse(pan, ms).code == 0, "the next job takes over"
    assert [path.name for path in place.outputs.iterdir()] == ["fused.tif"]
