"""Broken and hostile files through the command line: one clear line, nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import environment, pansharpkit
from fault_place import Fault, Place, assert_fails, bad_block, half, read
from rasterio.shutil import copy as gdal_copy
from rasters import ORIGIN, UTM30


def cut_cog(place: Place) -> Path:
    """A file whose header is whole and whose last 2 KB of pixels are missing."""
    whole, cog = place.pan("whole.tif"), place.inputs / "cut.tif"
    gdal_copy(whole, cog, driver="COG", compress="NONE")
    return half(cog, cog.stat().st_size - 2048)


def sparse(place: Place, name: str, side: int, block: int) -> Path:
    with rasterio.open(
        place.inputs / name, "w", driver="GTiff", count=1, width=side, height=side, dtype="uint16",
        crs=UTM30, transform=ORIGIN, tiled=True, blockxsize=block, blockysize=block,
        sparse_ok=True, bigtiff="yes",
    ):  # fmt: skip
        return place.inputs / name


def claims(place: Place, side: int, block: int, **lies: int) -> Path:
    """A header of 200 bytes that claims an image of any size in blocks of any size, and no pixel.

    `lies` are further tags, named t and their number, with the count that they claim.
    """
    longs = {256: side, 257: side, 322: block, 323: block}
    shorts = {258: 16, 259: 8, 262: 1, 277: 1, 339: 1}
    tags = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items()}
    tags |= {tag: struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()}
    tags |= {tag: struct.pack("<HHII", tag, 4, 0, 0) for tag in (324, 325)}
    lied = {int(name[1:]): count for name, count in lies.items()}
    tags |= {tag: struct.pack("<HHII", tag, 2, count, 8) for tag, count in lied.items()}
    start = 10 + 12 * (len(tags) + 2) + 4
    tags[33550] = struct.pack("<HHII", 33550, 12, 3, start)
    tags[33922] = struct.pack("<HHII", 33922, 12, 6, start + 24)
    placed = struct.pack("<9d", 15, 15, 0, 0, 0, 0, 605000, 4745000, 0)
    ifd = struct.pack("<H", len(tags)) + b"".join(tags[tag] for tag in sorted(tags)) + bytes(4)
    return place.file("claims.tif", b"II*\0" + struct.pack("<I", 8) + ifd + placed)


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
    "folder for a PAN": (4, ("in", "MTL"), lambda p: (p.inputs, p.ms())),
    "folder without a product": (4, ("in", "MTL"), lambda p: (p.inputs,)),
    "pipe": (4, ("pipe.tif", "regular file"), lambda p: (fifo(p), p.ms())),
    "one raster alone": (2, ("pan.tif", "a pair takes two"), lambda p: (p.pan(),)),
    "sparse giant": (
        4, ("giant.tif", "--max-pixels"), lambda p: (sparse(p, "giant.tif", 400_000, 4096), p.ms()),
    ),
    "giant block": (
        4, ("block.tif", "stored block"), lambda p: (sparse(p, "block.tif", 16384, 16384), p.ms()),
    ),
    "claims of pixels": (
        4, ("claims.tif", "--max-pixels"), lambda p: (claims(p, 2**20, 4096), p.ms()),
    ),
    "claims of blocks": (
        4, ("claims.tif", "67108864 blocks"),
        lambda p: (claims(p, 2**17, 16), p.ms(), "--on-bad-block", "mask"),
    ),
    "claims of a block": (
        4, ("claims.tif", "one stored block"), lambda p: (claims(p, 2**16, 2**16), p.ms()),
    ),
    "claims of text": (
        4, ("claims.tif",), lambda p: (claims(p, 64, 64, t270=2**31, t42112=2**32 - 1), p.ms()),
    ),
    "more pixels than allowed": (
        4, ("pan.tif", "128 x 96"), lambda p: (p.pan(), p.ms(), "--max-pixels", 12287),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_fault(name: str, place: Place) -> None:
    code, said, make = FILES[name]
    arguments = make(place)
    before = place.listing()
    import pansharpkit.pipeline  # noqa: F401 - loading it is not part of the time

    started = time.process_time()
    assert_fails(place.fuse(*arguments), code, *said)
    assert time.process_time() - started < 2
    assert place.listing() == before


PEAKS = """
    import json, resource, sys
    from pansharpkit_cli import app

    peaks = []
    for inputs in json.loads(sys.argv[1]):
        sys.argv = ["pansharpkit", "fuse", *inputs, "-o", "fused.tif"]
        assert app._run(debug=False) == 4
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(peaks))
"""


def test_claims_cost_no_memory(place: Place) -> None:
    """A file that claims gigabytes costs hardly more than one that is empty."""
    inputs = []
    for number, name in enumerate(("empty", "giant block", "claims of a block", "claims of text")):
        part = replace(place, inputs=place.inputs / str(number))
        part.inputs.mkdir()
        inputs.append([str(path) for path in FILES[name][2](part)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PEAKS), json.dumps(inputs)],
        env=environment(), cwd=place.outputs, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, *others = json.loads(done.stdout)
    assert max(others) - first < 80  # MB: GDAL and numpy at work, no pixels


def test_no_geotransform(place: Place) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        flat = place.pan("flat.tif", None, None)
    assert_fails(place.fuse(flat, place.ms()), 4, "flat.tif", "no geotransform")
    assert not any(place.outputs.iterdir())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_not_orthorectified(place: Place) -> None:
    raw = place.ms("raw.tif", None, None, None)
    place.file("raw.RPB", "satId = 'WV02';")
    for inputs in ((place.pan(), raw), (raw, place.ms())):
        assert_fails(place.fuse(*inputs), 4, "raw.tif", "raw.RPB", "orthorectify", "gdalwarp -rpc")
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
