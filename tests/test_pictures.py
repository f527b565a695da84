"""PNG, JPEG and BMP files, read and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasters import write_geotiff
from same_images import pixels, smooth, write_picture

from pansharpkit.errors import FileReadError, InputError, OptionError, OutputError
from pansharpkit.grid import Grid
from pansharpkit.readers import ReadOptions, open_geotiff
from pansharpkit.readers.picture import open_picture
from pansharpkit.writer import OutputProfile, open_output

GREY = smooth()
COLOUR = np.stack([smooth(seed=seed) for seed in (1, 2, 3)])
RAMP = {i: (i, i, i, 255) for i in range(256)}


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_pixels_are_those_stored(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    found = open_picture(write_picture(tmp_path / f"a{suffix}", values))
    assert np.array_equal(found.values, values if values.ndim == 3 else values[None])
    assert found.valid.all()
    assert found.names == (("grey",) if values.ndim == 2 else ("red", "green", "blue"))
    assert found.grid == Grid(48, 64, Affine.identity(), None)
    assert found.notices == ()


def test_jpeg_is_close(tmp_path: Path) -> None:
    found = open_picture(write_picture(tmp_path / "a.jpg", GREY, quality=95))
    assert np.abs(found.values[0].astype(int) - GREY).max() < 12


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 200
    found = open_picture(write_picture(tmp_path / "a.png", deep))
    assert found.dtype == np.uint16
    assert np.array_equal(found.values[0], deep)


def test_grey_in_three_equal_bands_is_grey(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", np.stack([GREY] * 3))
    assert open_picture(path).names == ("grey",)
    assert len(open_picture(path, merge_grey=False).names) == 3


def test_alpha_is_a_mask(tmp_path: Path) -> None:
    alpha = np.where(np.arange(64) < 10, 0, 255).astype(np.uint8) * np.ones((48, 1), np.uint8)
    found = open_picture(write_picture(tmp_path / "a.png", np.stack([GREY, alpha])))
    assert found.names == ("grey",)
    assert np.array_equal(found.valid, alpha > 0)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    grey = write_picture(tmp_path / "grey.png", GREY, colours=RAMP)
    assert np.array_equal(open_picture(grey).values[0], GREY)
    reds = {i: (i, 0, 255 - i, 0 if i < 60 else 255) for i in range(256)}
    found = open_picture(write_picture(tmp_path / "red.png", GREY, colours=reds))
    assert found.names == ("red", "green", "blue")
    assert np.array_equal(found.values[0], GREY)
    assert np.array_equal(found.values[2], 255 - GREY)
    assert np.array_equal(found.valid, GREY >= 60)


def test_fewer_bits_are_spread(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", (GREY > 100).astype(np.uint8), nbits=1)
    assert set(np.unique(open_picture(path).values)) == {0, 255}


def test_nodata_is_a_gap(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", COLOUR)
    found = open_picture(path, ReadOptions(nodata=100))
    assert np.array_equal(found.valid, (COLOUR != 100).all(axis=0))


def test_turned_by_exif_is_said(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg", GREY)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    content = path.read_bytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(content[:2] + segment + content[2:])
    assert "orientation 6" in open_picture(path).notices[0]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = write_picture(tmp_path / f"a{suffix}", smooth((256, 256)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(FileReadError, match=f"a{suffix}"):
        open_picture(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    liar = tmp_path / "a.png"
    liar.write_text("<VRTDataset></VRTDataset>")
    with pytest.raises(FileReadError, match="virtual raster"):
        open_picture(liar)
    with pytest.raises(FileReadError, match="unsupported suffix"):
        open_picture(write_geotiff(tmp_path / "a.tif", GREY))
    with pytest.raises(FileReadError, match="unsupported suffix"):  # no picture is a raster
        open_geotiff(write_picture(tmp_path / "b.png", GREY))
    with pytest.raises(FileReadError, match="not a local file"):
        open_picture("https://example.invalid/a.png")


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", GREY)
    with pytest.raises(InputError, match="at most 100"):
        open_picture(path, ReadOptions(max_pixels=100))


def profile(values: np.ndarray, **more: object) -> OutputProfile:
    grid = Grid(values.shape[1], values.shape[2], Affine.identity(), None)
    names = tuple(f"band {i}" for i in range(len(values)))
    return OutputProfile(grid, str(values.dtype), names, with_mask=True, **more)  # type: ignore[arg-type]


def write(path: Path, values: np.ndarray, valid: np.ndarray | None = None, **more: object) -> Path:
    made = profile(values, **more)
    with open_output(path, made, pictures=True) as out:
        out.write(made.grid.window, values, valid)
    return path


@pytest.mark.parametrize("values", [GREY[None], COLOUR, COLOUR.astype(np.uint16) * 257])
def test_pngs_hold_what_was_written(tmp_path: Path, values: np.ndarray) -> None:
    path = write(tmp_path / "a.png", values)
    assert np.array_equal(pixels(path), values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png"]


def test_gaps_are_transparent(tmp_path: Path) -> None:
    valid = GREY > 60
    found = open_picture(write(tmp_path / "a.png", GREY[None], valid))
    assert np.array_equal(found.valid, valid)
    assert np.array_equal(found.values[0][valid], GREY[valid])


def test_jpegs_are_close(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", COLOUR, creation_options={"quality": "98"})
    assert np.abs(pixels(path).astype(int) - COLOUR).mean() < 4


@pytest.mark.parametrize(
    ("name", "values", "options", "said"),
    [
        ("a.png", GREY[None].astype(np.float32), {}, "not 1 band of float32"),
        ("a.jpg", GREY[None].astype(np.uint16), {}, "uint8"),
        ("a.png", np.stack([GREY] * 4), {}, "4 bands"),
        ("a.png", GREY[None], {"COMPRESS": "LZW"}, "COMPRESS"),
    ],
)
def test_what_pictures_cannot_hold(
    tmp_path: Path, name: str, values: np.ndarray, options: dict[str, str], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        open_output(tmp_path / name, profile(values, creation_options=options), pictures=True)


def test_pictures_are_no_outputs_of_other_commands(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="GeoTIFFs or ENVI"):
        open_output(tmp_path / "a.png", profile(GREY[None])).check()


def test_failed_pictures_leave_nothing(tmp_path: Path) -> None:
    made = profile(GREY[None])
    with pytest.raises(RuntimeError), open_output(tmp_path / "a.png", made, pictures=True):
        raise RuntimeError
    with pytest.raises(OutputError), open_output(tmp_path / "a.jpg", made, pictures=True) as out:
        out.write(made.grid.window, GREY[None].astype(np.uint16))
    assert list(tmp_path.iterdir()) == []


def test_georeferenced_pictures_lie_nowhere(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", GREY)
    (tmp_path / "a.pgw").write_text("10\n0\n0\n-10\n500000\n4000000\n")
    assert open_picture(path).grid.transform == Affine.identity()
    with rasterio.open(path) as seen:
        assert seen.transform != Affine.identity()
