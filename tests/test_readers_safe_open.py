"""Every way in which a raster file attacks or fails before its pixels are used."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasters import ORIGIN, make_pair, write_geotiff

from pansharpkit.errors import (
    FileReadError,
    GridError,
    InputError,
    OptionError,
    PansharpkitError,
)
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions, open_geotiff, preflight, safe_open

RAMP = np.arange(1, 64 * 64 + 1, dtype=np.uint16).reshape(64, 64)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
VRT = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="UInt16" band="1">'
    "<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
)


def refusal(name: str | Path, options: ReadOptions | None = None) -> str:
    """Return the message with which a file is refused: one line, exit code 4, its name in it."""
    with pytest.raises(InputError) as caught:
        open_geotiff(name, options)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in message
    assert Path(name).name in message
    return message


def sample(path: Path, **options: object) -> Path:
    return write_geotiff(path, RAMP, options={**TILED, **options})


class TestBrokenFiles:
    def test_a_sound_file_is_read(self, tmp_path: Path) -> None:
        source = open_geotiff(sample(tmp_path / "a.tif"))
        values, valid = source.read(Window(10, 20, 5, 7))
        np.testing.assert_array_equal(values[0], RAMP[10:15, 20:27])
        assert valid.all()

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            (b"", "empty"),
            (b"<!DOCTYPE html><html>login</html>", "HTML"),
            (b"\n <html><body>404", "HTML"),
            (b"PK\x03\x04 not a tiff at all", "not a TIFF"),
            (b"II*\0", "broken"),
            (b"II*\0\xff\xff\xff\xff" * 9, "broken"),
        ],
    )
    def test_not_a_raster(self, tmp_path: Path, content: bytes, cause: str) -> None:
        path = tmp_path / "scene.tif"
        path.write_bytes(content)
        assert cause in refusal(path)

    def test_missing_folder_and_pipe(self, tmp_path: Path) -> None:
        assert "No such file" in refusal(tmp_path / "none.tif")
        (tmp_path / "folder.tif").mkdir()
        assert "not a regular file" in refusal(tmp_path / "folder.tif")
        os.mkfifo(tmp_path / "pipe.tif")
        assert "not a regular file" in refusal(tmp_path / "pipe.tif")

    @pytest.mark.parametrize("layout", [{}, TILED, {"compress": "lzw"}, {**TILED, "count": 3}])
    @pytest.mark.parametrize("lost", [0.5, 2048])
    def test_truncated(self, tmp_path: Path, layout: dict[str, object], lost: float) -> None:
        rng = np.random.default_rng(0)
        noise = rng.integers(1, 4000, (int(layout.get("count", 1)), 64, 64), np.uint16)
        path = write_geotiff(tmp_path / "scene.tif", noise, options=layout)
        data = path.read_bytes()
        keep = int(len(data) * lost) if lost < 1 else len(data) - int(lost)
        path.write_bytes(data[:keep])
        assert "download or copy it again" in refusal(path)

    def test_truncated_in_a_block_that_is_not_the_last(self, tmp_path: Path) -> None:
        """Blocks may lie in any order in the file."""
        path = tmp_path / "scene.tif"
        noise = np.random.default_rng(0).integers(1, 4000, (64, 64), np.uint16)
        profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 64, "dtype": "uint16"}
        with rasterio.open(
            path, "w", **profile, transform=ORIGIN, crs="EPSG:32630", **TILED
        ) as out:
            for row in (48, 32, 16, 0):
                out.write(noise[row : row + 16], 1, window=((row, row + 16), (0, 64)))
        path.write_bytes(path.read_bytes()[:-400])
        assert "truncated" in refusal(path)

    def test_killed_writer(self, tmp_path: Path) -> None:
        """A writer that gets SIGKILL leaves a file that opens, and reads as zeros."""
        path = tmp_path / "killed.tif"
        code = f"""
import os, signal, numpy, rasterio
from affine import Affine
out = rasterio.open({str(path)!r}, "w", driver="GTiff", count=1, height=512, width=512,
    dtype="uint16", tiled=True, transform=Affine(15, 0, 6e5, 0, -15, 4e6), crs="EPSG:32630")
for row in range(0, 512, 256):
    out.write(numpy.full((1, 256, 512), 7, "uint16"), window=((row, row + 256), (0, 512)))
os.kill(os.getpid(), signal.SIGKILL)
"""
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -signal.SIGKILL
        with rasterio.open(path) as dataset:
            assert not dataset.read().any()
        assert "holds no data" in refusal(path)

    @pytest.mark.parametrize(("fill", "nodata"), [(0, None), (0, 0), (55, 55)])
    def test_nothing_but_nodata(self, tmp_path: Path, fill: int, nodata: float | None) -> None:
        path = write_geotiff(tmp_path / "a.tif", np.full((40, 40), fill, np.uint16), nodata=nodata)
        assert "holds no data" in refusal(path)

    @pytest.mark.parametrize("spot", [(0, 0), (17, 50), (63, 63)])
    def test_one_pixel_of_data_is_enough(self, tmp_path: Path, spot: tuple[int, int]) -> None:
        """The last blocks of a scene may well be all nodata, and so may nearly everything."""
        values = np.zeros((256, 256), np.uint16)
        values[spot] = 9
        path = write_geotiff(tmp_path / "a.tif", values, nodata=0, options=TILED)
        _, valid = open_geotiff(path).read(Window(0, 0, 256, 256))
        assert valid.sum() == 1

    def test_blocks_never_written_are_announced(self, tmp_path: Path) -> None:
        profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 64, "dtype": "uint16"}
        path = tmp_path / "sparse.tif"
        with rasterio.open(
            path, "w", **profile, transform=ORIGIN, crs="EPSG:32630", SPARSE_OK=True, **TILED
        ) as out:
            out.write(RAMP[:16], 1, window=((0, 16), (0, 64)))
        (notice,) = open_geotiff(path).notices
        assert "12 blocks were never written" in notice
        assert open_geotiff(path, ReadOptions(nodata=0)).notices == ()


class TestDisguises:
    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        return sample(tmp_path / "secret.tif")

    @pytest.mark.parametrize("prefix", ["", "\n  ", "\ufeff"])
    def test_vrt_called_tif(self, tmp_path: Path, secret: Path, prefix: str) -> None:
        path = tmp_path / "innocent.tif"
        path.write_text(prefix + VRT.format(secret))
        assert "VRT" in refusal(path)

    def test_other_suffix(self, tmp_path: Path, secret: Path) -> None:
        path = tmp_path / "a.vrt"
        path.write_text(VRT.format(secret))
        assert "unsupported suffix '.vrt'" in refusal(path)

    @pytest.mark.parametrize(
        "template",
        [
            "vrt://{}",
            "/vsizip/{}",
            "/VSICURL/http://127.0.0.1:9/a.tif",
            "//vsimem/a.tif",
            "file://{}",
            "GTIFF_DIR:1:{}",
            "GTIFF_RAW:{}",
            "zip+file://{}!a.tif",
            "s3://bucket/a.tif",
        ],
    )
    def test_names_with_a_meaning(self, secret: Path, template: str) -> None:
        with pytest.raises(FileReadError, match=r"--allow-remote|No such file"):
            open_geotiff(template.format(secret))

    def test_inline_xml(self, secret: Path) -> None:
        with pytest.raises(FileReadError, match="is XML"):
            open_geotiff(VRT.format(secret))

    def test_sidecars_are_not_read(self, tmp_path: Path, secret: Path) -> None:
        path = sample(tmp_path / "a.tif")
        half = VRT.replace("64", "32").format(secret)
        (tmp_path / "a.tif.ovr").write_text(half)
        (tmp_path / "a.tif.msk").write_text(VRT.replace("UInt16", "Byte").format(secret))
        (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
        (tmp_path / "a.tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>77</NoDataValue></PAMRasterBand>'
            "</PAMDataset>"
        )
        source = open_geotiff(path)
        values, valid = source.read(Window(0, 0, 64, 64))
        assert source.nodata is None
        assert not source.masked
        assert valid.all()
        np.testing.assert_array_equal(values[0], RAMP)
        assert source.file.dataset.files == [str(path)]
        assert source.file.dataset.overviews(1) == []

    def test_what_gdal_pulls_in_all_the_same_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = sample(tmp_path / "a.tif")
        (tmp_path / "a.tif.ovr").write_text(VRT.replace("64", "32").format(path))
        monkeypatch.setattr(safe_open, "gdal_environment", lambda options: rasterio.Env())
        assert "pulls in other files, which is refused" in refusal(path)

    def test_sidecars_on_request(self, tmp_path: Path) -> None:
        path = sample(tmp_path / "a.tif")
        (tmp_path / "a.tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>77</NoDataValue></PAMRasterBand>'
            "</PAMDataset>"
        )
        assert open_geotiff(path, ReadOptions(sidecars=True)).nodata == 77


class TestNetwork:
    @pytest.fixture
    def calls(self) -> Iterator[tuple[int, list[str]]]:
        """A port on this machine, and who has called it."""
        seen: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as server:

            def listen() -> None:
                while True:
                    try:
                        line, _ = server.accept()
                    except OSError:
                        return
                    seen.append("call")
                    line.close()

            threading.Thread(target=listen, daemon=True).start()
            yield server.getsockname()[1], seen
            server.shutdown(socket.SHUT_RDWR)

    def test_no_call_without_permission(self, tmp_path: Path, calls: tuple[int, list[str]]) -> None:
        port, seen = calls
        url = f"http://127.0.0.1:{port}/a.tif"
        disguised = tmp_path / "innocent.tif"
        disguised.write_text(VRT.format(f"/vsicurl/{url}"))
        sidecar = sample(tmp_path / "b.tif")
        (tmp_path / "b.tif.ovr").write_text(VRT.format(f"/vsicurl/{url}"))
        for name in (url, f"/vsicurl/{url}", VRT.format(url), str(disguised)):
            with pytest.raises(FileReadError):
                open_geotiff(name)
        open_geotiff(sidecar).read(Window(0, 0, 64, 64))
        time.sleep(0.1)
        assert seen == []

    def test_a_call_with_permission(self, calls: tuple[int, list[str]]) -> None:
        """Shows that the test above would notice a call."""
        port, seen = calls
        with pytest.raises(FileReadError, match=r"a\.tif"):
            open_geotiff(f"http://127.0.0.1:{port}/a.tif", ReadOptions(allow_remote=True))
        assert seen

    def test_virtual_paths_with_permission(self, tmp_path: Path) -> None:
        path = sample(tmp_path / "a.tif")
        shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path, "a.tif")
        source = open_geotiff(f"/vsizip/{tmp_path}/z.zip/a.tif", ReadOptions(allow_remote=True))
        values, _ = source.read(Window(0, 0, 64, 64))
        np.testing.assert_array_equal(values[0], RAMP)
        assert path.exists()


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "two words.tif",
            "пан ✓.tif",
            "-o.tif",
            "--help.tif",
            "new\nline.tif",
            "tab\t.TIF",
            "a:b.tif",
            "http:x.tif",
            "GTIFF_DIR:1:x.tif",
            "q?x#y&z=%41.tif",
            "quote\"'.tiff",
            "[0-9]*.tif",
            "<a>.tif",
            "$HOME.tif",
        ],
    )
    def test_odd_names_are_just_names(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy(sample(tmp_path / "plain.tif"), tmp_path / name)
        monkeypatch.chdir(tmp_path)
        for given in (tmp_path / name, *([] if name.startswith("<") else [name])):
            source = open_geotiff(given)
            assert source.read(Window(0, 0, 64, 64))[0].sum() == RAMP.sum()
            assert "\n" not in source.label

    def test_message_about_a_name_with_a_newline_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError) as caught:
            open_geotiff(tmp_path / "new\nline.tif")
        assert "\n" not in str(caught.value)
        assert r"new\nline.tif" in str(caught.value)

    def test_nul_in_a_name(self) -> None:
        with pytest.raises(FileReadError):
            open_geotiff("a\0b.tif")

    def test_read_only_folder_stays_as_it_is(self, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        pair = make_pair(folder)
        before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
        folder.chmod(0o500)
        try:
            source = open_geotiff(pair.ms)
            source.read(source.grid.window)
        finally:
            folder.chmod(0o700)
        assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


class TestLimits:
    def sparse(self, path: Path, size: int, **layout: object) -> Path:
        profile = {"driver": "GTiff", "count": 1, "height": size, "width": size, "dtype": "uint16"}
        with rasterio.open(
            path, "w", **profile, transform=ORIGIN, crs="EPSG:32630", SPARSE_OK=True, **layout
        ):
            pass
        return path

    def test_too_many_pixels(self, tmp_path: Path) -> None:
        path = self.sparse(
            tmp_path / "huge.tif", 400_000, tiled=True, blockxsize=4096, blockysize=4096
        )
        started = time.process_time()
        assert "--max-pixels" in refusal(path)
        assert time.process_time() - started < 1

    def test_limit_is_an_option(self, tmp_path: Path) -> None:
        path = sample(tmp_path / "a.tif")
        assert "--max-pixels" in refusal(path, ReadOptions(max_pixels=64 * 64 - 1))
        open_geotiff(path, ReadOptions(max_pixels=64 * 64))

    def test_one_huge_block(self, tmp_path: Path) -> None:
        """16 KB on disk that would take half a gigabyte of memory."""
        path = self.sparse(
            tmp_path / "block.tif", 16384, tiled=True, blockxsize=16384, blockysize=16384
        )
        assert path.stat().st_size < 20_000
        assert "one stored block is 16384 x 16384" in refusal(path)

    def test_too_many_blocks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.sparse(tmp_path / "fine.tif", 64, tiled=True, blockxsize=16, blockysize=16)
        monkeypatch.setattr(preflight, "MAX_BLOCKS", 15)
        assert "stored in 16 blocks of 16 x 16 pixels, at most 15 are" in refusal(path)

    def test_too_many_bands(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", np.ones((1025, 2, 2), np.uint8))
        assert "1025 bands" in refusal(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
class TestPixelsAndGrids:
    def test_complex(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", np.full((8, 8), 1 + 1j, np.complex64))
        assert "complex64" in refusal(path)

    def test_palette(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", np.ones((8, 8), np.uint8))
        with rasterio.open(path, "r+") as dataset:
            dataset.write_colormap(1, {1: (255, 0, 0, 255)})
        assert "palette" in refusal(path)

    @pytest.mark.parametrize(
        ("transform", "cause"),
        [
            (None, "no geotransform"),
            (Affine.identity(), "no geotransform"),
            (Affine.scale(1, -1), "no geotransform"),
            (Affine(float("nan"), 0, 0, 0, -1, 0), "not finite"),
            (Affine(float("inf"), 0, 0, 0, -1, 0), "not finite"),
            (Affine(0, 0, 6e5, 0, 0, 4e6), "no area"),
            (Affine(15, 15, 6e5, 15, 15, 4e6), "no area"),
        ],
    )
    def test_useless_transform(self, tmp_path: Path, transform: Affine | None, cause: str) -> None:
        path = write_geotiff(tmp_path / "a.tif", RAMP, transform)
        assert cause in refusal(path)
        with pytest.raises(GridError):
            open_geotiff(path)

    def test_half_a_transform(self, tmp_path: Path) -> None:
        """Pixel sizes without a tie point: GDAL returns a transform from 0, 0, and a warning."""
        data = bytearray(sample(tmp_path / "whole.tif").read_bytes())
        tie_point = (33922).to_bytes(2, "little")
        at = data.index(tie_point + (12).to_bytes(2, "little"))
        data[at : at + 2] = (33921).to_bytes(2, "little")  # some unknown tag
        path = tmp_path / "half.tif"
        path.write_bytes(bytes(data))
        assert "no geotransform" in refusal(path)

    @pytest.mark.parametrize(
        "transform", [Affine(15, 0, 6e5, 0, 15, 4e6), Affine(12, 9, 6e5, 9, -12, 4e6)]
    )
    def test_south_up_and_rotated_are_kept(self, tmp_path: Path, transform: Affine) -> None:
        path = write_geotiff(tmp_path / "a.tif", RAMP, transform)
        assert open_geotiff(path).grid.transform == transform

    def test_no_crs(self, tmp_path: Path) -> None:
        path = write_geotiff(tmp_path / "a.tif", RAMP, crs=None)
        assert "--assume-crs" in refusal(path)
        source = open_geotiff(path, ReadOptions(assume_crs="EPSG:32616"))
        assert source.grid.crs is not None
        assert source.grid.crs.to_epsg() == 32616
        with pytest.raises(OptionError, match="EPSG:nonsense"):
            open_geotiff(path, ReadOptions(assume_crs="EPSG:nonsense"))

    def test_assumed_crs_does_not_overrule(self, tmp_path: Path) -> None:
        source = open_geotiff(sample(tmp_path / "a.tif"), ReadOptions(assume_crs="EPSG:32616"))
        assert source.grid.crs is not None
        assert source.grid.crs.to_epsg() == 32630


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damage_anywhere_ends_in_our_own_errors(tmp_path: Path) -> None:
    """Whatever bytes change, a file is read or refused, and nothing else happens."""
    rng = random.Random(1)
    original = write_geotiff(
        tmp_path / "a.tif", RAMP, nodata=3, names=("PAN",), options=TILED
    ).read_bytes()
    path = tmp_path / "damaged.tif"
    outcomes: set[str] = set()
    codes: set[int] = set()
    for _ in range(250):
        data = bytearray(original)
        for _ in range(rng.choice([1, 2, 8])):
            near = rng.choice([0, 0, len(data) - 800])
            data[near + rng.randrange(800)] = rng.randrange(256)
        path.write_bytes(bytes(data))
        try:
            source = open_geotiff(path)
            source.read(Window(0, 0, min(64, source.grid.height), min(64, source.grid.width)))
            outcomes.add("read")
        except PansharpkitError as error:
            outcomes.add(type(error).__name__)
            codes.add(error.exit_code)
    assert codes == {4}
    assert {"read", "FileReadError", "GridError"} <= outcomes
