"""The writer: what it writes, what it refuses, and what it leaves behind when something dies."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rio_cogeo import cog_validate

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.grid import Grid, Window
from pansharpkit.writer import (
    OutputProfile,
    check_output,
    lineage_tags,
    open_output,
    required_bytes,
    sha256_of,
)
from pansharpkit.writer import preflight as preflight_module
from pansharpkit.writer import raster as raster_module
from pansharpkit.writer.lock import OutputLock

TRANSFORM = Affine(15.000376894171099, 0, 605249.5444903165, 0, -14.9993616872392, 4745814.61132)
UTM30 = CRS.from_epsg(32630)


def profile(height: int = 600, width: int = 700, **changes: object) -> OutputProfile:
    plain = OutputProfile(
        Grid(height, width, TRANSFORM, UTM30), "uint16", ("B2 Blue", "B3 Green", "B4 Red"), nodata=0
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def pixels(of: OutputProfile, seed: int = 0) -> NDArray[np.generic]:
    rng = np.random.default_rng(seed)
    return rng.integers(1, 120, of.shape).astype(of.dtype)


def tiles(of: OutputProfile, side: int = 130) -> list[Window]:
    whole = of.grid.window
    return [
        Window(row, col, side, side).clip(whole)
        for row in range(0, whole.height, side)
        for col in range(0, whole.width, side)
    ]


def write(path: Path, of: OutputProfile, values: NDArray[np.generic], **options: bool) -> None:
    with open_output(path, of, **options) as writer:  # type: ignore[arg-type]
        writer.write(of.grid.window, values)


def listing(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


# --- what is written


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_pixels_grid_and_type_come_back_from_a_valid_cog(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "out.tif"
    of = profile(dtype=dtype)
    values = pixels(of)
    with open_output(path, of) as writer:
        for window in tiles(of):
            writer.write(window, values[:, *window.slices])
    with rasterio.open(path) as found:
        assert (found.read() == values).all()
        assert found.transform == TRANSFORM
        assert found.crs == UTM30
        assert found.dtypes == (dtype,) * 3
        assert found.compression.name == "deflate"
        assert found.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "32"[np.dtype(dtype).kind != "f"]
        assert found.block_shapes == [(512, 512)] * 3
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    assert listing(tmp_path) == ["out.tif"]


def test_metadata_come_back(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile(
        wavelengths_nm=(482.04, 561.41, None),
        fwhm_nm=(60.04, None, None),
        scales=(1e-4,) * 3,
        offsets=(-0.1,) * 3,
        color_interp=("blue", "green", "red"),
        nodata=65535,
        tags={
            "ACQUISITIONDATETIME": "2015-06-30T10:50:00Z",
            **lineage_tags(
                version="9.9",
                method="gsa",
                options={"weights": [0.25, 0.75]},
                inputs={"pan <&>.tif": "ab" * 32, "ms.tif": None},
            ),
        },
    )
    write(path, of, pixels(of))
    with rasterio.open(path) as found:
        assert found.nodata == 65535
        assert found.descriptions == of.band_names
        assert found.scales == of.scales
        assert found.offsets == of.offsets
        assert [c.name for c in found.colorinterp] == ["blue", "green", "red"]
        assert found.tags(1)["WAVELENGTH"] == "482.04"
        assert found.tags(1)["WAVELENGTH_UNITS"] == "Nanometers"
        assert found.tags(1, ns="IMAGERY") == {
            "CENTRAL_WAVELENGTH_UM": "0.48204",
            "FWHM_UM": "0.06004",
        }
        assert found.tags(2, ns="IMAGERY") == {"CENTRAL_WAVELENGTH_UM": "0.56141"}
        assert "WAVELENGTH" not in found.tags(3)
        tags = found.tags()
        assert tags["TIFFTAG_SOFTWARE"] == "pansharpkit 9.9"
        assert json.loads(tags["PANSHARPKIT_OPTIONS"]) == {"weights": [0.25, 0.75]}
        assert json.loads(tags["PANSHARPKIT_INPUTS"])[1] == {"name": "ms.tif", "sha256": None}
        assert json.loads(tags["PANSHARPKIT_INPUTS"])[0]["name"] == "pan <&>.tif"
        assert tags["ACQUISITIONDATETIME"] == "2015-06-30T10:50:00Z"


@pytest.mark.parametrize("meaning", ["Area", "Point"])
@pytest.mark.parametrize("cog", [True, False])
def test_area_or_point_never_moves_the_pixels(tmp_path: Path, meaning: str, cog: bool) -> None:
    path = tmp_path / "out.tif"
    of = profile(20, 30, area_or_point=meaning)
    write(path, of, pixels(of), cog=cog)
    with rasterio.open(path) as found:
        assert found.tags()["AREA_OR_POINT"] == meaning
        assert found.transform == TRANSFORM


@pytest.mark.parametrize(
    "transform",
    [
        Affine(2, 0, 10, 0, 2, 20),
        Affine.translation(5e5, 4e6) @ Affine.rotation(30) @ Affine.scale(2, -3),
    ],
    ids=["south-up", "rotated"],
)
def test_other_orientations_keep_their_transform(tmp_path: Path, transform: Affine) -> None:
    of = profile(grid=Grid(40, 50, transform, UTM30))
    write(tmp_path / "out.tif", of, pixels(of))
    with rasterio.open(tmp_path / "out.tif") as found:
        assert found.transform.almost_equals(transform, 1e-9)


@pytest.mark.parametrize("size", [(1, 1), (700, 1), (1, 700), (5, 7), (513, 512), (900, 3)])
@pytest.mark.parametrize("masked", [True, False])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int], masked: bool) -> None:
    of = profile(*size, with_mask=masked, nodata=None if masked else 0)
    values = pixels(of)
    write(tmp_path / "out.tif", of, values)
    with rasterio.open(tmp_path / "out.tif") as found:
        assert (found.read() == values).all()
        assert found.dataset_mask().all()
        assert all(level >= 2 for level in found.overviews(1))


def test_overviews_average_valid_pixels_only(tmp_path: Path) -> None:
    of = profile(1024, 1024, band_names=("only",))
    values = np.full(of.shape, 100, np.uint16)
    values[:, ::2] = 0  # every other row missing
    write(tmp_path / "out.tif", of, values)
    with rasterio.open(tmp_path / "out.tif", overview_level=0) as found:
        assert (found.read() == 100).all()


def test_missing_pixels_become_nodata(tmp_path: Path) -> None:
    of = profile(dtype="float32", nodata=float("nan"))
    valid = np.random.default_rng(1).random(of.shape[1:]) > 0.3
    with open_output(tmp_path / "out.tif", of) as writer:
        writer.write(of.grid.window, pixels(of), valid)
    with rasterio.open(tmp_path / "out.tif") as found:
        assert (np.isfinite(found.read()) == valid).all()
        assert ((found.dataset_mask() > 0) == valid).all()


@pytest.mark.parametrize("cog", [True, False])
def test_mask_inside_the_file(tmp_path: Path, cog: bool) -> None:
    of = profile(nodata=None, with_mask=True)
    values = pixels(of)
    valid = np.random.default_rng(1).random(of.shape[1:]) > 0.3
    with (
        open_output(tmp_path / "out.tif", of, cog=cog) as writer,
        ThreadPoolExecutor(2) as pool,
    ):
        for window in tiles(of)[:-1]:  # the last one stays unwritten, hence masked
            pool.submit(writer.write, window, values[:, *window.slices], valid[window.slices])
    valid[tiles(of)[-1].slices] = False
    with rasterio.open(tmp_path / "out.tif") as found:
        assert found.nodata is None
        assert found.mask_flag_enums[0] == [rasterio.enums.MaskFlags.per_dataset]
        assert ((found.dataset_mask() > 0) == valid).all()
        assert (found.read()[:, valid] == values[:, valid]).all()
    assert listing(tmp_path) == ["out.tif"]
    assert not cog or cog_validate(tmp_path / "out.tif", strict=True, quiet=True)[0]


def test_unwritten_blocks_are_nodata(tmp_path: Path) -> None:
    of = profile(nodata=77)
    with open_output(tmp_path / "out.tif", of) as writer:
        writer.write(Window(300, 300, 10, 10), np.ones((3, 10, 10), np.uint16))
    with rasterio.open(tmp_path / "out.tif") as found:
        assert (found.dataset_mask() > 0).sum() == 100


@pytest.mark.parametrize("fill", [float("nan"), -0.0])
def test_sparse_output_of_floats_passes_its_own_checks(tmp_path: Path, fill: float) -> None:
    of = profile(dtype="float32", nodata=fill, creation_options={"SPARSE_OK": "TRUE"})
    values = -np.full(of.shape, fill, np.float32)  # the other NaN, the other zero
    write(tmp_path / "out.tif", of, values)
    with rasterio.open(tmp_path / "out.tif") as found:
        np.testing.assert_array_equal(found.read(), values)


def test_order_and_threads_do_not_change_the_file(tmp_path: Path) -> None:
    of = profile()
    values = pixels(of)
    write(tmp_path / "a.tif", of, values)
    shuffled = tiles(of, 61)
    random.Random(3).shuffle(shuffled)
    with open_output(tmp_path / "b.tif", of) as writer, ThreadPoolExecutor(8) as pool:
        done = [pool.submit(writer.write, w, values[:, *w.slices]) for w in shuffled]
        for item in done:
            item.result()
    assert sha256_of(tmp_path / "a.tif") == sha256_of(tmp_path / "b.tif")


def test_manifest_describes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile()
    with open_output(path, of) as writer:
        with pytest.raises(OutputError, match="not finished"):
            _ = writer.manifest
        writer.write(of.grid.window, pixels(of))
    manifest = writer.manifest
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.bytes == path.stat().st_size
    assert manifest.options_hash == of.digest() == profile().digest()
    assert manifest.options_hash != profile(tags={"PANSHARPKIT_METHOD": "gsa"}).digest()
    assert manifest.options_hash != profile(601).digest()
    assert manifest.versions["gdal"] == rasterio.__gdal_version__
    assert json.loads(manifest.to_json())["path"] == str(path)


def test_the_checksum_is_never_that_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile(30, 40)
    with open_output(path, of) as writer:
        writer.write(of.grid.window, pixels(of))
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(OutputError, match="changed"):
        _ = writer.manifest.sha256


@pytest.mark.parametrize(
    "name", ["with space.tif", "ünï.tif", "-x.tif", "new\nline.tif", "[a]*.TIF"]
)
def test_any_name_works(tmp_path: Path, name: str) -> None:
    of = profile(30, 40)
    write(tmp_path / name, of, pixels(of))
    write(tmp_path / name, of, pixels(of, 1), overwrite=True)
    assert listing(tmp_path) == [name]


def test_relative_path_survives_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    of = profile(30, 40)
    with open_output("out.tif", of) as writer:
        monkeypatch.chdir(tmp_path / "elsewhere")
        writer.write(of.grid.window, pixels(of))
    assert listing(tmp_path) == ["elsewhere", "out.tif"]


# --- creation options


def test_creation_options_replace_the_defaults(tmp_path: Path) -> None:
    options = {"compress": "zstd", "BLOCKSIZE": "256", "BIGTIFF": "YES"}
    of = profile(creation_options=options)
    write(tmp_path / "out.tif", of, pixels(of))
    with rasterio.open(tmp_path / "out.tif") as found:
        assert found.compression.name == "zstd"
        assert found.block_shapes[0] == (256, 256)
    assert (tmp_path / "out.tif").read_bytes()[2] == 43  # BigTIFF


def test_plain_geotiff(tmp_path: Path) -> None:
    of = profile(dtype="float32")
    values = pixels(of)
    write(tmp_path / "out.tif", of, values, cog=False)
    with rasterio.open(tmp_path / "out.tif") as found:
        assert (found.read() == values).all()
        assert found.block_shapes[0] == (512, 512)
        assert found.overviews(1) == []
        assert found.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"TILED": "YES"}, "TILED is not supported for COG"),
        ({"TARGET_SRS": "EPSG:4326"}, "TARGET_SRS"),
        ({"COMPRESS": "JPEG"}, "may change pixels"),
    ],
)
def test_creation_options_that_are_refused(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        open_output(tmp_path / "out.tif", profile(creation_options=options))


def test_blocks_of_many_bands_stay_small(tmp_path: Path) -> None:
    names = tuple(f"b{i}" for i in range(224))
    of = profile(200, 200, band_names=names)
    write(tmp_path / "out.tif", of, pixels(of))
    with rasterio.open(tmp_path / "out.tif") as found:
        rows, cols = found.block_shapes[0]
        assert rows * cols * 224 * 2 <= 16 << 20


# --- what is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"nodata": -9999},
        {"nodata": float("nan")},
        {"nodata": 1.5},
        {"dtype": "complex64"},
        {"dtype": "float128"},
        {"dtype": "bool"},
        {"with_mask": True},
        {"band_names": ()},
        {"scales": (1.0,)},
        {"color_interp": ("blue", "green", "mauve")},
        {"grid": Grid(0, 5, TRANSFORM, UTM30)},
    ],
)
def test_impossible_profiles(changes: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        profile(**changes)


def test_bad_windows_are_refused_and_nothing_remains(tmp_path: Path) -> None:
    of = profile()
    block = np.ones((3, 10, 10), np.uint16)
    cases = [
        (Window(0, 0, 10, 10), block.astype(np.float32), "cast"),
        (Window(0, 0, 10, 11), block, "shape"),
        (Window(595, 0, 10, 10), block, "inside"),
        (Window(-1, 0, 10, 10), block, "inside"),
    ]
    for window, values, message in cases:
        with (
            pytest.raises(OutputError, match=message),
            open_output(tmp_path / "out.tif", of) as writer,
        ):
            writer.write(window, values)
    assert listing(tmp_path) == []


def test_a_pixel_is_written_once(tmp_path: Path) -> None:
    with open_output(tmp_path / "out.tif", profile()) as writer:
        writer.write(Window(0, 0, 10, 10), np.ones((3, 10, 10), np.uint16))
        with pytest.raises(OutputError, match="already"):
            writer.write(Window(9, 9, 2, 2), np.ones((3, 2, 2), np.uint16))
        writer.write(Window(10, 9, 2, 2), np.ones((3, 2, 2), np.uint16))


def test_missing_pixels_need_nodata_or_a_mask(tmp_path: Path) -> None:
    of = profile(nodata=None)
    with (
        pytest.raises(OutputError, match="neither"),
        open_output(tmp_path / "out.tif", of) as writer,
    ):
        writer.write(of.grid.window, pixels(of), np.zeros(of.shape[1:], bool))
    with (
        pytest.raises(OutputError, match="419900 pixels were never written"),
        open_output(tmp_path / "out.tif", of) as writer,
    ):
        writer.write(Window(0, 0, 10, 10), np.ones((3, 10, 10), np.uint16))
    assert listing(tmp_path) == []


def test_existing_output_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile()
    write(path, of, pixels(of, 1))
    before = path.read_bytes()
    with pytest.raises(OptionError, match="pass --overwrite") as caught:
        write(path, of, pixels(of, 2))
    assert caught.value.exit_code == 2
    assert path.read_bytes() == before
    write(path, of, pixels(of, 2), overwrite=True)
    with rasterio.open(path) as found:
        assert (found.read() == pixels(of, 2)).all()


def test_sidecars_of_a_replaced_file_go_with_it(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile()
    (tmp_path / "out.tif.ovr").write_text("<VRTDataset/>")
    with pytest.raises(OptionError, match=r"out\.tif\.ovr exists"):
        write(path, of, pixels(of))
    write(path, of, pixels(of), overwrite=True)
    assert listing(tmp_path) == ["out.tif"]


@pytest.mark.parametrize("kind", ["same", "symlink", "hard link", "link to input"])
def test_output_must_not_be_an_input(tmp_path: Path, kind: str) -> None:
    source, path = tmp_path / "pan.tif", tmp_path / "out.tif"
    of = profile(30, 40)
    write(source, of, pixels(of))
    given = source
    if kind == "same":
        path = tmp_path / "." / "pan.tif"
    elif kind == "symlink":
        path.symlink_to(source)
    elif kind == "hard link":
        path.hardlink_to(source)
    else:
        given = tmp_path / "alias.tif"
        given.symlink_to(source)
        path = source
    with pytest.raises(OptionError, match="is the input"):
        check_output(path, of, overwrite=True, inputs=[given])
    with pytest.raises(OptionError), open_output(path, of, overwrite=True, inputs=[given]):
        pass


def test_output_must_be_a_tiff_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.tif"):
        check_output(tmp_path / "out.jp2", profile())
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OptionError, match="is a folder"):
        check_output(tmp_path / "folder.tif", profile(), overwrite=True)


def test_missing_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="does not exist") as caught,
        open_output(tmp_path / "no" / "out.tif", profile()),
    ):
        pass
    assert caught.value.exit_code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(OutputError, match="cannot be written"),
        open_output(tmp_path / "out.tif", profile()),
    ):
        pass
    tmp_path.chmod(0o700)


def test_full_disk_is_seen_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(preflight_module.shutil, "disk_usage", lambda _: usage)
    needed = required_bytes(profile())
    assert needed > 2 * profile().raw_bytes
    with (
        pytest.raises(OutputError, match=rf"{needed} bytes.*1000000 bytes"),
        open_output(tmp_path / "out.tif", profile()),
    ):
        pass
    assert listing(tmp_path) == []


def test_required_bytes_is_enough_for_noise(tmp_path: Path) -> None:
    """Watch the disk while an incompressible raster is written."""
    of = profile(2000, 2000, dtype="float32")
    values = np.random.default_rng(0).random(of.shape, np.float32)
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            with os.scandir(tmp_path) as found:
                peak.append(sum(_size(item) for item in found))
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    write(tmp_path / "out.tif", of, values)
    stop.set()
    thread.join()
    assert of.raw_bytes < max(peak) < required_bytes(of)


def _size(item: os.DirEntry[str]) -> int:
    try:
        return item.stat().st_size
    except FileNotFoundError:
        return 0


# --- failures on the way


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_things_as_they_were(
    tmp_path: Path, existing: bool, error: type[BaseException]
) -> None:
    path = tmp_path / "out.tif"
    if existing:
        path.write_bytes(b"precious")

    def die_on_the_way() -> None:
        with open_output(path, profile(), overwrite=True) as writer:
            writer.write(Window(0, 0, 10, 10), np.ones((3, 10, 10), np.uint16))
            raise error

    with pytest.raises(error):
        die_on_the_way()
    assert listing(tmp_path) == (["out.tif"] if existing else [])
    assert not existing or path.read_bytes() == b"precious"


def _corrupt_after(copied: Path) -> None:
    """Blank the second half of a file, as a disk that lost writes would."""
    size = copied.stat().st_size
    with copied.open("r+b") as file:
        file.truncate(size // 2)
        file.truncate(size)


@pytest.mark.parametrize("stage", ["partial", "final"])
def test_a_file_that_does_not_hold_what_was_written_is_never_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    path = tmp_path / "out.tif"
    path.write_bytes(b"precious")
    of = profile()
    genuine, seen = raster_module.verify, []

    def damaged(copied: Path, *args: object, **kwargs: object) -> None:
        seen.append(copied)
        if len(seen) == (1 if stage == "partial" else 2):
            _corrupt_after(copied)
        genuine(copied, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(raster_module, "verify", damaged)
    with pytest.raises(OutputError, match=r"do not hold|cannot be read back"):
        write(path, of, pixels(of), overwrite=True)
    assert listing(tmp_path) == ["out.tif"]
    assert path.read_bytes() == b"precious"


def run_child(code: str, *args: object, before: object = None) -> subprocess.Popen[str]:
    prelude = """
        import sys, os, time
        import numpy as np
        from pathlib import Path
        from pansharpkit.errors import PansharpkitError
        from pansharpkit.grid import Window
        from pansharpkit.writer import open_output
        from test_writer import profile, pixels
        path = Path(sys.argv[1])
    """
    tests = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])},
        preexec_fn=before,  # type: ignore[arg-type]
    )


KEEP_WRITING = """
    of = profile()
    with open_output(path, of, overwrite=True) as writer:
        writer.write(Window(0, 0, 300, 700), pixels(of)[:, :300])
        print("writing", flush=True)
        time.sleep(60)
"""


def test_a_killed_job_leaves_no_output_and_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    child = run_child(KEEP_WRITING, path)
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    with pytest.raises(OutputError, match=f"process {child.pid} is writing it"):
        write(path, profile(), pixels(profile()))
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not path.exists()
    assert all(name.startswith(".out.tif.") for name in listing(tmp_path))
    write(path, profile(), pixels(profile()))
    assert listing(tmp_path) == ["out.tif"]


def test_a_disk_that_fills_up_on_the_way(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    child = run_child(
        """
        of = profile()
        try:
            with open_output(path, of) as writer:
                writer.write(of.grid.window, pixels(of))
        except PansharpkitError as error:
            print(type(error).__name__, error.exit_code)
        """,
        tmp_path / "out.tif",
        before=limit,
    )
    output, errors = child.communicate()
    assert output == "OutputError 1\n", errors
    assert listing(tmp_path) == []


# --- the lock


def test_two_writers_of_one_process(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    of = profile()
    with open_output(path, of) as writer:
        with pytest.raises(OutputError, match="is writing it"), open_output(path, of):
            pass
        writer.write(of.grid.window, pixels(of))
    assert listing(tmp_path) == ["out.tif"]


def lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def test_locks_of_the_dead_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = _lock_contents(path)
    for dead in ({"pid": ended.pid}, {"started": "1"}):  # the second: its number lives on
        lock_of(path).write_text(json.dumps(own | dead))
        (tmp_path / f".out.tif.partial-{ended.pid}").write_bytes(b"half")
        write(path, profile(), pixels(profile()), overwrite=True)
        assert listing(tmp_path) == ["out.tif"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_process_that_ended_holds_no_lock_although_nobody_asked_for_its_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.tif"
    zombie = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    own = _lock_contents(path)
    started = Path(f"/proc/{zombie.pid}/stat").read_text().rpartition(")")[2].split()[19]
    lock_of(path).write_text(json.dumps(own | {"pid": zombie.pid, "started": started}))
    with pytest.raises(OutputError, match=f"process {zombie.pid} is writing it"):
        write(path, profile(), pixels(profile()))
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and keeps its number
    write(path, profile(), pixels(profile()))
    zombie.communicate()
    assert listing(tmp_path) == ["out.tif"]


def test_locks_that_may_be_alive_are_respected(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    own = _lock_contents(path)
    for held in (json.dumps(own), json.dumps(own | {"host": "other", "pid": 1}), "", "{"):
        lock_of(path).write_text(held)
        with pytest.raises(OutputError, match=r"delete .*lock"):
            write(path, profile(), pixels(profile()))
        assert lock_of(path).read_text() == held
    os.utime(lock_of(path), (1, 1))  # contents that never came
    write(path, profile(), pixels(profile()))
    assert listing(tmp_path) == ["out.tif"]


def _lock_contents(path: Path) -> dict[str, object]:
    with open_output(path, profile(nodata=0)):
        found: dict[str, object] = json.loads(lock_of(path).read_text())
    path.unlink()
    return found


def test_many_jobs_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    lock_of(path).write_text(json.dumps({"pid": 2**22 + 1, "host": os.uname().nodename}))
    code = """
        of = profile()
        while time.time() < float(sys.argv[2]):
            pass
        try:
            with open_output(path, of) as writer:
                writer.write(of.grid.window, pixels(of))
                time.sleep(1.5)
            print("won")
        except PansharpkitError as error:
            print(type(error).__name__)
    """
    start = time.time() + 2.5
    children = [run_child(code, path, start) for _ in range(4)]
    results = sorted(child.communicate()[0].strip() for child in children)
    assert results == ["OutputError"] * 3 + ["won"]
    assert listing(tmp_path) == ["out.tif"]


def dead_lock(path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owner = {"pid": gone.pid, "host": socket.gethostname(), "started": None}
    path.write_text(json.dumps(owner))


def test_what_jobs_leave_that_die_on_their_way_to_a_lock_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / ".x.tif.lock"
    dead_lock(path)
    (tmp_path / ".x.tif.lock.takeover").write_text("")
    (tmp_path / ".x.tif.lock.123-456").write_text("{}")
    lock = OutputLock(path, tmp_path / "x.tif")
    lock.acquire()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    lock.release()
    assert not any(tmp_path.iterdir())


def test_a_lock_is_never_seen_without_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".x.tif.lock"
    link, seen = os.link, []

    def watched(source: Path, target: Path) -> None:
        link(source, target)
        seen.append(json.loads(target.read_text())["pid"])

    monkeypatch.setattr(os, "link", watched)
    lock = OutputLock(path, tmp_path / "x.tif")
    lock.acquire()
    assert seen == [os.getpid()]
    lock.release()


def test_a_lock_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not here")

    monkeypatch.setattr(os, "link", refused)
    path = tmp_path / ".x.tif.lock"
    lock = OutputLock(path, tmp_path / "x.tif")
    lock.acquire()
    with pytest.raises(OutputError, match=f"process {os.getpid()} is writing it"):
        OutputLock(path, tmp_path / "x.tif").acquire()
    lock.release()
    assert not any(tmp_path.iterdir())
