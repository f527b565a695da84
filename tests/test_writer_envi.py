"""Writing ENVI images: both files whole, or neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from pansharpkit.errors import OptionError, OutputError
from pansharpkit.grid import Grid, Window
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.written import open_written
from pansharpkit.writer import OutputProfile, open_output, required_bytes
from pansharpkit.writer.preflight import check_output

GRID = Grid(37, 29, Affine(30.0, 0, 366_975.0, 0, -30.0, 5_808_045.0), CRS.from_epsg(32633))
CENTRES = tuple(400.0 + 10.5 * i for i in range(12))


def profile(dtype: str = "int16", nodata: float | None = -32768, **more: object) -> OutputProfile:
    values: dict[str, object] = {
        "band_names": tuple(f"band {i + 1} ({c:g} nm)" for i, c in enumerate(CENTRES)),
        "wavelengths_nm": CENTRES,
        "fwhm_nm": (9.5,) * 12,
        "tags": {"PANSHARPKIT_METHOD": "fuse", "NOTE": "a = {b}, c"},
    }
    return OutputProfile(GRID, dtype, nodata=nodata, **(values | more))  # type: ignore[arg-type]


def pixels(dtype: str = "int16") -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(1, 200, (12, GRID.height, GRID.width)).astype(dtype)


def write(path: Path, of: OutputProfile, values: np.ndarray, **how: object) -> Path:
    with open_output(path, of, **how) as sink:  # type: ignore[arg-type]
        for row in range(0, GRID.height, 16):
            for col in range(0, GRID.width, 16):
                window = Window(row, col, 16, 16).clip(GRID.window)
                sink.write(window, values[:, *window.slices])
    return sink.manifest.path


@pytest.mark.parametrize("name", ["out.img", "out.bil", "out.bip"])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_what_is_written_is_read_back_by_gdal_and_by_us(
    tmp_path: Path, name: str, dtype: str
) -> None:
    values = pixels(dtype)
    nodata = {"int16": -32768.0, "uint16": 65535.0, "float32": float("nan")}[dtype]
    path = write(tmp_path / name, profile(dtype, nodata), values)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "out.hdr"])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.crs == GRID.crs
        assert dataset.transform.almost_equals(GRID.transform)
        assert dataset.descriptions[1] == "band 2 (410.5 Nanometers)"
        assert float(dataset.tags(2)["wavelength"]) == pytest.approx(410.5)
    ours = open_written(path)
    np.testing.assert_array_equal(ours.read(GRID.window)[0], values)
    assert ours.grid == GRID
    cube = open_cube(path)
    assert cube.spectra is not None
    assert cube.spectra.centers_nm == pytest.approx(CENTRES)
    assert cube.spectra.fwhm_nm == pytest.approx((9.5,) * 12)


def test_the_header_stands_for_an_img_file(tmp_path: Path) -> None:
    values = pixels()
    assert write(tmp_path / "out.hdr", profile(), values).name == "out.img"
    assert (tmp_path / "out.hdr").read_text().startswith("ENVI")


def test_missing_pixels_become_the_value_to_ignore(tmp_path: Path) -> None:
    valid = np.ones((GRID.height, GRID.width), bool)
    valid[3:5, 7:9] = False
    with open_output(tmp_path / "out.img", profile()) as sink:
        sink.write(GRID.window, pixels(), valid)
    values, found = open_written(tmp_path / "out.img", ReadOptions()).read(GRID.window)
    np.testing.assert_array_equal(found, valid)
    assert (values[:, ~valid] == -32768).all()
    assert "data ignore value = -32768" in (tmp_path / "out.hdr").read_text()


def test_scale_and_lineage_are_in_the_header(tmp_path: Path) -> None:
    of = profile(scales=(1e-4,) * 12, offsets=(-0.1,) * 12)
    write(tmp_path / "out.img", of, pixels())
    header = (tmp_path / "out.hdr").read_text()
    assert "pansharpkit method = fuse" in header
    assert "note = a b c" in header  # nothing that would end an entry
    cube = open_cube(tmp_path / "out.img")
    assert cube.scaling is not None
    assert cube.scaling[0] == pytest.approx((1e-4, -0.1))


def test_a_failed_run_leaves_neither_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="not inside"),
        open_output(tmp_path / "o.img", profile()) as s,
    ):
        s.write(Window(90, 0, 16, 16), pixels()[:, :16, :16])
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(OutputError, match="never written"),
        open_output(tmp_path / "o.img", profile()) as s,
    ):
        s.write(Window(0, 0, 16, 16), pixels()[:, :16, :16])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_what_it_was_to_replace(tmp_path: Path) -> None:
    path = write(tmp_path / "o.img", profile(), pixels())
    before = path.read_bytes(), (tmp_path / "o.hdr").read_bytes()
    with pytest.raises(ValueError, match="stop"), open_output(path, profile(), overwrite=True):
        raise ValueError("stop")
    assert (path.read_bytes(), (tmp_path / "o.hdr").read_bytes()) == before


def test_an_existing_header_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "o.hdr").write_text("mine")
    with pytest.raises(OptionError, match=r"o\.hdr exists"):
        write(tmp_path / "o.img", profile(), pixels())
    write(tmp_path / "o.img", profile(), pixels(), overwrite=True)
    assert (tmp_path / "o.hdr").read_text().startswith("ENVI")


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no mask"):
        open_output(tmp_path / "o.img", profile(nodata=None, with_mask=True))
    with pytest.raises(OptionError, match="int8 pixels"):
        open_output(tmp_path / "o.img", profile("int8", -128))
    with pytest.raises(OptionError, match="COMPRESS is not supported for ENVI"):
        open_output(tmp_path / "o.img", profile(creation_options={"compress": "zstd"}))
    with pytest.raises(OptionError, match="BSQ, BIL or BIP"):
        open_output(tmp_path / "o.img", profile(creation_options={"INTERLEAVE": "TILE"}))


def test_the_disk_must_hold_the_numbers_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = profile()
    free = of.raw_bytes + (16 << 20)
    assert free < required_bytes(of)  # what a COG would take
    monkeypatch.setattr(
        "pansharpkit.writer.preflight.shutil.disk_usage",
        lambda _: type("Usage", (), {"free": free})(),
    )
    check_output(tmp_path / "o.img", of)
    with pytest.raises(OutputError, match="bytes"):
        check_output(tmp_path / "o.tif", of)
